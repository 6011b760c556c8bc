"""Files that are written in one step, and tables that a spreadsheet opens without computing."""

import csv
import io
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["cell", "plain", "replace", "unquoted", "write"]

_FORMULA = tuple("=+-@\t\n")  # a spreadsheet computes what begins so
_UNSEEN = re.compile("[\0-\b\v-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def replace(path: str | Path, content: bytes) -> None:
    """Write a file such that whoever reads it, at any moment, finds the old or the new one."""
    unfinished = Path(path).with_name(f".{Path(path).name}.part")
    unfinished.write_bytes(content)
    os.replace(unfinished, path)


def write(path: str | Path, header: Sequence[str], rows: Iterable[Sequence]) -> None:
    """Write a CSV file, with the mark by which spreadsheets know UTF-8."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([cell(value) for value in row] for row in rows)
    replace(path, text.getvalue().encode("utf-8-sig", "replace"))


def cell(value: str | float | None) -> str:
    """A value as a spreadsheet's cell, which is no formula."""
    if value is None:
        return ""
    if isinstance(value, (int, float)):
        return f"{value:g}"
    value = plain(value)
    return "'" + value if value[:1] in _FORMULA else value


def unquoted(text: str) -> str:
    """The text that `cell` was made of."""
    text = text.strip()
    return text[1:] if text[:1] == "'" and text[1:2] in _FORMULA else text


def plain(text: str) -> str:
    """A student's text without terminal colors, control characters and what turns its direction.

    The last can make a line read otherwise than it runs.
    """
    text = re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]", "", text.replace("\r\n", "\n"))
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text)
