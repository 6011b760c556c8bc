"""Submissions put on the released notebook again."""

import copy
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader import notebooks
from grader.exercises import source_folders
from grader.notebooks import cell_id
from grader.parsing import Unreadable
from tests.grader.filled import (
    answer,
    cell_of,
    code,
    filled,
    markdown,
    notebook,
    position,
    raw,
    released,
)
from tests.grader.records import NAMES


def rebuilt(nb):
    return notebooks.rebuild(raw(nb), released())


def answers(made):
    """{exercise: the source in its answer cell}, the blank ones left out."""
    blank = {cell.source for cell in notebooks.released_cells(released())}
    return {
        cell.exercise: cell.source
        for cell in made.cells
        if cell.kind == "answer" and cell.source not in blank
    }


def run(made):
    """What the answers return, after the student's code ran in the rebuilt order."""
    namespace = {}
    for cell in made.cells:
        if cell.kind in ("answer", "own"):
            exec(cell.source, namespace)
    values = {}
    for name in NAMES:
        try:
            values[name] = namespace[name](0) if name in answers(made) else None
        except (NotImplementedError, TypeError):
            values[name] = "blank"
    return values


# Untouched


@pytest.mark.parametrize(
    "assignment",
    [folder.name for folder in source_folders()],
)
def test_the_released_notebook_comes_back_as_it_is_for_every_assignment(assignment):
    made = notebooks.rebuild(released(assignment), released(assignment))
    code = [
        cell for cell in json.loads(released(assignment))["cells"] if cell["cell_type"] == "code"
    ]
    assert [cell.source for cell in made.cells] == ["".join(cell["source"]) for cell in code]
    assert [cell.id for cell in made.cells] == [cell["id"] for cell in code]
    assert made.cells[0].kind == "setup"
    exercises = [cell.exercise for cell in made.cells if cell.kind == "answer"]
    assert exercises == [cell.exercise for cell in made.cells if cell.kind == "check"]
    assert len(exercises) >= 3
    for cell in made.cells:
        if cell.kind == "check":
            assert cell.source == f'ck.check("{cell.exercise}", {cell.exercise})' or (
                f'"{cell.exercise}"' in cell.source
            )
    assert made.written == ""
    assert made.notes == ()


def test_answers_and_written_answer_are_taken_over():
    made = rebuilt(filled())
    assert answers(made) == {name: answer(name, name) for name in NAMES}
    assert made.written == "Because."
    assert made.notes == ()


def test_a_blank_answer_has_exactly_the_released_source():
    nb = filled(NAMES[1:], written="")
    cell_of(nb, "full-gaussian-kl")["source"] += "\n   # no idea\n\n"
    made = rebuilt(nb)
    assert NAMES[0] not in answers(made)
    assert run(made)[NAMES[1]] == NAMES[1]
    assert any("# no idea" in cell.source for cell in made.cells if cell.kind == "own")


# Cells copied, deleted, edited, moved, renamed


def test_the_last_of_several_answers_counts_and_a_blank_copy_does_not():
    nb = filled()
    at = position(nb, "free-bits")
    first = nb["cells"][at]
    second = {**first, "source": "from math import pi\n" + answer("free_bits", "second"), "id": "x"}
    blank = {**first, "source": cell_of(notebook(), "free-bits")["source"]}
    nb["cells"][at + 1 : at + 1] = [second, blank]
    made = rebuilt(nb)
    assert run(made)["free_bits"] == "second"
    assert [cell.source for cell in made.cells if cell.kind == "own"] == [first["source"]]
    assert made.notes == ("Answered in several cells, of which the last counts: free_bits.",)


def test_code_around_an_untouched_answer_is_kept_and_hides_no_answer():
    nb = filled()
    cell_of(nb, "free-bits")["source"] = [*cell_of(notebook(), "free-bits")["source"], "\nx = 1"]
    made = rebuilt(nb)
    assert "free_bits" not in answers(made)
    assert any(cell.source.endswith("x = 1") for cell in made.cells if cell.kind == "own")
    nb["cells"].insert(0, code(answer("free_bits", "elsewhere"), id="own"))
    assert run(rebuilt(nb))["free_bits"] == "elsewhere"
    cell_of(nb, "free-bits")["source"] += ["\n", answer("free_bits", "below")]
    assert run(rebuilt(nb))["free_bits"] == "below"


