"""A student's notebook in the making, and what grading must make of it."""

import copy
import dataclasses
import functools
import json
import os
import textwrap
from pathlib import Path

from grader import ROOT
from grader.notebooks import cell_id, check_id
from tools import assignments

__all__ = ["ALL", "FIRST", "NOT_SHUT_IN", "REST", "Expectation", "Folder", "Link", "Pipe", "Places"]
__all__ += ["Sheet", "signatures"]

ALL, FIRST, REST = "all", "first", "rest"

# In every attack before its first line: it must do nothing where it is not shut in, and say so.
GUARD = """\
import os as _os
try:
    _free = _os.readlink("/proc/self/ns/pid") == PLACES["pid_namespace"]
except OSError:
    _free = _os.path.exists(PLACES["inbox"])
if _free:
    print("NOT SHUT" " IN")
    raise SystemExit("this attack runs in a sandbox only")
"""
NOT_SHUT_IN = "NOT SHUT IN"


@dataclasses.dataclass(frozen=True)
class Expectation:
    """What must come of a submission; each exercise stands in one of the sets.

    Attributes:
        right: earn all their points.
        zero: earn 0, and a sentence says why.
        nothing: earn no point: 0, or could not be graded.
        stopped: could not be graded, which is never written as 0. If all are, the submission may
            as well have been set aside, with a reason.
        spared: right answers whose own notebook ends the grading: all their points, or could not
            be graded, but not 0.
        own_doing: right answers that an attack of the same notebook breaks, as it would on the
            student's computer: any points.
        says: {exercise: a part of the sentence that its student reads}.
    """

    right: frozenset = frozenset()
    zero: frozenset = frozenset()
    nothing: frozenset = frozenset()
    stopped: frozenset = frozenset()
    spared: frozenset = frozenset()
    own_doing: frozenset = frozenset()
    says: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Places:
    """What a well-informed attacker knows: where the grader's things are.

    Attributes:
        repository: the checkout, with the package and the solutions.
        source: the assignment's source folder.
        inbox, out, gradebook: the submissions, the results, a gradebook's file.
        peer: another student's submission.
        canary: a folder in which nothing may appear.
        port: of a listener on 127.0.0.1.
        socket, abstract: a Unix socket's path, and a name in the abstract namespace.
        pid_namespace: of the process that writes the inbox.
    """

    repository: str = str(ROOT)
    source: str = ""
    inbox: str = ""
    out: str = ""
    gradebook: str = ""
    peer: str = ""
    canary: str = ""
    port: int = 9
    socket: str = ""
    abstract: str = ""
    pid_namespace: str = dataclasses.field(default_factory=lambda: os.readlink("/proc/self/ns/pid"))


@dataclasses.dataclass(frozen=True)
class Link:
    """A symbolic link to be handed in."""

    target: str


class Pipe:
    """A named pipe to be handed in: whoever opens it waits for ever."""


class Folder:
    """An empty folder to be handed in."""


@functools.cache
def signatures(folder: Path) -> dict[str, str]:
    """{exercise's name: the line `def name(arguments):`}."""
    return {
        exercise.name: f"def {exercise.name}({', '.join(exercise.arguments)}):"
        for exercise in assignments.definitions(folder)
    }


class Sheet:
    """One submission for the assignment in `folder`, blank at first.

    `names` are the exercises in order; `cells` the notebook's cells as nbformat stores them.
    """

    def __init__(self, folder: Path, student: str, places: Places | None = None):
        self.folder, self.student = folder, student
        self.places = places or Places(source=str(folder))
        self.notebook = json.loads(assignments.released(folder))
        self.names = tuple(assignments.solutions(folder))
        self.first, self.rest = self.names[0], self.names[1:]

    @property
    def cells(self) -> list[dict]:
        return self.notebook["cells"]

    @cells.setter
    def cells(self, cells: list[dict]) -> None:
        self.notebook["cells"] = cells

    def index(self, id: str) -> int:
        return next(i for i, cell in enumerate(self.cells) if cell["id"] == id)

    def cell(self, id: str) -> dict:
        return self.cells[self.index(id)]

    def answer_cell(self, name: str) -> dict:
        return self.cell(cell_id(name))

    def check_cell(self, name: str) -> dict:
        return self.cell(check_id(name))

    def signature(self, name: str) -> str:
        return signatures(self.folder)[name]

    def arguments(self, name: str) -> str:
        return self.signature(name).split("(", 1)[1].removesuffix("):")

    def answer(self, name: str, source: str) -> "Sheet":
        """Write an answer."""
        self.answer_cell(name)["source"] = source
        return self

    def solve(self, *names: str) -> "Sheet":
        """Write right answers, to all exercises if none is named."""
        for name in names or self.names:
            self.answer(name, assignments.solutions(self.folder)[name])
        return self

    def own(self, source: str, before: str | None = None, kind: str = "code") -> "Sheet":
        """Add a cell: right after the imports, or before the one whose id is given."""
        at = self.index(before) if before else self.index("setup") + 1
        cell = {"cell_type": kind, "id": f"own{len(self.cells)}", "metadata": {}, "source": source}
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        self.cells.insert(at, cell)
        return self

    def attack(self, *parts: str, before: str | None = None) -> "Sheet":
        """Add a cell with an attack, which knows PLACES and does nothing outside a sandbox."""
        return self.own(self._guarded(*parts), before)

    def attack_in(self, name: str, body: str) -> "Sheet":
        """Write an answer whose body is an attack."""
        body = textwrap.indent(self._guarded(body), "    ")
        return self.answer(name, f"{self.signature(name)}\n{body}")

    def cheat(self, *parts: str) -> "Sheet":
        """Answer all exercises with `cheat(name, *given)`, which an attack of its own defines."""
        self.attack(*parts)
        for name in self.names:
            call = f'    return cheat("{name}", {self.arguments(name)})\n'
            self.answer(name, f"{self.signature(name)}\n{call}")
        return self

    def copy(self) -> "Sheet":
        return copy.deepcopy(self)

    def content(self, encoding: str = "utf-8", **options) -> bytes:
        """The notebook's bytes."""
        text = json.dumps(self.notebook, indent=1, ensure_ascii=False, **options)
        return text.encode(encoding, errors="surrogatepass")

    def _guarded(self, *parts):
        known = f"PLACES = {dataclasses.asdict(self.places)!r}\nNAMES = {list(self.names)!r}\n"
        return known + GUARD + "".join(textwrap.dedent(part).strip("\n") + "\n" for part in parts)
