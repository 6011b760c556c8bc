"""A class's inbox, with hostile submissions among honest ones, and the proof of its marks."""

import dataclasses
import hashlib
import os
import re
import site
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tools import assignments, honest
from tools.sheets import (
    ALL,
    FIRST,
    NOT_SHUT_IN,
    REST,
    Expectation,
    Folder,
    Link,
    Pipe,
    Places,
    Sheet,
)

__all__ = ["Attack", "Submission", "decoys", "fingerprint", "names", "points", "secret"]
__all__ += ["shown", "surroundings", "violations", "write"]

SECRET = re.compile(r"canary-[0-9a-f]{16}")


@dataclasses.dataclass(frozen=True)
class Attack:
    """A kind of hostile submission.

    Attributes:
        write: of a blank `Sheet`: writes the attack into it, or returns what is handed in, the
            bytes of a notebook or a dict from what follows the student's name to what is written.
        sets: {a set of `Expectation`: which exercises, ALL, FIRST or REST}.
    """

    write: Callable[[Sheet], bytes | dict | None]
    sets: dict[str, str]

    def expected(self, sheet: Sheet) -> Expectation:
        """What must come of it on this sheet's assignment."""
        chosen = {ALL: sheet.names, FIRST: sheet.names[:1], REST: sheet.rest}
        return Expectation(**{key: frozenset(chosen[which]) for key, which in self.sets.items()})


@dataclasses.dataclass(frozen=True)
class Submission:
    """Who handed in, what is expected of it, and the kind of attack ("" for an honest one)."""

    student: str
    expected: Expectation
    kind: str = ""


def names(kind: str) -> str:
    """An attack's student."""
    return kind.replace("_", "-")


def write(
    folder: Path,
    places: Places,
    attacks: Mapping[str, Attack] | None = None,
    honest_ones: int = 20,
    seed: int = 0,
) -> list[Submission]:
    """Write an inbox for the assignment in `folder`.

    Args:
        folder: the source folder, instructor/NN_topic.
        places: `Places`; `places.inbox` is written to. An honest submission goes to `places.peer`,
            which must lie there too.
        attacks: {name: `Attack`} of the hostile ones.
        honest_ones: how many honest submissions.
        seed: of the honest ones.

    Returns:
        A list of `Submission`.
    """
    inbox, written = Path(places.inbox), []
    inbox.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for i, student in enumerate(honest.students(honest_ones, rng)):
        if i == 0:
            student = Path(places.peer).stem
        mark = f"# {secret(places, student)}\n" * 20  # who has read it has this to show
        sheet, expected = honest.submission(folder, student, places, rng, mark)
        _put(inbox, student, {".ipynb": sheet.content()})
        written.append(Submission(student, expected))
    for name, attack in (attacks or {}).items():
        sheet = Sheet(folder, names(name), places)
        expected = attack.expected(sheet)
        content = attack.write(sheet)
        if not isinstance(content, dict):
            content = {".ipynb": sheet.content() if content is None else content}
        _put(inbox, sheet.student, content)
        written.append(Submission(sheet.student, expected, name))
    return written


def _put(inbox, student, content):
    """Write one submission: a dict from what follows the student's name to what is written."""
    for ending, what in content.items():
        path = Path(f"{inbox}/{student}{ending}")
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(what, Link):
            path.symlink_to(what.target)
        elif isinstance(what, Pipe):
            os.mkfifo(path)
        elif isinstance(what, Folder):
            path.mkdir()
        else:
            path.write_bytes(what)


def secret(places: Places, name: str) -> str:
    """A text that nobody may find who has not been told; the same for the same places."""
    return "canary-" + hashlib.sha256(f"{places.canary} {name}".encode()).hexdigest()[:16]


def violations(
    submissions: Iterable[Submission],
    records: dict[str, dict],
    asides: dict[str, str],
    points: dict[str, int],
) -> list[str]:
    """What grading did wrong, as a list of sentences.

    Args:
        submissions: what `write` returned.
        records: {student: record}, as grading wrote them.
        asides: {student or path: reason} of what was set aside.
        points: {exercise: points}.
    """
    found = []
    for submission in submissions:
        record = records.get(submission.student)
        who = f"{submission.kind or 'honest'} ({submission.student!r})"
        if record is None:
            reason = next((asides[key] for key in asides if shown(submission.student) in key), "")
            if not reason:
                found.append(f"{who}: neither graded nor set aside with a reason")
            elif submission.expected.right | submission.expected.zero:
                found.append(f"{who}: was set aside: {reason}")
            continue
        found += [f"{who}: {what}" for what in _unmet(submission.expected, record, points)]
        if submission.kind:
            found += [f"{who}: {what}" for what in _leaks(record)]
    strangers = set(records) - {submission.student for submission in submissions}
    return found + [f"a record of nobody: {student!r}" for student in sorted(strangers)]