def test_a_split_answer_cell_keeps_both_parts_in_order():
    nb = filled()
    at = position(nb, "free-bits")
    helper = {**nb["cells"][at], "source": "HELPED = 'yes'", "id": "a"}
    rest = {**nb["cells"][at], "source": "def free_bits(x, helped=HELPED):\n    return helped"}
    for both in ([helper, rest], [rest, helper]):
        nb["cells"][at : at + 1] = both
        made = rebuilt(nb)
        assert answers(made)["free_bits"] == rest["source"]
        sources = [cell.source for cell in made.cells]
        assert (sources.index(helper["source"]) < sources.index(rest["source"])) == (
            both[0] is helper
        )
        nb["cells"][at : at + 2] = [cell_of(filled(), "free-bits")]


def test_deleted_cells_come_back():
    nb = filled()
    gone = ("setup", "free-bits", "free-bits-check", "look-model", "written")
    nb["cells"] = [cell for cell in nb["cells"] if cell["id"] not in gone]
    made = rebuilt(nb)
    assert [cell.id for cell in made.cells] == [
        cell["id"] for cell in notebook()["cells"] if cell["cell_type"] == "code"
    ]
    assert "free_bits" not in answers(made)
    assert made.written == "Because."
    assert made.notes == (
        "Missing, and put back as released: setup, free-bits, free-bits-check, look-model.",
    )


def test_edited_checks_are_restored_and_edited_locked_cells_run_before_their_original():
    nb = filled()
    cell_of(nb, "free-bits-check")["source"] = "print('all is right')"
    cell_of(nb, "draw-laplace-check")["source"] += "\ndef helper():\n    return 1"
    cell_of(nb, "data-code")["source"] = "import scipy\nN = 7"
    made = rebuilt(nb)
    sources = [cell.source for cell in made.cells]
    assert 'ck.check("free_bits", free_bits)' in sources
    assert "print('all is right')" not in sources
    assert any("def helper" in source for source in sources)
    at = sources.index("import scipy\nN = 7")
    assert made.cells[at].kind == "own"
    assert made.cells[at + 1].id == "data-code"
    assert set(made.notes) == {
        "The check of free_bits had been edited; the original was used.",
        "The check of draw_laplace had been edited; the original was used.",
        "The locked cell data-code had been edited; the original ran after it.",
    }


def test_own_cells_keep_their_place_and_none_runs_before_the_setup():
    nb = filled()
    nb["cells"].insert(position(nb, "free-bits-check") + 1, code("after = 1"))
    nb["cells"].insert(0, code("early = 1"))
    nb["cells"].insert(0, markdown("Anna Müller"))
    made = rebuilt(nb)
    order = [(cell.id, cell.kind) for cell in made.cells]
    assert order[:3] == [("setup", "setup"), ("text-1", "text"), ("own-1", "own")]
    at = order.index(("free-bits-check", "check"))
    assert made.cells[at + 1].source == "after = 1"


@pytest.mark.parametrize("kept", ["id", "metadata", "neither"])
def test_answers_are_recognized_without_ids_or_metadata(kept):
    nb = filled()
    for cell in nb["cells"]:
        if kept != "id":
            del cell["id"]
        if kept != "metadata":
            cell["metadata"] = {}
    del nb["metadata"]
    nb["cells"].insert(3, code("own = 1"))
    made = rebuilt(nb)
    assert answers(made) == {name: answer(name, name) for name in NAMES}
    assert made.written == "Because."
    assert [cell.source for cell in made.cells if cell.kind == "own"] == ["own = 1"]
    by_name = f"Recognized by the function's name: {', '.join(NAMES)}."
    assert made.notes == ((by_name,) if kept == "neither" else ())


