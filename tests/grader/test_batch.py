"""A whole inbox: each submission once, whatever happens in between."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import pytest

import coursekit
from grader import ROOT, batch, exercises, intake, marks, results, runner, sandbox
from grader import __main__ as command
from grader.batch import Outcome
from tests.grader.inbox import NAME, RELEASED, SOURCE, STUDENTS, points, write_inbox
from tests.grader.test_tables import files_of_at_most


@pytest.fixture(scope="module")
def kit():
    return marks.load_kit(SOURCE, RELEASED)


@pytest.fixture(autouse=True)
def interrupts():
    """Ctrl-C does what it does in a terminal, also where these tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def inbox(tmp_path):
    return write_inbox(tmp_path / "inbox")


def made(kit, student, content, status="graded"):
    """A record with 1 point for each exercise, for none if it failed, or for all but the last."""
    record = marks.failed_record(kit, student, "Why.", kit.digest(content))
    exercises = record["exercises"]
    for exercise in exercises[: {"graded": 5, "partly": 4, "failed": 0}[status]]:
        exercise.update(points=1, status="wrong", message="")
    return record | {"status": status, "reason": "Why." if status == "failed" else ""}


@pytest.fixture
def marked(monkeypatch):
    """The students that were marked, in a marking that takes no time."""
    seen = []

    def mark(kit, student, content, files, unsafe):
        seen.append(student)
        return made(kit, student, content)

    monkeypatch.setattr(batch, "_marked", mark)
    return seen


def test_a_submission_is_marked_again_only_if_it_or_the_assignment_changed(
    kit, inbox, tmp_path, marked
):
    out = tmp_path / "out"
    assert batch.grade(kit, inbox, out) == Outcome(8, 0, 0)
    assert sorted(marked) == STUDENTS
    marked.clear()
    assert batch.grade(kit, inbox, out) == Outcome(0, 8, 0)
    assert not marked
    with open(inbox / "student3.ipynb", "a") as file:
        file.write("\n")
    assert batch.grade(kit, inbox, out) == Outcome(1, 7, 0)
    assert marked == ["student3"]
    other = marks.load_kit(SOURCE, RELEASED, seed=2)
    assert batch.grade(other, inbox, out) == Outcome(8, 0, 0)


def test_what_lies_beside_a_submission_costs_nobody_their_grade(kit, inbox, tmp_path, marked):
    (inbox / "student1.pdf").write_bytes(b"%PDF")
    (inbox / "notes.pdf").write_bytes(b"%PDF")
    given = tmp_path / "given.csv"
    given.write_text("student,exercise,points\nstudent1,hoyer_sparsity,2\n")
    outcome = batch.grade(kit, inbox, tmp_path / "out", extra_marks=given)
    assert outcome == Outcome(8, 0, 2)
    rows = points(tmp_path / "out")
    assert rows["student1"] == ["1", "1", "1", "2", "1"]
    assert rows["notes"] == [""] * 5


