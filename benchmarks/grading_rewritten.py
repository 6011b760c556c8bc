"""300 honest submissions of all assignments, rewritten as students and programs do: their points.

    python -m benchmarks.grading_rewritten --each 25

Every exercise is solved, or with --mistakes some make a known mistake; up to two rules of
tools/rewriting.py change the notebook, and a program saves it. Exits with 1 where somebody does
not get exactly the points that are known beforehand.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from grader import batch, exercises, marks
from tools import honest
from tools.assignments import definitions
from tools.rewriting import PROGRAMS, rewrite
from tools.sheets import Sheet


def submission(folder, rng, mistakes):
    """A notebook's bytes, its points by exercise, and how it was made."""
    sheet, points = Sheet(folder, "anna").solve(), {}
    for exercise in definitions(folder):
        points[exercise.name] = exercise.points
        plain = [wrong for wrong in exercise.wrong if not wrong.function.__closure__]
        if rng.random() < mistakes and plain:
            wrong = plain[rng.integers(len(plain))]
            sheet.answer(exercise.name, honest.as_answer(folder, exercise.name, wrong.function))
            points[exercise.name] = 0
    made = rewrite(sheet, rng.integers(3), rng)
    program = PROGRAMS[rng.integers(len(PROGRAMS))]
    return program(sheet), points, ", ".join([*made, program.__name__])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--each", type=int, default=25, help="per assignment (25)")
    parser.add_argument("--mistakes", type=float, default=0.0, help="share of exercises (0)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    rng, failed, count, started = np.random.default_rng(given.seed), 0, 0, time.monotonic()
    for folder in exercises.source_folders():
        with tempfile.TemporaryDirectory() as top:
            inbox, out, known = Path(top, "inbox"), Path(top, "out"), {}
            inbox.mkdir()
            for i in range(given.each):
                content, *known[f"s{i:02}"] = submission(folder, rng, given.mistakes)
                (inbox / f"s{i:02}.ipynb").write_bytes(content)
            kit = marks.load_kit(folder, exercises.student_folder(folder.name))
            batch.grade(kit, inbox, out, jobs=given.jobs)
            for student, (points, made) in known.items():
                record = json.loads((out / "results" / f"{student}.json").read_bytes())
                got = {one["name"]: one["points"] for one in record["exercises"]}
                count += 1
                if got != points:
                    failed += 1
                    print(f"{folder.name} {student} ({made}): {got}, not {points}")
                    print(*(f"  {one['message']}" for one in record["exercises"]), sep="\n")
    seconds = (time.monotonic() - started) / count
    print(f"{count} submissions, {failed} with other points than known; {seconds:.2f} s each")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
