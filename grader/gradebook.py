"""Marks by hand, what they make of a submission's points, and nbgrader's gradebook.

What could not be graded has no points: it is never counted as 0, and a total that misses some is
no total.
"""

import csv
import dataclasses
import hashlib
import io
import math
import os
import re
import sysconfig
import warnings
from collections.abc import Iterable
from pathlib import Path

from grader import notebooks, results, tables
from grader.marks import Kit

__all__ = ["ASIDE", "WRITTEN", "Mark", "Marks", "MarksError", "Score", "export", "load_manual"]
__all__ += ["merge", "scores", "total", "write_manual"]

ASIDE = "set aside"  # the status in grades.csv of what has no record
WRITTEN = "written"
_COLUMNS = ("student", "exercise", "of", "answer", "points", "comment", "version")
_ANSWER = 32_000  # characters; a spreadsheet's cell holds 32,767


class MarksError(ValueError):
    """What is wrong with a file of marks, one line for each thing."""


@dataclasses.dataclass(frozen=True)
class Mark:
    """A row of manual.csv: an exercise to mark by hand, or one that was.

    `points` is None where nobody has marked it, `version` tells which answer was marked.
    """

    student: str
    exercise: str
    of: float
    answer: str = ""
    points: float | None = None
    comment: str = ""
    version: str = ""

    @property
    def is_filled(self) -> bool:
        """Whether an assistant has written into it."""
        return self.points is not None or bool(self.comment)


Marks = dict[tuple[str, str], Mark]  # by student and exercise


@dataclasses.dataclass(frozen=True)
class Score:
    """What one exercise of one submission earned; `points` is None where that is not known.

    `is_manual` says that a person gave them, `is_stale` that the answer is another one since.
    """

    exercise: str
    of: float
    points: float | None
    is_manual: bool = False
    comment: str = ""
    is_stale: bool = False


def scores(record: dict, manual: Marks) -> list[Score]:
    """The `Score` of each exercise and of the written question, in the notebook's order.

    A mark by hand takes precedence. A written answer that was left blank has 0 points.
    """
    parts = [(part["name"], part["of"], part["points"]) for part in record["exercises"]]
    if record["written"]["of"]:
        is_blank = record["status"] != "failed" and not record["written"]["answer"].strip()
        parts.append((WRITTEN, record["written"]["of"], 0 if is_blank else None))
    return [_score(record, *part, manual) for part in parts]


def total(given: list[Score]) -> float | None:
    """The sum of the points of all `Score`s, or None while some are not known."""
    if not given or any(score.points is None for score in given):
        return None
    return sum(score.points for score in given)


def load_manual(path: str | Path) -> Marks:
    """The marks in a manual.csv; none without a file.

    A spreadsheet may have saved it, with semicolons and decimal commas too.

    Raises:
        MarksError: points are no number or out of range, columns are missing, or a row stands
            there twice.
    """
    marks, problems = {}, []
    if not Path(path).exists():
        return marks
    for line, row in _rows(path, required=_COLUMNS[:-1]):
        key = row["student"], row["exercise"]
        of = _number(row["of"])
        if of is None:
            problems.append(f'line {line}: "of" must be a number, got {row["of"]!r}')
            continue
        points = _points(row, of, line, problems)
        mark = Mark(*key, of, row["answer"], points, row["comment"], row.get("version", ""))
        if key in marks and marks[key] != mark:
            problems.append(f"line {line}: {', '.join(key)} stands there twice")
        marks[key] = mark
    _raise(path, problems)
    return marks


def merge(out: str | Path, kit: Kit, path: str | Path, students: Iterable[str] = ()) -> None:
    """Take the marks of another file into manual.csv: columns student, exercise, points[, comment].

    A row without points and comment is skipped.

    Args:
        out: the grader's output.
        kit: the assignment's.
        path: a CSV file.
        students: those that may be marked, besides the ones with results in `out`.

    Raises:
        MarksError: a student or an exercise is unknown, points are no number or out of range, two
            rows contradict each other or manual.csv. Nothing is merged then.
    """
    manual = load_manual(Path(out) / "manual.csv")
    students = {*students, *results.students(out)}
    of = _points_of(kit)
    merged, problems, lines = dict(manual), [], {}
    for line, row in _rows(path, required=("student", "exercise", "points")):
        student, exercise = key = row["student"], row["exercise"]
        if student not in students:
            problems.append(f"line {line}: there is no submission of {student!r}")
            continue
        if exercise not in of:
            problems.append(f"line {line}: no exercise {exercise!r}, only {', '.join(of)}")
            continue
        points, comment = _points(row, of[exercise], line, problems), row.get("comment", "")
        given = {"points": points} if points is not None else {}
        given |= {"comment": comment} if comment else {}
        if not given:
            continue
        if lines.setdefault(key, (line, given))[1] != given:
            problems.append(f"line {line}: line {lines[key][0]} says otherwise about {exercise}")
        before = manual.get(key, Mark(*key, of[exercise]))
        for name, new in given.items():
            if getattr(before, name) not in (None, "", new):
                problems.append(
                    f"line {line}: {student}, {exercise} has {name} {getattr(before, name)!r} in "
                    f"manual.csv, here {new!r}; change one of them"
                )
        merged[key] = dataclasses.replace(before, **given)
    _raise(path, problems)
    _write(Path(out) / "manual.csv", merged)


