"""Submissions as they come: found and read."""

import io
import json
import os
import re
import struct
import subprocess
import sys
import time
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from grader import ROOT, intake
from grader.intake import Aside, Entry
from grader.notebooks import rebuild
from grader.parsing import Unreadable, weight
from tests.grader.filled import code, filled, raw, released
from tests.grader.records import ASSIGNMENT, NAMES


@pytest.fixture
def inbox(tmp_path):
    folder = tmp_path / "inbox"
    folder.mkdir()

    def put(name, content=None):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw(filled()) if content is None else content)

    put.folder = folder
    return put


def archive(files, compression=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return buffer.getvalue()


def find(put):
    return intake.find(put.folder, ASSIGNMENT, released())


def test_all_forms_of_an_inbox_are_found_in_order(inbox):
    nb = raw(filled())
    inbox("anna.ipynb")
    inbox("Bea (2).ipynb.txt")
    inbox("chen.json")
    inbox("dora")
    inbox("emil/anything.ipynb")
    inbox("emil/.ipynb_checkpoints/anything-checkpoint.ipynb", b"older")
    inbox("emil/checks.npz", b"numbers")
    inbox(f"finn/{ASSIGNMENT}/{ASSIGNMENT}.ipynb")
    inbox("finn/05_sparse/05_sparse.ipynb", released("05_sparse"))
    inbox("Ğülşah.zip", archive({"a/b.ipynb": nb, "__MACOSX/a/._b.ipynb": b"", "a/pic.png": b""}))
    inbox("hana/handed in.zip", archive({f"{ASSIGNMENT}/x.ipynb": nb, "other.ipynb": b"no"}))
    inbox(".DS_Store", b"")
    entries, asides = find(inbox)
    assert asides == []
    folder = inbox.folder
    assert entries == [
        Entry("Bea (2)", folder / "Bea (2).ipynb.txt"),
        Entry("anna", folder / "anna.ipynb"),
        Entry("chen", folder / "chen.json"),
        Entry("dora", folder / "dora"),
        Entry("emil", folder / "emil/anything.ipynb"),
        Entry("finn", folder / f"finn/{ASSIGNMENT}/{ASSIGNMENT}.ipynb"),
        Entry("hana", folder / "hana/handed in.zip", f"{ASSIGNMENT}/x.ipynb"),
        Entry("Ğülşah", folder / "Ğülşah.zip", "a/b.ipynb"),
    ]
    assert all(intake.read(entry) == nb for entry in entries)


def test_of_several_notebooks_the_one_that_answers_most_counts(inbox):
    inbox("anna/a.ipynb", raw(filled(NAMES[:2])))
    inbox("anna/b.ipynb", raw(filled(NAMES[:3])))
    inbox("anna/c.ipynb", released())
    inbox("anna/d.ipynb", b"damaged")
    inbox("bea/one.ipynb")
    inbox("bea/the same.ipynb", json.dumps(filled(), indent=1).encode())
    entries, asides = find(inbox)
    assert [entry.path.name for entry in entries] == ["b.ipynb", "one.ipynb"]
    assert asides == []


def test_what_cannot_be_graded_is_set_aside_with_a_reason(inbox, tmp_path):
    nb = raw(filled())
    inbox("anna/a.ipynb", raw(filled(written="one")))
    inbox("anna/b.ipynb", raw(filled(written="other")))
    inbox("bea.ipynb")
    inbox("bea/x.ipynb")
    inbox("Chen.zip", archive({"x.ipynb": nb}))
    inbox("chen.ipynb")
    inbox("dora.pdf", b"%PDF")
    inbox("emil/essay.docx", b"")
    (inbox.folder / "finn").mkdir()
    inbox("=1+1.ipynb")
    inbox("-x.ipynb")
    inbox("a<b>.ipynb")
    inbox("new\nline.ipynb")
    inbox("x" * 240 + ".ipynb")
    inbox("''.ipynb")
    inbox("(_).zip", archive({"x.ipynb": nb}))
    inbox("\N{HANGUL FILLER}.ipynb")
    inbox("gina.zip", b"PK\3\4 not really")
    inbox("hana.zip", archive({f"{i}.ipynb": b"" for i in range(1_001)}))
    inbox("ida.zip", archive({"bomb.ipynb": b"0" * 100_000_001}))
    inbox("jo.zip", archive({"only.txt.exe": b""}))
    (tmp_path / "secret.ipynb").write_bytes(nb)
    (inbox.folder / "kim.ipynb").symlink_to(tmp_path / "secret.ipynb")
    (inbox.folder / "lea").symlink_to(tmp_path)
    os.mkfifo(inbox.folder / "max.ipynb")
    (inbox.folder / "nina").mkdir()
    (inbox.folder / "nina/x.ipynb").symlink_to(tmp_path / "secret.ipynb")
    inbox("otto/x.ipynb")
    (inbox.folder / "otto/loop").symlink_to(inbox.folder)
    for i in range(1_001):
        inbox(f"pia/{i}", b"")
    entries, asides = find(inbox)
    assert [entry.student for entry in entries] == ["otto"]
    said = {aside.path: aside.reason for aside in asides}
    expected = {
        "anna": "equally many exercises: a.ipynb, b.ipynb",
        "bea": "several submissions of one student: bea, bea.ipynb",
        "bea.ipynb": "several submissions of one student: bea, bea.ipynb",
        "Chen.zip": "several submissions of one student: Chen.zip, chen.ipynb",
        "chen.ipynb": "several submissions of one student: Chen.zip, chen.ipynb",
        "dora.pdf": "dora.pdf is no notebook",
        "emil": "essay.docx is no notebook",
        "finn": "no notebook in it",
        "=1+1.ipynb": "cannot serve as a student's",
        "-x.ipynb": "cannot serve as a student's",
        "a<b>.ipynb": "cannot serve as a student's",
        "new�line.ipynb": "cannot serve as a student's",
        "x" * 240 + ".ipynb": "longer than a file's may be",
        "''.ipynb": "no letter or digit in the name that can be seen",
        "(_).zip": "no letter or digit in the name that can be seen",
        "\N{HANGUL FILLER}.ipynb": "no letter or digit in the name that can be seen",
        "gina.zip": "archive is damaged",
        "hana.zip": "more than 1,000 files",
        "ida.zip": "larger than 100 MB",
        "jo.zip": "no notebook in it",
        "kim.ipynb": "a link to another file, and not opened",
        "lea": "a link to another file, and not opened",
        "max.ipynb": "a pipe or a device, and not opened",
        "nina": "a link to another file, and not opened",
        "pia": "more than 1,000 files",
    }
    assert said.keys() == expected.keys()
    for path, part in expected.items():
        assert part in said[path], path
    assert asides == sorted(asides, key=lambda aside: (aside.student, aside.path))
    assert Aside("dora", "dora.pdf", said["dora.pdf"]) in asides


def test_names_that_differ_in_how_an_accent_is_written_are_one_student(inbox):
    inbox("Zoe\N{COMBINING DIAERESIS}.ipynb")
    inbox("Zo\N{LATIN SMALL LETTER E WITH DIAERESIS}/x.ipynb")
    entries, asides = find(inbox)
    assert entries == []
    assert [aside.student for aside in asides] == ["Zo\N{LATIN SMALL LETTER E WITH DIAERESIS}"] * 2


def test_an_archive_that_lies_about_its_size_is_refused(tmp_path):
    path = tmp_path / "anna.zip"
    content = archive({"a.ipynb": b"0" * 200_000_000})
    size = (200_000_000).to_bytes(4, "little")
    path.write_bytes(content.replace(size, (1_000).to_bytes(4, "little")))
    with pytest.raises(Unreadable):
        intake.read(Entry("anna", path, "a.ipynb"))


def test_what_became_a_link_or_a_pipe_or_vanished_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.ipynb")
    (tmp_path / "link.ipynb").symlink_to(__file__)
    for name in ("pipe.ipynb", "link.ipynb", "gone.ipynb"):
        with pytest.raises(Unreadable):
            intake.read(Entry("anna", tmp_path / name))


def test_what_vanishes_while_the_inbox_is_searched_is_set_aside_alone(inbox, monkeypatch):
    inbox("anna.ipynb")
    inbox("bea.ipynb")
    lstat = Path.lstat

    def gone(path):
        path.with_name("anna.ipynb").unlink(missing_ok=True)
        return lstat(path)

    monkeypatch.setattr(Path, "lstat", gone)
    entries, asides = find(inbox)
    assert [entry.student for entry in entries] == ["bea"]
    assert asides == [Aside("anna", "anna.ipynb", "It cannot be read: No such file or directory.")]


def test_an_archive_with_a_password_says_so(tmp_path):
    path = tmp_path / "anna.zip"
    content = bytearray(archive({"a.ipynb": b"0123456789"}, zipfile.ZIP_STORED))
    content[6] |= 1  # the flag "encrypted", in both of its headers
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(Unreadable, match="password"):
        intake.read(Entry("anna", path, "a.ipynb"))


def test_a_file_larger_than_the_limit_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(intake, "BYTES", 1_000)
    (tmp_path / "anna.ipynb").write_bytes(b"0" * 1_001)
    with pytest.raises(Unreadable, match="larger than"):
        intake.read(Entry("anna", tmp_path / "anna.ipynb"))


def test_an_inbox_that_is_no_folder_is_an_error(tmp_path):
    with pytest.raises(NotADirectoryError, match="inbox must be a folder"):
        intake.find(tmp_path / "nothing", ASSIGNMENT, b"")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="measured as Linux does")
