"""From a submitted notebook to marks: rebuilt, run in the sandbox, judged outside of it.

What comes out is a record, a dict for JSON: student, assignment, digest, status ("graded", or
"partly" or "failed" where some or all exercises could not be), reason, notes, seconds; exercises
(name, of, points or None, status "right", "wrong", "blank" or "stopped", message, known, printed);
written (answer, of); cells (kind, id, source, printed, error, pictures in base64). Whatever comes
from the student is in there as it was.
"""

import base64
import dataclasses
import functools
import hashlib
import io
from pathlib import Path

import nbformat
import numpy as np

from coursekit.checks import diagnosis
from coursekit.checks.keys import Key, save_keys
from grader import exercises, notebooks, sandbox
from grader.runner import Runner

__all__ = ["SEED", "Kit", "failed_record", "load_kit", "record"]

VERSION = 1  # of the record and of what it means; others are graded again
SEED = 1  # of the fresh inputs
_NOT_RUN = ("text", "check")
_SHOWN = 20_000  # characters of a cell's source in a record
_SHOWN_ALL = 1_000_000


@dataclasses.dataclass(frozen=True)
class Kit:
    """All that is needed to mark an assignment's submissions; it can be sent to another machine.

    Attributes:
        assignment: its name.
        notebook: the student version, bytes.
        checks: its checks.npz, bytes.
        keys: a `Key` of fresh inputs for each exercise.
        written: points of the written question.
        limits: `sandbox.Limits`.
    """

    assignment: str
    notebook: bytes
    checks: bytes
    keys: tuple[Key, ...]
    written: int
    limits: sandbox.Limits

    def digest(self, content: bytes) -> str:
        """A short text that changes if the submission or what its marks depend on does."""
        return hashlib.sha256(self._digest.encode() + content).hexdigest()

    @functools.cached_property
    def _digest(self):
        keys = io.BytesIO()
        save_keys(keys, self.keys)
        about = f"{VERSION} {self.assignment} {self.written} {self.limits}".encode()
        parts = (about, self.notebook, self.checks, keys.getvalue())
        return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def load_kit(
    source: Path, released: Path, seed: int = SEED, limits: sandbox.Limits | None = None
) -> Kit:
    """The `Kit` of an assignment, from its folders in instructor/ and in notebooks/assignments/.

    `seed` is that of the fresh inputs.

    Raises:
        ValueError: the seed, or the two folders do not fit each other.
    """
    if seed == exercises.PUBLIC_SEED:
        raise ValueError(f"seed must not be {seed}: students have those inputs.")
    notebook = (released / f"{source.name}.ipynb").read_bytes()
    metadata = [cell.metadata.get("nbgrader", {}) for cell in nbformat.reads(notebook, 4).cells]
    defined = exercises.load(source)
    checks = {about["grade_id"]: about["points"] for about in metadata if about.get("grade")}
    if checks != {exercise.check_id: exercise.points for exercise in defined}:
        raise ValueError(f"{released} was not made from {source}: run `make release`.")
    return Kit(
        assignment=source.name,
        notebook=notebook,
        checks=(released / "checks.npz").read_bytes(),
        keys=tuple(exercise.key(seed) for exercise in defined),
        written=sum(about["points"] for about in metadata if about.get("task")),
        limits=limits or sandbox.Limits(),
    )


def failed_record(kit: Kit, student: str, reason: str, digest: str = "") -> dict:
    """The record of a submission that cannot be graded: no exercise has points, not even 0."""
    return {
        "student": student,
        "assignment": kit.assignment,
        "digest": digest,
        "status": "failed",
        "reason": reason,
        "notes": [],
        "seconds": 0.0,
        "exercises": [_exercise(key, None, "stopped", reason) for key in kit.keys],
        "written": {"answer": "", "of": kit.written},
        "cells": [],
    }


def record(kit: Kit, student: str, content: bytes, runner: Runner) -> dict:
    """Mark one submission, a notebook's bytes; returns the record."""
    digest = kit.digest(content)
    try:
        rebuilt = notebooks.rebuild(content, kit.notebook)
    except notebooks.Unreadable as error:
        return failed_record(kit, student, str(error), digest)
    runs = [(i, cell) for i, cell in enumerate(rebuilt.cells) if cell.kind not in _NOT_RUN]
    did = runner.run(
        [(place, cell.source) for place, cell in runs],
        [(key.name, key.arguments, key.cases, key.differentiable) for key in kit.keys],
        {"checks.npz": kit.checks},
    )
    marked = [_marked(key, rebuilt.cells, did) for key in kit.keys]
    stopped = [exercise["status"] == "stopped" for exercise in marked]
    return failed_record(kit, student, "", digest) | {
        "status": "failed" if all(stopped) else "partly" if any(stopped) else "graded",
        "reason": marked[0]["message"] if all(stopped) else "",
        "notes": [*rebuilt.notes, *_left_out(rebuilt.cells, did)],
        "seconds": round(did.seconds, 2),
        "exercises": marked,
        "written": {"answer": rebuilt.written, "of": kit.written},
        "cells": _shown(rebuilt.cells, did),
    }


def _exercise(key, points, status, message, known=False, printed=""):
    return {
        "name": key.name,
        "of": key.points,
        "points": points,
        "status": status,
        "message": message,
        "known": known,
        "printed": printed,
    }


def _marked(key, cells, did):
    """One exercise's part of the record."""
    if key.name not in did.answers:
        why = did.stopped.get(("function", key.name), "It handed back no result.")
        return _exercise(key, None, "stopped", why)
    given, printed = did.answers[key.name]
    with np.errstate(all="ignore"):  # of numbers that a student chose
        message = diagnosis.judge(given, key)
    if not message:
        return _exercise(key, key.points, "right", "", printed=printed)
    known = message in [sentence for sentence, _ in key.wrong]
    if message == "is not defined.":
        errors = [
            did.cells.get(place, {}).get("error")
            for place, cell in enumerate(cells)
            if cell.exercise == key.name and cell.kind == "answer"
        ]
        message = f"is not defined: its cell ended with {errors[0]}" if any(errors) else message
    if not known:
        for place, cell in enumerate(cells):
            if ("cell", place) in did.stopped and not cell.id.startswith("look"):
                why = f"A cell had to be left out, which it may need. {did.stopped['cell', place]}"
                return _exercise(key, None, "stopped", why, printed=printed)
    status = "blank" if message.startswith("is not written yet") else "wrong"
    return _exercise(key, 0, status, message, known, printed)


def _left_out(cells, did):
    stopped = [(place, why) for (kind, place), why in did.stopped.items() if kind == "cell"]
    return [f"The cell {cells[i].id or i + 1} was left out. {why}" for i, why in stopped]


def _shown(cells, did):
    """The cells with what they printed, raised and drew, as far as a page can hold them."""
    shown, left = [], _SHOWN_ALL
    for place, cell in enumerate(cells):
        most = min(_SHOWN, left)
        source = cell.source
        if len(source) > most:
            source = f"{source[:most]}\n... ({len(cell.source) - most:,} more characters)"
        left -= min(len(cell.source), most)
        done = did.cells.get(place, {"printed": "", "error": "", "pictures": []})
        error = did.stopped.get(("cell", place), done["error"])
        pictures = [base64.b64encode(picture).decode() for picture in done["pictures"]]
        shown.append(
            {"kind": cell.kind, "id": cell.id, "source": source}
            | {"printed": done["printed"], "error": error, "pictures": pictures}
        )
        if left <= 0:
            break
    return shown