def write_manual(out: str | Path, kit: Kit, records: Iterable[dict]) -> Marks:
    """Bring manual.csv up to date: a row for what is to be marked by hand, and every filled row.

    To be marked are the written question and the exercises that could not be graded. What an
    assistant has filled in stays, also if the submission is another one now or is gone. Returns
    all rows.

    Raises:
        MarksError: manual.csv is not usable; it is left as it is.
    """
    path = Path(out) / "manual.csv"
    rows = {key: mark for key, mark in load_manual(path).items() if mark.is_filled}
    for record in records:
        for score in scores(record, {}):
            key = record["student"], score.exercise
            wanted = score.exercise == WRITTEN or score.points is None
            if not wanted and key not in rows:
                continue
            mark = rows.get(key, Mark(*key, score.of))
            rows[key] = dataclasses.replace(
                mark,
                of=score.of,
                answer=_answer(record, score.exercise),
                version=mark.version or _version(record, score.exercise),
            )
    order = {key.name: i for i, key in enumerate(kit.keys)}
    rows = dict(sorted(rows.items(), key=lambda row: (row[0][0], order.get(row[0][1], len(order)))))
    _write(path, rows)
    return rows


def _write(path, rows):
    values = ([getattr(mark, column) for column in _COLUMNS] for mark in rows.values())
    tables.write(path, _COLUMNS, values)


def export(out: str | Path, kit: Kit, db_url: str) -> tuple[int, int]:
    """Write marks into nbgrader's gradebook.

    What could not be graded and is not marked by hand is left as needing a manual grade (nbgrader
    shows 0 beside that). Marks given in the formgrader stay, other assignments and students too;
    doing it again changes nothing.

    Args:
        out: the grader's output, with results/, manual.csv and grades.csv. Who is not graded there
            is left out.
        kit: the assignment's.
        db_url: nbgrader's database, such as ``sqlite:///gradebook.db``.

    Returns:
        The number of submissions, and of those among them that need a mark by hand.

    Raises:
        ValueError: the gradebook has this assignment with other exercises or points, or `out` has
            results of another assignment, or lacks some.
        MarksError: manual.csv or grades.csv is not usable.
    """
    # The gradebook calls `alembic` by name, which only an activated environment has on its path.
    scripts = sysconfig.get_path("scripts")
    if scripts not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([scripts, os.environ.get("PATH", "")])
    from nbgrader.api import Gradebook

    manual, needs_mark = load_manual(Path(out) / "manual.csv"), []
    with Gradebook(db_url) as book, warnings.catch_warnings():
        # SQLAlchemy's, about how nbgrader adds a submission.
        warnings.filterwarnings("ignore", message="Object of type .* not in session")
        _register(book, kit, db_url)
        for record in _graded(out, kit.assignment):
            needs_mark.append(_export_record(book, kit.assignment, record, manual))
            book.db.commit()
    return len(needs_mark), sum(needs_mark)


def _score(record, exercise, of, points, manual):
    mark = manual.get((record["student"], exercise))
    if mark is None or not mark.is_filled:
        return Score(exercise, of, points)
    is_manual = mark.points is not None
    is_stale = mark.version not in ("", _version(record, exercise))
    points = mark.points if is_manual else points
    return Score(exercise, of, points, is_manual, mark.comment, is_stale)


def _points_of(kit):
    """{exercise or the written question: its points}"""
    points = {key.name: key.points for key in kit.keys}
    return points | ({WRITTEN: kit.written} if kit.written else {})


def _answer(record, exercise):
    """What manual.csv shows: the answer, or why it could not be graded."""
    if exercise == WRITTEN:
        text = record["written"]["answer"]
        if not text.strip():
            text = record["reason"] if record["status"] == "failed" else "(blank: counts 0)"
    else:
        found = {one["name"]: one for one in record["exercises"]}[exercise]
        text = found["message"] or record["reason"]
    return text if len(text) <= _ANSWER else text[:_ANSWER] + " … (more in the feedback page)"


