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
import secrets
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import nbformat
import numpy as np

from coursekit.checks import diagnosis
from coursekit.checks.keys import Key, save_keys
from grader import exercises, notebooks, parsing, results, sandbox
from grader.runner import Runner

__all__ = ["Kit", "failed_record", "load_kit", "record"]

VERSION = 2  # of the record and of what it means; others are graded again
_SHOWN = 20_000  # characters of a cell's source, or of the written answer, in a record
_SHOWN_ALL = 1_000_000
_AGAIN = 10  # seconds that a second run gets at least


@dataclasses.dataclass(frozen=True)
class Kit:
    """All that is needed to mark an assignment's submissions; it can be sent to another machine.

    Attributes:
        assignment: its name.
        notebook: the student version, bytes.
        checks: its checks.npz, bytes.
        keys: a `Key` of fresh inputs for each exercise.
        seed: of those inputs; who knows it has them.
        written: points of the written question.
        limits: `sandbox.Limits`.
    """

    assignment: str
    notebook: bytes
    checks: bytes
    keys: tuple[Key, ...]
    written: int
    limits: sandbox.Limits
    seed: int = 0

    def digest(self, content: bytes, files: Mapping = MappingProxyType({})) -> str:
        """A short text that changes if the submission or what its marks depend on does."""
        parts = [
            part
            for name in sorted(files)
            for part in (name.encode("utf-8", "surrogateescape"), files[name])
        ]
        digests = [hashlib.sha256(part).digest() for part in (content, *parts)]
        return hashlib.sha256(self._digest.encode() + b"".join(digests)).hexdigest()

    @functools.cached_property
    def _digest(self):
        keys = io.BytesIO()
        save_keys(keys, self.keys)
        about = f"{VERSION} {self.assignment} {self.written} {self.limits}".encode()
        parts = (about, self.notebook, self.checks, keys.getvalue())
        return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def load_kit(
    source: Path, released: Path, seed: int | None = None, limits: sandbox.Limits | None = None
) -> Kit:
    """The `Kit` of an assignment, from its folders in instructor/ and in notebooks/assignments/.

    `seed` is that of the fresh inputs. Without one it is drawn, such that every mistake shows.

    Raises:
        ValueError: the seed, or the two folders do not fit each other.
    """
    if seed == exercises.PUBLIC_SEED:
        raise ValueError(f"seed must not be {seed}: students have those inputs.")
    if seed is not None and seed < 0:
        raise ValueError(f"seed must not be negative, got {seed}.")
    notebook = (released / f"{source.name}.ipynb").read_bytes()
    metadata = [cell.metadata.get("nbgrader", {}) for cell in nbformat.reads(notebook, 4).cells]
    defined = exercises.load(source)
    checks = {about["grade_id"]: about["points"] for about in metadata if about.get("grade")}
    if checks != {exercise.check_id: exercise.points for exercise in defined}:
        raise ValueError(f"{released} was not made from {source}: run `make release`.")
    while True:
        drawn = secrets.randbits(48) + 1 if seed is None else seed
        fresh = tuple(exercise.key(drawn) for exercise in defined)
        if seed is not None or all(map(exercises.tells_apart, fresh)):
            break
    return Kit(
        assignment=source.name,
        notebook=notebook,
        checks=(released / "checks.npz").read_bytes(),
        keys=fresh,
        written=sum(about["points"] for about in metadata if about.get("task")),
        limits=limits or sandbox.Limits(),
        seed=drawn,
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


def record(
    kit: Kit, student: str, content: bytes, runner: Runner, files: Mapping = MappingProxyType({})
) -> dict:
    """Mark one submission, a notebook's bytes; returns the record.

    `files` is what it may import or read, from names to bytes.
    """
    digest = kit.digest(content, files)
    try:
        rebuilt = notebooks.rebuild(content, kit.notebook)
    except parsing.Unreadable as error:
        return failed_record(kit, student, str(error), digest)
    did, marked = _run(kit, rebuilt.cells, files, runner)
    cells, seconds, notes = rebuilt.cells, did.seconds, list(rebuilt.notes)
    if rebuilt.submitted and not all(exercise["status"] == "right" for exercise in marked):
        # Whoever saw every check say ✓ did so in this order.
        left = max(_AGAIN, kit.limits.total - did.seconds)
        again, others = _run(kit, rebuilt.submitted, files, runner, left)
        seconds += again.seconds
        better = [max(pair, key=_rank) for pair in zip(marked, others, strict=True)]
        if better != marked:
            gained = [one["name"] for one, two in zip(marked, better, strict=True) if one != two]
            notes.append(f"Run in your own order of the cells: {', '.join(gained)}.")
            did, cells, marked = again, rebuilt.submitted, better
    stopped = [exercise["status"] == "stopped" for exercise in marked]
    return failed_record(kit, student, "", digest) | {
        "status": "failed" if all(stopped) else "partly" if any(stopped) else "graded",
        "reason": marked[0]["message"] if all(stopped) else "",
        "notes": list(dict.fromkeys([*notes, *_left_out(cells, did)])),
        "seconds": round(seconds, 2),
        "exercises": marked,
        "written": {"answer": results.shortened(rebuilt.written, _SHOWN), "of": kit.written},
        "cells": _shown(cells, did),
    }


def _run(kit, cells, files, runner, total=None):
    """Run cells in the sandbox: what they did, and each exercise's part of the record."""
    did = runner.run(
        [
            (place, "pass" if cell.kind == "check" else cell.source)
            for place, cell in enumerate(cells)
            if cell.kind != "text"
        ],
        [(key.name, key.arguments, key.cases, key.differentiable) for key in kit.keys],
        {**files, "checks.npz": kit.checks},
        {place: cell.exercise for place, cell in enumerate(cells) if cell.kind == "check"},
        total,
    )
    marked = [_marked(key, cells, did) for key in kit.keys]
    did.answers.clear()  # they may be large, and another run may follow
    return did, marked


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
    called = did.answers.get(key.name, {})
    found = [_judged(key, cells, did, *answers) for answers in called.values()]
    if ("function", key.name) in did.stopped or not found:
        why = did.stopped.get(("function", key.name), "It handed back no result.")
        found.append(_exercise(key, None, "stopped", why))
    return max(found, key=_rank)


def _rank(exercise):
    """The better counts: right, then what could not be graded, then what tells the most."""
    if exercise["status"] in ("right", "stopped", "blank"):
        return {"right": 5, "stopped": 4, "blank": 1}[exercise["status"]]
    return 3 if exercise["known"] else 0 if exercise["message"].startswith("is not def") else 2


def _judged(key, cells, did, given, printed):
    """What the answers of one call of the function are worth."""
    with np.errstate(all="ignore"):  # of numbers that a student chose
        message = diagnosis.judge(given, key, tell=False)
        cut = _cut(given, key)
    if not message:
        return _exercise(key, key.points, "right", "", printed=printed)
    known = message in [sentence for sentence, _ in key.wrong]
    if cut:
        return _exercise(key, None, "stopped", cut, printed=printed)
    if message.startswith("is not written yet"):
        return _exercise(key, 0, "blank", message, printed=printed)
    if message == "is not defined.":
        errors = [
            did.cells.get(place, {}).get("error")
            for place, cell in enumerate(cells)
            if cell.exercise == key.name and cell.kind == "answer"
        ]
        if error := next(filter(None, errors), ""):
            message = f"is not defined: its cell ended with {error}"
    if not known:
        for place, cell in enumerate(cells):
            why = did.stopped.get(("cell", place), "")
            if not why and did.cells.get(place, {}).get("cut"):
                why = f"It ended with {did.cells[place]['error']}"
            if why and not cell.id.startswith("look"):
                why = f"A cell could not run here, which it may need. {why}"
                return _exercise(key, None, "stopped", why, printed=printed)
    return _exercise(key, 0, "wrong", message, known, printed)


def _cut(given, key):
    """Why a call met a limit where its other answers are right, or ""."""
    cut = [i for i, answer in enumerate(given) if answer.cut]
    rest = [i for i in range(len(given)) if i not in cut]
    if not cut:
        return ""
    some = dataclasses.replace(
        key,
        cases=tuple(key.cases[i] for i in rest),
        expected=tuple(key.expected[i] for i in rest),
        wrong=(),
        differentiable=key.differentiable if 0 in rest else "",
    )
    if rest and diagnosis.judge([given[i] for i in rest], some, tell=False):
        return ""
    first = given[cut[0]]
    # The process that says so may have been told what to say.
    why = f"It was cut off, and said: it {first.problem or first.gradient_problem}"
    return f"{why} What was computed by then is right." if rest else why


def _left_out(cells, did):
    stopped = [(place, why) for (kind, place), why in did.stopped.items() if kind == "cell"]
    return [f"The cell {cells[i].id or i + 1} was left out. {why}" for i, why in stopped]


def _shown(cells, did):
    """The cells with what they printed, raised and drew: answers, and others as far as they fit."""
    shown, left = [], _SHOWN_ALL
    for place, cell in enumerate(cells):
        most = _SHOWN if cell.kind == "answer" else min(_SHOWN, left)
        if not most:
            continue
        source = results.shortened(cell.source, most)
        left -= 0 if cell.kind == "answer" else min(len(cell.source), most)
        done = did.cells.get(place, {"printed": "", "error": "", "pictures": []})
        error = did.stopped.get(("cell", place), done["error"])
        pictures = [base64.b64encode(picture).decode() for picture in done["pictures"]]
        shown.append(
            {"kind": cell.kind, "id": cell.id, "source": source}
            | {"printed": done["printed"], "error": error, "pictures": pictures}
        )
    if len(shown) < len(cells):
        text = f"{len(cells) - len(shown):,} more cells are not shown."
        shown.append({"kind": "text", "id": "", "source": text})
        shown[-1] |= {"printed": "", "error": "", "pictures": []}
    return shown
