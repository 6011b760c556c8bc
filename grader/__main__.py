"""``python -m grader grade ASSIGNMENT INBOX --out DIR``; see instructor/README.md."""

import argparse
import contextlib
import importlib.util
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # What is imported below may take an interrupt for an error of its own, and go on.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

if importlib.util.find_spec("nbgrader") is None:
    sys.exit(
        "python -m grader needs what instructors install: run `python -m pip install "
        "-c constraints.txt -e '.[instructor]'` in the course's folder."
    )

from grader import batch, exercises, gradebook, marks, results, runner, sandbox

__all__ = ["main"]

_INTERRUPTED = 130  # as the shell has it


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m grader", description=__doc__)
    commands = parser.add_subparsers(required=True)
    grade = commands.add_parser("grade", help="grade an inbox and write the reports")
    export = commands.add_parser("export", help="put the grades into nbgrader's gradebook")
    student = commands.add_parser("release", help="make the assignments' student versions")
    for command in (grade, export):
        command.add_argument("assignment", metavar="ASSIGNMENT", help="such as 05_sparse")
    grade.add_argument("inbox", metavar="INBOX", type=Path, help="folder of submissions")
    for command in (grade, export):
        command.add_argument("--out", metavar="DIR", type=Path, required=True, help="results")
    grade.add_argument("--jobs", metavar="N", type=int, default=2, help="at a time (2)")
    grade.add_argument("--executor", metavar="URL", help="a Dask cluster: dask://host:port")
    grade.add_argument("--seed", metavar="N", type=int, help="of fresh inputs; else drawn and kept")
    grade.add_argument("--marks", metavar="CSV", type=Path, help="marks given by hand, merged")
    unsafe = "without a sandbox: submissions can do whatever you can"
    grade.add_argument("--unsafe", action="store_true", help=unsafe)
    export.add_argument("--db", metavar="URL", required=True, help="sqlite:///gradebook.db")
    student.add_argument("names", nargs="*", metavar="NN_topic", help="all, if none is named")
    for command, act in ((grade, _grade), (export, _export), (student, _release)):
        command.set_defaults(act=act)
    given = parser.parse_args(arguments)
    try:
        return given.act(given)
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else error
        print(f"{parser.prog}: {what}", file=sys.stderr)
        return 2
    except (ValueError, sandbox.Unavailable, runner.Failed) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted: the same command goes on from here.", file=sys.stderr)
        return _INTERRUPTED


def _kit(assignment, seed=None):
    source = exercises.source_folder(assignment)
    return marks.load_kit(source, exercises.student_folder(assignment), seed)


def _grade(given):
    seed = results.kept_seed(given.out) if given.seed is None else given.seed
    kit = _kit(given.assignment, seed)
    with contextlib.ExitStack() as stack:
        executor = stack.enter_context(_dask(given.executor)) if given.executor else None
        options = {"jobs": given.jobs, "unsafe": given.unsafe, "extra_marks": given.marks}
        outcome = batch.grade(kit, given.inbox, given.out, executor=executor, **options)
    partly = f" ({outcome.partly} of them in part)" if outcome.partly else ""
    report = f"see {given.out / 'report.html'}" if outcome.reported else "no report was written yet"
    print(
        f"{outcome.marked} marked, {outcome.kept} unchanged{partly}, "
        f"{outcome.failed} not gradable: {report}"
    )
    if not (given.unsafe or given.executor):
        print(f"memory and processes are limited by: {sandbox.accounting()}")
    if outcome.interrupted:
        raise KeyboardInterrupt
    return 0


@contextlib.contextmanager
def _dask(url):
    scheme, _, address = url.partition("://")
    if scheme != "dask" or not address:
        raise ValueError(f"--executor must be dask://host:port, got {url}.")
    try:
        from distributed import Client
    except ImportError:
        raise ValueError("--executor needs the package `distributed`.") from None
    with Client(f"tcp://{address}") as client:
        yield client.get_executor(pure=False)


def _export(given):
    count, unmarked = gradebook.export(given.out, _kit(given.assignment), given.db)
    print(f"{count} submissions are in {given.db}; {unmarked} of them need a mark by hand")
    return 0


def _release(given):
    from grader import release  # nbgrader takes a second to import

    release.release(given.names)
    return 0


if __name__ == "__main__":
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    status = main()
    if status == _INTERRUPTED:  # a thread may still be busy, and Python would wait for it
        sys.stdout.flush()
        os._exit(status)
    sys.exit(status)