def _version(record, exercise):
    """A short digest of what was handed in for this exercise."""
    if record["status"] == "failed" and not record["cells"]:
        text = record["digest"]
    elif exercise == WRITTEN:
        text = record["written"]["answer"]
    else:
        own = notebooks.cell_id(exercise)
        text = "\n".join(
            one["source"] for one in record["cells"] if one["kind"] == "answer" and one["id"] == own
        )
    if results.is_shortened(text):  # what is not in the record may be another one
        text += record["digest"]
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]


# Files of marks


def _rows(path, required):
    """(line number, dict from column to text) for each row that is not empty."""
    content = Path(path).read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
    first = text.split("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restval="")
    try:
        reader.fieldnames = [(name or "").strip().lower() for name in reader.fieldnames or ()]
        missing = [name for name in required if name not in reader.fieldnames]
        if missing:
            _raise(path, [f"line 1: there is no column {', '.join(missing)}"])
        for row in reader:
            row = {name: tables.unquoted(value) for name, value in row.items() if name is not None}
            if any(row.values()):
                yield reader.line_num, row
    except csv.Error as error:
        _raise(path, [f"line {reader.line_num}: {error}"])


def _number(text):
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _points(row, of, line, problems):
    if not row["points"]:
        return None
    points = _number(row["points"])
    if points is None or not 0 <= points <= of:
        problems.append(
            f"line {line}: points of {row['student']}, {row['exercise']} must be a number from 0 "
            f"to {of:g}, got {row['points']!r}"
        )
        return None
    return points


def _raise(path, problems):
    if problems:
        raise MarksError(f"{path} was not read:\n  " + "\n  ".join(problems))


# nbgrader


def _graded(out, assignment):
    """The records of those who are graded in grades.csv, one at a time."""
    table = Path(out) / "grades.csv"
    if not table.exists():
        raise ValueError(f"there is no grades.csv in {out}: grade {assignment} first.")
    for _, row in _rows(table, required=("student", "status")):
        if row["status"] == ASIDE:
            continue
        record = next(results.read(out, [row["student"]]), None)
        if record is None:
            raise ValueError(f"{out} has no result of {row['student']}, or a damaged one.")
        if record["assignment"] != assignment:
            raise ValueError(f"{out} holds results of {record['assignment']}, not {assignment}.")
        yield record


def _register(book, kit, db_url):
    """Tell the gradebook about the assignment, unless it knows it already."""
    import nbformat
    from nbgrader.api import MissingEntry
    from nbgrader.preprocessors import SaveCells

    name = kit.assignment
    try:
        notebook = book.find_notebook(name, name)
    except MissingEntry:
        book.update_or_create_assignment(name)
        about = {"notebook": name, "assignment": name, "db_url": db_url}
        SaveCells().preprocess(nbformat.reads(kit.notebook, 4), {"nbgrader": about})
        book.db.expire_all()
        notebook = book.find_notebook(name, name)
    known = {one.name: one.max_score for one in (*notebook.grade_cells, *notebook.task_cells)}
    wanted = {_grade_id(name): points for name, points in _points_of(kit).items()}
    if known != wanted:
        raise ValueError(
            f"the gradebook has {name} with other cells or points, {known}, than were graded, "
            f"{wanted}: run `nbgrader generate_assignment {name}`, or take another database."
        )


def _grade_id(exercise):
    return WRITTEN if exercise == WRITTEN else notebooks.check_id(exercise)


def _as_markdown(sentence):
    """A sentence, which may quote a student, where Markdown with HTML and formulas is read.

    A browser looks for formulas after it has read the HTML, but not across elements.
    """
    sentence = re.sub(r"[<&\[\\$]", lambda c: f"&#{ord(c[0])};", sentence)
    return re.sub("&#(92|36);", r"<span>\g<0></span>", sentence)


def _export_record(book, name, record, manual):
    """Write one submission's scores and comments; returns whether a mark is missing."""
    student, needs_mark = record["student"], False
    book.update_or_create_student(student)
    book.update_or_create_submission(name, student)
    said = {exercise["name"]: exercise["message"] for exercise in record["exercises"]}
    for auto, score in zip(scores(record, {}), scores(record, manual), strict=True):
        grade = book.find_grade(_grade_id(score.exercise), name, name, student)
        grade.auto_score = auto.points
        if score.is_manual:
            grade.manual_score = score.points
        grade.needs_manual_grade = grade.auto_score is None and grade.manual_score is None
        needs_mark = needs_mark or grade.needs_manual_grade
        comment = book.find_comment(notebooks.cell_id(score.exercise), name, name, student)
        comment.auto_comment = _as_markdown(said.get(score.exercise, "")) or None
        if score.comment:
            comment.manual_comment = score.comment
    return needs_mark