def test_answers_in_each_others_cells_are_found():
    nb = filled()
    one, other = cell_of(nb, "free-bits"), cell_of(nb, "draw-laplace")
    one["source"], other["source"] = other["source"], one["source"]
    assert run(rebuilt(nb)) == {name: name for name in NAMES}


def test_two_answers_in_one_cell_count_for_both():
    nb = filled()
    cell_of(nb, "free-bits")["source"] = cell_of(notebook(), "free-bits")["source"]
    cell_of(nb, "draw-laplace")["source"] += "\n\n" + answer("free_bits", "here")
    assert run(rebuilt(nb)) == {**{name: name for name in NAMES}, "free_bits": "here"}


def test_a_function_under_another_name_stays_in_its_cell():
    nb = filled()
    cell_of(nb, "free-bits")["source"] = answer("freebits", 1)
    assert answers(rebuilt(nb))["free_bits"] == answer("freebits", 1)


@pytest.mark.parametrize(
    "source",
    [
        "%%time\ndef free_bits(x):\n    return 'magic'",
        "free_bits = lambda x: 'assigned'",
        "class free_bits:\n    pass",
        "async def free_bits(x):\n    return 1",
        "def free_bits(x)\n    return 'an error of syntax'",
    ],
)
def test_what_defines_an_answer(source):
    nb = filled()
    cell_of(nb, "free-bits")["source"] = cell_of(notebook(), "free-bits")["source"]
    nb["cells"].append(code(source))
    assert answers(rebuilt(nb))["free_bits"] == source


def test_an_answer_that_became_markdown_is_code_again():
    nb = filled()
    cell_of(nb, "free-bits")["cell_type"] = "markdown"
    assert run(rebuilt(nb))["free_bits"] == "free_bits"


# The written answer


def test_the_written_answer_is_found_wherever_it_stands():
    placeholder = cell_of(notebook(), "written-answer")["source"]
    nb = filled(written="")
    cell_of(nb, "written")["source"] = [*cell_of(nb, "written")["source"], "\n", "In question."]
    cell_of(nb, "written-answer")["source"] = [*placeholder, "\n\n", "Below *the* line."]
    nb["cells"].insert(position(nb, "written-answer") + 1, markdown("In a new cell."))
    nb["cells"].append(markdown("Of something else."))
    made = rebuilt(nb)
    assert made.written == "In question.\n\nBelow *the* line.\n\nIn a new cell."
    assert [cell.source for cell in made.cells if cell.kind == "text"] == ["Of something else."]


def test_a_written_answer_in_a_code_cell_is_found():
    nb = filled()
    cell_of(nb, "written-answer")["cell_type"] = "code"
    assert rebuilt(nb).written == "Because."


def deleted(nb):
    nb["cells"] = [cell for cell in nb["cells"] if cell["cell_type"] == "code"]
    nb["cells"].append(markdown("Because."))


def cell_deleted(nb):
    del nb["cells"][position(nb, "written-answer")]
    nb["cells"].append(markdown("Because."))


def after_the_last_cell(nb):
    nb["cells"].append(markdown("Because."))


def in_the_last_cell(nb):
    last = nb["cells"][-1]
    last["source"] = ["Because.\n\n", *last["source"]]


def above_the_question(nb):
    nb["cells"].insert(position(nb, "written"), markdown("Because."))


def in_a_new_code_cell(nb):
    nb["cells"].append(code("Because."))


@pytest.mark.parametrize(
    "misplace",
    [
        *(deleted, cell_deleted, after_the_last_cell, in_the_last_cell, above_the_question),
        in_a_new_code_cell,
    ],
)
def test_an_answer_that_is_not_below_the_question_is_read_and_noted(misplace):
    nb = filled(written="")
    misplace(nb)
    made = rebuilt(nb)
    assert made.written == "Because."
    assert any(note.startswith("Nothing stood below the written question") for note in made.notes)


def test_pictures_in_the_written_answer_are_noted():
    nb = filled()
    cell_of(nb, "written-answer")["attachments"] = {"photo.png": {"image/png": "aaaa"}}
    (note,) = rebuilt(nb).notes
    assert "pictures" in note


