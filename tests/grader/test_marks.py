"""A notebook's marks: whoever sees every check say ✓ in Jupyter gets full points here."""

import contextlib
import dataclasses
import json
import re

import numpy as np
import pytest

from grader import exercises, marks, notebooks
from tools import assignments

FOLDER = exercises.source_folder("05_sparse")
SOLUTIONS = assignments.solutions(FOLDER)
FIRST, SECOND, *_ = SOLUTIONS
THIRD, LAST = list(SOLUTIONS)[2], list(SOLUTIONS)[-1]
PLAIN = next(e.name for e in assignments.definitions(FOLDER) if not e.differentiable)


@pytest.fixture(scope="module")
def kit(sandboxed):
    return marks.load_kit(FOLDER, exercises.student_folder(FOLDER.name), limits=sandboxed.limits)


def solved():
    """The released notebook with every exercise solved, to be written into."""
    nb = json.loads(assignments.released(FOLDER))
    for name, source in SOLUTIONS.items():
        nb["cells"][place(nb, notebooks.cell_id(name))]["source"] = source
    return nb


def place(nb, cell_id):
    return [cell.get("id") for cell in nb["cells"]].index(cell_id)


def code(source):
    return {"cell_type": "code", "metadata": {}, "source": source, "outputs": []}


def edit(nb, name, change):
    cell = nb["cells"][place(nb, notebooks.cell_id(name))]
    cell["source"] = change(cell["source"])


def insert(nb, name, source, below=0):
    """A cell above an exercise's answer, or below its check."""
    at = place(nb, notebooks.check_id(name)) + 1 if below else place(nb, notebooks.cell_id(name))
    nb["cells"].insert(at, code(source))


def named_otherwise(source, name, other):
    return source.replace(f"def {name}(", f"def {other}(")


def through_a_helper(source, name, helper="scaled"):
    """The answer, computed by a helper that another cell may define otherwise."""
    arguments = re.search(rf"def {name}\((.*?)\)", source)[1]
    return f"{named_otherwise(source, name, helper)}\n\ndef {name}({arguments}):\n" + (
        f"    return {helper}({arguments})\n"
    )


def same_helper(nb):
    """Two answer cells define a helper of the same name."""
    edit(nb, FIRST, lambda source: through_a_helper(source, FIRST))
    edit(nb, SECOND, lambda source: through_a_helper(source, SECOND))


def rebound(nb):
    """Below its check the function's name becomes its result."""
    insert(nb, THIRD, f"{THIRD} = np.zeros(3)", below=True)


def constant_changed(nb):
    """An answer uses a constant that a later cell changes."""
    edit(nb, FIRST, lambda source: "ONE = 1.0\n" + source.replace("return ", "return ONE * ", 1))
    insert(nb, LAST, "ONE = 2.0", below=True)


def experiment(nb):
    """A later experiment defines the function otherwise, and is no answer."""
    insert(nb, LAST, f"class Trial:\n    pass\n\nfor {SECOND} in range(3):\n    pass", below=True)


def reordered(nb):
    """The last exercise stands first, and the first uses what it defines when its cell runs."""
    cells = nb["cells"]
    moved = [cells.pop(place(nb, f(LAST))) for f in (notebooks.cell_id, notebooks.check_id)]
    at = place(nb, notebooks.cell_id(FIRST))
    cells[at:at] = moved
    edit(nb, FIRST, lambda source: f"kept = {LAST}\n{source}")


def renamed(nb):
    """The function has another name, with which the check is called."""
    edit(nb, SECOND, lambda source: named_otherwise(source, SECOND, "mine"))
    check = nb["cells"][place(nb, notebooks.check_id(SECOND))]
    check["source"] = "".join(check["source"]).replace(f", {SECOND})", ", mine)")


def helper_file(nb):
    """A helper is written to a file and imported."""
    edit(nb, FIRST, lambda source: f"from my_helpers import {FIRST}")
    setup = nb["cells"][place(nb, "setup")]["source"]
    insert(nb, FIRST, f"%%writefile my_helpers.py\n{''.join(setup)}\n{SOLUTIONS[FIRST]}")


def used_before(nb):
    """An answer is called by the student's own code above the check, which then replaces it."""
    insert(nb, THIRD, f"def {THIRD}(*anything):\n    return 0")


RULES = (same_helper, rebound, constant_changed, experiment, reordered, renamed, helper_file)
RULES += (used_before,)


