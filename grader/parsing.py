"""The cells of a submitted file, whatever it is; nothing of it is executed or compiled."""

import codecs
import json
import re
import sys

__all__ = ["AGAIN", "BYTES", "WEIGHT", "Unreadable", "cells", "text", "too_large", "weight"]

BYTES = 100_000_000  # of one file, and of what an archive unpacks to
CELLS = 2_000
CHARACTERS = 10_000_000  # in all cells together, outputs not counted
LINES = 500_000
AGAIN = "Save the notebook in Jupyter and hand in that file, whose name ends in .ipynb."
WEIGHT = 1_000_000  # values in the file's JSON; one takes up to 200 bytes of memory
_FOREIGN = 10_000  # bytes that are no UTF-8, of an old Windows editor


class Unreadable(Exception):
    """Why a submission cannot be graded and what to do, in sentences for student and instructor."""


def too_large(what: str) -> str:
    """The sentence for what is larger than `BYTES`."""
    return (
        f"{what} is larger than {BYTES // 1_000_000} MB: clear the outputs of cells that print or "
        "plot without end, save, and hand in again."
    )


def weight(content: bytes) -> int:
    """How many values a file may hold as JSON; what stands in strings is counted, too."""
    return sum(content.count(sign) for sign in (b"[", b"{", b","))


def cells(content: bytes, notes: list[str]) -> list[tuple]:
    """The cells of a submitted file: source, whether it is code, its ids, how many pictures.

    Adds sentences about what was repaired to `notes`.

    Raises:
        Unreadable: it is no Python notebook, or larger than can be read.
    """
    notebook = _parsed(content, notes)
    sheets = [notebook]
    if not isinstance(notebook.get("cells"), list):  # nbformat 3
        sheets = _dicts(notebook.get("worksheets"))
    found = [cell for sheet in sheets for cell in _dicts(sheet.get("cells"))]
    if not found:
        raise Unreadable(f"The notebook has no cells. {AGAIN}")
    if len(found) > CELLS:
        raise Unreadable(f"The notebook has more than {CELLS:,} cells. Hand in the assignment's.")
    about = _dict(notebook.get("metadata"))
    languages = [
        value.lower()
        for value in (
            _dict(about.get("kernelspec")).get("language"),
            _dict(about.get("language_info")).get("name"),
        )
        if isinstance(value, str)
    ]
    if languages and not any(re.match("i?python", language) for language in languages):
        raise Unreadable(
            "The notebook is not a Python one: choose the kernel Python 3 (Kernel → Change "
            "Kernel), save, and hand in again."
        )
    given, characters, lines = [], 0, 0
    for cell in found:
        source = _joined(cell.get("source", cell.get("input")))
        characters, lines = characters + len(source), lines + source.count("\n")
        if characters > CHARACTERS or lines > LINES:  # before copies are made of them
            raise Unreadable(
                f"The cells hold more than {CHARACTERS // 1_000_000} million characters or "
                f"{LINES:,} lines. Take out the data that were pasted into them."
            )
        metadata = _dict(cell.get("metadata"))
        ids = (_dict(metadata.get("nbgrader")).get("grade_id"), cell.get("id"))
        given.append(
            (
                text(source),
                cell.get("cell_type") == "code",
                tuple(value for value in ids if isinstance(value, str)),
                len(_dict(cell.get("attachments"))),
            )
        )
    return given


_WINDOWS = "grader.windows"
# Of a file in UTF-8 with some bytes of an old Windows editor's, both are read.
codecs.register_error(
    _WINDOWS, lambda e: (e.object[e.start : e.end].decode("cp1252", "replace"), e.end)
)


def _parsed(content, notes):
    if not content.strip():
        raise Unreadable(f"The file is empty. {AGAIN}")
    for kind, beginnings in {
        "a web page": (b"<!doctype", b"<html"),
        "a PDF": (b"%pdf",),
        "an archive": (b"pk\3\4", b"\x1f\x8b", b"7z", b"rar!"),
    }.items():
        if content[:200].strip().lower().startswith(beginnings):
            raise Unreadable(f"The file is {kind}, no notebook. {AGAIN}")
    if weight(content) > WEIGHT:
        raise Unreadable(too_large("What the file would take in memory"))
    try:
        decoded = content.decode(json.detect_encoding(content))
    except UnicodeDecodeError:
        if len(content) - len(content.decode("utf-8", "ignore").encode()) > _FOREIGN:
            raise Unreadable(f"The file is no text. {AGAIN}") from None
        decoded = content.decode("utf-8", _WINDOWS)
        notes.append("The file was not saved as UTF-8; some letters may be other ones.")
    if sys.getsizeof(decoded) > 2 * BYTES:  # one emoji makes every character take four bytes
        raise Unreadable(too_large("What the file would take in memory"))
    try:
        # An integer of five thousand digits would be an error, and no number is needed here.
        notebook = json.loads(decoded.removeprefix("\ufeff"), parse_int=float)
    except json.JSONDecodeError as error:
        raise Unreadable(
            f"The file is no notebook, or is cut off or damaged (line {error.lineno:,}). {AGAIN}"
        ) from error
    except RecursionError as error:
        raise Unreadable(f"The file is no notebook: it is nested too deeply. {AGAIN}") from error
    if not isinstance(notebook, dict):
        raise Unreadable(f"The file is no notebook. {AGAIN}")
    return notebook


def _dicts(value):
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _dict(value):
    return value if isinstance(value, dict) else {}


def text(source: str | list) -> str:
    """A cell's source, a string or a list of them, as text that can be written to a file."""
    source = _joined(source).replace("\r\n", "\n").replace("\r", "\n")
    return source.encode("utf-8", "replace").decode()  # JSON may hold half a surrogate pair


def _joined(source):
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    return source if isinstance(source, str) else ""
