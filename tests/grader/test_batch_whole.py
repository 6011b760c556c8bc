"""An inbox through the whole machinery: by the command, killed again and again, on a cluster."""

import contextlib
import json
import multiprocessing
import os
import random
import signal
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from grader import __main__ as command
from grader import batch, marks, results
from grader.batch import Outcome
from tests.grader import inbox as inboxes
from tests.grader.inbox import NAME, RELEASED, SOURCE, points

STUDENTS = inboxes.STUDENTS[::2]
EXPECTED = {student: inboxes.EXPECTED[student] for student in STUDENTS}


@pytest.fixture(scope="module")
def kit():
    return marks.load_kit(SOURCE, RELEASED)


@pytest.fixture
def inbox(tmp_path):
    return inboxes.write_inbox(tmp_path / "inbox", STUDENTS)


def test_the_command(inbox, tmp_path, capsys, sandboxed):
    out = tmp_path / "out"
    assert command.main(["grade", NAME, str(inbox), "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert "4 marked, 0 unchanged, 0 not gradable" in said.out
    assert not said.err
    assert points(out) == EXPECTED
    assert (out / "seed.txt").read_text().strip().isdecimal()
    # The same numbers on a rerun, which marks nothing, and in any other way to run it.
    grades = (out / "grades.csv").read_bytes()
    assert command.main(["grade", NAME, str(inbox), "--out", str(out)]) == 0
    assert "0 marked, 4 unchanged" in capsys.readouterr().out
    assert (out / "grades.csv").read_bytes() == grades
    executor_out = tmp_path / "executor"
    with ThreadPoolExecutor(1) as executor:
        batch.grade(marks.load_kit(SOURCE, RELEASED), inbox, executor_out, executor=executor)
        executor.submit(batch._close_runners).result()
    assert (executor_out / "grades.csv").read_bytes() == grades
    # Feedback has the pictures that a right answer draws, and no secrets.
    page = (out / "feedback" / "student6.html").read_text()
    assert page.count("data:image/png") == 2
    record = json.loads((out / "results" / "student6.json").read_text())
    assert record["status"] == "graded"
    assert [exercise["status"] for exercise in record["exercises"]] == ["right"] * 5


def orphans():
    """The sandboxes whose grader has ended."""
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == 1 and b"bwrap" in (path / "cmdline").read_bytes():
                found.add(path)
    return found


def _grade(kit, inbox, out, records):
    """In a process of its own; with `records` instead of marking, if there are any."""
    tempfile.tempdir = str(out.parent / "temporary")

    def mark(kit, student, content, files, unsafe):
        time.sleep(0.3)  # so that kills come meanwhile, and not only during the reports
        return records[student]

    if records:
        batch._marked = mark
    batch.grade(kit, inbox, out)


@pytest.mark.slow
@pytest.mark.parametrize(("kills", "is_real"), [(20, False), (3, True)])
def test_killed_at_any_moment_it_goes_on_and_gives_the_same_grades(
    kit, inbox, tmp_path, sandboxed, kills, is_real
):
    undisturbed = tmp_path / "undisturbed"
    batch.grade(kit, inbox, undisturbed)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    before = orphans()
    records = {record["student"]: record for record in results.read(undisturbed, STUDENTS)}
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["grader.batch", __name__])

    def start(out):
        arguments = (kit, inbox, out, None if is_real else records)
        process = context.Process(target=_grade, args=arguments)
        process.start()
        return process, time.monotonic()

    takes, rng, seen = 1, random.Random(0), set()
    if not is_real:
        process, started = start(tmp_path / "timed")
        process.join()
        takes = time.monotonic() - started

    def finished(out):
        return list((out / "results").glob("[!.]*"))

    def wait(process, out):
        """Until the moment of the next kill; at least some must come between two results."""
        while is_real and process.exitcode is None and len(finished(out)) < len(STUDENTS) - kills:
            process.join(0.05)
        process.join(rng.uniform(0, takes) if kills else None)

    while kills:
        out = tmp_path / f"before-{kills}"
        while True:
            process, _ = start(out)
            wait(process, out)
            if process.exitcode is not None:
                assert process.exitcode == 0
                break
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            kills -= 1
            kept = finished(out)
            assert all(json.loads(path.read_bytes())["digest"] for path in kept)
            seen.add(len(kept))
        assert not list((out / "results").glob(".*"))
        for name in ("grades.csv", "platform.csv", "manual.csv"):
            assert (out / name).read_bytes() == (undisturbed / name).read_bytes()
        assert points(out) == EXPECTED
    assert len(seen) > 1  # not all kills came before the first result
    late = time.monotonic() + 120  # one that was importing TensorFlow when it lost its grader
    while (list(temporary.iterdir()) or orphans() - before) and time.monotonic() < late:
        time.sleep(0.2)
    assert not list(temporary.iterdir())
    assert not orphans() - before


@pytest.mark.slow
def test_a_dask_cluster_grades_and_survives_the_death_of_a_worker(kit, inbox, tmp_path, sandboxed):
    distributed = pytest.importorskip("distributed")
    out, marked_on = tmp_path / "out", []
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None,
            local_directory=str(tmp_path / "dask"), memory_limit=0,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):  # fmt: skip
        workers = list(client.run(os.getpid).values())
        executor = client.get_executor(pure=False)
        original = executor.submit

        def submit(function, kit, student, *rest):
            future = original(function, kit, student, *rest)
            future.add_done_callback(lambda _: finish(student))
            return future

        def finish(student):
            marked_on.append(student)
            if len(marked_on) == 2:
                os.kill(workers[0], signal.SIGKILL)

        executor.submit = submit
        outcome = batch.grade(kit, inbox, out, executor=executor)
    assert outcome == Outcome(4, 0, 0)
    assert sorted(marked_on) == STUDENTS
    assert points(out) == EXPECTED
