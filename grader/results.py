"""The folder results/ of the grader's output: a record for each student who was ever graded."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from grader import tables

__all__ = ["read", "students", "write"]

_KEYS = {"student", "assignment", "digest", "status", "reason", "notes", "seconds"}
_KEYS |= {"exercises", "written", "cells"}


def read(out: str | Path, students: Iterable[str]) -> Iterator[dict]:
    """The records of these students, one at a time; what is missing or damaged is left out."""
    for student in students:
        try:
            record = json.loads(_path(out, student).read_bytes())
        except (FileNotFoundError, ValueError):
            continue
        if isinstance(record, dict) and record.keys() >= _KEYS and record["student"] == student:
            yield record


def students(out: str | Path) -> list[str]:
    """Who has a record, in order."""
    return sorted(path.stem for path in _path(out, "").parent.glob("*.json"))


def write(out: str | Path, record: dict) -> None:
    """Write a student's record in place of an earlier one."""
    tables.replace(_path(out, record["student"]), json.dumps(record, indent=1).encode())


def _path(out, student):
    return Path(out) / "results" / f"{student}.json"