def test_reading_the_largest_file_that_is_let_through_takes_less_than_a_gigabyte(tmp_path):
    nb = filled()
    nb["cells"].append(code("", outputs=[{f"k{i}": 1 for i in range(900_000)}]))
    nb["cells"].append(code("", outputs=["x" * 80_000_000 + "✓"]))
    (tmp_path / "anna.ipynb").write_text(json.dumps(nb, ensure_ascii=False), encoding="utf-8")
    (tmp_path / "released").write_bytes(released())
    program = (
        "import pathlib\n"
        "from grader import intake, notebooks\n"
        "entry = intake.Entry('anna', pathlib.Path('anna.ipynb'))\n"
        "notebooks.rebuild(intake.read(entry), pathlib.Path('released').read_bytes())\n"
        "print(pathlib.Path('/proc/self/status').read_text())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
        text=True,
    )
    assert int(re.search(r"VmHWM:\s+(\d+) kB", done.stdout)[1]) < 1_000_000


def test_python_files_beside_a_notebook_come_with_it(inbox):
    helper, nb = b"x = 1", raw(filled())
    inbox("anna/mine/my_notebook.ipynb")
    inbox("anna/mine/helpers.py", helper)
    inbox("anna/other/more.py", b"of another folder")
    inbox("bea.zip", archive({"w/b.ipynb": nb, "w/helpers.py": helper, "w/in/deeper.py": helper}))
    inbox("chen.ipynb")
    inbox("stray.py", b"in the inbox itself")
    entries, _ = find(inbox)
    came = {entry.student: intake.modules(entry, inbox.folder) for entry in entries}
    assert came == {"anna": {"helpers.py": helper}, "bea": {"helpers.py": helper}, "chen": {}}


