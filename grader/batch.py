"""Grade an inbox: every submission once, whatever happens in between.

Each record is written as soon as it is there, in one step; a later start takes what is finished
and goes on. Only this process writes: workers, here or on other machines, return records.
"""

import concurrent.futures
import contextlib
import dataclasses
import fcntl
import itertools
import os
import resource
import signal
import threading
import time
from pathlib import Path

from coursekit import _display
from grader import (
    ROOT,
    gradebook,
    intake,
    marks,
    parsing,
    reports,
    results,
    runner,
    sandbox,
)
from grader.names import alike
from grader.tables import remove_unfinished

__all__ = ["Outcome", "grade"]

_FILES = 65_536  # descriptors at most; some programs look at each that there may be
_WAITING = 32  # submissions that are held for a cluster at a time
_LOOK = 0.2  # seconds between two looks at whether Ctrl-C was pressed
_END = 3  # seconds after it in which the runners must have ended, and
_REPORT = 4  # those in which the reports must be there; else the next start writes them


class _LateError(Exception):
    """There is no time for more."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What `grade` did; all that it came to is counted in one of the first three.

    Attributes:
        marked: submissions that have points for some exercise, found now.
        kept: submissions that have them from an earlier run.
        failed: submissions without any points, and files that were set aside.
        partly: those of the marked and kept in which some exercise could not be graded.
        interrupted: whether Ctrl-C ended it.
        reported: whether the reports tell of it; after an interrupt there may be no time.
    """

    marked: int
    kept: int
    failed: int
    partly: int = 0
    interrupted: bool = False
    reported: bool = True


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
        ValueError: the inbox is no folder or empty, another grader is at work on `out`, it holds
            results of another assignment, or the marks given by hand are not usable.
        OSError: a file cannot be written; with its path.
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
    _allow_files()
    entries, asides = intake.find(inbox, kit.assignment, kit.notebook, out / "intake.json")
    if not entries and not asides:
        raise ValueError(f"inbox must hold submissions, there is nothing in {inbox}.")
    for folder in (out / "results", out / "feedback"):
        folder.mkdir(parents=True, exist_ok=True)
    with _alone(out):
        _require_same(kit, out)
        for folder in (out, out / "results", out / "feedback"):
            remove_unfinished(folder)
        if extra_marks is not None:
            gradebook.merge(out, kit, extra_marks, [entry.student for entry in entries])
        results.keep_seed(out, kit.seed)
        kept, todo = {}, []
        for entry, handed_in in _readable(inbox, entries, asides):
            record = next(results.read(out, [entry.student]), None)
            if record is not None and record["digest"] == kit.digest(*handed_in):
                kept[entry.student] = record["status"]
            else:
                todo.append(entry)
        waiting = _readable(inbox, todo, asides)
        options = asides, jobs, executor, unsafe
        marked, interrupted = _mark(kit, waiting, len(todo), out, *options)
        asides.sort(key=lambda one: (one.student, one.path))
        # A record of an earlier submission must not stand for one that is still to be marked.
        students = sorted(kept | marked)
        late = float("inf") if interrupted is None else interrupted + _REPORT
        hints = alike(one.student for one in (*entries, *asides))
        reported = _write_reports(kit, out, students, asides, hints, late)
    statuses = [*marked.values(), *kept.values()]
    return Outcome(
        marked=sum(status != "failed" for status in marked.values()),
        kept=sum(status != "failed" for status in kept.values()),
        failed=statuses.count("failed") + len(asides),
        partly=statuses.count("partly"),
        interrupted=interrupted is not None,
        reported=reported,
    )


