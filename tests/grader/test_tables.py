"""Tables that no spreadsheet computes, and files that are there whole or not at all."""

import contextlib
import csv
import io
import resource
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from grader import tables

# What could end a cell, open or close a quoted one, or begin a formula, closely packed.
TEXTS = st.text(st.sampled_from(",;\t\n\r\"' =+-@\uff1dax1"), max_size=12) | st.text(max_size=12)


@contextlib.contextmanager
def files_of_at_most(size):
    """Within, the kernel refuses to let a file grow beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@given(st.lists(st.tuples(TEXTS, st.just(-1.5), TEXTS), min_size=1, max_size=3))
@example([("x;=1+1", -1.5, "x\t+1")])
@example([('x;"=1', -1.5, 'x";" =1')])
@example([("x\n=1", -1.5, "\t=1")])
def test_no_cell_is_a_formula_whatever_delimiter_the_table_is_read_with(tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "table.csv"
    tables.write(path, ("a", "b", "c"), rows)
    text = path.read_bytes().decode("utf-8-sig")
    for delimiter in ",;\t":
        for skips in (False, True):
            reader = csv.reader(
                io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=skips
            )
            for value in (value for row in reader for value in row):
                is_number = delimiter == "," and value == "-1.5"
                assert is_number or not value.lstrip(' "').startswith(tuple("=+-@\uff1d"))


@given(TEXTS)
@example("x;=1")
@example("x;'=1")
@example("'=1")
@example("\t=1")
def test_a_text_comes_back_from_its_cell(text):
    text = tables.plain(text).strip()
    assert tables.unquoted(tables.cell(text)) == text


@pytest.mark.parametrize("blank", [" ", "\t", "\n", "'", "\t'"])
def test_a_megabyte_of_blanks_takes_no_time(blank):
    blanks = blank * (1_000_000 // len(blank))
    started = time.process_time()
    assert tables.cell(f"x\n{blanks}x") == f"x\n{blanks}x"
    assert tables.unquoted(f"x\n{blanks}x") == f"x\n{blanks}x"
    assert time.process_time() - started < 5


def test_a_file_that_cannot_be_written_is_named_and_the_old_one_stays(tmp_path):
    path = tmp_path / "anna.json"
    tables.replace(path, b"old")
    with pytest.raises(OSError, match=r"anna\.json") as caught, files_of_at_most(1_000):
        tables.replace(path, b"x" * 5_000)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_that_write_one_file_at_a_time_do_not_write_into_each_others(tmp_path, monkeypatch):
    path = tmp_path / "anna.json"
    replace = tables.os.replace

    def interrupted(unfinished, final):
        monkeypatch.setattr(tables.os, "replace", replace)
        tables.replace(path, b"the other's")
        replace(unfinished, final)

    monkeypatch.setattr(tables.os, "replace", interrupted)
    tables.replace(path, b"mine")
    assert path.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_is_removed(tmp_path):
    (tmp_path / ".anna.json.0123abcd.part").write_bytes(b"half")
    (tmp_path / "anna.json").write_bytes(b"whole")
    tables.remove_unfinished(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["anna.json"]
