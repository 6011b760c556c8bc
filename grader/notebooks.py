"""A submitted notebook made whole again: what a student wrote, put into what was released.

A submission is data here: nothing of it is executed or compiled. Whatever happened to its cells,
no answer is lost to an edited check, a copied cell or an editor that drops metadata.
"""

import dataclasses
import functools
import json
import re

from grader import parsing
from grader.parsing import Unreadable

__all__ = ["Cell", "Rebuilt", "cell_id", "check_id", "rebuild", "released_cells"]

_SCANNED = 200_000  # characters of a cell that are searched for definitions


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell of a rebuilt notebook.

    `kind` is "setup", "locked" or "check" for what was released, "answer", "own" for other code
    of the student's and "text" for their Markdown. `exercise` is that of an answer or a check.
    """

    id: str
    kind: str
    source: str
    exercise: str = ""


@dataclasses.dataclass(frozen=True)
class Rebuilt:
    """A submission on the released notebook: its cells in the order in which to run them.

    An answer that was left blank has exactly the released source. `written` is the answer to the
    written question, and `notes` are sentences for the student about what was repaired. Released
    Markdown is left out. `submitted` holds the code in the student's own order and as it was, with
    what was deleted put back, if that is something else than `cells`.
    """

    cells: tuple[Cell, ...]
    written: str
    notes: tuple[str, ...]
    submitted: tuple[Cell, ...] = ()


def cell_id(exercise: str) -> str:
    """The id of the cell for an exercise's answer."""
    return exercise.replace("_", "-")


def check_id(exercise: str) -> str:
    """The id of the cell that checks it."""
    return cell_id(exercise) + "-check"


def rebuild(content: bytes, released: bytes) -> Rebuilt:
    """Put what a student wrote into the released notebook; both are given as bytes.

    Cells are recognized by nbgrader's id, their own id, their text, or for an answer by the
    function it defines. Locked cells and checks are the released ones again; an edited locked
    cell runs before its original, so that no added import is lost. Of several answers to one
    exercise the last counts, and the others run before it. Other code stays behind the cell that
    it followed.

    Raises:
        Unreadable: `content` is no Python notebook, or has none of the exercises.
    """
    notes = []
    parts = released_cells(released)
    given = _recognized([_Given(*cell) for cell in parsing.cells(content, notes)], parts)
    exercises = {part.id: part for part in parts if part.kind == "answer"}
    chosen, beaten = _choose(given, exercises, notes)
    checks = {part.id for part in parts if part.kind == "check"}
    if not chosen and not any(cell.label in checks | set(exercises) for cell in given):
        raise Unreadable(
            "None of the assignment's exercises is in this notebook. Is it that of another one?"
        )
    before, after, written = _placed(given, parts, chosen, beaten, notes)
    _note_missing(given, parts, chosen, notes)
    cells = []
    for i, part in enumerate(parts):
        cells += before[i]
        if part.kind != "text":
            source = chosen[part.id].source if part.id in chosen else part.source
            cells.append(Cell(part.id, part.kind, source, part.exercise))
        cells += after[i]
    submitted = _as_submitted(given, parts)
    ran, runs = (
        [(cell.kind, cell.source) for cell in some if cell.kind != "text"]
        for some in (cells, submitted)
    )
    in_order = _numbered(submitted) if runs != ran else ()
    return Rebuilt(_numbered(cells), written, tuple(notes), in_order)


def _numbered(cells):
    """The cells, with ids for the student's own."""
    count, numbered = {"own": 0, "text": 0}, []
    for cell in cells:
        if cell.kind in count:
            count[cell.kind] += 1
            cell = dataclasses.replace(cell, id=f"{cell.kind}-{count[cell.kind]}")
        numbered.append(cell)
    return tuple(numbered)


