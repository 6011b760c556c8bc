"""Files that are written in one step, and tables that a spreadsheet opens without computing."""

import csv
import io
import os
import re
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["cell", "plain", "remove_unfinished", "replace", "unquoted", "write"]

# A cell begins with a text and, if a spreadsheet is told another delimiter than the comma, after
# any of those in it. Blanks and quotes may be dropped; East Asian signs count like the others.
# What may stand before a formula is read once (`*+`), or a megabyte of blanks would take hours.
_BEGINNING = re.compile(r"(?<![^;\t\n])([\s\"']*+)([=+\-@\uff1d\uff0b\uff0d\uff20]?)")
_UNGUARDED, _GUARDED = (re.compile(rf"(?:^|(?<=[\t\n])){quote}") for quote in ("", "'"))
_UNSEEN = re.compile("[\0-\b\v-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def replace(path: str | Path, content: bytes) -> None:
    """Write a file such that whoever reads it, at any moment, finds the old or the new one.

    Raises:
        OSError: it cannot be written; with its path. What was begun is removed.
    """
    path = Path(path)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        try:
            unfinished.write_bytes(content)
            os.replace(unfinished, path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
    except OSError as error:  # of a full disk, it names no path
        raise OSError(error.errno, error.strerror, str(path)) from error


def remove_unfinished(folder: str | Path) -> None:
    """Remove what a killed `replace` has left; nobody else may write there meanwhile."""
    for path in Path(folder).glob(".*.part"):
        path.unlink()


def write(path: str | Path, header: Sequence[str], rows: Iterable[Sequence]) -> None:
    """Write a CSV file, with the mark by which spreadsheets know UTF-8."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([cell(value) for value in row] for row in rows)
    replace(path, text.getvalue().encode("utf-8-sig", "replace"))


def cell(value: str | float | None) -> str:
    """A value as a spreadsheet's cell, which is no formula, with whatever delimiter it is read."""
    if value is None:
        return ""
    if isinstance(value, (int, float)):
        return f"{value:g}"
    return _before_formulas(_UNGUARDED, "'", plain(value))


def unquoted(text: str) -> str:
    """The text that `cell` was made of."""
    return _before_formulas(_GUARDED, "", text.strip())


def _before_formulas(old, new, text):
    return _BEGINNING.sub(lambda at: (old.sub(new, at[1]) if at[2] else at[1]) + at[2], text)


def plain(text: str) -> str:
    """A student's text without terminal colors, control characters and what turns its direction.

    The last can make a line read otherwise than it runs.
    """
    text = re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]", "", text.replace("\r\n", "\n"))
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text)