@pytest.mark.parametrize(("count", "size"), [(51, 1), (2, 600_000)])
def test_too_many_or_too_large_modules_are_refused(inbox, count, size):
    files = {f"m{i}.py": b"#" * size for i in range(count)}
    inbox("anna/n.ipynb")
    for name, content in files.items():
        inbox(f"anna/{name}", content)
    inbox("bea.zip", archive({"n.ipynb": raw(filled()), **files}))
    for entry in find(inbox)[0]:
        with pytest.raises(Unreadable, match="more than 50 Python files or 1 MB"):
            intake.modules(entry, inbox.folder)


@pytest.mark.parametrize(
    ("name", "why"),
    [("m" * 253 + ".py", "longer than a file's"), ("ü" * 127 + ".py", "longer than a file's")],
)
def test_a_module_with_a_name_that_no_file_can_have_is_refused(inbox, name, why):
    inbox("anna.zip", archive({"n.ipynb": raw(filled()), name[1:]: b"", "x.txt" * 60: b""}))
    inbox("bea.zip", archive({"w/n.ipynb": raw(filled()), f"w/{name}": b""}))
    anna, bea = find(inbox)[0]
    assert list(intake.modules(anna, inbox.folder)) == [name[1:]]
    with pytest.raises(Unreadable, match=rf"Python file, {name[0]}{{50}}, is {why}.*Rename it"):
        intake.modules(bea, inbox.folder)


