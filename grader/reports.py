"""What students and instructors get to see: feedback pages, tables, the report on a whole class.

Whatever comes from a submission is text here, never markup, and a page can load nothing. Records
are read one at a time, since those of a class with their pictures would fill the memory.
"""

import base64
import collections
import functools
import html
import io
import re
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

import jinja2
import matplotlib.style
import pygments
from markupsafe import Markup
from matplotlib.figure import Figure
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from grader import gradebook, tables
from grader.intake import Aside
from grader.marks import Kit
from grader.pictures import png_size

__all__ = ["write_feedback", "write_grades", "write_report"]

_SHOWN = 20_000  # characters of one cell; beyond that a page would be slow to make and to read
_COLORED = 100_000  # characters on one page; Pygments may take a millisecond for ten
_PICTURE = 2_000_000  # bytes, and
_PIXELS = 20_000_000  # so that no small file fills a browser's memory
_PICTURES, _PIXELS_ALL = 20_000_000, 60_000_000  # bytes and pixels on one page
_MISTAKES = 5  # of one exercise
_FORMATTER = HtmlFormatter(style="xcode", nowrap=True)
_STATUSES = ("right", "known", "other", "blank", "stopped")


def write_feedback(path: Path, record: dict, manual: gradebook.Marks) -> None:
    """Write a student's page: points, the sentence for each exercise, their cells and pictures."""
    given = gradebook.scores(record, manual)
    total = gradebook.total(given)
    details = {exercise["name"]: exercise for exercise in record["exercises"]}
    answer = record["written"]["answer"]
    has_written = record["written"]["of"] and (record["status"] != "failed" or answer.strip())
    page = {
        "assignment": tables.plain(record["assignment"]),
        "student": record["student"],
        "status": record["status"],
        "reason": tables.plain(record["reason"]),
        "total": None if total is None else f"{total:g}",
        "of": f"{sum(score.of for score in given):g}",
        "so_far": f"{sum(score.points or 0 for score in given):g}",
        "open": [_title(score.exercise) for score in given if score.points is None],
        "is_marked": any(score.points is not None for score in given),
        "rows": [_row(score, details.get(score.exercise)) for score in given],
        "notes": [tables.plain(note) for note in record["notes"]],
        "written": {"answer": _shown(answer)} if has_written else None,
        "cells": _cells(record["cells"]),
        "highlighting": Markup(_FORMATTER.get_style_defs("pre.code")),
    }
    _write(path, "feedback.html", page)


def write_grades(
    out: Path, records: Iterable[dict], manual: gradebook.Marks, asides: Sequence[Aside]
) -> None:
    """Write grades.csv, a row for everybody, and platform.csv, for a learning platform.

    In grades.csv what has no points is empty: `total` too, unless all is graded. platform.csv has
    those alone whose total is known.
    """
    rows, finished, columns = [], [], []
    for record in records:
        given = gradebook.scores(record, manual)
        total = gradebook.total(given)
        points = {score.exercise: score.points for score in given}
        columns += [name for name in points if name not in columns]
        rows.append(
            {
                "student": record["student"],
                "status": record["status"],
                **points,
                "total": total,
                "graded_points": sum(score.points or 0 for score in given),
                "of": sum(score.of for score in given),
                "reason": record["reason"] or "; ".join(why for _, why in _stopped(record)),
            }
        )
        if total is not None:
            finished.append((record["student"], total, _short(record, given)))
    graded = {row["student"] for row in rows}
    for aside in asides:
        if aside.student not in graded:
            reason = f"{aside.path}: {aside.reason}"
            rows.append({"student": aside.student, "status": gradebook.ASIDE, "reason": reason})
    columns.sort(key=lambda name: name == gradebook.WRITTEN)  # last
    header = ("student", "status", *columns, "total", "graded_points", "of", "reason")
    rows.sort(key=lambda row: row["student"])
    table = [[row.get(column) for column in header] for row in rows]
    tables.write(Path(out) / "grades.csv", header, table)
    tables.write(Path(out) / "platform.csv", ("student", "grade", "feedback comments"), finished)