def _allow_files():
    """Let this process open as many files as it may: each submission that runs takes a dozen."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


@contextlib.contextmanager
def _alone(out):
    """Keep other graders away from a folder; the kernel ends that with this process."""
    with open(out / ".lock", "a+b", buffering=0) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().decode() or "unknown"
            raise ValueError(f"another grader (process {holder}) is at work on {out}.") from None
        with contextlib.suppress(OSError):  # a full disk; what it hinders more will say so
            lock.truncate(0)
            lock.write(str(os.getpid()).encode())
        yield


def _require_same(kit, out):
    record = next(results.read(out, results.students(out)), None)
    if record is not None and record["assignment"] != kit.assignment:
        raise ValueError(
            f"{out} holds results of {record['assignment']}; those of {kit.assignment} need a "
            "folder of their own."
        )


def _write_reports(kit, out, students, asides, hints, late):
    """Everything that is made of the records: feedback, tables, the instructor's report.

    Returns False if the clock showed `late` before all was done.
    """

    def read():
        for record in results.read(out, students):
            if time.monotonic() > late:
                raise _LateError
            yield record

    try:
        manual = gradebook.write_manual(out, kit, read())
        gone = _retire(out, set(students))
        for record in read():
            reports.write_feedback(out / "feedback" / f"{record['student']}.html", record, manual)
        reports.write_grades(out, read(), manual, asides)
        more = {"gone": gone, "alike": hints}
        reports.write_report(out / "report.html", kit, read(), manual, asides, **more)
    except _LateError:
        return False
    return True


def _retire(out, students):
    """Move the pages of those who are not graded now; returns who of them has a record."""
    outdated = out / "feedback" / "outdated"
    for page in (out / "feedback").glob("*.html"):
        if page.stem not in students:
            outdated.mkdir(exist_ok=True)
            os.replace(page, outdated / page.name)
    for page in outdated.glob("*.html"):
        if page.stem in students:  # whose page is in its place again
            page.unlink()
    return [student for student in results.students(out) if student not in students]


def _require_hidden(*paths):
    for path in (*paths, ROOT):
        folder = sandbox.exposed(path)
        if folder is not None:
            raise sandbox.Unavailable(
                f"{path} lies in {folder}, which submissions can read; put it somewhere else."
            )


def _readable(inbox, entries, asides):
    """(entry, (notebook, modules)) of what can be read; the others go to `asides`."""
    for entry in entries:
        try:
            handed_in = intake.read(entry), intake.modules(entry, inbox)
        except (parsing.Unreadable, OSError) as error:
            asides.append(intake.Aside(entry.student, str(entry.path), str(error)))
        else:
            yield entry, handed_in


def _mark(kit, waiting, count, out, asides, jobs, executor, unsafe):
    """Mark submissions, a few at a time; what could not be goes to `asides`.

    Returns a dict from the students to the status of their records, and when Ctrl-C was pressed.
    """
    marked = {}
    if not count:
        return marked, None
    line = _display.ProgressLine("grading")
    own = concurrent.futures.ThreadPoolExecutor(jobs) if executor is None else None
    pool, window = executor or own, jobs if executor is None else _WAITING
    running, done = {}, 0
    with _interrupts() as pressed:
        try:
            while not pressed:
                for entry, handed_in in itertools.islice(waiting, window - len(running)):
                    future = pool.submit(_marked, kit, entry.student, *handed_in, unsafe)
                    running[future] = entry
                if not running:
                    break
                for future in concurrent.futures.wait(
                    running, timeout=_LOOK, return_when=concurrent.futures.FIRST_COMPLETED
                ).done:
                    entry = running.pop(future)
                    done += 1
                    line.show(done / count, f"{done} of {count}, {entry.student}")
                    try:
                        record = future.result()
                    except sandbox.Unavailable:
                        raise
                    except Exception as error:  # of the machinery: the next start tries again
                        why = f"The grader failed, start it again: {type(error).__name__}: {error}"
                        asides.append(intake.Aside(entry.student, str(entry.path), why))
                    else:
                        results.write(out, record)
                        marked[entry.student] = record["status"]
        finally:
            for future in running:
                future.cancel()
            if own is not None:
                own.shutdown(wait=_close_runners(running), cancel_futures=True)
    line.end(f"{done} of {count} done" + (", interrupted" if pressed else ""))
    return marked, pressed[0] if pressed else None


@contextlib.contextmanager
def _interrupts():
    """The times at which Ctrl-C is pressed within, which raises nothing there."""
    pressed = []
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield pressed
        return
    signal.signal(signal.SIGINT, lambda *_: pressed.append(time.monotonic()))
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


_here = threading.local()
_runners = []


def _marked(kit, student, content, files, unsafe):
    """One record; in a worker, which keeps its runner for the next."""
    if getattr(_here, "limits", None) != (kit.limits, unsafe):
        _here.runner = runner.Runner(kit.limits, unsafe=unsafe)
        _here.limits = kit.limits, unsafe
        _runners.append(_here.runner)
    return marks.record(kit, student, content, _here.runner, files)


def _close_runners(running=()):
    """Close all runners, after the threads in which they still run have left; whether they did."""
    end = time.monotonic() + _END
    while concurrent.futures.wait(running, timeout=0.1).not_done:
        if time.monotonic() > end:
            return False
        for one in _runners:  # also one that was made only now
            one.stop()
    while _runners:
        _runners.pop().close()
    return True
