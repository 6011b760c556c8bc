"""A class of 300 and more, all kinds of attacks among them: marks, time, memory and disk.

    python -m benchmarks.grading_class --honest 260

Writes the inbox to a temporary folder, grades it, and checks that every student got what is known
beforehand, as tests/grader/test_hostile.py does for a smaller class. Exits with 1 where one did
not, or where a target is missed. An attack that cannot be interrupted takes its whole time limit;
--cell, --function and --total shorten them, --kinds leaves attacks out.
"""

import argparse
import collections
import contextlib
import csv
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from grader import batch, exercises, marks, sandbox
from tests.grader.hostile import KINDS
from tools import submissions

SECONDS, MEMORY = 2.0, 1.5e9  # per honest submission with all jobs at work; of each job


def grade(name, inbox, out, limits, jobs):
    source, released = exercises.source_folder(name), exercises.student_folder(name)
    kit = marks.load_kit(source, released, limits=limits)
    batch.grade(kit, inbox, out, jobs=jobs)


def processes():
    """{pid: (parent, proportional memory in bytes, command line)}"""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError, IndexError, ValueError):
            process = Path("/proc", pid)
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            command = (process / "cmdline").read_bytes()
            found[int(pid)] = parent, process, command
    return found


def memory(grader):
    """Bytes of the grader itself, and of each job: what has TensorFlow, and its submission."""
    found = processes()
    heads = {grader: "grader"} | {
        pid: f"job {pid}"
        for pid, (parent, _, line) in found.items()
        if b"zygote.main" in line and parent == grader
    }
    sums = collections.Counter()
    for pid, (_, process, _) in found.items():
        head = pid
        while head not in heads and head in found:
            head = found[head][0]
        if head in heads:
            with contextlib.suppress(OSError, IndexError):
                text = (process / "smaps_rollup").read_text()
                sums[heads[head]] += 1024 * int(text.split("\nPss:")[1].split()[0])
    return sums


def used(folder):
    """Bytes in the files below a folder, while others add and remove some."""
    size = 0
    for top, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                size += Path(top, name).lstat().st_size
    return size


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--assignment", default="05_sparse")
    parser.add_argument("--honest", type=int, default=260, help="how many honest submissions (260)")
    parser.add_argument("--kinds", nargs="*", metavar="KIND", help="of attacks; all, if not given")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0, help="of the honest ones")
    for name in ("cell", "function", "total"):
        parser.add_argument(
            f"--{name}", type=float, default=getattr(sandbox.Limits, name), help="seconds at most"
        )
    given = parser.parse_args()
    kinds = list(KINDS) if given.kinds is None else given.kinds
    unknown = set(kinds) - set(KINDS)
    if unknown:
        parser.error(f"no such kind: {', '.join(sorted(unknown))}")
    source = exercises.source_folder(given.assignment)
    limits = sandbox.Limits(cell=given.cell, function=given.function, total=given.total)
    with tempfile.TemporaryDirectory() as folder:
        places = submissions.decoys(folder + "/class", source)
        attacks = {kind: KINDS[kind] for kind in kinds}
        handed_in = submissions.write(source, places, attacks, given.honest, given.seed)
        kept = (places.inbox, places.canary, places.gradebook)
        before = submissions.fingerprint(*kept)
        # Apart from the disk's other users: what lies in the results and in the temporary folder.
        temporary = Path(folder, "temporary")
        temporary.mkdir()
        os.environ["TMPDIR"] = str(temporary)
        started = time.monotonic()
        grader = multiprocessing.get_context("spawn").Process(
            target=grade, args=(given.assignment, places.inbox, places.out, limits, given.jobs)
        )
        grader.start()
        samples, scratch = [], []
        while grader.is_alive():
            samples.append(memory(grader.pid))
            scratch.append(used(temporary))
            grader.join(1)
        seconds = time.monotonic() - started
        results = sorted((Path(places.out) / "results").glob("*.json"))
        records = {record["student"]: record for record in map(load, results)}
        with open(Path(places.out) / "grades.csv", encoding="utf-8-sig", newline="") as file:
            asides = {row["student"]: row["reason"] for row in csv.DictReader(file)}
        wrong = submissions.violations(handed_in, records, asides, submissions.points(source))
        if grader.exitcode:
            wrong.append(f"the grader ended with {grader.exitcode}")
        if submissions.fingerprint(*kept) != before:
            wrong.append("something outside the results was changed")
        left, report = used(temporary), used(places.out)
    print(f"{len(handed_in)} submissions, {given.honest} of them honest: {seconds:.0f} s")
    print(*wrong or ["everyone got what they deserve"], sep="\n")
    honest = [records[one.student]["seconds"] for one in handed_in if not one.kind]
    each = sum(honest) / given.jobs / max(1, len(honest))
    if honest:
        print(
            f"honest: {each:.2f} s each with {given.jobs} jobs (<= {SECONDS}); alone "
            f"{statistics.median(honest):.2f} s in the median, {max(honest):.2f} s at most"
        )
    for job in sorted({job for sample in samples for job in sample}):
        values = [sample[job] / 1e9 for sample in samples if job in sample]
        thirds = [values[len(values) * i // 3 : len(values) * (i + 1) // 3] for i in range(3)]
        peaks = ", ".join(f"{max(third, default=0):.2f}" for third in thirds)
        print(f"{job}: at most {max(values):.2f} GB; in each third of the time {peaks} GB")
    print(
        f"disk: temporary files of at most {max(scratch) / 1e6:.1f} MB while grading, "
        f"{left / 1e6:.1f} MB left; results and reports {report / 1e6:.0f} MB"
    )
    jobs = [size for sample in samples for job, size in sample.items() if job != "grader"]
    return 1 if wrong or each > SECONDS or max(jobs, default=0) > MEMORY else 0


def load(path):
    return json.loads(path.read_bytes())


if __name__ == "__main__":
    sys.exit(main())
