"""Seconds per submission, beside `nbgrader autograde` on the same 20 in the same run.

An inbox of assignment 05 is graded with two jobs, everything counted from starting the command to
the written report; then nbgrader grades the same files. Targets: at most 2.0 s per submission, and
at least 3 times as fast; exits with 1 where one is missed.
"""

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

import nbformat

from grader import ROOT, exercises
from grader.notebooks import cell_id
from tools import assignments

NAME = "05_sparse"
RELEASED = exercises.student_folder(NAME)
SOURCE = exercises.source_folder(NAME)
CONFIG = """
exec(compile(open({config!r}).read(), {config!r}, "exec"))
c.CourseDirectory.root = {root!r}
c.CourseDirectory.source_directory = "source"
c.CourseDirectory.db_url = "sqlite:///{root}/gradebook.db"
for step in ("release", "submitted", "autograded", "feedback"):
    setattr(c.CourseDirectory, step + "_directory", step)
"""


def submissions(count):
    """{student: notebook}: all answers right, but for the i-th, which is blank in every other."""
    solutions = {cell_id(name): source for name, source in assignments.solutions(SOURCE).items()}
    made = {}
    for i in range(count):
        notebook = nbformat.reads(assignments.released(SOURCE), 4)
        blank = list(solutions)[i % len(solutions)] if i % 2 else None
        for cell in notebook.cells:
            if cell.id in solutions and cell.id != blank:
                cell.source = solutions[cell.id]
        made[f"student{i:02}"] = nbformat.writes(notebook)
    return made


def run(*command, cwd):
    """Seconds that a command takes."""
    started = time.perf_counter()
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    subprocess.run(
        [sys.executable, "-m", *command], check=True, cwd=cwd, env=os.environ | {"PATH": path}
    )
    return time.perf_counter() - started


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=20, help="of submissions")
    count = parser.parse_args().count
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for student, notebook in submissions(count).items():
            # As nbgrader wants them; the grader takes that form too.
            place = folder / "submitted" / student / NAME
            place.mkdir(parents=True)
            (place / f"{NAME}.ipynb").write_text(notebook)
            shutil.copy(RELEASED / "checks.npz", place)
        ours = run(
            *("grader", "grade", NAME, str(folder / "submitted")),
            *("--out", str(folder / "out"), "--jobs", "2"),
            cwd=ROOT,
        )
        shutil.copytree(SOURCE, folder / "source" / NAME)
        shutil.copy(RELEASED / "checks.npz", folder / "source" / NAME)
        (folder / "nbgrader_config.py").write_text(
            CONFIG.format(config=str(ROOT / "nbgrader_config.py"), root=str(folder))
        )
        run("nbgrader", "generate_assignment", NAME, cwd=folder)
        theirs = run("nbgrader", "autograde", NAME, cwd=folder)
    print(f"{'this grader, two jobs':36}{ours / count:>7.2f} s per submission     <= 2.0")
    print(f"{'nbgrader autograde':36}{theirs / count:>7.2f} s per submission")
    print(f"{'times as fast':36}{theirs / ours:>7.2f}     >= 3")
    sys.exit(0 if ours <= 2 * count and theirs >= 3 * ours else 1)


if __name__ == "__main__":
    main()
