"""Every attack, honest submissions among them: who gets what, and what is left behind.

`pytest tests/grader -k fork_bomb` grades those attacks alone, `-k "fork_bomb or left"` looks for
processes that they leave, too.
"""

import compileall
import contextlib
import csv
import ctypes
import html.parser
import json
import os
import re
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import coursekit
from grader import ROOT, batch, exercises, marks, sandbox
from tests.grader.hostile import KINDS
from tools import honest, submissions
from tools.assignments import released

pytestmark = pytest.mark.slow

SOURCE = exercises.source_folder("05_sparse")
RELEASED = exercises.student_folder("05_sparse")
LIMITS = sandbox.Limits(cell=2, function=2, total=40, grace=1)
_PR_SET_CHILD_SUBREAPER = 36


class Listener:
    """Listens on a port of this machine and on two Unix sockets, and writes down who comes."""

    def __init__(self, folder):
        self.heard, self._sockets = [], []
        self.path, self.abstract = f"{folder}/socket", f"grading-{os.getpid()}"
        inet = socket.create_server(("127.0.0.1", 0))
        self.port = inet.getsockname()[1]
        self._listen(inet)
        for name in (self.path, f"\0{self.abstract}"):
            unix = socket.socket(socket.AF_UNIX)
            unix.bind(name)
            unix.listen()
            self._listen(unix)

    def _listen(self, server):
        self._sockets.append(server)
        threading.Thread(target=self._serve, args=(server,), daemon=True).start()

    def _serve(self, server):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                self.heard.append(server.getsockname())
                connection.close()

    def reachable(self):
        """Whether somebody on this machine who is not shut in gets through."""
        for family, address in (
            (socket.AF_INET, ("127.0.0.1", self.port)),
            (socket.AF_UNIX, self.path),
            (socket.AF_UNIX, f"\0{self.abstract}"),
        ):
            with socket.socket(family) as line:
                line.connect(address)
        while len(self.heard) < 3:
            threading.Event().wait(0.01)
        self.heard.clear()
        return True


