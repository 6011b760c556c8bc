"""``python -m grader grade ASSIGNMENT INBOX --out DIR``; see instructor/README.md."""

import argparse
import contextlib
import sys
from pathlib import Path

from grader import batch, gradebook, marks, runner, sandbox

ROOT = Path(__file__).resolve().parents[1]


def main(arguments=None):
    """Run the command; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m grader", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    grade = commands.add_parser("grade", help="grade an inbox and write the reports")
    export = commands.add_parser("export", help="put the grades into nbgrader's gradebook")
    for command in (grade, export):
        command.add_argument("assignment", metavar="ASSIGNMENT", help="such as 05_sparse")
    grade.add_argument("inbox", metavar="INBOX", type=Path, help="folder of submissions")
    for command in (grade, export):
        command.add_argument("--out", metavar="DIR", type=Path, required=True, help="results")
    grade.add_argument("--jobs", metavar="N", type=int, default=2, help="at a time (2)")
    grade.add_argument("--executor", metavar="URL", help="a Dask cluster: dask://host:port")
    grade.add_argument("--seed", metavar="N", type=int, default=marks.SEED, help="fresh inputs")
    grade.add_argument("--marks", metavar="CSV", type=Path, help="marks given by hand, merged")
    grade.add_argument(
        "--unsafe",
        action="store_true",
        help="without a sandbox: submissions can do whatever you can",
    )
    export.add_argument("--db", metavar="URL", required=True, help="sqlite:///gradebook.db")
    given = parser.parse_args(arguments)
    try:
        return _grade(given) if given.command == "grade" else _export(given)
    except (ValueError, OSError, sandbox.Unavailable, runner.Failed) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 2


def _folders(assignment):
    source = ROOT / "instructor" / assignment
    if not (source / "exercises.py").is_file():
        known = ", ".join(path.parent.name for path in sorted(source.parent.glob("*/exercises.py")))
        raise ValueError(f"there is no assignment {assignment!r}; there are {known}.")
    return source, ROOT / "notebooks" / "assignments" / assignment


def _grade(given):
    kit = marks.kit(*_folders(given.assignment), seed=given.seed)
    with contextlib.ExitStack() as stack:
        executor = stack.enter_context(_dask(given.executor)) if given.executor else None
        outcome = batch.grade(
            kit,
            given.inbox,
            given.out,
            jobs=given.jobs,
            executor=executor,
            unsafe=given.unsafe,
            extra_marks=given.marks,
        )
    print(
        f"{outcome.marked} marked, {outcome.kept} unchanged, {outcome.failed} not gradable: "
        f"see {given.out / 'report.html'}"
    )
    if outcome.interrupted:
        print("Interrupted: the same command goes on from here.", file=sys.stderr)
        return 130
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
    kit = marks.kit(*_folders(given.assignment))
    count, unmarked = gradebook.export(given.out, kit, given.db)
    print(f"{count} submissions are in {given.db}; {unmarked} of them need a mark by hand")
    return 0


if __name__ == "__main__":
    sys.exit(main())