def _as_submitted(given, parts):
    """The submitted code in its own order; checks are the released ones."""
    by_id, cells, seen = {part.id: part for part in parts}, [], set()
    for cell in given:
        part = by_id.get(cell.label)
        if part is None or part.kind == "text" or not cell.is_code:
            if cell.source.strip() and (cell.is_code or part is None):
                cells.append(Cell("", "own" if cell.is_code else "text", cell.source))
            continue
        seen.add(part.id)
        if part.kind != "check":
            cells.append(Cell(part.id, part.kind, cell.source, part.exercise))
            continue
        if _squeezed(cell.source, True) not in ("", _squeezed(part.source, True)):
            cells.append(Cell("", "own", cell.source))
        cells.append(part)
    behind = 0
    for part in parts:
        if part.id in seen:
            behind = 1 + next(i for i, cell in enumerate(cells) if cell.id == part.id)
        elif part.kind not in ("text", "answer"):
            cells.insert(behind, part)
            behind += 1
    return cells


_DEFINITION = re.compile(
    r"^(?:async[ \t]+def|def|class)[ \t]+(\w+)|^(\w+)[ \t]*(?::[^=\n]*)?=(?!=)", re.M
)


@dataclasses.dataclass(eq=False)
class _Given:
    """A submitted cell; `label` is the id of the released one that it was."""

    source: str
    is_code: bool
    ids: tuple
    pictures: int
    label: str = ""

    @functools.cached_property
    def squeezed(self):
        """Its code without blanks and comments."""
        return _squeezed(self.source, True)

    @functools.cached_property
    def names(self):
        """What it defines at its top level; found as text, for it may hold magics or errors."""
        found = _DEFINITION.findall(self.source[:_SCANNED])
        return [name for names in found for name in names if name]

    def is_attempt(self, part):
        """Whether it is more than an answer's released cell, also where code stands around that."""
        if not self.is_code or not self.squeezed:
            return False
        released = _squeezed(part.source, True)
        return released not in self.squeezed or self.names.count(part.exercise) > 1


def _squeezed(source, is_code):
    """The source without blanks and comments, to tell whether something was written."""
    source = re.sub(r"#.*", "", source) if is_code else source
    return "".join(source.replace(" ", "").replace("\t", "").split())  # fewer parts than by split


def released_cells(released: bytes) -> list[Cell]:
    """All cells of the released notebook, Markdown too."""
    parts = []
    for cell in json.loads(released)["cells"]:
        about = cell["metadata"].get("nbgrader", {})
        if cell["cell_type"] != "code":
            kind = "text"
        elif cell["id"] == "setup":
            kind = "setup"
        else:
            kind = (
                "answer" if about.get("solution") else "check" if about.get("grade") else "locked"
            )
        exercise = ""
        if kind in ("answer", "check"):
            exercise = cell["id"].removesuffix("-check").replace("-", "_")
        parts.append(Cell(cell["id"], kind, parsing.text(cell["source"]), exercise))
    return parts


def _recognized(given, parts):
    """The submitted cells, labeled with the ids of the released ones."""
    by_id = {part.id: part for part in parts}
    by_text = {_squeezed(part.source, part.kind != "text"): part for part in parts}
    question, answer = _written_cells(parts)
    for cell in given:
        same = by_text.get(_squeezed(cell.source, cell.is_code))
        known = next((by_id[label] for label in cell.ids if label in by_id), None)
        if same is not None:
            cell.label = same.id
        elif known is not None and (cell.is_code == (known.kind != "text") or known == answer):
            cell.label = known.id
        elif known is not None and known.kind == "answer" and known.exercise in cell.names:
            cell.label, cell.is_code = known.id, True  # it had become Markdown
        elif question and not cell.is_code and _heading(question) in cell.source:
            cell.label = question.id
        elif cell.is_code and not cell.names and known is None:
            cell.label = _checked(cell, parts)
    return given


def _checked(cell, parts):
    """The id of the check that an edited cell still calls, or ""."""
    called = re.search(r"""\bck\.check\(\s*["'](\w+)["']""", cell.source[:_SCANNED])
    checks = {part.exercise: part.id for part in parts if part.kind == "check"}
    return checks.get(called[1], "") if called else ""


def _written_cells(parts):
    """The written question and the cell for its answer, or None."""
    by_id = {part.id: part for part in parts}
    return by_id.get("written"), by_id.get("written-answer")


def _heading(question):
    return question.source.strip().split("\n")[0]