def test_it_may_open_as_many_files_as_the_machine_lets_it(kit, inbox, tmp_path, marked):
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, before[1]))
        batch.grade(kit, inbox, tmp_path / "out")
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert hard == before[1]
        assert soft == (65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_nothing_is_written_into_the_inbox(kit, inbox, tmp_path, marked):
    before = {path: path.read_bytes() for path in inbox.iterdir()}
    batch.grade(kit, inbox, tmp_path / "out")
    assert {path: path.read_bytes() for path in inbox.iterdir()} == before


def test_what_the_machinery_cannot_do_is_told_and_tried_again(kit, inbox, tmp_path, monkeypatch):
    broken = [True]

    def mark(kit, student, content, files, unsafe):
        if student == "student5" and broken:
            raise RuntimeError("no disk")
        return made(kit, student, content)

    monkeypatch.setattr(batch, "_marked", mark)
    out = tmp_path / "out"
    assert batch.grade(kit, inbox, out) == Outcome(7, 0, 1)
    assert points(out)["student5"] == [""] * 5
    assert "no disk" in (out / "grades.csv").read_text()
    broken.clear()
    assert batch.grade(kit, inbox, out) == Outcome(1, 7, 0)
    assert len(points(out)) == 8
    # The mark of an earlier submission does not stand for one that could not be marked.
    broken.append(True)
    with open(inbox / "student5.ipynb", "a") as file:
        file.write("\n")
    assert batch.grade(kit, inbox, out) == Outcome(0, 7, 1)
    assert "set aside" in (out / "grades.csv").read_text()


def test_an_interrupt_keeps_what_is_finished(kit, inbox, tmp_path, monkeypatch):
    def mark(kit, student, content, files, unsafe):
        if student == "student4":
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        return made(kit, student, content)

    monkeypatch.setattr(batch, "_marked", mark)
    out = tmp_path / "out"
    outcome = batch.grade(kit, inbox, out, jobs=1)
    assert outcome == Outcome(4, 0, 0, interrupted=True)
    assert len(list((out / "results").iterdir())) == 4
    assert (out / "report.html").exists()


@pytest.fixture
def processes(monkeypatch):
    """What is started."""
    started, popen = [], subprocess.Popen

    def start(*arguments, **options):
        started.append(popen(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(runner.subprocess, "Popen", start)
    return started


def interrupted_when(event, times, *arguments, **options):
    """The outcome of grading in which Ctrl-C is pressed after an event; all must end with it."""
    pressed = []

    def press():
        event.wait(120)
        pressed.append(time.monotonic())
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)

    thread = threading.Thread(target=press)
    thread.start()
    outcome = batch.grade(*arguments, **options)
    thread.join()
    assert time.monotonic() - pressed[0] < 5
    assert outcome.interrupted
    assert not [one for one in threading.enumerate() if one.name.startswith("ThreadPool")]
    return outcome


@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupt_ends_runners_that_still_start(
    kit, inbox, tmp_path, monkeypatch, processes, times
):
    event = threading.Event()
    monkeypatch.setattr(runner, "_RUN", "import time; time.sleep(1_000)")
    monkeypatch.setattr(runner, "_START", 20)
    threading.Timer(1, event.set).start()
    outcome = interrupted_when(event, times, kit, inbox, tmp_path / "out", unsafe=True)
    assert outcome == Outcome(0, 0, 0, interrupted=True)
    assert len(processes) == 2
    assert all(process.poll() is not None for process in processes)


def test_an_interrupt_ends_what_runs(kit, inbox, tmp_path, monkeypatch, processes, sandboxed):
    for path in inbox.iterdir():
        if path.stem != "student7":
            path.unlink()
    notebook = nbformat.read(inbox / "student7.ipynb", 4)
    notebook.cells.insert(2, nbformat.v4.new_code_cell("while True: pass"))
    nbformat.write(notebook, inbox / "student7.ipynb")
    event, begun = threading.Event(), runner.Runner._begun

    def begin(self, header, job, now):
        source = dict(job["cells"]).get(header["what"][1], "")
        if source == "while True: pass":
            event.set()
        return begun(self, header, job, now)

    monkeypatch.setattr(runner.Runner, "_begun", begin)
    outcome = interrupted_when(event, 2, kit, inbox, tmp_path / "out")
    assert outcome == Outcome(0, 0, 0, interrupted=True)
    assert event.is_set()
    assert all(process.poll() is not None for process in processes)


def test_an_interrupt_does_not_wait_for_the_reports_of_a_large_class(
    kit, inbox, tmp_path, monkeypatch, capsys
):
    write_feedback = batch.reports.write_feedback

    def mark(kit, student, content, files, unsafe):
        if student == "student7":
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        return made(kit, student, content)

    def slow(*arguments):
        time.sleep(1)
        write_feedback(*arguments)

    monkeypatch.setattr(batch, "_marked", mark)
    monkeypatch.setattr(batch.reports, "write_feedback", slow)
    monkeypatch.setattr(batch, "_REPORT", 1.5)
    arguments = ["grade", NAME, str(inbox), "--out", str(tmp_path / "out"), "--jobs", "1"]
    assert command.main(arguments) == 130
    said = capsys.readouterr()
    assert "7 marked, 0 unchanged, 0 not gradable: no report was written yet" in said.out
    assert said.err == "Interrupted: the same command goes on from here.\n"
    assert not (tmp_path / "out" / "report.html").exists()
    monkeypatch.setattr(batch.reports, "write_feedback", write_feedback)
    monkeypatch.setattr(
        batch, "_marked", lambda kit, student, content, *_: made(kit, student, content)
    )
    same = marks.load_kit(SOURCE, RELEASED, results.kept_seed(tmp_path / "out"))
    assert batch.grade(same, inbox, tmp_path / "out") == Outcome(1, 7, 0)


def test_an_interrupt_anywhere_else_is_a_sentence(inbox, tmp_path, monkeypatch, capsys):
    def find(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(intake, "find", find)
    assert command.main(["grade", NAME, str(inbox), "--out", str(tmp_path / "out")]) == 130
    assert capsys.readouterr().err == "Interrupted: the same command goes on from here.\n"


def test_what_vanishes_while_others_are_graded_is_set_aside_alone(
    kit, inbox, tmp_path, monkeypatch
):
    find = intake.find

    def vanished(*arguments):
        found = find(*arguments)
        (inbox / "student0.ipynb").unlink()
        return found

    def mark(kit, student, content, files, unsafe):
        for late in ("student6", "student7"):
            (inbox / f"{late}.ipynb").unlink(missing_ok=True)
        return made(kit, student, content)

    monkeypatch.setattr(intake, "find", vanished)
    monkeypatch.setattr(batch, "_marked", mark)
    out = tmp_path / "out"
    assert batch.grade(kit, inbox, out, jobs=1) == Outcome(5, 0, 3)
    page = (out / "report.html").read_text()
    assert page.count("The file cannot be read: No such file or directory.") == 3


def test_a_submission_that_changes_while_it_waits_is_graded_as_it_is_then(
    kit, inbox, tmp_path, monkeypatch
):
    def mark(kit, student, content, files, unsafe):
        if student == "student0":
            with open(inbox / "student7.ipynb", "a") as file:
                file.write("\n")
        return made(kit, student, content)

    monkeypatch.setattr(batch, "_marked", mark)
    out = tmp_path / "out"
    assert batch.grade(kit, inbox, out, jobs=1) == Outcome(8, 0, 0)
    assert points(out)["student7"] == ["1"] * 5
    assert batch.grade(kit, inbox, out) == Outcome(0, 8, 0)


@pytest.mark.parametrize("damaged", [b"", b'{"student": "stud', b"[]", b"null", b"\0", b"{}"])
def test_a_damaged_record_is_made_again(kit, inbox, tmp_path, marked, damaged):
    out = tmp_path / "out"
    batch.grade(kit, inbox, out)
    path = out / "results" / "student3.json"
    before = path.read_bytes()
    path.write_bytes(damaged)
    marked.clear()
    assert batch.grade(kit, inbox, out) == Outcome(1, 7, 0)
    assert marked == ["student3"]
    assert path.read_bytes() == before


def test_a_record_of_somebody_else_counts_for_nobody(kit, inbox, tmp_path, marked):
    out = tmp_path / "out"
    (inbox / "student4.ipynb").write_bytes((inbox / "student3.ipynb").read_bytes())
    batch.grade(kit, inbox, out)
    (out / "results" / "student3.json").replace(out / "results" / "student4.json")
    assert batch.grade(kit, inbox, out) == Outcome(2, 6, 0)


def test_only_one_grader_works_in_a_folder(kit, inbox, tmp_path, monkeypatch, capsys):
    out, first, said = tmp_path / "out", ["student0"], []

    def mark(kit, student, content, files, unsafe):
        if first:
            first.clear()
            said.append(command.main(["grade", NAME, str(inbox), "--out", str(out)]))
        return made(kit, student, content)

    monkeypatch.setattr(batch, "_marked", mark)
    assert batch.grade(kit, inbox, out, jobs=1) == Outcome(8, 0, 0)
    assert said == [2]
    told = capsys.readouterr().err
    assert f"another grader (process {os.getpid()}) is at work on {out}." in told
    assert batch.grade(kit, inbox, out) == Outcome(0, 8, 0)


def test_a_grader_that_was_killed_locks_nobody_out(kit, inbox, tmp_path, marked):
    out = tmp_path / "out"
    (out / "results").mkdir(parents=True)
    (out / "results" / ".student1.json.0a1b2c3d.part").write_bytes(b"half")
    child = os.fork()
    if not child:
        try:
            with batch._alone(out):
                os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert batch.grade(kit, inbox, out) == Outcome(8, 0, 0)
    assert not list((out / "results").glob(".*"))


def test_a_full_disk_is_told_with_the_path_and_leaves_nothing_half(
    kit, inbox, tmp_path, marked, capsys
):
    out = tmp_path / "out"
    with files_of_at_most(500):
        assert command.main(["grade", NAME, str(inbox), "--out", str(out), "--jobs", "1"]) == 2
    said = capsys.readouterr().err
    assert said == f"python -m grader: {out / 'results' / 'student0.json'}: File too large\n"
    assert not list((out / "results").iterdir())
    assert batch.grade(kit, inbox, out) == Outcome(8, 0, 0)


def test_who_withdrew_or_became_ambiguous_keeps_a_record_and_has_no_current_page(
    kit, inbox, tmp_path, marked
):
    out = tmp_path / "out"
    batch.grade(kit, inbox, out)
    record = (out / "results" / "student1.json").read_bytes()
    taken = (inbox / "student1.ipynb").read_bytes()
    (inbox / "student1.ipynb").unlink()
    (inbox / "STUDENT2.ipynb").write_bytes(b"{}")
    assert batch.grade(kit, inbox, out) == Outcome(0, 6, 2)
    pages = {path.stem for path in (out / "feedback").glob("*.html")}
    assert pages == set(STUDENTS) - {"student1", "student2"}
    outdated = {path.stem for path in (out / "feedback" / "outdated").iterdir()}
    assert outdated == {"student1", "student2"}
    assert (out / "results" / "student1.json").read_bytes() == record
    page = " ".join((out / "report.html").read_text().split())
    assert "and they are not exported: student1, student2." in page
    # Back again, the page is in its place alone.
    (inbox / "student1.ipynb").write_bytes(taken)
    (inbox / "STUDENT2.ipynb").unlink()
    assert batch.grade(kit, inbox, out) == Outcome(0, 8, 0)
    assert not list((out / "feedback" / "outdated").iterdir())
    assert "No longer graded" not in (out / "report.html").read_text()


def test_results_of_another_assignment_are_not_overwritten(kit, inbox, tmp_path, marked):
    out = tmp_path / "out"
    batch.grade(kit, inbox, out)
    before = {path: path.read_bytes() for path in out.rglob("*.*") if path.is_file()}
    name = "06_contractive"
    other = marks.load_kit(exercises.source_folder(name), exercises.student_folder(name))
    with pytest.raises(ValueError, match=f"results of {NAME}; those of {name} need a folder"):
        batch.grade(other, inbox, out)
    assert {path: path.read_bytes() for path in before} == before


def test_an_empty_inbox_is_an_error(tmp_path, capsys):
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / ".DS_Store").touch()
    out = tmp_path / "out"
    assert command.main(["grade", NAME, str(tmp_path / "inbox"), "--out", str(out)]) == 2
    assert f"there is nothing in {tmp_path / 'inbox'}." in capsys.readouterr().err
    assert not out.exists()


def test_what_failed_or_was_graded_in_part_is_counted_as_such(
    kit, inbox, tmp_path, monkeypatch, capsys
):
    statuses = dict.fromkeys(STUDENTS, "graded") | {"student1": "partly", "student2": "failed"}

    def mark(kit, student, content, files, unsafe):
        return made(kit, student, content, statuses[student])

    monkeypatch.setattr(batch, "_marked", mark)
    (inbox / "notes.pdf").write_bytes(b"%PDF")
    arguments = ["grade", NAME, str(inbox), "--out", str(tmp_path / "out")]
    assert command.main(arguments) == 0
    said = capsys.readouterr().out
    assert "7 marked, 0 unchanged (1 of them in part), 2 not gradable: see" in said
    assert command.main(arguments) == 0
    said = capsys.readouterr().out
    assert "0 marked, 7 unchanged (1 of them in part), 2 not gradable: see" in said


def test_names_that_may_be_one_students_are_told_and_graded_both(kit, inbox, tmp_path, marked):
    (inbox / "student1 (1).ipynb").write_bytes((inbox / "student1.ipynb").read_bytes())
    (inbox / "student2_late.pdf").write_bytes(b"%PDF")
    out = tmp_path / "out"
    assert batch.grade(kit, inbox, out) == Outcome(9, 0, 1)
    page = (out / "report.html").read_text()
    assert "<li>student1 / student1 (1)</li>" in page
    assert "<li>student2 / student2_late</li>" in page
    assert page.count("<li>student") == 2


def test_bad_folders_are_refused(kit, inbox, tmp_path, marked):
    with pytest.raises(ValueError, match="inbox must be a folder"):
        batch.grade(kit, tmp_path / "nothing", tmp_path / "out")
    with pytest.raises(ValueError, match="must not lie in the inbox"):
        batch.grade(kit, inbox, inbox / "out")
    with pytest.raises(ValueError, match="jobs must be at least 1"):
        batch.grade(kit, inbox, tmp_path / "out", jobs=0)
    visible = Path(coursekit.__file__).parent
    with pytest.raises(sandbox.Unavailable, match="which submissions can read"):
        batch.grade(kit, inbox, visible / "out")
    assert not (visible / "out").exists()
    with pytest.raises(ValueError, match="seed must not be 0"):
        marks.load_kit(SOURCE, RELEASED, seed=0)
    notebook = nbformat.reads((RELEASED / f"{NAME}.ipynb").read_bytes(), 4)
    notebook.cells = [cell for cell in notebook.cells if cell.id != "winner-take-all-check"]
    nbformat.write(notebook, tmp_path / f"{NAME}.ipynb")
    with pytest.raises(ValueError, match="run `make release`"):
        marks.load_kit(SOURCE, tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["grade", "99_none", "."], "there is no assignment '99_none'; there are 01_"),
        (["grade", NAME, "/nowhere"], "inbox must be a folder"),
        (["grade", NAME, ".", "--executor", "http://x"], "must be dask://host:port"),
        (["grade", NAME, ".", "--seed", "0"], "seed must not be 0"),
    ],
)
def test_the_command_says_what_is_wrong(arguments, message, capsys, tmp_path):
    assert command.main([*arguments, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err


def test_the_command_makes_student_versions_of_known_assignments_alone(capsys):
    assert command.main(["release", "99_none"]) == 2
    assert "there is no assignment '99_none'; there are 01_" in capsys.readouterr().err


def test_without_the_instructors_packages_one_sentence_says_what_to_install():
    code = (
        "import runpy, sys; sys.modules['nbgrader'] = None; sys.argv = ['grader', 'grade']; "
        "runpy.run_module('grader', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert "pip install -c constraints.txt -e '.[instructor]'" in sentence


def test_an_interrupt_during_the_imports_ends_the_command_at_once():
    code = (
        "import importlib.util, os, runpy, signal, sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'grader.batch':\n"
        "            try: os.kill(os.getpid(), signal.SIGINT)\n"
        "            except BaseException: pass\n"
        "            sys.exit('went on')\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "runpy.run_module('grader', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_a_damaged_seed_is_told_and_another_can_be_given(tmp_path, inbox, marked, capsys):
    out = tmp_path / "out"
    arguments = ["grade", NAME, str(inbox), "--out", str(out)]
    assert command.main([*arguments, "--seed", "7"]) == 0
    assert results.kept_seed(out) == 7
    (out / "seed.txt").write_text("lucky")
    assert command.main(arguments) == 2
    assert "seed.txt must hold a number, got 'lucky'; --seed N sets it" in capsys.readouterr().err
    assert command.main([*arguments, "--seed", "7"]) == 0
    assert "0 marked, 8 unchanged" in capsys.readouterr().out
