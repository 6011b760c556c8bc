"""Grade an inbox: every submission once, whatever happens in between.

Each record is written as soon as it is there, in one step; a later start takes what is finished
and goes on. Only this process writes: workers, here or on other machines, return records.
"""

import concurrent.futures
import contextlib
import dataclasses
import itertools
import json
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from coursekit import _display
from grader import ROOT, gradebook, intake, marks, notebooks, reports, runner, sandbox, tables

__all__ = ["Outcome", "grade", "records"]

_WAITING = 32  # submissions that are held for a cluster at a time


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What `grade` did: how many submissions it marked now, took over, and could not mark; and
    whether it was interrupted."""

    marked: int
    kept: int
    failed: int
    interrupted: bool


def grade(
    kit: marks.Kit,
    inbox: str | Path,
    out: str | Path,
    *,
    jobs: int = 2,
    executor: concurrent.futures.Executor | None = None,
    unsafe: bool = False,
    extra_marks: str | Path | None = None,
) -> Outcome:
    """Grade every submission in a folder and write the reports.

    Args:
        kit: the assignment's.
        inbox: folder of submissions, in any form that `intake.find` knows; nothing changes in it.
        out: folder for results/, feedback/, grades.csv, platform.csv, manual.csv and report.html.
        jobs: how many run at a time on this machine, each in about 1 GB.
        executor: any `concurrent.futures.Executor` in place of that, such as a Dask client's
            ``get_executor(pure=False)``; it is left running.
        unsafe: without a sandbox.
        extra_marks: a CSV file with marks given by hand, merged into manual.csv.

    Raises:
        sandbox.Unavailable: there is no sandbox here, or what must stay hidden lies in it.
        ValueError: the inbox is no folder, or the marks given by hand are not usable.
    """
    inbox, out = Path(inbox), Path(out)
    if not inbox.is_dir():
        raise ValueError(f"inbox must be a folder of submissions, got {inbox}.")
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {jobs}.")
    if out.resolve().is_relative_to(inbox.resolve()):
        raise ValueError(f"out must not lie in the inbox, got {out}.")
    if not unsafe:
        _require_hidden(inbox, out)
    for folder in (out / "results", out / "feedback"):
        folder.mkdir(parents=True, exist_ok=True)
    entries, asides = intake.find(inbox, kit.assignment, kit.notebook)
    if extra_marks is not None:
        gradebook.merge(out, kit, extra_marks, [entry.student for entry in entries])
    digests, todo = {}, []
    for entry in entries:
        try:
            digests[entry.student] = kit.digest(intake.read(entry))
        except notebooks.Unreadable as error:
            asides.append(intake.Aside(entry.student, str(entry.path), str(error)))
        else:
            if _finished(out, entry.student) != digests[entry.student]:
                todo.append(entry)
    marked, broken, interrupted = _mark(kit, todo, out, jobs, executor, unsafe)
    asides = sorted([*asides, *broken], key=lambda one: (one.student, one.path))
    # A record of an earlier submission must not stand for one that is still to be marked.
    students = [student for student, now in digests.items() if _finished(out, student) == now]
    _write_reports(kit, out, students, asides)
    return Outcome(marked, len(digests) - len(todo), len(asides), interrupted)


def _finished(out, student):
    """The digest of a student's record, or None if there is none."""
    return next((record["digest"] for record in records(out, [student])), None)


def records(out: str | Path, students: Iterable[str]) -> Iterator[dict]:
    """The finished records of these students, one at a time."""
    for student in students:
        with contextlib.suppress(FileNotFoundError):
            yield json.loads(_result(out, student).read_bytes())


def _write_reports(kit, out, students, asides):
    """Everything that is made of the records: feedback, tables, the instructor's report."""
    manual = gradebook.write_manual(out, kit, records(out, students))
    for record in records(out, students):
        reports.write_feedback(out / "feedback" / f"{record['student']}.html", record, manual)
    reports.write_grades(out, records(out, students), manual, asides)
    reports.write_report(out / "report.html", kit, records(out, students), manual, asides)


def _result(out, student):
    return Path(out) / "results" / f"{student}.json"


def _require_hidden(*paths):
    for path in (*paths, ROOT):
        folder = sandbox.exposed(path)
        if folder is not None:
            raise sandbox.Unavailable(
                f"{path} lies in {folder}, which submissions can read; put it somewhere else."
            )


def _mark(kit, todo, out, jobs, executor, unsafe):
    """Mark submissions, a few at a time; how many, those that could not be, interrupted or not."""
    if not todo:
        return 0, [], False
    broken, done, interrupted = [], 0, False
    line, waiting = _display.ProgressLine("grading"), iter(todo)
    own = concurrent.futures.ThreadPoolExecutor(jobs) if executor is None else None
    pool, window = executor or own, jobs if executor is None else _WAITING
    running = {}
    try:
        while True:
            for entry in itertools.islice(waiting, window - len(running)):
                content = intake.read(entry)
                future = pool.submit(_marked, kit, entry.student, content, unsafe)
                running[future] = entry
            if not running:
                break
            for future in concurrent.futures.wait(
                running, return_when=concurrent.futures.FIRST_COMPLETED
            ).done:
                entry = running.pop(future)
                done += 1
                line.show(done / len(todo), f"{done} of {len(todo)}, {entry.student}")
                try:
                    record = future.result()
                except sandbox.Unavailable:
                    raise
                except Exception as error:  # of the machinery: the next start tries again
                    reason = f"The grader failed, start it again: {type(error).__name__}: {error}"
                    broken.append(intake.Aside(entry.student, str(entry.path), reason))
                else:
                    text = json.dumps(record, indent=1)
                    tables.replace(_result(out, entry.student), text.encode())
    except KeyboardInterrupt:
        interrupted = True
    finally:
        for future in running:
            future.cancel()
        if own is not None:
            own.shutdown(wait=not interrupted, cancel_futures=True)
            _close_runners()
    marked = done - len(broken)
    line.end(f"{marked} of {len(todo)} marked" + (", interrupted" if interrupted else ""))
    return marked, broken, interrupted


_here = threading.local()
_runners = []


def _marked(kit, student, content, unsafe):
    """One record; in a worker, which keeps its runner for the next."""
    if getattr(_here, "limits", None) != (kit.limits, unsafe):
        _here.runner = runner.Runner(kit.limits, unsafe=unsafe)
        _here.limits = kit.limits, unsafe
        _runners.append(_here.runner)
    return marks.record(kit, student, content, _here.runner)


def _close_runners():
    while _runners:
        _runners.pop().close()