@pytest.mark.skipif(not Path("/proc").exists(), reason="other systems have no such names")
def test_a_module_with_a_name_that_is_no_text_is_refused(inbox):
    inbox("anna/n.ipynb")
    with open(os.fsencode(inbox.folder) + b"/anna/\xfcbung.py", "wb"):
        pass
    (entry,), _ = find(inbox)
    with pytest.raises(Unreadable, match=r"Python file, �bung\.py, is not UTF-8"):
        intake.modules(entry, inbox.folder)


def test_what_is_no_text_costs_no_time(inbox):
    """A letter of an old editor here and there is read; a picture that was renamed is not."""
    inbox("anna.zip", archive({"n.ipynb": b"\xff" * 30_000_000}))
    inbox("bea.ipynb", raw(filled()).replace(b"Because.", b"Weil \xfc" + b"\xe4" * 9_000))
    started = time.process_time()
    entries, _ = find(inbox)
    with pytest.raises(Unreadable, match="is no text"):
        rebuild(intake.read(entries[0]), released())
    assert "Weil ü" in rebuild(intake.read(entries[1]), released()).written
    assert time.process_time() - started < 5


def test_of_very_many_notebooks_none_is_chosen(inbox):
    inbox("anna.zip", archive({f"{i}.ipynb": raw(filled(NAMES[: i % 3])) for i in range(51)}))
    for i in range(51):
        inbox(f"bea/{i}.ipynb", raw(filled(NAMES[: i % 3])))
    started = time.process_time()
    entries, asides = find(inbox)
    assert time.process_time() - started < 1
    assert not entries
    assert all("more than 50 notebooks" in aside.reason for aside in asides)


def test_a_folder_of_more_than_can_be_read_is_refused(inbox):
    for name in "abc":
        inbox(f"anna/{name}.ipynb", b"")
        os.truncate(inbox.folder / "anna" / f"{name}.ipynb", 90_000_000)  # takes no disk
    assert "folder holds is larger" in find(inbox)[1][0].reason


def test_which_notebook_counts_is_found_once(inbox, tmp_path, monkeypatch):
    inbox("anna/one.ipynb", raw(filled(NAMES[:1])))
    inbox("anna/two.ipynb")
    inbox("bea.zip", archive({"a.ipynb": raw(filled()), "b.ipynb": raw(filled(written="No."))}))
    cache, called = tmp_path / "intake.json", []
    monkeypatch.setattr(intake, "rebuild", lambda *given: called.append(1) or rebuild(*given))

    def look():
        called.clear()
        found = intake.find(inbox.folder, ASSIGNMENT, released(), cache)
        return [(e.student, e.path.name) for e in found[0]], [a.reason for a in found[1]]

    first = look()
    assert first[0] == [("anna", "two.ipynb")]
    assert "answer equally many" in first[1][0]
    assert len(called) == 4
    assert look() == first
    assert not called
    inbox("anna/one.ipynb", raw(filled(NAMES[:2])))
    assert look() == first
    assert len(called) == 2
    keys = json.loads(cache.read_bytes())
    wrong = [json.dumps(dict.fromkeys(keys, value)).encode() for value in (9, -1, None, True, [])]
    for damage in (b"[1, 2", b"[]", b"\xff", *wrong):
        cache.write_bytes(damage)
        assert look() == first
        assert len(called) == 4


def test_a_notebook_among_many_files_of_data_counts(inbox):
    data = {f"data/{i}.txt": b"1 2 3" for i in range(100)}
    inbox("anna.zip", archive(data | {"a.ipynb": raw(filled())}))
    assert [entry.member for entry in find(inbox)[0]] == ["a.ipynb"]