def write_report(
    path: Path,
    kit: Kit,
    records: Iterable[dict],
    manual: gradebook.Marks,
    asides: Sequence[Aside],
    *,
    gone: Sequence[str] = (),
    alike: Sequence[Sequence[str]] = (),
) -> None:
    """Write the instructor's page about a whole class.

    `gone` are students with a record who are not graded now, `alike` groups of names that may be
    one student's.
    """
    counts = collections.Counter(aside=len(asides))
    # By the exercise's name; an interrupted run may have left records of an older assignment.
    statuses, mistakes = (collections.defaultdict(collections.Counter) for _ in range(2))
    points = collections.defaultdict(list)
    notes, seconds, sums, totals = collections.Counter(), [], [], []
    unmarked, ungraded, stale = 0, [], []
    for record in records:
        student = record["student"]
        given = gradebook.scores(record, manual)
        counts[record["status"]] += 1
        seconds.append(record["seconds"])
        notes.update({_kind_of(tables.plain(note)) for note in record["notes"]})
        unmarked += sum(score.points is None for score in given)
        stale += [(student, score.exercise) for score in given if score.is_stale]
        totals.append(gradebook.total(given))
        by_name = {score.exercise: score for score in given}
        for exercise in record["exercises"]:
            name, status = exercise["name"], exercise["status"]
            if status == "wrong":
                status = "known" if exercise["known"] else "other"
            statuses[name][status] += 1
            if by_name[name].points is not None:
                points[name].append(by_name[name].points)
            if exercise["known"]:
                mistakes[name][exercise["message"]] += 1
        exercises = [score for score in given if score.exercise != gradebook.WRITTEN]
        if record["status"] == "failed":
            mark = "" if gradebook.total(exercises) is None else "Marked by hand."
            ungraded.append(_ungraded(student, "all", record["reason"], mark))
        else:
            for name, why in _stopped(record):
                mark = "" if by_name[name].points is None else "Marked by hand."
                ungraded.append(_ungraded(student, name, why, mark))
        sums.append(gradebook.total(exercises))
    ungraded += [
        _ungraded(aside.student, gradebook.ASIDE, f"{aside.path}: {aside.reason}")
        for aside in asides
    ]
    ungraded.sort(key=lambda row: (row["student"], row["what"]))
    sums, totals = ([value for value in some if value is not None] for some in (sums, totals))
    of = sum(key.points for key in kit.keys)
    page = {
        "assignment": kit.assignment,
        "counts": counts,
        "complete": len(totals),
        "summary": _middle(totals, of + kit.written),
        "unmarked": unmarked,
        "seconds": _seconds(seconds),
        "picture": _histogram(sums, of) if sums else "",
        "picture_text": (
            f"Points in the exercises, without the written question, of {len(sums)} submissions "
            f"in which all of them are graded. {_middle(sums, of)}"
        ),
        "exercises": [_exercise(key, statuses[key.name], points[key.name]) for key in kit.keys],
        "mistakes": [
            {"name": key.name, "count": count, "sentence": tables.plain(sentence)}
            for key in kit.keys
            for sentence, count in mistakes[key.name].most_common(_MISTAKES)
        ],
        "ungraded": ungraded,
        "stale": stale,
        "gone": gone,
        "alike": [" / ".join(map(tables.plain, group)) for group in alike],
        "notes": sorted(notes.items(), key=lambda pair: (-pair[1], pair[0]))[:20],
    }
    _write(path, "report.html", page)


@functools.cache
def _templates():
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )


def _write(path, template, page):
    text = _templates().get_template(template).render(page)
    tables.replace(path, text.encode("utf-8", "replace"))


# Of one submission


def _title(exercise):
    return "the written question" if exercise == gradebook.WRITTEN else exercise


def _row(score, exercise):
    """One exercise's line in the table."""
    if exercise is None:
        mark, printed = "hand", ""
        sentence = "" if score.is_manual else "There is no answer."
        sentence = "Will be marked by hand." if score.points is None else sentence
    else:
        mark, printed = exercise["status"], _shown(exercise["printed"])
        sentence = _sentence(exercise)
        if score.points is None:
            sentence = f"Could not be graded, and does not count as 0. {sentence}"
    if score.is_manual:
        mark, sentence = "hand", f"Marked by hand. {sentence}".strip()
    return {
        "mark": mark,
        "name": _title(score.exercise),
        "is_code": exercise is not None,
        "points": None if score.points is None else f"{score.points:g}",
        "of": f"{score.of:g}",
        "sentence": sentence,
        "comment": tables.plain(score.comment),
        "printed": printed,
    }


def _sentence(exercise):
    if exercise["status"] == "right":
        return "Right."
    message = tables.plain(exercise["message"])[:_SHOWN]
    return message if exercise["status"] == "stopped" else f"Your {exercise['name']} {message}"


def _stopped(record):
    """(exercise, why) for what has no points."""
    for exercise in record["exercises"]:
        if exercise["points"] is None:
            yield exercise["name"], exercise["message"] or record["reason"]


