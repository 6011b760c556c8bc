"""How students and their programs rewrite a notebook without making a right answer wrong.

After every rule all checks that said ✓ still say it when the notebook runs from top to bottom.
"""

import json
import re
from collections.abc import Callable

import numpy as np

from grader.notebooks import cell_id, check_id
from tools.sheets import Sheet

__all__ = ["PROGRAMS", "RULES", "rewrite"]


def _is_plain(sheet, name):
    """Whether the answer is a function of its own name with a check, as a rule expects it."""
    if check_id(name) not in [cell["id"] for cell in sheet.cells]:
        return False
    return "".join(sheet.answer_cell(name)["source"]).count(f"def {name}(") == 1


def _is_given(cell):
    """Whether it holds the imports, or a function that answers may use."""
    source = "".join(cell["source"])
    is_locked = cell["metadata"].get("nbgrader", {}).get("locked") and cell["cell_type"] == "code"
    return cell["id"] == "setup" or (is_locked and source.startswith("def "))


def _edit(sheet, name, change):
    cell = sheet.answer_cell(name)
    cell["source"] = change("".join(cell["source"]))


def _below(sheet, name, source):
    """A cell of its own below an exercise's check."""
    at = sheet.index(check_id(name)) + 1
    before = sheet.cells[at]["id"] if at < len(sheet.cells) else None
    if before is None:
        sheet.own(source, before=check_id(name))
        sheet.cells.append(sheet.cells.pop(at - 1))
    else:
        sheet.own(source, before=before)


def _renamed(source, name, other):
    return source.replace(f"def {name}(", f"def {other}(")


def same_helper(sheet: Sheet, name: str, other: str) -> None:
    """Two answer cells define a helper of the same name."""
    for one in (name, other):
        given = sheet.arguments(one)
        call = f"{sheet.signature(one)}\n    return helper({given})\n"
        _edit(sheet, one, lambda s, one=one, call=call: f"{_renamed(s, one, 'helper')}\n\n{call}")


def rebound(sheet: Sheet, name: str, other: str) -> None:
    """Below its check the function's name becomes a result."""
    _below(sheet, name, f"{name} = np.zeros(3)")


def constant_changed(sheet: Sheet, name: str, other: str) -> None:
    """An answer uses a constant that a later cell changes."""
    line = "    if FACTOR != 1:\n        raise ValueError(FACTOR)\n"
    signature = sheet.signature(name)
    _edit(sheet, name, lambda s: "FACTOR = 1\n" + s.replace(signature, f"{signature}\n{line}", 1))
    _below(sheet, other, "FACTOR = 2")


def experiment(sheet: Sheet, name: str, other: str) -> None:
    """A later experiment uses the function's name for something else."""
    _below(sheet, name, f"for {name} in range(3):\n    pass")


def reordered(sheet: Sheet, name: str, other: str) -> None:
    """An exercise stands before another, which uses what it defines when its cell runs."""
    first, last = sorted((name, other), key=sheet.names.index)
    at = sheet.index(cell_id(first))
    needed = [
        cell["id"] for cell in sheet.cells[at : sheet.index(cell_id(last))] if _is_given(cell)
    ]
    moved = [sheet.cells.pop(sheet.index(id)) for id in (*needed, cell_id(last), check_id(last))]
    sheet.cells[at:at] = moved
    _edit(sheet, first, lambda source: f"kept = {last}\n{source}")


def renamed(sheet: Sheet, name: str, other: str) -> None:
    """The function has another name, with which the check is called."""
    _edit(sheet, name, lambda source: _renamed(source, name, f"my_{name}"))
    check = sheet.check_cell(name)
    check["source"] = "".join(check["source"]).replace(f", {name})", f", my_{name})")


def passed_otherwise(sheet: Sheet, name: str, other: str) -> None:
    """The check is called by keyword, with a function made on the spot, where more is defined."""
    _edit(sheet, name, lambda source: _renamed(source, name, f"my_{name}"))
    check = sheet.check_cell(name)
    check["source"] = (
        f'functions = {{"mine": my_{name}}}\n'
        f'ck.check("{name}", function=lambda *given: functions["mine"](*given),)'
    )


def in_one_cell(sheet: Sheet, name: str, other: str) -> None:
    """Two exercises and their checks stand in one cell, each with a helper of the same name."""
    first, last = sorted((name, other), key=sheet.names.index)
    same_helper(sheet, name, other)
    source = ""
    for one in (first, last):
        for cell in (sheet.answer_cell(one), sheet.check_cell(one)):
            source += "".join(cell["source"]) + "\n\n"
    _edit(sheet, last, lambda _: source)
    for id in (cell_id(first), check_id(first), check_id(last)):
        del sheet.cells[sheet.index(id)]


def in_a_loop(sheet: Sheet, name: str, other: str) -> None:
    """One loop checks two functions, which have other names."""
    first, last = sorted((name, other), key=sheet.names.index)
    for one in (name, other):
        _edit(sheet, one, lambda source, one=one: _renamed(source, one, f"my_{one}"))
    functions = ", ".join(f'"{one}": my_{one}' for one in (first, last))
    sheet.check_cell(last)["source"] = (
        f"for name, mine in {{{functions}}}.items():\n"
        "    ck.check(name, lambda *given: mine(*given))"
    )
    del sheet.cells[sheet.index(check_id(first))]