def said(sandboxed, nb, kit):
    """The exercises whose checks say ✓ when the notebook runs from top to bottom."""
    cells = [
        (i, "".join(cell["source"]))
        for i, cell in enumerate(nb["cells"])
        if cell["cell_type"] == "code"
    ]
    did = sandboxed.run(cells, [], {"checks.npz": kit.checks})
    printed = "\n".join(cell["printed"] for cell in did.cells.values())
    return set(re.findall(r"^✓ (\w+): right", printed, re.M))


def earned(sandboxed, nb, kit, files=None):
    record = marks.record(kit, "anna", json.dumps(nb).encode(), sandboxed, files or {})
    return {one["name"]: one["points"] for one in record["exercises"]}, record


POINTS = {exercise.name: exercise.points for exercise in assignments.definitions(FOLDER)}


@pytest.mark.parametrize("rule", RULES)
def test_what_every_check_calls_right_earns_all_points(sandboxed, kit, rule):
    nb = solved()
    rule(nb)
    assert said(sandboxed, nb, kit) == set(POINTS)
    assert earned(sandboxed, nb, kit)[0] == POINTS


@pytest.mark.parametrize("seed", range(6))
def test_notebook_and_grader_agree_however_it_was_rewritten(sandboxed, kit, seed):
    """Several rules at once, and a wrong answer here and there."""
    rng, nb = np.random.default_rng(seed), solved()
    wrong = {name for name in POINTS if rng.random() < 0.25}
    for name in wrong:
        edit(nb, name, lambda source: source.replace("return ", "return 3 + ", 1))
    for i in rng.permutation(len(RULES))[:3]:
        with contextlib.suppress(ValueError, TypeError):  # two rules that exclude each other
            RULES[i](nb)
    right = said(sandboxed, nb, kit)
    points = earned(sandboxed, nb, kit)[0]
    assert {name for name, of in POINTS.items() if points[name] == of} >= right
    assert not any(points[name] for name in wrong - right)


def test_a_module_handed_in_beside_the_notebook_can_be_imported(sandboxed, kit):
    nb = solved()
    edit(nb, FIRST, lambda source: f"from my_helpers import {FIRST}")
    setup = "".join(nb["cells"][place(nb, "setup")]["source"])
    files = {"my_helpers.py": f"{setup}\n{SOLUTIONS[FIRST]}".encode()}
    assert earned(sandboxed, nb, kit, files)[0] == POINTS
    points, record = earned(sandboxed, nb, kit)
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
        ("while True: pass", "Stopped after 4 seconds"),
    ],
)
def test_what_a_limit_here_cut_off_is_not_worth_0(sandboxed, kit, source, said):
    """The answer needs a cell that runs where limits are wider."""
    nb = solved()
    insert(nb, FIRST, f"{source}\nneeded = 1")
    edit(nb, FIRST, lambda answer: f"needed\n{answer}")
    points, record = earned(sandboxed, nb, kit)
    assert points == POINTS | {FIRST: None}
    assert said in record["exercises"][0]["message"]


def slowed(source, line):
    """The answer, with a line above its `return` that loops without end in the second call."""
    counted = f"import itertools\ncalls = itertools.count()\n{source}"
    loop = "    if next(calls) % 2:\n        while True: pass\n"
    return re.sub(r"\n    return", f"\n{loop}{line}    return", counted, count=1)


def test_a_right_answer_that_takes_too_long_is_not_worth_0_and_gets_no_hint_about_sizes(
    sandboxed, kit
):
    nb = solved()
    edit(nb, PLAIN, lambda source: slowed(source, ""))
    points, record = earned(sandboxed, nb, kit)
    assert points == POINTS | {PLAIN: None}
    message = {one["name"]: one["message"] for one in record["exercises"]}[PLAIN]
    assert "was stopped after 3 seconds" in message
    assert "size" not in message


def test_a_wrong_answer_that_also_takes_too_long_is_worth_0(sandboxed, kit):
    nb = solved()
    edit(nb, PLAIN, lambda source: slowed(source, "    return 3\n"))
    assert earned(sandboxed, nb, kit)[0] == POINTS | {PLAIN: 0}


def test_no_expected_number_of_fresh_inputs_is_told(sandboxed, kit):
    nb = solved()
    for name in POINTS:
        edit(nb, name, lambda source: source.replace("return ", "return 7e-7 + 3 * ", 1))
    points, record = earned(sandboxed, nb, kit)
    assert set(points.values()) == {0}
    for exercise in record["exercises"]:
        assert not re.search(r"instead of|differ|times what|off by", exercise["message"]), exercise


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
