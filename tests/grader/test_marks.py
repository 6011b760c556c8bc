"""A notebook's marks: whoever sees every check say ✓ in Jupyter gets full points here."""

import dataclasses
import re

import numpy as np
import pytest

from grader import exercises, marks, notebooks, runner
from tools import assignments
from tools.rewriting import PROGRAMS, RULES, jupyter, locked_deleted, reordered, rewrite
from tools.sheets import Sheet

FOLDER = exercises.source_folder("05_sparse")
SOLUTIONS = assignments.solutions(FOLDER)
FIRST, _, THIRD, *_ = SOLUTIONS
PLAIN = next(e.name for e in assignments.definitions(FOLDER) if not e.differentiable)


@pytest.fixture(scope="module")
def kit(sandboxed):
    return marks.load_kit(FOLDER, exercises.student_folder(FOLDER.name), limits=sandboxed.limits)


def solved():
    """The released notebook with every exercise solved, to be written into."""
    return Sheet(FOLDER, "anna").solve()


def said(sandboxed, sheet, kit):
    """The exercises whose checks say ✓ when the notebook runs from top to bottom."""
    cells = [
        (i, "".join(cell["source"]))
        for i, cell in enumerate(sheet.cells)
        if cell["cell_type"] == "code"
    ]
    did = sandboxed.run(cells, [], {"checks.npz": kit.checks})
    printed = "\n".join(cell["printed"] for cell in did.cells.values())
    return set(re.findall(r"^✓ (\w+): right", printed, re.M))


def earned(sandboxed, sheet, kit, files=None, program=jupyter):
    record = marks.record(kit, "anna", program(sheet), sandboxed, files or {})
    return {one["name"]: one["points"] for one in record["exercises"]}, record


def edit(sheet, name, change):
    sheet.answer(name, change(sheet.answer_cell(name)["source"]))


POINTS = {exercise.name: exercise.points for exercise in assignments.definitions(FOLDER)}


@pytest.mark.parametrize("rule", RULES)
def test_what_every_check_calls_right_earns_all_points(sandboxed, kit, rule):
    sheet = solved()
    rule(sheet, FIRST, THIRD)
    deleted = {FIRST} if rule is locked_deleted else set()
    assert said(sandboxed, sheet, kit) == set(POINTS) - deleted
    assert earned(sandboxed, sheet, kit)[0] == POINTS


@pytest.mark.parametrize("seed", range(6))
def test_notebook_and_grader_agree_however_it_was_rewritten(sandboxed, kit, seed):
    """Several rules at once, a wrong answer here and there, saved by some program."""
    rng, sheet = np.random.default_rng(seed), solved()
    wrong = {name for name in POINTS if rng.random() < 0.25}
    for name in wrong:
        edit(sheet, name, lambda source: source.replace("return ", "return 3 + ", 1))
    rewrite(sheet, 2, rng)
    right = said(sandboxed, sheet, kit)
    points = earned(sandboxed, sheet, kit, program=PROGRAMS[seed])[0]
    assert {name for name, of in POINTS.items() if points[name] == of} >= right
    assert not any(points[name] for name in wrong)


def test_a_module_handed_in_beside_the_notebook_can_be_imported(sandboxed, kit):
    sheet = solved().answer(FIRST, f"from my_helpers import {FIRST}")
    setup = "".join(sheet.cell("setup")["source"])
    files = {"my_helpers.py": f"{setup}\n{SOLUTIONS[FIRST]}".encode()}
    assert earned(sandboxed, sheet, kit, files)[0] == POINTS
    points, record = earned(sandboxed, sheet, kit)
    assert points == POINTS | {FIRST: None}
    assert "my_helpers" in record["exercises"][0]["message"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("[bytearray(10**8) for _ in range(99)]", "memory"),
        ("open('large', 'wb').write(bytes(10**8))", "No space left"),
        ("import urllib.request; urllib.request.urlopen('http://data.example')", "URLError"),
        ("n = int(input('how many? '))", "EOFError"),
        ("while True: print('x' * 100)", "printed more than"),
        ("while True: pass", "Stopped after 2 seconds"),
    ],
)
def test_what_a_limit_here_cut_off_is_not_worth_0(sandboxed, kit, source, said):
    """The answer needs a cell that runs where limits are wider."""
    sheet = solved()
    sheet.own(f"{source}\nneeded = 1", before=notebooks.cell_id(FIRST))
    edit(sheet, FIRST, lambda answer: f"needed\n{answer}")
    points, record = earned(sandboxed, sheet, kit)
    assert points == POINTS | {FIRST: None}
    assert said.lower() in record["exercises"][0]["message"].lower()


def slowed(source, line):
    """The answer, with a line above its `return` that loops without end in the second call."""
    counted = f"import itertools\ncalls = itertools.count()\n{source}"
    loop = "    if next(calls) % 2:\n        while True: pass\n"
    return re.sub(r"\n    return", f"\n{loop}{line}    return", counted, count=1)