def shown(text: str) -> str:
    """A text as it may be printed: what is not printable is replaced."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _unmet(expected, record, points):
    """In what a record differs from what was expected."""
    graded = {exercise["name"]: exercise for exercise in record["exercises"]}
    if set(graded) != set(points):
        yield f"its exercises are {sorted(graded)}"
        return
    for name, of in points.items():
        got, message = graded[name]["points"], graded[name]["message"]
        told = f"{name} earned {got} of {of}: {message or record['reason']}"[:400]
        allowed = (
            (expected.right, {of}),
            (expected.zero, {0}),
            (expected.nothing, {0, None}),
            (expected.stopped, {None}),
            (expected.spared, {of, None}),
            (expected.own_doing, {of, 0, None}),
        )
        allowed = next(points for names, points in allowed if name in names)
        if got not in allowed or isinstance(got, bool):
            yield told
        if got != of and not (message or record["reason"]):
            yield f"{told} without a reason"
        if got == 0 and expected.says.get(name, "") not in message:
            yield f"{told}, expected {expected.says[name]!r}"
    missing = any(exercise["points"] is None for exercise in graded.values())
    if missing != (record["status"] in ("partly", "failed")):
        yield f"its status is {record['status']}"


def _leaks(record):
    """What an attacker has seen or reached that should have been closed."""
    texts = [exercise[key] for exercise in record["exercises"] for key in ("message", "printed")]
    texts += [cell.get(key) or "" for cell in record["cells"] for key in ("printed", "error")]
    for text in texts:
        if NOT_SHUT_IN in text:
            yield "ran outside a sandbox"
        for line in text.splitlines():
            if SECRET.search(line) or line.startswith("REACHED"):
                yield f"printed {line[:200]!r}"


def fingerprint(*tops: str | Path) -> dict[str, tuple[int, str]]:
    """{path: hash of content, or a link's target} of all below some folders, for comparing."""
    found = {}
    for top in map(Path, tops):
        for path in sorted([top, *top.rglob("*")]):
            status = path.lstat()
            if path.is_symlink():
                content = os.readlink(path)
            elif path.is_file():
                content = hashlib.sha256(path.read_bytes()).hexdigest()
            else:
                content = ""
            found[str(path)] = (status.st_mode, content)
    return found


def points(folder: Path) -> dict[str, int]:
    """{exercise: points} of an assignment."""
    return {exercise.name: exercise.points for exercise in assignments.definitions(folder)}


def decoys(top: str | Path, source: Path, listener: Any = None) -> Places:
    """`Places` below a folder, with what a grader would have lying there: a gradebook, say.

    `listener` has the `port`, `path` and `abstract` name of what attackers may try to reach.
    """
    top = Path(top)
    for name in ("inbox", "out", "canary"):
        (top / name).mkdir(parents=True)
    heard = (
        {"port": listener.port, "socket": listener.path, "abstract": listener.abstract}
        if listener
        else {}
    )
    places = Places(
        source=str(source),
        inbox=str(top / "inbox"),
        out=str(top / "out"),
        gradebook=str(top / "gradebook.db"),
        peer=str(top / "inbox" / "Peer Gynt.ipynb"),
        canary=str(top / "canary"),
        **heard,
    )
    (top / "gradebook.db").write_text(secret(places, "gradebook"))
    return places


def surroundings(places: Places) -> dict[str, int | bool]:
    """{path: kind} of the places outside where attacks plant something, without what is in them."""
    tops = [*site.getsitepackages(), site.getusersitepackages(), Path.home(), places.repository]
    tops += [Path.home() / name for name in (".keras", ".config/matplotlib", ".ipython")]
    found = {}
    for top in map(Path, tops):
        if top.is_dir():
            found |= {str(path): path.lstat().st_mode for path in top.iterdir()}
    for name in ("/etc/ld.so.preload", "/etc/cron.d/evil", "/dev/shm/message", "/tmp/message"):
        found[name] = os.path.lexists(name)
    return found
