"""What the grader keeps in its output folder for later runs.

In results/ a record for each student who was ever graded, and the seed of the fresh inputs.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from grader import tables

__all__ = ["is_shortened", "keep_seed", "kept_seed", "read", "shortened", "students", "write"]

_KEYS = {"student", "assignment", "digest", "status", "reason", "notes", "seconds"}
_KEYS |= {"exercises", "written", "cells"}
_MORE = " more characters)"


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


def shortened(text: str, most: int) -> str:
    """A text of a submission as a record holds it: its beginning, and how much more there is."""
    if len(text) <= most:
        return text
    return f"{text[:most]}\n... ({len(text) - most:,}{_MORE}"


def is_shortened(text: str) -> bool:
    """Whether it is not the whole text."""
    return text.endswith(_MORE)


def kept_seed(out: str | Path) -> int | None:
    """The seed of the fresh inputs of an earlier run, or None if there was none.

    Raises:
        ValueError: the file is damaged.
    """
    path = Path(out, "seed.txt")
    if not path.exists():
        return None
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    if not text.isdecimal():
        raise ValueError(f"{path} must hold a number, got {text[:50]!r}; --seed N sets it.")
    return int(text)


def keep_seed(out: str | Path, seed: int) -> None:
    """Write the seed down, unless it stands there."""
    path = Path(out, "seed.txt")
    if not path.exists() or path.read_bytes() != b"%d\n" % seed:
        tables.replace(path, b"%d\n" % seed)


def _path(out, student):
    return Path(out) / "results" / f"{student}.json"