def test_a_right_answer_that_takes_too_long_is_not_worth_0_and_gets_no_hint_about_sizes(
    sandboxed, kit
):
    sheet = solved()
    edit(sheet, PLAIN, lambda source: slowed(source, ""))
    points, record = earned(sandboxed, sheet, kit)
    assert points == POINTS | {PLAIN: None}
    message = {one["name"]: one["message"] for one in record["exercises"]}[PLAIN]
    assert message.startswith("It was cut off, and said: it was stopped after 2 seconds")
    assert "size" not in message


def test_a_wrong_answer_that_also_takes_too_long_is_worth_0(sandboxed, kit):
    sheet = solved()
    edit(sheet, PLAIN, lambda source: slowed(source, "    return 3\n"))
    assert earned(sandboxed, sheet, kit)[0] == POINTS | {PLAIN: 0}


def test_no_expected_number_of_fresh_inputs_is_told(sandboxed, kit):
    sheet = solved()
    for name in POINTS:
        edit(sheet, name, lambda source: source.replace("return ", "return 7e-7 + 3 * ", 1))
    points, record = earned(sandboxed, sheet, kit)
    assert set(points.values()) == {0}
    for exercise in record["exercises"]:
        assert not re.search(r"instead of|differ|times what|off by", exercise["message"]), exercise


class Idle:
    """A runner in which nothing runs; `totals` are the times that it was given."""

    def __init__(self, seconds=0.0):
        self.seconds, self.totals = seconds, []

    def run(self, cells, questions, files, checks, total=None):
        self.totals.append(total)
        return runner.Execution(seconds=self.seconds)


@pytest.mark.parametrize(("took", "left"), [(250, 50), (299, 10), (300, 10)])
def test_a_second_run_has_the_time_that_the_first_one_left(took, left):
    kit = marks.load_kit(FOLDER, exercises.student_folder(FOLDER.name), seed=7)
    sheet = solved()
    reordered(sheet, FIRST, THIRD)
    idle = Idle(took)
    marks.record(kit, "anna", jupyter(sheet), idle)
    assert idle.totals == [None, left]


def test_a_long_written_answer_is_cut_and_says_so():
    kit = marks.load_kit(FOLDER, exercises.student_folder(FOLDER.name), seed=7)
    sheet = solved()
    sheet.cell("written-answer")["source"] = "ä" * 9_000_000
    (written, _) = marks.record(kit, "anna", jupyter(sheet), Idle())["written"].values()
    assert written == "ä" * 20_000 + "\n... (8,980,000 more characters)"
    sheet.cell("written-answer")["source"] = "ä" * 20_000
    assert marks.record(kit, "anna", jupyter(sheet), Idle())["written"]["answer"] == "ä" * 20_000


def test_no_padding_takes_an_answer_off_the_record():
    kit = marks.load_kit(FOLDER, exercises.student_folder(FOLDER.name), seed=7)
    sheet = solved()
    for _ in range(60):
        sheet.own("#" + "x" * 19_999)
    cells = marks.record(kit, "anna", jupyter(sheet), Idle())["cells"]
    sources = [cell["source"] for cell in cells]
    assert set(SOLUTIONS.values()) <= set(sources)
    assert re.fullmatch(r"1\d more cells are not shown\.", sources[-1])


def test_a_file_whose_name_is_no_text_has_a_digest():
    kit = marks.load_kit(FOLDER, exercises.student_folder(FOLDER.name), seed=7)
    names = ["\udcfcbung.py", "übung.py", "\udcfdbung.py"]
    assert len({kit.digest(b"", {name: b""}) for name in names}) == 3


def test_inputs_that_nobody_knows_are_drawn_until_every_mistake_shows(monkeypatch):
    class Blind(exercises.Exercise):
        """Half of the seeds give inputs on which a mistake is not seen."""

        def key(self, seed=0):
            key = super().key(seed)
            drawn.append(seed)
            return key if seed % 2 else dataclasses.replace(key, wrong=[("", key.expected)])

    drawn, folder = [], exercises.student_folder(FOLDER.name)
    defined = assignments.definitions(FOLDER)
    blind = [Blind(**{f.name: getattr(e, f.name) for f in dataclasses.fields(e)}) for e in defined]
    monkeypatch.setattr(exercises, "load", lambda source: tuple(blind))
    kits = [marks.load_kit(FOLDER, folder) for _ in range(4)]
    assert {kit.seed % 2 for kit in kits} == {1}
    assert len({kit.seed for kit in kits}) == 4
    assert set(drawn) >= {kit.seed for kit in kits}
    again = marks.load_kit(FOLDER, folder, seed=kits[0].seed)
    assert again.digest(b"") == kits[0].digest(b"") != kits[1].digest(b"")