def descendants():
    """The processes that run below this one, orphans too: see `PR_SET_CHILD_SUBREAPER`."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            state, parent = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()[:2]
            if state != "Z":  # ended; only its parent may take it off the list
                parents[int(name)] = int(parent)
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {os.getpid()}


def selected(session):
    """The kinds of attacks whose own test is to run; all, if only tests of the whole class are."""
    named = [item.callspec.params for item in session.items if hasattr(item, "callspec")]
    return [given["kind"] for given in named if given.get("kind") in KINDS] or list(KINDS)


@pytest.fixture(scope="session")
def graded(request, tmp_path_factory):
    """The inbox of the selected attacks and 20 honest submissions (one, beside a few), graded."""
    kinds = selected(request.session)
    top = tmp_path_factory.mktemp("class")
    try:
        sandbox.require()
    except sandbox.Unavailable as error:
        pytest.skip(str(error))
    listener = Listener(tmp_path_factory.mktemp("listener"))
    assert listener.reachable()
    places = submissions.decoys(top, SOURCE, listener)
    attacks = {kind: KINDS[kind] for kind in kinds}
    honest_ones = 20 if len(attacks) == len(KINDS) else 1
    handed_in = submissions.write(SOURCE, places, attacks, honest_ones)
    untouched = [places.inbox, places.canary, places.gradebook, SOURCE, RELEASED]
    packages = [Path(coursekit.__file__).parent, Path(batch.__file__).parent]
    untouched += [*packages, ROOT / "data"]
    for package in packages:
        compileall.compile_dir(package, quiet=1)  # before others do
    before = submissions.fingerprint(*untouched)
    around = submissions.surroundings(places)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_SECRET", submissions.secret(places, "environment"))
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        running = descendants()
        try:
            kit = marks.load_kit(SOURCE, RELEASED, limits=LIMITS)
            outcome = batch.grade(kit, places.inbox, places.out, jobs=2)
            for _ in range(50):  # the kernel takes a moment to end what was killed
                left = descendants() - running
                if not left:
                    break
                time.sleep(0.1)
        finally:
            libc.prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
    out = Path(places.out)
    return {
        "submissions": handed_in,
        "outcome": outcome,
        "out": out,
        "records": {r["student"]: r for r in map(load, (out / "results").iterdir())},
        "rows": list(csv.DictReader((out / "grades.csv").read_text("utf-8-sig").splitlines(True))),
        "changed": difference(before, submissions.fingerprint(*untouched)),
        "planted": difference(around, submissions.surroundings(places)),
        "left": left,
        "heard": listener.heard,
    }


def load(path):
    return json.loads(path.read_bytes())


def difference(before, after):
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


def violations(graded, kind):
    handed_in = [one for one in graded["submissions"] if one.kind == kind]
    assert handed_in
    asides = {row["student"]: row["reason"] for row in graded["rows"]}
    records = {one.student: graded["records"].get(one.student) for one in handed_in}
    return submissions.violations(handed_in, records, asides, submissions.points(SOURCE))


@pytest.mark.parametrize("kind", KINDS)
def test_an_attack_earns_what_it_deserves_and_reaches_nothing(graded, kind):
    assert not violations(graded, kind)


def test_the_honest_get_their_points(graded):
    assert not violations(graded, "")
    assert set(graded["records"]) <= {one.student for one in graded["submissions"]}


def test_every_submission_is_finished(graded):
    outcome = graded["outcome"]
    assert not outcome.interrupted
    failed = [one for one in graded["records"].values() if one["status"] == "failed"]
    assert outcome.marked == len(graded["records"]) - len(failed)
    assert not [row for row in graded["rows"] if "The grader failed" in row["reason"]]


def test_what_could_not_be_graded_is_empty_in_the_table(graded):
    rows = {row["student"]: row for row in graded["rows"]}
    students = [row["student"] for row in graded["rows"] if row["status"] != "set aside"]
    assert sorted(students) == sorted(graded["records"])
    for student, record in graded["records"].items():
        for exercise in record["exercises"]:
            points = exercise["points"]
            assert rows[student][exercise["name"]] == ("" if points is None else str(points))
        if None in [exercise["points"] for exercise in record["exercises"]]:
            assert rows[student]["total"] == ""
    for student in rows.keys() - graded["records"].keys():
        assert not any(rows[student][name] for name in submissions.points(SOURCE))


def test_nothing_outside_the_results_changed(graded):
    assert not graded["changed"]
    assert not graded["planted"]
    out = graded["out"]
    assert {path.stem for path in (out / "feedback").iterdir()} == set(graded["records"])
    assert {path.name for path in out.iterdir()} == {
        *("results", "feedback", "report.html"),
        *("grades.csv", "platform.csv", "manual.csv"),
        *("seed.txt", "intake.json", ".lock"),
    }
    assert not any(path.is_symlink() for path in out.rglob("*"))


def test_nobody_came_through_the_network(graded):
    assert not graded["heard"]


def test_no_process_is_left(graded):
    assert not graded["left"]


class Page(html.parser.HTMLParser):
    """Collects what a browser would run or load."""

    def __init__(self, text):
        super().__init__()
        self.active = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        if tag in ("script", "iframe", "object", "embed", "link", "base", "form", "svg"):
            self.active.append(tag)
        for name, value in attributes:
            value = (value or "").strip().lower()
            loads = name in ("src", "href", "action", "data", "srcset", "xlink:href")
            if name.startswith("on") or (
                loads and not value.startswith(("data:image/png;base64,", "#"))
            ):
                self.active.append(f"{tag} {name}={value[:50]}")


def test_pages_run_and_load_nothing(graded):
    pages = [graded["out"] / "report.html", *(graded["out"] / "feedback").iterdir()]
    for path in pages:
        text = path.read_text(encoding="utf-8")
        assert not Page(text).active, path.name
        assert "\x1b" not in text, path.name
        assert not re.search(r"[\ud800-\udfff\x00]", text), path.name
        assert len(text) < 10_000_000, path.name
    # The attacks are there to be read.
    if "markup_in_an_error" in {one.kind for one in graded["submissions"]}:
        page = graded["out"] / "feedback" / "markup-in-an-error.html"
        assert "&lt;script&gt;alert(1)" in page.read_text(encoding="utf-8")


def test_every_kind_has_a_purpose_of_its_own():
    assert len(KINDS) >= 198
    assert len({attack.write.__doc__ for attack in KINDS.values()}) == len(KINDS)


def test_the_honest_are_varied():
    """Every exercise is right for some, a known mistake for others, and blank for some."""
    rng, places = np.random.default_rng(0), submissions.Places()
    made = [honest.submission(SOURCE, str(i), places, rng, "#")[1] for i in range(60)]
    for name in submissions.points(SOURCE):
        assert any(name in expected.right for expected in made)
        assert any(len(expected.says.get(name, "")) > 20 for expected in made)
        assert any(expected.says.get(name) == "not written yet" for expected in made)


def test_the_same_seed_gives_the_same_inbox(tmp_path):
    attacks = {name: KINDS[name] for name in ("equal_to_everything", "zip_with_a_link")}
    for name in ("a", "b"):
        places = submissions.Places(inbox=str(tmp_path / name), peer="x/Peer Gynt.ipynb")
        submissions.write(SOURCE, places, attacks, honest_ones=5)
    ones = submissions.fingerprint(tmp_path / "a")
    others = submissions.fingerprint(tmp_path / "b")
    assert len(ones) == 1 + 5 + len(attacks)
    for path, content in ones.items():
        if not path.endswith(("equal-to-everything.ipynb", ".zip")):  # these name places
            assert others[path.replace(f"{tmp_path}/a", f"{tmp_path}/b")] == content
    assert released(SOURCE) not in [Path(path).read_bytes() for path in ones if ".ipynb" in path]