# Files


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le"])
def test_unicode_encodings_are_read(encoding):
    text = json.dumps(filled(written="Größe α"), ensure_ascii=False)
    made = notebooks.rebuild(text.encode(encoding), released())
    assert made.written == "Größe α"
    assert made.notes == ()


def test_windows_encoding_is_read_with_a_note():
    text = json.dumps(filled(written="Größe"), ensure_ascii=False)
    content = text.encode().replace("Größe".encode(), "Größe".encode("cp1252"))
    made = notebooks.rebuild(content, released())
    assert made.written == "Größe"
    assert "UTF-8" in made.notes[0]


def test_half_a_surrogate_pair_and_windows_lines_become_text_that_can_be_written():
    nb = filled()
    cell_of(nb, "free-bits")["source"] = "a = '\ud800'\r\nb = 1\r"
    made = rebuilt(nb)
    assert "".join(cell.source for cell in made.cells).encode()
    assert answers(made)["free_bits"] == "a = '?'\nb = 1\n"


def test_the_format_of_ten_years_ago_is_read():
    nb = filled()
    cells = [
        {"cell_type": "code", "language": "python", "input": cell["source"], "outputs": []}
        if cell["cell_type"] == "code"
        else {"cell_type": "markdown", "source": cell["source"]}
        for cell in nb["cells"]
    ]
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": cells}]}
    assert run(rebuilt(old)) == {name: name for name in NAMES}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"%PDF-1.7", "is a PDF"),
        (b"PK\3\4 whatever", "is an archive"),
        (b"import numpy as np", "is no notebook"),
        (b"[1, 2]", "is no notebook"),
        (released()[:5000], "cut off or damaged \\(line"),
        (b'{"a":' * 200_000, "nested too deeply"),
        (b"[{}," * 2_000_000, "larger than"),
        (b'{"cells": []}', "no cells"),
        (b'{"worksheets": [{"cells": 1}, 2]}', "no cells"),
        ((raw(notebook())[:-1] + b',"x":"' + b"x" * 60_000_000 + '😀"}'.encode()), "larger than"),
        (raw({"cells": [code("x")] * 3_000}), "more than 2,000 cells"),
        (raw({"cells": [code("x" * 11_000_000)]}), "more than 10 million characters"),
        (raw({"cells": [code("x = 1")]}), "None of the assignment's exercises"),
        (released("05_sparse"), "None of the assignment's exercises"),
        (
            raw({**notebook(), "metadata": {"kernelspec": {"language": "R"}}}),
            "choose the kernel Python 3",
        ),
        (raw({**notebook(), "metadata": {"language_info": {"name": "julia"}}}), "not a Python"),
        (bytes(range(256)), "is no notebook"),
    ],
)
def test_what_is_not_a_notebook_is_refused_with_a_sentence(content, said):
    with pytest.raises(Unreadable, match=said) as caught:
        notebooks.rebuild(content, released())
    assert str(caught.value)[-1] in ".?"


# Whatever happens to it


def labels(cell):
    return cell.get("id"), cell.get("metadata", {}).get("nbgrader", {}).get("grade_id")


@st.composite
def scrambled(draw):
    """A filled-in notebook, what was done to it, and each definition's marker."""
    nb = filled(draw(st.sets(st.sampled_from(NAMES), min_size=1)), written="written-marker")
    for i in range(draw(st.integers(0, 3))):
        own = code(f"own_{i} = 'marker-{i}'", id=f"mine{i}")
        nb["cells"].insert(draw(st.integers(0, len(nb["cells"]))), own)
    for i in range(draw(st.integers(0, 12))):
        cells = nb["cells"]
        at = draw(st.integers(0, len(cells) - 1))
        cell = cells[at]
        match draw(st.sampled_from(("copy", "delete", "edit", "move", "label", "bare", "shape"))):
            case "copy":
                cells.insert(draw(st.integers(0, len(cells))), copy.deepcopy(cell))
            case "delete" if len(cells) > 1:
                del cells[at]
            case "edit" if cell["cell_type"] == "code":
                cell["source"] = "".join(cell["source"]) + f"\nedit_{i} = 'marker-e{i}'"
            case "edit":
                cell["source"] = "".join(cell["source"]) + f"\nmarker-e{i}"
            case "move":
                cells.insert(draw(st.integers(0, len(cells) - 1)), cells.pop(at))
            case "label":
                other = draw(st.sampled_from(cells))
                cell["id"], cell["metadata"] = other.get("id", "x"), other.get("metadata", {})
            case "bare":
                for key in ("id", "metadata"):
                    cell.pop(key, None)
            case "shape":
                cell["source"] = "".join(cell["source"]).splitlines(keepends=True)
    return nb


