"""The assignments in instructor/: what a source notebook holds, and what was made of it."""

import functools
import re
from pathlib import Path

import nbformat

from grader import exercises

__all__ = ["REGION", "answers", "blanked", "definitions", "notebook", "released", "solutions"]

REGION = re.compile(r"^([ ]*)### BEGIN SOLUTION\n(.*?)^[ ]*### END SOLUTION$", re.S | re.M)


@functools.cache
def definitions(folder: Path) -> tuple[exercises.Exercise, ...]:
    """The exercises of a source folder."""
    return exercises.load(folder)


@functools.cache
def notebook(folder: Path) -> nbformat.NotebookNode:
    """The source notebook."""
    return nbformat.read(folder / f"{folder.name}.ipynb", as_version=4)


@functools.cache
def released(folder: Path) -> bytes:
    """The student version of the notebook."""
    return (exercises.student_folder(folder.name) / f"{folder.name}.ipynb").read_bytes()


def answers(folder: Path) -> dict[str, str]:
    """{exercise's name: its answer cell's source, with the marks around the solution}"""
    cells = {cell.id: cell.source for cell in notebook(folder).cells}
    return {exercise.name: cells[exercise.cell_id] for exercise in definitions(folder)}


def solutions(folder: Path) -> dict[str, str]:
    """{exercise's name: a right answer cell as a student would have written it}"""
    return {name: REGION.sub(_body, source) for name, source in answers(folder).items()}


def blanked(source: str) -> str:
    """An answer cell as students get it."""
    return REGION.sub(r"\1# YOUR CODE HERE\n\1raise NotImplementedError()", source)


def _body(region):
    return region[2].rstrip("\n")