def helper_file(sheet: Sheet, name: str, other: str) -> None:
    """The answer is written to a file and imported."""
    above = [cell for cell in sheet.cells[: sheet.index(cell_id(name))] if _is_given(cell)]
    given = ["".join(cell["source"]).split("\n\n\n")[0] for cell in above]
    source = "".join(sheet.answer_cell(name)["source"])
    sheet.own("\n".join([f"%%writefile my_{name}.py", *given, source]), before=cell_id(name))
    _edit(sheet, name, lambda _: f"from my_{name} import {name}")


def tried_before(sheet: Sheet, name: str, other: str) -> None:
    """A first attempt stands above the answer."""
    sheet.own(f"def {name}(*anything):\n    return 0", before=cell_id(name))


def split(sheet: Sheet, name: str, other: str) -> None:
    """The answer stands in two cells, the second of which calls what the first defines."""
    source = "".join(sheet.answer_cell(name)["source"])
    sheet.own(_renamed(source, name, f"{name}_"), before=cell_id(name))
    given = sheet.arguments(name)
    _edit(sheet, name, lambda _: f"{sheet.signature(name)}\n    return {name}_({given})\n")


def copied(sheet: Sheet, name: str, other: str) -> None:
    """Answer and check are copied below, ids included."""
    at = sheet.index(check_id(name)) + 1
    sheet.cells[at:at] = [dict(sheet.cell(id)) for id in (cell_id(name), check_id(name))]


def merged(sheet: Sheet, name: str, other: str) -> None:
    """An answer and its check stand in one cell."""
    check = "".join(sheet.check_cell(name)["source"])
    del sheet.cells[sheet.index(check_id(name))]
    _edit(sheet, name, lambda source: f"{source}\n\n{check}")


def locked_deleted(sheet: Sheet, name: str, other: str) -> None:
    """The check is deleted after it has said ✓."""
    del sheet.cells[sheet.index(check_id(name))]


RULES: tuple[Callable[[Sheet, str, str], None], ...] = (
    *(same_helper, rebound, constant_changed, experiment, reordered, renamed, helper_file),
    *(passed_otherwise, in_one_cell, in_a_loop, tried_before, split, copied, merged),
    locked_deleted,
)


def rewrite(sheet: Sheet, rules: int, rng: np.random.Generator) -> list[str]:
    """Apply so many of `RULES`, each to other exercises; the names of those that found two."""
    applied, used = [], set()
    for i in rng.permutation(len(RULES))[:rules]:
        names = [name for name in sheet.names if name not in used and _is_plain(sheet, name)]
        if len(names) >= 2:
            chosen = [str(name) for name in rng.choice(names, 2, replace=False)]
            RULES[i](sheet, *chosen)
            used.update(chosen)
            applied.append(RULES[i].__name__)
    return applied


# What programs make of a notebook when they save it; each returns its bytes.


def jupyter(sheet: Sheet) -> bytes:
    """JupyterLab: as it is."""
    return sheet.content()


def vs_code(sheet: Sheet) -> bytes:
    """VS Code: its own metadata."""
    for cell in sheet.cells:
        cell["metadata"] = cell["metadata"] | {"vscode": {"languageId": "python"}}
    return sheet.content()


def colab(sheet: Sheet) -> bytes:
    """Colab: ids become metadata, nbgrader's are gone."""
    for i, cell in enumerate(sheet.cells):
        cell.pop("id", None)
        cell["metadata"] = {"id": f"b{i:07x}Q", "outputId": "0"}
        cell["source"] = "".join(cell["source"]).splitlines(keepends=True)
    sheet.notebook |= {"nbformat_minor": 0, "metadata": {"colab": {"provenance": []}}}
    return sheet.content()


def executed(sheet: Sheet) -> bytes:
    """Saved after a run, with outputs, and with nbgrader's checksums."""
    for count, cell in enumerate(sheet.cells):
        about = cell["metadata"].get("nbgrader")
        if about:
            cell["metadata"]["nbgrader"] = about | {"checksum": "0" * 32}
        if cell["cell_type"] == "code":
            text = {"output_type": "stream", "name": "stdout", "text": ["✓ something\n"]}
            cell |= {"execution_count": count + 1, "outputs": [text]}
    return sheet.content()


def old_format(sheet: Sheet) -> bytes:
    """nbformat 3: worksheets, and sources named otherwise."""
    cells = []
    for cell in sheet.cells:
        cell = {key: value for key, value in cell.items() if key != "id"}
        if cell["cell_type"] == "code":
            cell |= {"input": cell.pop("source"), "language": "python", "prompt_number": 1}
        cells.append(cell)
    worksheets = [{"cells": cells, "metadata": {}}]
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": worksheets}
    return json.dumps(old).encode()


def windows(sheet: Sheet) -> bytes:
    """An editor on Windows: a byte order mark, and its line ends within cells too."""
    for cell in sheet.cells:
        cell["source"] = re.sub(r"\r?\n", "\r\n", "".join(cell["source"]))
    return b"\xef\xbb\xbf" + sheet.content().replace(b"\n", b"\r\n")


PROGRAMS: tuple[Callable[[Sheet], bytes], ...] = (
    jupyter, vs_code, colab, executed, old_format, windows,
)  # fmt: skip
