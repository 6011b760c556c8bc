"""Control groups: the kernel counts what a submission uses, kernel memory included.

See cgroups(7). Version 2 is used where a group of ours, or one above it, may be divided, as below
`systemd-run --user --scope`; version 1 where root may. Elsewhere the sandbox counts by itself.
"""

import contextlib
import functools
import itertools
import os
import re
import signal
import subprocess
import time
from pathlib import Path

__all__ = ["Group", "available"]

_numbers = itertools.count(1)
# Seconds. What is killed is the process outside that must see its child off first.
_PATIENCE = 10
_EVENTS = (
    ("memory", "memory.events", "oom_kill"),
    ("memory", "memory.oom_control", "oom_kill"),
    ("processes", "pids.events", "max"),
)


def available() -> str:
    """The kind of control groups that can be made here: "cgroup v2", "cgroup v1" or ""."""
    return _found()[0]


class Group(contextlib.AbstractContextManager):
    """A fresh control group for a submission, with limits; a context manager.

    Attributes:
        doors: descriptors, open for writing; a process that writes "0" to each is in the group,
            and its children to come are.

    Args:
        memory: bytes, all together; there is no swap.
        processes: how many there may be, threads counted.
        place: the kind and the folders to make it in, if not those that `available` found.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, memory: int, processes: int, place: tuple | None = None):
        kind, folders = place or _found()
        if not kind:
            raise OSError("there are no control groups here")
        # The grader's process is in the name, for `_sweep`.
        name = f"submission-{os.getpid()}-{next(_numbers)}"
        self._folders, self.doors = [folder / name for folder in folders], []
        # What says something of swap may be missing.
        ceilings = {
            "cgroup v2": {"pids.max": processes, "memory.max": memory, "memory.swap.max": 0},
            "cgroup v1": {
                "pids.max": processes,
                "memory.limit_in_bytes": memory,
                "memory.memsw.limit_in_bytes": memory,  # swap included
                "memory.swappiness": 0,
            },
        }[kind]
        try:
            for folder in self._folders:
                folder.mkdir()
            for setting, value in ceilings.items():
                files = [folder / setting for folder in self._folders]
                file = next((file for file in files if file.exists()), None)
                if file is not None:
                    file.write_text(str(value))
                elif "sw" not in setting:
                    raise OSError(f"{self._folders[0]} has no {setting}")
            for folder in self._folders:
                self.doors.append(os.open(folder / "cgroup.procs", os.O_WRONLY))
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_):
        self.close()

    def exceeded(self) -> str:
        """What the kernel has refused more of: "memory", "processes" or "", nothing."""
        for what, file, event in _EVENTS:
            for folder in self._folders:
                if re.search(f"^{event} [1-9]", _text(folder / file), re.MULTILINE):
                    return what
        return ""

    def close(self) -> None:
        """Wait for the end of its processes, end those that take too long, and remove the group."""
        while self.doors:
            os.close(self.doors.pop())
        started = time.monotonic()
        for folder in self._folders:
            while folder.exists() and time.monotonic() < started + 2 * _PATIENCE:
                with contextlib.suppress(OSError):
                    folder.rmdir()
                    break
                if time.monotonic() > started + _PATIENCE:
                    for process in _text(folder / "cgroup.procs").split():
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(int(process), signal.SIGKILL)
                time.sleep(0.01)


@functools.cache
def _found():
    """The kind and the folders in which groups can be made: one, or one for each controller."""
    for place in _candidates():
        with contextlib.suppress(OSError):
            _sweep(place[1])
            _try(place)
            return place
    return "", ()


def _candidates():
    """What may work: version 2's groups from our own upwards, then version 1's own groups."""
    mounts, folders = {}, {}
    for line in _text("/proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(maxsplit=2)
        names = {"cgroup2": [""], "cgroup": options.split(",")}.get(kind, ())
        mounts |= {name: before.split()[3:5] for name in names}
    for line in _text("/proc/self/cgroup").splitlines():
        _, names, own = line.split(":", 2)
        for name in names.split(","):
            root, top = mounts.get(name, ("", ""))
            if root and Path(own).is_relative_to(root):
                folders[name] = Path(top, os.path.relpath(own, root))
    if "" in folders:
        for group in (folders[""], *folders[""].parents):
            if {"memory", "pids"} <= {*_text(group / "cgroup.subtree_control").split()}:
                yield "cgroup v2", (group,)
    if {"memory", "pids"} <= folders.keys():
        yield "cgroup v1", (folders["memory"], folders["pids"])


def _try(place):
    """Raise OSError unless a process can be put into a group."""
    with (
        Group(1 << 30, 64, place) as group,
        subprocess.Popen("cat", stdin=subprocess.PIPE) as process,
    ):
        try:
            for door in group.doors:
                os.write(door, str(process.pid).encode())
        finally:
            process.kill()


def _sweep(folders):
    """Remove what a grader that was killed has left."""
    for folder in folders:
        for left in folder.glob("submission-*"):
            if not Path("/proc", left.name.split("-")[1]).exists():
                with contextlib.suppress(OSError):
                    left.rmdir()


def _text(file):
    """What a file says; nothing, if it cannot be read."""
    with contextlib.suppress(OSError):
        return Path(file).read_text()
    return ""
