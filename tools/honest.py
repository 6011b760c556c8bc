"""Submissions of students who do their best: what each deserves is known beforehand.

An exercise is answered in one of several ways, from the assignment's own definitions; the notebook
around it is varied as students and their programs vary it.
"""

import ast
import builtins
import functools
import re
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tools.assignments import definitions, solutions
from tools.sheets import Expectation, Places, Sheet

__all__ = ["as_answer", "students", "submission"]

_GIVEN = ("Anna", "Zoë", "Łukasz", "José", "Søren", "Мария", "李", "Jean-Luc", "Ngozi", "D'Arcy")
_FAMILY = ("Müller", "O'Brien", "García", "王", "Иванова", "van_der_Berg", "Øster", "Okafor")


@functools.cache
def _module(folder):
    """The module of exercises.py: its syntax tree, and what it defines and imports by name."""
    tree = ast.parse((Path(folder) / "exercises.py").read_text(encoding="utf-8"))
    defined, imported = {}, {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            defined[node.name] = node
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                imported[alias.asname or alias.name.split(".")[0]] = node
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            defined[node.targets[0].id] = node
    return tree, defined, imported


def as_answer(folder: Path, name: str, function: Callable) -> str:
    """An answer cell for the exercise `name` that computes what `function` of exercises.py does.

    Its helpers become functions within the answer, so that none takes another's name.
    """
    tree, defined, imported = _module(folder)
    node = _node(tree, function)
    wanted, order = _names(node) - {getattr(node, "name", "")}, []

    def add(helper):
        if helper in order or helper not in defined:
            return
        for other in sorted(_names(defined[helper]) - {helper}):
            add(other)
        order.append(helper)

    for helper in sorted(wanted):
        add(helper)
    used = set().union(wanted, *(_names(defined[helper]) for helper in order))
    imports = {ast.unparse(imported[name]): None for name in sorted(used) if name in imported}
    missing = used - set(imported) - set(defined) - set(dir(builtins)) - _bound(node)
    missing -= set().union(*(_bound(defined[helper]) for helper in order))
    if missing:
        raise ValueError(f"{name}: {', '.join(sorted(missing))} of exercises.py not understood")
    body = [*imports, *(ast.unparse(defined[helper]) for helper in order)]
    if isinstance(node, ast.Lambda):
        body.append(f"answer = {ast.unparse(node)}")
        call = "answer"
    else:
        body.append(ast.unparse(node))
        call = node.name
    arguments = next(e for e in definitions(folder) if e.name == name).arguments
    given = ", ".join(arguments)
    body.append(f"return {call}({given})")
    return f"def {name}({given}):\n" + textwrap.indent("\n".join(body), "    ") + "\n"


def _node(tree, function):
    """The smallest lambda or definition that contains all of a function's code."""
    code = function.__code__
    places = [place for place in code.co_positions() if None not in place and place[2:] != (0, 0)]
    first = min((line, column) for line, _, column, _ in places)
    last = max((line, column) for _, line, _, column in places)
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, (ast.Lambda, ast.FunctionDef))
        and node.lineno == code.co_firstlineno
        and (node.lineno, node.col_offset) <= first
        and last <= (node.end_lineno, node.end_col_offset)
    ]
    return max(around, key=lambda node: (node.lineno, node.col_offset))