@settings(max_examples=300, deadline=None)
@given(scrambled())
def test_no_answer_and_no_own_code_is_ever_lost(nb):
    sources = ["".join(cell["source"]) for cell in nb["cells"]]
    tried = {}
    for source, cell in zip(sources, nb["cells"], strict=True):
        found = re.match(r"def (\w+)\(.*\n    return ", source)
        if found and cell["cell_type"] == "code":
            tried.setdefault(found[1], []).append(source)
    try:
        made = rebuilt(nb)
    except Unreadable:
        assert not tried
        return
    kept = "\n".join(cell.source for cell in made.cells) + made.written
    for marker in re.findall(r"marker-\w+|written-marker", "\n".join(sources)):
        assert marker in kept
    assert set(tried) <= set(answers(made))
    for name in set(answers(made)) - set(tried):
        # Other code stands under the answer's id: it is what was handed in, right or not.
        assert any(
            source == answers(made)[name] and cell_id(name) in labels(cell)
            for source, cell in zip(sources, nb["cells"], strict=True)
        )
    namespace, complete = {}, {source for several in tried.values() for source in several}
    for cell in made.cells:
        # Copies of released cells that were edited would need NumPy and the course's data.
        if cell.source in complete or cell.source.startswith("def "):
            exec(cell.source, namespace)
    for name in tried:
        assert namespace[name]() == name
    order = [cell.id for cell in made.cells if cell.kind not in ("own", "text")]
    assert order == [cell["id"] for cell in notebook()["cells"] if cell["cell_type"] == "code"]
    by_id = {cell["id"]: "".join(cell["source"]) for cell in notebook()["cells"]}
    assert all(
        cell.source == by_id[cell.id]
        for cell in made.cells
        if cell.kind in ("setup", "locked", "check")
    )
    assert len({cell.id for cell in made.cells}) == len(made.cells)


anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_file_of_any_content_is_rebuilt_or_refused(data):
    nb = filled()
    for _ in range(data.draw(st.integers(1, 6))):
        target = data.draw(st.sampled_from([nb, *nb["cells"]]) if nb.get("cells") else st.just(nb))
        key = data.draw(
            st.sampled_from(("cells", "metadata", "source", "id", "cell_type", "attachments"))
        )
        target = target if isinstance(target, dict) else nb
        target[key] = data.draw(anything)
        if not isinstance(nb["cells"], list):
            break
    content = bytearray(raw(nb))
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        made = notebooks.rebuild(bytes(content), released())
    except Unreadable:
        return
    assert json.dumps([cell.source for cell in made.cells]).encode()
    made.written.encode()


def test_an_edited_check_is_known_by_what_it_calls():
    """Without ids, and with a function under another name: the check calls that one."""
    nb = filled(NAMES[1:])
    cell_of(nb, cell_id(NAMES[0]))["source"] = "def mine(*arguments):\n    return 1"
    check = cell_of(nb, notebooks.check_id(NAMES[0]))
    check["source"] = f'ck.check("{NAMES[0]}", mine)  # ✓ at last'
    for cell in nb["cells"]:
        cell["metadata"] = {}
        del cell["id"]
    submitted = rebuilt(nb).submitted
    at = next(i for i, cell in enumerate(submitted) if cell.id == notebooks.check_id(NAMES[0]))
    assert submitted[at].kind == "check"
    assert submitted[at - 1].source == check["source"]


def test_an_untouched_order_is_not_run_twice():
    assert rebuilt(filled()).submitted == ()