def _short(record, given):
    """All sentences in one line, for a platform's field of comments."""
    said = {exercise["name"]: exercise for exercise in record["exercises"]}
    parts = []
    for score in given:
        part = f"{score.exercise}: {score.points:g} of {score.of:g}"
        exercise = said.get(score.exercise)
        if score.comment:
            part += f", {tables.plain(score.comment)}"
        elif exercise and not score.is_manual and exercise["message"]:
            part += f", {tables.plain(exercise['message'])[:300]}"
        parts.append(part if part.endswith((".", "?", "!")) else part + ".")
    # Moodle, for one, reads it as HTML.
    return html.escape(" ".join(" ".join(parts).split()), quote=False)


def _cells(cells):
    """What the page shows of the cells: the student's, and what locked ones drew or printed."""
    shown, left, pixels, colored = [], _PICTURES, _PIXELS_ALL, 0
    names = {"own": "Your own code", "text": "Your text"}
    for cell in cells:
        is_own = cell["kind"] in ("answer", "own", "text")
        pictures, hidden = [], 0
        for picture in cell["pictures"]:
            size = _pixels(picture)
            if 0 < size <= min(_PIXELS, pixels) and len(picture) <= left:
                pictures.append(picture)
                left, pixels = left - len(picture), pixels - size
            else:
                hidden += 1
        if not (is_own or cell["printed"].strip() or cell["error"] or cell["pictures"]):
            continue
        source = _shown(cell["source"]) if is_own else ""
        colored += len(source)
        shown.append(
            {
                "title": names.get(cell["kind"], tables.plain(cell["id"])[:100]),
                "text": source if cell["kind"] == "text" else "",
                "code": "" if cell["kind"] == "text" else _code(source, colored <= _COLORED),
                "printed": _shown(cell["printed"]),
                "error": _shown(cell["error"]),
                "pictures": pictures,
                "hidden": f"{hidden} more pictures are too large to be shown." if hidden else "",
            }
        )
    return shown


def _shown(text):
    text = tables.plain(text[: _SHOWN + 1])
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "\n... (more follows)"


def _code(source, is_colored):
    if not is_colored:
        return source
    # Pygments takes quadratic time for blanks before a line's end, and so would a search for them
    # that begins at each blank.
    source = re.sub(r"(?<![^\S\n])[^\S\n]+$", "", source, flags=re.M)
    return Markup(pygments.highlight(source, PythonLexer(), _FORMATTER).rstrip("\n"))


def _pixels(text):
    """How many pixels a PNG in base64 has; 0 if it is none, or has too many bytes."""
    if len(text) > _PICTURE * 4 / 3:
        return 0
    try:
        width, height = png_size(base64.b64decode(text, validate=True)) or (0, 0)
    except ValueError:
        return 0
    return width * height


# Of a class


def _ungraded(student, what, why, mark=""):
    why = tables.plain(why)[:500]
    return {"student": tables.plain(student), "what": what, "why": why, "mark": mark}


def _kind_of(note):
    """A note without the names that follow its colon."""
    return note.split(": ")[0].rstrip(".")[:200] + "."


def _middle(values, of):
    if not values:
        return ""
    mean, median = statistics.mean(values), statistics.median(values)
    return f"Mean {mean:.1f}, median {median:g} of {of:g} points."


def _seconds(values):
    if not values:
        return None
    whole = sum(values)
    return {
        "median": f"{statistics.median(values):.1f}",
        "most": f"{max(values):.1f}",
        "total": f"{whole / 60:.0f} min" if whole >= 120 else f"{whole:.0f} s",
    }


def _exercise(key, statuses, points):
    count = sum(statuses.values())
    shares = {status: 100 * statuses[status] / max(1, count) for status in _STATUSES}
    return {
        "name": key.name,
        "of": key.points,
        "shares": [(status, f"{share:.2f}") for status, share in shares.items() if count],
        "numbers": [f"{share:.0f} %" if count else "–" for share in shares.values()],
        "mean": f"{statistics.mean(points):.1f}" if points else "–",
    }


def _histogram(values, of):
    """A PNG, in base64, of how many have how many points."""
    with matplotlib.style.context("coursekit.course"):
        figure = Figure(figsize=(8, 3.6))
        axes = figure.subplots()
        counts = collections.Counter(round(value) for value in values)
        axes.bar(range(of + 1), [counts[value] for value in range(of + 1)], width=0.85)
        axes.set_xlim(-0.6, of + 0.6)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.yaxis.get_major_locator().set_params(integer=True)
        axes.set_xlabel("points in the exercises")
        axes.set_ylabel("submissions")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return base64.b64encode(buffer.getvalue()).decode()
