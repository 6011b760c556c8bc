"""Records of submissions to 09_variational, as the grader writes them, and their kit."""

import base64
import io
import json
import types

from PIL import Image

from grader import reports
from grader.exercises import student_folder
from grader.notebooks import cell_id

ASSIGNMENT = "09_variational"
NAMES = (
    "full_gaussian_kl",
    "draw_laplace",
    "leave_one_out_gradient",
    "free_bits",
    "running_bound",
)
POINTS = dict(zip(NAMES, (4, 4, 5, 4, 3), strict=True))


def kit():
    """What reports and gradebook use of a `marks.Kit`."""
    folder = student_folder(ASSIGNMENT)
    return types.SimpleNamespace(
        assignment=ASSIGNMENT,
        notebook=(folder / f"{ASSIGNMENT}.ipynb").read_bytes(),
        keys=tuple(types.SimpleNamespace(name=name, points=of) for name, of in POINTS.items()),
        written=4,
    )


def exercise(name, points, status, message="", known=False, printed=""):
    return {
        "name": name,
        "of": POINTS[name],
        "points": points,
        "status": status,
        "message": message,
        "known": known,
        "printed": printed,
    }


def cell(kind, source, id="own-1", printed="", error="", pictures=()):
    return {
        "kind": kind,
        "id": id,
        "source": source,
        "printed": printed,
        "error": error,
        "pictures": list(pictures),
    }


def picture(size=(3, 2)):
    buffer = io.BytesIO()
    Image.new("L", size, 128).save(buffer, format="png")
    return base64.b64encode(buffer.getvalue()).decode()


def right(name):
    return exercise(name, POINTS[name], "right")


def record(student="anna", exercises=None, written="Because.", **more):
    """Everything right but the written question, which waits."""
    exercises = {one["name"]: one for one in exercises or ()}
    return {
        "student": student,
        "assignment": ASSIGNMENT,
        "digest": "0" * 64,
        "status": "graded",
        "reason": "",
        "notes": [],
        "seconds": 1.5,
        "exercises": [exercises.get(name, right(name)) for name in NAMES],
        "written": {"answer": written, "of": 4},
        "cells": [
            cell("answer", f"def {name}(x):\n    return x", id=cell_id(name)) for name in NAMES
        ],
        **more,
    }


def partly(student, why="It took longer than 10 seconds."):
    """free_bits could not be graded."""
    return record(student, [exercise("free_bits", None, "stopped", why)], status="partly")


def failed(student, why="The file is empty."):
    """Nothing could be graded."""
    exercises = [exercise(name, None, "stopped", why) for name in NAMES]
    more = {"status": "failed", "reason": why, "cells": [], "digest": student}
    return record(student, exercises, written="", **more)


def save(out, *records):
    """Write them as the results of a run, which has graded all of them."""
    (out / "results").mkdir(parents=True, exist_ok=True)
    for one in records:
        (out / "results" / f"{one['student']}.json").write_text(json.dumps(one))
    reports.write_grades(out, records, {}, [])
