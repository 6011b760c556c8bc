"""The notebook of 09_variational as a student hands it in: answered in part or in whole."""

import functools
import json

from grader.exercises import student_folder
from grader.notebooks import cell_id
from tests.grader.records import ASSIGNMENT, NAMES


@functools.cache
def released(assignment=ASSIGNMENT):
    return (student_folder(assignment) / f"{assignment}.ipynb").read_bytes()


def notebook():
    """The released one, to be written into."""
    return json.loads(released())


def position(nb, cell_id):
    return [cell["id"] for cell in nb["cells"]].index(cell_id)


def cell_of(nb, cell_id):
    return nb["cells"][position(nb, cell_id)]


def code(source, **more):
    return {"cell_type": "code", "metadata": {}, "source": source, "outputs": [], **more}


def markdown(source, **more):
    return {"cell_type": "markdown", "metadata": {}, "source": source, **more}


def answer(name, value):
    return f"def {name}(*arguments):\n    return {value!r}"


def filled(names=NAMES, written="Because."):
    nb = notebook()
    for name in names:
        cell_of(nb, cell_id(name))["source"] = answer(name, name)
    if written:
        cell_of(nb, "written-answer")["source"] = written
    return nb


def raw(nb):
    return json.dumps(nb).encode()
