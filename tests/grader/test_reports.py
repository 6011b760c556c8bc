"""Pages and tables: what they say, that nothing in them runs, and how they look in a browser."""

import base64
import csv
import html.parser
import io
import shutil
import struct
import time
import tracemalloc
from pathlib import Path

import pytest

from grader import reports
from grader.gradebook import Mark
from grader.intake import Aside
from tests.grader.records import (
    NAMES,
    POINTS,
    cell,
    exercise,
    failed,
    kit,
    partly,
    picture,
    record,
)

KNOWN = "averages the KL over the units; every unit pays its own, so add them up."
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'>{{7*7}}</pre><style>"


def rows(path):
    text = path.read_bytes().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def feedback(tmp_path, one, manual=None):
    reports.write_feedback(tmp_path / "page.html", one, manual or {})
    return (tmp_path / "page.html").read_text(encoding="utf-8")


def report(tmp_path, records, manual=None, asides=()):
    reports.write_report(tmp_path / "report.html", kit(), iter(records), manual or {}, asides)
    return (tmp_path / "report.html").read_text(encoding="utf-8")


class Page(html.parser.HTMLParser):
    """A page's tags and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.said = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.said += "" if tag == "span" else " "  # spans color code
        self.attributes += [(name, value) for name, value in attrs]

    def handle_data(self, data):
        self.said += data


def said(text):
    return " ".join(Page(text).said.split())


def mark(student, exercise, points, comment="", **more):
    of = POINTS.get(exercise, 4)
    return {(student, exercise): Mark(student, exercise, of, "", points, comment, **more)}


# Feedback


def test_feedback_says_what_was_found(tmp_path):
    wrong = exercise("free_bits", 0, "wrong", KNOWN, known=True, printed="shape (3,)")
    blank = exercise("running_bound", 0, "blank", "is not written yet.")
    one = record("anna", [wrong, blank], notes=["The check of free_bits had been edited."])
    page = said(feedback(tmp_path, one))
    assert "13 of 24 points so far" in page
    assert "Still to be marked by hand: the written question." in page
    assert f"0 of 4 Your free_bits {KNOWN}" in page
    assert "Your running_bound is not written yet." in page
    assert "4 of 4 Right." in page
    assert "shape (3,)" in page
    assert "The check of free_bits had been edited." in page
    assert "Because." in page
    assert "def draw_laplace(x):" in page
    page = said(feedback(tmp_path, one, mark("anna", "written", 2.5, "Say why.")))
    assert "15.5 of 24 points" in page
    assert "2.5 of 4 Marked by hand. Say why." in page
    assert "so far" not in page


def test_what_could_not_be_graded_is_never_shown_as_0(tmp_path):
    page = said(feedback(tmp_path, partly("anna")))
    assert "16 of 24 points so far" in page
    assert "– of 4 Could not be graded, and does not count as 0. It took longer" in page
    assert " 0 of" not in page
    page = said(feedback(tmp_path, failed("anna")))
    assert "Not graded The file is empty. This does not count as 0 points." in page
    assert " 0 of" not in page
    assert "written" not in page
    page = said(feedback(tmp_path, failed("anna"), mark("anna", "free_bits", 3)))
    assert "3 of 24 points so far" in page
    assert "free_bits 3 of 4 Marked by hand." in page


def test_only_the_students_cells_and_what_locked_ones_drew_are_shown(tmp_path):
    good = picture()
    cells = [
        cell("setup", "import SECRET", id="setup"),
        cell("locked", "LOCKED = 1", id="data-code"),
        cell("locked", "plot()", id="look-figure", pictures=[good]),
        cell("own", "own = 1", printed="printed by own", error="NameError: x"),
        cell("text", "# My *notes*"),
    ]
    page = feedback(tmp_path, record("anna", cells=cells))
    text = said(page)
    assert "SECRET" not in text
    assert "LOCKED" not in text
    assert "plot()" not in text
    assert "look-figure" in text
    assert f'src="data:image/png;base64,{good}"' in page
    assert "own = 1 printed by own NameError: x" in text
    assert "# My *notes*" in text


@pytest.mark.parametrize(
    "bad",
    [
        "x",
        '" onerror="alert(1)',
        base64.b64encode(b"<svg onload=alert(1)>" * 9).decode(),
        base64.b64encode(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0\1\0\0" * 2).decode(),
        "A" * 3_000_000,
        "ä" * 40,
    ],
)
def test_what_is_no_picture_of_reasonable_size_is_not_shown(tmp_path, bad):
    one = record("anna", cells=[cell("own", "", pictures=[bad, picture()])])
    page = feedback(tmp_path, one)
    assert page.count("<img") == 1
    assert "1 more pictures are too large" in page


def test_the_pictures_of_a_page_have_no_more_pixels_than_a_browser_can_hold(tmp_path):
    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 4_000, 4_000)
    large = base64.b64encode(head).decode()
    cells = [cell("own", "", pictures=[large, large]) for _ in range(5)] + [
        cell("own", "", pictures=[picture()])
    ]
    page = feedback(tmp_path, record("anna", cells=cells))
    assert page.count("<img") == 4
    assert page.count("more pictures are too large") == 4


def untrusted(text):
    """A record in which everything that a student can choose says `text`."""
    wrong = exercise("free_bits", 0, "wrong", text, printed=text)
    stopped = exercise("draw_laplace", None, "stopped", text)
    cells = [cell(kind, text, text, text, text, [text]) for kind in ("answer", "own", "text")]
    cells.append(cell("locked", text, text, text, text, [text]))
    more = {"notes": [text], "cells": cells, "status": "partly", "reason": text}
    return record("anna", [wrong, stopped], written=text, **more)


def test_nothing_of_a_submission_becomes_markup(tmp_path):
    manual = mark("anna", "written", 1, HOSTILE) | mark("anna", "running_bound", 1, HOSTILE)
    asides = [Aside("bea", HOSTILE, HOSTILE)]
    hostile, plain = untrusted(HOSTILE), untrusted("text")
    for pages in (
        [feedback(tmp_path, one, manual) for one in (hostile, plain)],
        [report(tmp_path, [one, failed("x", HOSTILE)], manual, asides) for one in (hostile, plain)],
    ):
        page, harmless = map(Page, pages)
        # Pygments' spans depend on the source; nothing else may.
        assert [tag for tag in page.tags if tag != "span"] == [
            tag for tag in harmless.tags if tag != "span"
        ]
        assert "script" not in page.tags
        assert not any(name.startswith("on") for name, _ in page.attributes)
        assert "<script>alert(1)</script>" in page.said
        assert "{{7*7}}" in page.said
        assert "49" not in page.said
        policy = page.attributes.index(("http-equiv", "Content-Security-Policy")) + 1
        assert page.attributes[policy][1].startswith("default-src 'none'; img-src data:;")


def test_colors_of_a_terminal_and_turned_text_are_taken_out(tmp_path):
    text = "\x1b[31mred\x1b[0m\0\u202eturned\ud800"
    page = feedback(tmp_path, untrusted(text))
    assert "red��turned�" in page
    assert not any(char in page for char in "\x1b\0\u202e")


def test_a_page_of_the_longest_record_is_small_and_quickly_made(tmp_path):
    long = "x = '" * 200_000
    one = record("anna", cells=[cell("own", long, printed=long, error=long)], written=long)
    page = feedback(tmp_path, one)
    assert len(page) < 500_000
    assert "(more follows)" in page


# Tables


def test_grades_have_a_row_for_everybody_and_empty_cells_for_what_has_no_points(tmp_path):
    wrong = exercise("free_bits", 0, "wrong", KNOWN, known=True)
    records = [partly("zoe"), record("anna", [wrong]), failed("chen"), record("dora", written="")]
    asides = [Aside("bea", "bea.pdf", "Is no notebook."), Aside("anna", "anna.pdf", "No.")]
    manual = mark("anna", "written", 3.5, "=Good")
    reports.write_grades(tmp_path, iter(records), manual, asides)
    assert (tmp_path / "grades.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    table = rows(tmp_path / "grades.csv")
    assert list(table[0]) == [
        "student", "status", *NAMES, "written", "total", "graded_points", "of", "reason"
    ]  # fmt: skip
    found = {row["student"]: row for row in table}
    assert list(found) == ["anna", "bea", "chen", "dora", "zoe"]
    assert found["anna"]["total"] == "19.5"
    assert found["anna"]["free_bits"] == "0"
    assert found["bea"]["status"] == "set aside"
    assert found["bea"]["reason"] == "bea.pdf: Is no notebook."
    assert found["bea"]["total"] == found["bea"]["graded_points"] == ""
    assert [found["chen"][name] for name in (*NAMES, "written", "total")] == [""] * 7
    assert found["chen"]["reason"] == "The file is empty."
    assert (found["dora"]["written"], found["dora"]["total"]) == ("0", "20")
    assert (found["zoe"]["free_bits"], found["zoe"]["total"]) == ("", "")
    assert found["zoe"]["graded_points"] == "16"
    assert "free_bits" not in found["zoe"]["reason"]
    platform = rows(tmp_path / "platform.csv")
    assert [(row["student"], row["grade"]) for row in platform] == [
        ("anna", "19.5"),
        ("dora", "20"),
    ]
    assert f"free_bits: 0 of 4, {KNOWN}" in platform[0]["feedback comments"]
    assert "written: 3.5 of 4, =Good." in platform[0]["feedback comments"]


def test_no_cell_of_a_table_is_a_formula(tmp_path):
    asides = [Aside("=1+1", "=1+1", "=HYPERLINK(1)")]
    reports.write_grades(tmp_path, [record("anna", reason="@x\r\ny", written="")], {}, asides)
    for path in ("grades.csv", "platform.csv"):
        for row in rows(tmp_path / path):
            assert not any(value.startswith(("=", "+", "-", "@")) for value in row.values())


# The report


def test_the_report_counts_and_lists(tmp_path):
    known = exercise("free_bits", 0, "wrong", KNOWN, known=True)
    other = exercise("free_bits", 0, "wrong", "raised ValueError: x")
    blank = exercise("draw_laplace", 0, "blank", "is not written yet.")
    records = [
        record("a", [known]),
        record("b", [known], notes=["Recognized by the function's name: x."]),
        record("c", [other, blank], notes=["Recognized by the function's name: y."]),
        record("d"),
        partly("e"),
        failed("f"),
    ]
    manual = mark("d", "written", 4, version="older") | mark("e", "free_bits", 1)
    asides = [Aside("g", "g.pdf", "Is no notebook.")]
    page = said(report(tmp_path, records, manual, asides))
    assert "graded 4 every" in page
    assert "partly 1 some" in page
    assert "failed 1 none" in page
    assert "set aside 1 was" in page
    assert "complete 1 with" in page
    assert "Mean 24.0, median 24 of 24 points." in page
    assert "to be marked 10 rows" in page  # 4 and 6 of f
    assert "free_bits 17 % 33 % 17 % 0 % 33 % 1.0 of 4" in page
    assert f"free_bits 2 {KNOWN}" in page
    assert "raised ValueError" not in page
    assert "e free_bits It took longer than 10 seconds. Marked by hand." in page
    assert "f all The file is empty." in page
    assert "g set aside g.pdf: Is no notebook." in page
    assert "Marked on an earlier version" in page
    assert "d: written" in page
    assert "Recognized by the function's name. 2" in page
    assert "of 5 submissions in which all of them are graded" in page


def test_the_report_says_who_is_not_graded_now_and_which_names_look_alike(tmp_path):
    names = {"gone": ["bea", "<b>"], "alike": [["x", "x_late"]]}
    reports.write_report(tmp_path / "report.html", kit(), [record("x")], {}, [], **names)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "they are not exported: bea, <b>." in said(page)
    assert "<b>" not in page
    assert "a student's own: x / x_late" in said(page)
    page = said(report(tmp_path, [record("x")]))
    assert "No longer graded" not in page
    assert "May be one person" not in page


def test_no_long_name_pushes_anything_off_a_page(tmp_path):
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("no chromium found")
    playwright = pytest.importorskip("playwright.sync_api")
    long, word = "W" * 190, "x" * 150
    known = exercise("leave_one_out_gradient", 0, "wrong", word, known=True)
    one = record(long, [known], notes=[f"{word}."])
    manual = mark(long, "written", 1, word, version="older")
    records = [one, partly(f"{long}1", word), failed(f"{long}2", word)]
    names = {"gone": [long], "alike": [[long, f"{long}1"]]}
    asides = [Aside(f"{long}3", word, word)]
    reports.write_report(tmp_path / "report.html", kit(), records, manual, asides, **names)
    reports.write_feedback(tmp_path / "feedback.html", one, manual)
    reports.write_feedback(tmp_path / "failed.html", records[2], manual)
    with playwright.sync_playwright() as started:
        page = started.chromium.launch(executable_path=browser, args=["--no-sandbox"]).new_page()
        for width in (320, 390, 800, 1200):
            page.set_viewport_size({"width": width, "height": 900})
            for path in tmp_path.glob("*.html"):
                page.goto(path.as_uri())
                # Also of what would scroll in a box of its own; code may.
                out = page.evaluate(
                    "[...document.querySelectorAll('*')].filter(e => !e.closest('pre') && "
                    "e.getBoundingClientRect().right > innerWidth).map(e => e.textContent)"
                )
                assert not out, (width, path.name)


def test_a_report_of_nobody_and_of_failures_alone(tmp_path):
    assert "Distribution" not in report(tmp_path, [])
    assert "Distribution" not in report(tmp_path, [failed("a")])


def test_the_same_records_give_the_same_bytes(tmp_path):
    records = [record("a"), partly("b"), failed("c")]
    made = [report(tmp_path, records), feedback(tmp_path, records[0])]
    assert made == [report(tmp_path, records), feedback(tmp_path, records[0])]


def test_records_with_pictures_are_not_held_in_memory(tmp_path):
    def records():
        for i in range(60):
            yield record(f"s{i}", cells=[cell("own", "", pictures=["x" * 2_000_000 + str(i)])])

    report(tmp_path, [record("warm")])
    tracemalloc.start()
    report(tmp_path, records())
    reports.write_grades(tmp_path, records(), {}, [])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12_000_000


def test_templates_stand_beside_the_module_and_load_nothing():
    for path in (Path(reports.__file__).parent / "templates").glob("*.html"):
        text = path.read_text()
        assert "<script" not in text
        assert "|safe" not in text.replace(" ", "")
        assert "http:" not in text
        assert "https:" not in text


@pytest.mark.parametrize(
    "filler", ["\t\n", " \n", "\u00a0\n", "\t", " ", "\n", "'\\", "f'{", "(\n"]
)
def test_a_page_takes_no_longer_for_blanks_without_end(tmp_path, filler):
    """Twenty thousand characters of tabs and line ends took Pygments ten seconds a cell."""
    source = (filler * 20_000)[:19_000]
    for end in ("\nx = 1", "x = 1"):
        started = time.process_time()
        text = feedback(tmp_path, record(cells=[cell("own", source + end)] * 3))
        assert time.process_time() - started < 4
        assert "x" in Page(text).said