def _choose(given, exercises, notes):
    """For each answer cell's id the submitted cell that counts, and the other answers to it."""
    chosen, beaten, by_name, several = {}, {}, [], []
    attempts = {
        label: [cell for cell in given if cell.is_attempt(part)]
        for label, part in exercises.items()
    }
    for label, part in exercises.items():
        defining = [cell for cell in attempts[label] if part.exercise in cell.names]
        answers = [cell for cell in defining if cell.label == label] or defining
        if answers:
            chosen[label], beaten[label] = answers[-1], answers[:-1]
            if answers[-1].label != label:
                by_name.append(part.exercise)
            if any(cell.source != answers[-1].source for cell in answers):
                several.append(part.exercise)
    used = list(chosen.values())
    for label in exercises:
        # Something else stands in the answer's cell, perhaps the function under another name.
        rest = [cell for cell in attempts[label] if cell.label == label and cell not in used]
        if label not in chosen and rest:
            chosen[label], beaten[label] = rest[-1], []
    if by_name:
        notes.append(f"Recognized by the function's name: {', '.join(by_name)}.")
    if several:
        notes.append(f"Answered in several cells, of which the last counts: {', '.join(several)}.")
    return chosen, beaten


def _placed(given, parts, chosen, beaten, notes):
    """What else the student wrote: own cells before and after each released one, the answer."""
    index = {part.id: i for i, part in enumerate(parts)}
    written_cells = _written_cells(parts)
    question = written_cells[0]
    before, after = ([[] for _ in parts] for _ in range(2))
    texts, elsewhere, seen = [], [], set()
    first = place = index.get("setup", 0)

    def keep(cell, side):
        position = max(place, first) if side is after else place
        for label in chosen:
            # It stood above the answer that counts, and must not replace its function now.
            replaces = cell.is_code and parts[index[label]].exercise in cell.names
            if replaces and label not in seen and position >= index[label]:
                side, position = before, index[label]
        side[position].append(Cell("", "own" if cell.is_code else "text", cell.source))

    for cell in given:
        wins = [label for label, winner in chosen.items() if winner is cell]
        if wins:
            seen.update(wins)
            place = index[wins[0]]
            continue
        part = parts[index[cell.label]] if cell.label else None
        if part:
            place = index[part.id]
        if not cell.source.strip() or (part and cell.source.split() == part.source.split()):
            continue
        beaten_by = next((label for label, others in beaten.items() if cell in others), None)
        if not cell.is_code:
            text = _added(cell.source, part.source if part else "")
            if question and (part or parts[place]) in written_cells:
                _note_pictures(cell, notes)
                texts.append(text)
            else:
                elsewhere.append((cell, text))
                keep(cell, after)
        elif beaten_by:
            if cell.source != chosen[beaten_by].source:
                place = index[beaten_by]
                keep(cell, before)
        elif not part or part.kind == "text":
            keep(cell, after)
            if part:  # the written answer, in a cell that had become code
                texts.append(cell.source)
            elif question and place >= index[question.id]:
                elsewhere.append((cell, cell.source))
        elif part.kind == "answer":
            keep(cell, before if part.exercise in cell.names or part.id not in seen else after)
        elif _squeezed(cell.source, True) in ("", _squeezed(part.source, True)):
            continue
        elif part.kind == "check":
            notes.append(f"The check of {part.exercise} had been edited; the original was used.")
            if cell.names:
                keep(cell, before)
        else:
            notes.append(f"The locked cell {part.id} had been edited; the original ran after it.")
            keep(cell, before)
    if question and elsewhere and not any(map(str.strip, texts)):
        for cell, text in elsewhere:
            _note_pictures(cell, notes)
            texts.append(text)
        notes.append("Nothing stood below the written question; your other cells of text are read.")
    written = "\n\n".join(dict.fromkeys(text.strip("\n") for text in texts if text.strip()))
    return before, after, written


def _added(source, released):
    """The lines that a text has and the released one has not."""
    known = {line.strip() for line in released.split("\n") if line.strip()}
    return "\n".join(line for line in source.split("\n") if line.strip() not in known)


def _note_pictures(cell, notes):
    if cell.pictures:
        notes.append("The written answer holds pictures: look at them in the notebook itself.")


def _note_missing(given, parts, chosen, notes):
    labels = {cell.label for cell in given} | set(chosen)
    missing = [part.id for part in parts if part.kind != "text" and part.id not in labels]
    if missing:
        notes.append(f"Missing, and put back as released: {', '.join(missing)}.")