def _names(node):
    """The names that a piece of code reads."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and n.id not in _bound(node)}


def _bound(node):
    """The names that a piece of code binds itself: arguments, loops and assignments."""
    bound = {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}
    bound |= {
        n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    }
    return bound | {n.name for n in ast.walk(node) if isinstance(n, ast.FunctionDef)} - {
        getattr(node, "name", "")
    }


# How one exercise is answered: each returns the share of the points, and what the student reads.


def _solved(sheet, exercise, rng):
    """The solution."""
    sheet.solve(exercise.name)
    return 1, ""


def _solved_otherwise(sheet, exercise, rng):
    """A right answer that is written otherwise, or the solution with remarks."""
    if exercise.alternatives:
        chosen = exercise.alternatives[rng.integers(len(exercise.alternatives))]
        sheet.answer(exercise.name, as_answer(sheet.folder, exercise.name, chosen))
    else:
        source = solutions(sheet.folder)[exercise.name]
        sheet.answer(exercise.name, f"# My solution – checked by hand ✓\n{source}\n\n\n# ready")
    return 1, ""


def _solved_with_noise(sheet, exercise, rng):
    """A right answer that prints, warns and writes to standard error."""
    name = exercise.name
    given = sheet.arguments(name)
    inner = textwrap.indent(solutions(sheet.folder)[name], "    ")
    sheet.answer(
        name,
        f"{sheet.signature(name)}\n    import sys, warnings\n{inner}\n"
        f"    print('shape', np.shape({given.split(', ')[0]}))\n"
        "    warnings.warn('careful')\n"
        "    print('to standard error', file=sys.stderr)\n"
        "    np.log(np.zeros(1))\n"
        f"    return {name}({given})\n",
    )
    return 1, ""


def _mistaken(sheet, exercise, rng):
    """A known mistake."""
    plain = [wrong for wrong in exercise.wrong if not wrong.function.__closure__]
    wrong = plain[rng.integers(len(plain))]
    sheet.answer(exercise.name, as_answer(sheet.folder, exercise.name, wrong.function))
    return 0, wrong.sentence


def _blank(sheet, exercise, rng):
    """Not answered."""
    return 0, "not written yet"


def _half_written(sheet, exercise, rng):
    """A syntax error."""
    source = solutions(sheet.folder)[exercise.name].rstrip()
    sheet.answer(exercise.name, source + "\n    return ((\n")
    return 0, ""


def _misspelt(sheet, exercise, rng):
    """A name that does not exist."""
    sheet.answer(exercise.name, f"{sheet.signature(exercise.name)}\n    return resutl\n")
    return 0, "NameError"


def _without_return(sheet, exercise, rng):
    """Computes and returns nothing."""
    sheet.answer(exercise.name, f"{sheet.signature(exercise.name)}\n    result = 1\n")
    return 0, "returned None"


_WAYS = (
    *((_solved, 0.5), (_solved_otherwise, 0.13), (_solved_with_noise, 0.05), (_mistaken, 0.17)),
    *((_blank, 0.07), (_half_written, 0.03), (_misspelt, 0.03), (_without_return, 0.02)),
)


# How the notebook around the answers varies.


def _untouched(sheet, rng):
    """As it was."""


def _with_helpers(sheet, rng):
    """Own cells, with a helper that an answer uses, and text."""
    name = sheet.names[rng.integers(len(sheet.names))]
    cell = sheet.answer_cell(name)
    source = "".join(cell["source"])
    if f"def {name}(" in source:
        body = source.replace(f"def {name}(", f"def my_{name}(", 1)
        sheet.own(body, before=cell["id"])
        given = sheet.arguments(name)
        cell["source"] = f"{sheet.signature(name)}\n    return my_{name}({given})\n"
    sheet.own("Notes to *myself*: ask about $\\rho$.", before=cell["id"], kind="markdown")
    sheet.own("x.shape, x.mean()\n", before=cell["id"])


def _with_an_import(sheet, rng):
    """An import added to the locked first cell."""
    cell = sheet.cell("setup")
    cell["source"] = "".join(cell["source"]) + "\nfrom scipy import special\nimport math\n"


def _with_outputs(sheet, rng):
    """Saved with outputs and counts, and the answer to the written question."""
    for count, cell in enumerate(sheet.cells):
        if cell["cell_type"] == "code":
            cell["execution_count"] = count + 1
            text = {"output_type": "stream", "name": "stdout", "text": ["✓ something\n"]}
            cell["outputs"] = [text]
    sheet.cell("written-answer")["source"] = "Because the mean of a small batch scatters…"


def _with_new_ids(sheet, rng):
    """Every id is new, as some programs make them; the metadata are kept."""
    for cell in sheet.cells:
        cell["id"] = rng.bytes(4).hex()


def _without_metadata(sheet, rng):
    """Metadata and ids are gone."""
    for cell in sheet.cells:
        cell["metadata"] = {}
        del cell["id"]
    sheet.notebook |= {"nbformat_minor": 4, "metadata": {"colab": {"name": "homework"}}}


def _with_pictures(sheet, rng):
    """A picture drawn in a cell of its own at the end."""
    sheet.own(
        "import matplotlib.pyplot as plt\nplt.plot([0, 1], [0, 1])\nplt.title('mine')\n",
        before="end",
    )


def _with_an_error(sheet, rng):
    """A cell of its own that raises, as left over from trying."""
    sheet.own("small[10 ** 9]\n", before="end")


_VARIATIONS = (
    *(_untouched, _with_helpers, _with_an_import, _with_outputs),
    *(_with_new_ids, _without_metadata, _with_pictures, _with_an_error),
)


def submission(
    folder: Path, student: str, places: Places, rng: np.random.Generator, remark: str
) -> tuple[Sheet, Expectation]:
    """One student's `Sheet`, with a remark in a cell of its own, and its `Expectation`."""
    sheet = Sheet(folder, student, places).own(remark)
    right, zero, says = set(), set(), {}
    ways, shares = zip(*_WAYS, strict=True)
    for exercise in definitions(folder):
        way = ways[rng.choice(len(ways), p=np.array(shares) / sum(shares))]
        share, sentence = way(sheet, exercise, rng)
        (right if share else zero).add(exercise.name)
        if sentence:
            says[exercise.name] = sentence
    _VARIATIONS[rng.integers(len(_VARIATIONS))](sheet, rng)
    return sheet, Expectation(right=frozenset(right), zero=frozenset(zero), says=says)


def students(count: int, rng: np.random.Generator) -> list[str]:
    """So many different names."""
    names = {}
    while len(names) < count:
        given, family = _GIVEN[rng.integers(len(_GIVEN))], _FAMILY[rng.integers(len(_FAMILY))]
        number = f" {len(names)}" if f"{given} {family}" in names else ""
        names[re.sub(r"\s+", " ", f"{given} {family}{number}")] = None
    return list(names)
