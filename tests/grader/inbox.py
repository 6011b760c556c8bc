"""An inbox of eight students, and the points that they get."""

import csv

import nbformat

from grader import exercises, notebooks
from tools import assignments

NAME = "05_sparse"
SOURCE = exercises.source_folder(NAME)
RELEASED = exercises.student_folder(NAME)
STUDENTS = [f"student{i}" for i in range(8)]


def write_inbox(folder, students=STUDENTS):
    """Student i has the first i of five answers right, and drew no picture with them."""
    folder.mkdir()
    answers = assignments.solutions(SOURCE)
    for student in students:
        i = STUDENTS.index(student)
        notebook = nbformat.reads((RELEASED / f"{NAME}.ipynb").read_bytes(), 4)
        right = {notebooks.cell_id(name): answers[name] for name in list(answers)[:i]}
        for cell in notebook.cells:
            cell.source = right.get(cell.id, cell.source)
        nbformat.write(notebook, folder / f"{student}.ipynb")
    return folder


def points(out):
    """{student: the points of the five exercises}, from grades.csv."""
    with open(out / "grades.csv", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    names = [exercise.name for exercise in assignments.definitions(SOURCE)]
    return {row["student"]: [row[name] for name in names] for row in rows}


EXPECTED = {
    student: [str(p) if j < i else "0" for j, p in enumerate((4, 5, 4, 3, 4))]
    for i, student in enumerate(STUDENTS)
}