def with_extra_fields(count):
    """An archive whose list of members has fields without content, 16,000 for each."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for i in range(count):
            member = zipfile.ZipInfo(f"{i}.ipynb")
            member.extra = struct.pack("<HH", 0x9999, 0) * 16_000
            file.writestr(member, b"")
    return buffer.getvalue()


def lying(compression):
    """An archive of 120 MB that says that it is of 1 kB."""
    content = archive({"a.ipynb": b" " * 120_000_000}, compression)
    return content.replace(struct.pack("<I", 120_000_000), struct.pack("<I", 1_000))


@pytest.mark.parametrize(
    "packed",
    [
        lambda: with_extra_fields(100),
        lambda: archive({"x/" * 15_000 + f"{i}.ipynb": b"" for i in range(100)}),
        lambda: lying(zipfile.ZIP_BZIP2),
        lambda: lying(zipfile.ZIP_LZMA),
        lambda: archive({"x.zip": archive({"y.ipynb": b" " * 90_000_000})}),
    ],
    ids=["fields", "names", "bzip2", "lzma", "nested"],
)
def test_an_archive_that_is_made_to_be_unpacked_for_long_is_refused(inbox, packed):
    inbox("anna.zip", packed())
    tracemalloc.start()
    started = time.process_time()
    try:
        entries, asides = find(inbox)
        for entry in entries:
            with pytest.raises(Unreadable):
                intake.read(entry)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(entries) + len(asides) == 1
    assert time.process_time() - started < 1
    assert peak < 150_000_000


def test_more_text_than_cells_may_hold_is_refused_before_it_is_copied():
    content = json.dumps({"cells": [code("x" * 30_000_000 + "✓")]}, ensure_ascii=False).encode()
    tracemalloc.start()
    try:
        with pytest.raises(Unreadable, match="more than 10 million characters"):
            rebuild(content, released())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4.5 * len(content)  # decoded, and parsed


def test_lines_without_number_take_no_time():
    nb = filled()
    nb["cells"].append(code("#\n" * 4_500_000))
    started = time.process_time()
    with pytest.raises(Unreadable, match="500,000 lines"):
        rebuild(raw(nb), released())
    assert time.process_time() - started < 1


def test_a_notebook_with_outputs_of_sixty_megabytes_is_graded(inbox):
    nb = filled()
    png = {"output_type": "display_data", "data": {"image/png": "iVBORw0KGgo" * 9_000}}
    nb["cells"].append(code("", outputs=[png] * 600))
    inbox("anna.zip", archive({"a.ipynb": raw(nb), "b.ipynb": released()}))
    (entry,), _ = find(inbox)
    assert entry.member == "a.ipynb"
    content = intake.read(entry)
    assert len(content) > 59_000_000
    assert rebuild(content, released()).written == "Because."


@pytest.mark.skipif(not Path("/proc").exists(), reason="paths have this limit on Linux")
def test_folders_too_deep_to_open_stop_nobody_else(inbox):
    inbox("bea.ipynb")
    here = os.open(inbox.folder, os.O_RDONLY)
    for name in ["anna", *["d" * 250] * 16]:
        os.mkdir(name, dir_fd=here)
        here, old = os.open(name, os.O_RDONLY, dir_fd=here), here
        os.close(old)
    for name in ("x" * 100, "short"):
        os.close(os.open(name + ".ipynb", os.O_CREAT, dir_fd=here))
    os.close(here)
    entries, _ = find(inbox)
    assert "bea" in [entry.student for entry in entries]


def test_of_many_archives_no_more_is_unpacked_than_can_be_read(inbox, monkeypatch):
    for i in range(20):
        inbox(f"anna/{i}.zip", archive({"n.ipynb": raw(filled()) + b" " * 1_000_000}))
    monkeypatch.setattr(intake, "BYTES", 2_500_000)
    unpacked, read = [], intake.read
    monkeypatch.setattr(intake, "read", lambda entry: unpacked.append(entry) or read(entry))
    assert "notebooks hold is larger" in find(inbox)[1][0].reason
    assert len(unpacked) == 3


def test_the_notebooks_of_one_student_are_limited_together(inbox, monkeypatch):
    for name in "ab":
        inbox(f"anna/{name}.ipynb", raw(filled()) + b" " * ord(name))
    assert len(find(inbox)[0]) == 1
    monkeypatch.setattr(intake, "WEIGHT", 2 * weight(raw(filled())) - 1)
    assert "notebooks hold is larger" in find(inbox)[1][0].reason
