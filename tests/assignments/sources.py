"""An assignment's source notebook, run in this process: quickly, cell by cell, with blanks."""

import contextlib
import functools
import io
import re
from pathlib import Path

import nbformat

from coursekit.checks import CheckFailed
from grader import exercises, release

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = release.sources()
REGION = re.compile(r"^([ ]*)### BEGIN SOLUTION\n(.*?)^[ ]*### END SOLUTION$", re.S | re.M)


@functools.cache
def definitions(folder):
    """The exercises of a source folder."""
    return exercises.load(folder)


@functools.cache
def notebook(folder):
    """The source notebook."""
    return nbformat.read(folder / f"{folder.name}.ipynb", as_version=4)


def cell_id(exercise):
    """The id of an exercise's answer cell; its check's is the same with "-check"."""
    return exercise.name.replace("_", "-")


def solutions(folder):
    """{exercise's name: its answer cell's source}."""
    cells = {cell.id: cell.source for cell in notebook(folder).cells}
    return {exercise.name: cells[cell_id(exercise)] for exercise in definitions(folder)}


def blanked(source):
    """An answer cell as students get it."""
    return REGION.sub(r"\1# YOUR CODE HERE\n\1raise NotImplementedError()", source)


def sentences(folder, blank=()):
    """{exercise's name: what its check says, "" if it passes}, with some answers blanked.

    Everything but pictures ("look" cells) is run, as `nbgrader` does: on after an error. The
    working directory must hold checks.npz.
    """
    said, namespace = {}, {}
    blank = {name.replace("_", "-") for name in blank}
    checks = {cell_id(exercise) + "-check": exercise.name for exercise in definitions(folder)}
    for cell in notebook(folder).cells:
        if cell.cell_type != "code" or cell.id.startswith("look"):
            continue
        source = blanked(cell.source) if cell.id in blank else cell.source
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                exec(compile(source, f"<{cell.id}>", "exec"), namespace)
                failed = ""
            except CheckFailed as error:
                failed = str(error)
        if cell.id in checks:
            said[checks[cell.id]] = failed
    return said
