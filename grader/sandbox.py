"""The sandbox for a submission: bubblewrap makes it, a process that has TensorFlow joins it.

`Sandbox` starts bubblewrap with a first process that only waits; `join` moves the calling process
into the same namespaces (see namespaces(7)) and gives up every privilege. In there is no network,
no other process, no file of the machine but the Python environment, the course's package and its
data, all read-only, and a private folder /tmp in memory that is gone with the sandbox. Where the
grader is root, a user that nobody is stands for the submission outside.
"""

import contextlib
import ctypes
import dataclasses
import fcntl
import functools
import importlib.util
import json
import os
import platform
import resource
import secrets
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

from grader import cgroups, seccomp

__all__ = ["KEPT_OUT", "PERMIT", "Limits", "Sandbox", "Unavailable", "accounting", "confine"]
__all__ += ["exposed", "join", "memory_passed", "require"]

INSTALL = (
    "Install it (Debian, Ubuntu: `sudo apt-get install bubblewrap libseccomp2`; Fedora: `sudo dnf "
    "install bubblewrap libseccomp`) or, on Windows and macOS, grade in a Linux virtual machine "
    "(WSL2, Docker). With --unsafe submissions run with all of your rights: they can read and "
    "delete your files."
)
PERMIT = (
    "bubblewrap needs unprivileged user namespaces. On Ubuntu 24.04 and later, "
    "`sudo apt-get install apparmor-profiles` and a reload of AppArmor permit them for it; in a "
    "container they need `--security-opt seccomp=unconfined` or a runtime that allows them. "
)
KEPT_OUT = 77  # the exit status of a process that the kernel does not let `join`
_PACKAGE = Path(importlib.util.find_spec("coursekit").origin).resolve().parent
_SYSTEM = ("/usr", "/bin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/fonts")


class Unavailable(RuntimeError):
    """There is no bubblewrap here, or it may not be used; says what to do."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """What one submission may use. Sizes are bytes.

    `cell` and `function` are the seconds that each cell and each exercise may compute, whatever
    else the machine does; by the clock they may take twice as long, and all together `total`. What
    computes for longer is interrupted; what only waits, or cannot be interrupted, is ended with
    its process, `grace` seconds later. `memory` holds for the sum over its processes, of which
    there may be `processes`, threads counted; `folder` for /tmp, and for each file in it; `output`
    for what it hands back.
    """

    cell: float = 30
    function: float = 10
    total: float = 300
    grace: float = 5
    memory: int = 1_000_000_000
    processes: int = 64
    folder: int = 64_000_000
    output: int = 64_000_000


def require() -> None:
    """Raise `Unavailable` unless bubblewrap makes a sandbox here."""
    if sys.platform != "linux" or not shutil.which("bwrap"):
        raise Unavailable(f"Grading needs bubblewrap (`bwrap`), which is not here. {INSTALL}")
    try:
        seccomp.require()
    except OSError:
        raise Unavailable(f"Grading needs libseccomp, which is not here. {INSTALL}") from None
    if _stand_in() is not None:
        for path in _visible():
            if not path.stat().st_mode & stat.S_IROTH:
                raise Unavailable(
                    f"{path} is not for everybody to read, and submissions do not run as root: "
                    f"`chmod -R go+rX {path}`, or grade as an ordinary user."
                )
    Sandbox().close()


def accounting() -> str:
    """What limits memory and processes: "cgroup v2", "cgroup v1" or, without, "counting"."""
    return cgroups.available() or "counting"


def exposed(path: str | Path) -> Path | None:
    """The folder that submissions can read and that holds `path`, or None."""
    path = Path(path).resolve()
    return next((folder for folder in _visible() if path.is_relative_to(folder)), None)


class Sandbox(contextlib.AbstractContextManager):
    """Bubblewrap's namespaces, kept up by one waiting process; a context manager.

    Attributes:
        init: the process that is the sandbox's first; with it everything inside ends.
        doors: descriptors as of `cgroups.Group`, none where there are no control groups.

    Raises:
        Unavailable: bubblewrap fails; with what it said. Or root would be a submission's user.
    """

    def __init__(self, limits: Limits | None = None):
        self._limits = limits or Limits()
        self.init = self._bwrap = self._group = None
        user = _stand_in()
        try:
            if cgroups.available():
                # The process that joins waits for its child, and is in the group with it.
                processes = self._limits.processes + 1
                self._group = cgroups.Group(self._limits.memory, processes)
            self.doors = self._group.doors if self._group else []
            self._make(user)
        except BaseException:
            self.close()
            raise

    def _make(self, user):
        with contextlib.ExitStack() as stack:
            told, tell = _pipe(stack)
            held, release = _pipe(stack)
            program = stack.enter_context(seccomp.exported())
            waiting = held.fileno() if user is not None else None
            self._bwrap = subprocess.Popen(
                _command(tell.fileno(), program, waiting, self._limits.folder),
                pass_fds=[tell.fileno(), program, held.fileno()],
                stdin=subprocess.PIPE,  # closed if the grader is killed, however early
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={},
                start_new_session=True,
            )
            tell.close()
            held.close()
            about = told.read()
            if about:
                self.init = json.loads(about)["child-pid"]
            if about and user is not None:
                # Root makes the mounts, the other id is the submission's.
                for kind in ("uid", "gid"):
                    Path(f"/proc/{self.init}/{kind}_map").write_text(f"0 0 1\n{_ID} {user} 1\n")
                release.write(b"x")
            ready = self._bwrap.stdout.readline()  # the mounts are made before this is said
        if not ready:
            said = self._bwrap.communicate()[1].decode(errors="replace").strip()
            raise Unavailable(f"bubblewrap makes no sandbox here: {said}. {PERMIT}{INSTALL}")

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        """End every process inside, background ones too."""
        if self.init is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.init, signal.SIGKILL)
        if self._bwrap is not None:
            self._bwrap.kill()
            self._bwrap.communicate()
        if self._group is not None:
            self._group.close()

    def excess(self) -> str:
        """The limit of memory or processes that is passed, as a sentence, or ""."""
        if self._group is not None:
            what = self._group.exceeded()
        else:
            memory, threads = self._usage()
            many = threads > self._limits.processes
            what = "memory" if memory > self._limits.memory else "processes" if many else ""
        return {
            "": "",
            "memory": memory_passed(self._limits),
            "processes": f"It started more than {self._limits.processes} processes and threads.",
        }[what]

    def _usage(self):
        """Memory in bytes and number of threads, of all processes inside; no less than it is.

        Counting ends when there is too much.
        """
        outside = Path("/proc", str(self.init))
        inside = outside / "root" / "proc"
        memory = threads = 0
        listed = []
        with contextlib.suppress(OSError, ValueError, IndexError):  # it has ended
            listed = os.listdir(inside)
            memory = _SOCKET * int((outside / "net" / "sockstat").read_text().split()[2])
        for process in {*filter(str.isdigit, listed)} - {"1"}:
            if memory > self._limits.memory:
                break
            with contextlib.suppress(OSError, ValueError, KeyError):
                status = (inside / process / "status").read_text()
                fields = dict(line.split(":\t", 1) for line in status.splitlines())
                sizes = (fields[name].split()[0] for name in ("RssAnon", "RssShmem", "VmPTE"))
                threads += int(fields["Threads"])
                memory += 1024 * sum(map(int, sizes))
                with open(inside / process / "maps", "rb") as maps:
                    for _ in maps:
                        memory += _AREA
                        if memory > self._limits.memory:
                            break
        return memory, threads


def join(init: int) -> None:
    """Move this process, which must have one thread, and its children to come into a sandbox.

    `init` is `Sandbox.init`. Who was root is not any more.

    Raises:
        OSError: the kernel does not permit it.
    """
    libc = ctypes.CDLL(None, use_errno=True)

    def call(function, *arguments):
        if function(*arguments) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"{function.__name__}: {os.strerror(number)}")

    names = ("user", "ipc", "uts", "net", "pid", "mnt")
    spaces = {name: os.open(f"/proc/{init}/ns/{name}", os.O_RDONLY) for name in names}
    about = os.open("/proc/self", os.O_PATH)  # for when /proc is the sandbox's
    # bubblewrap nests two user namespaces; the outer one owns the others and comes first.
    owner = fcntl.ioctl(spaces["mnt"], _NS_GET_USERNS)
    call(libc.setns, owner, 0)
    with contextlib.suppress(OSError):  # where /proc is read-only, the filter alone forbids more
        Path("/proc/sys/user/max_user_namespaces").write_text("1")
    for name in names[1:]:
        call(libc.setns, spaces[name], 0)
    # Files and terminals that are empty take up memory as well, the kernel's.
    for place, flags, options in _CEILINGS:
        call(libc.mount, b"none", place, None, _REMOUNT | flags, options)
    if os.fstat(owner).st_ino != os.fstat(spaces["user"]).st_ino:
        call(libc.setns, spaces["user"], 0)
    if os.getuid() == 0:
        # The namespace that `Sandbox` has filled knows root, the inner one does not.
        os.setgroups([])
        os.setresgid(_ID, _ID, _ID)
        os.setresuid(_ID, _ID, _ID)
        call(libc.prctl, _PR_SET_DUMPABLE, 1, 0, 0, 0)  # else its own /proc/self is root's
        call(libc.unshare, _CLONE_NEWUSER)
        users = f"{_ID} {_ID} 1"
        for name, text in (("setgroups", "deny"), ("uid_map", users), ("gid_map", users)):
            with open(os.open(name, os.O_WRONLY, dir_fd=about), "w") as file:
                file.write(text)
    call(libc.prctl, _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for capability in range(64):
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails for those that do not exist
    header, nothing = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    call(libc.capset, header, nothing)
    for descriptor in (about, owner, *spaces.values()):
        os.close(descriptor)


def memory_passed(limits: Limits) -> str:
    """The sentence for who has taken more memory than there is."""
    return f"It took more than {limits.memory / 1e9:g} GB of memory."


def confine(limits: Limits) -> None:
    """Set this process's own limits, which its children inherit; none can raise them again."""
    status = Path("/proc/self/status").read_text()
    data = 1024 * int(status.split("VmData:")[1].split()[0])  # TensorFlow reserves some
    ceilings = {
        "RLIMIT_CORE": 1,  # none, not even to a program of the machine's: see core(5)
        "RLIMIT_CPU": int(limits.total),
        "RLIMIT_DATA": data + limits.memory,
        "RLIMIT_FSIZE": limits.folder,
        "RLIMIT_NOFILE": 256,
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_SIGPENDING": 256,
    }
    release = platform.release().split(".")
    if (int(release[0]), int("".join(filter(str.isdigit, release[1])))) >= (5, 14):
        # Before, this counted all of the user's processes on the machine. It stops what is faster
        # than `Sandbox.excess`, which ends the submission; its processes would go on side by side.
        ceilings["RLIMIT_NPROC"] = 2 * limits.processes
    for name, ceiling in ceilings.items():
        number = getattr(resource, name, None)
        if number is not None:
            hard = resource.getrlimit(number)[1]
            ceiling = ceiling if hard == resource.RLIM_INFINITY else min(ceiling, hard)
            resource.setrlimit(number, (ceiling, ceiling))


# From nsfs.h, prctl.h, capability.h, sched.h and mount.h.
_NS_GET_USERNS = 0xB701
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS, _PR_CAPBSET_DROP = 4, 38, 24
_CAPABILITY_VERSION_3, _CLONE_NEWUSER = 0x20080522, 0x10000000
_REMOUNT, _NOSUID, _NODEV, _NOEXEC = 32, 2, 4, 8

_ID = 1000  # of user and group inside
# Where no other user is: above what systemd gives to containers and services, or, in a container
# that has 65,536 ids, among those that it lends to services while they run.
_FREE = ((1_900_000_000, 1 << 26), (61_184, 4_336))
# What is mounted writable: with which flags, as before, and how much there may be in it.
_CEILINGS = (
    (b"/tmp", _NOSUID | _NODEV, b"nr_inodes=20000"),
    (b"/dev/shm", _NOSUID | _NODEV, b"nr_inodes=20000"),
    (b"/dev/pts", _NOSUID | _NOEXEC, b"max=16,mode=620,ptmxmode=666"),
)
# Bytes that the kernel takes for an area of memory at most, and keeps in a socket's two buffers.
_AREA, _SOCKET = 1_000, 2 * 212_992


def _stand_in():
    """The user that stands for a submission outside if the grader is root; None: the grader's.

    Raises `Unavailable` if that would be root.
    """
    own = os.geteuid()
    lines = Path("/proc/self/uid_map").read_text().splitlines()
    rows = [tuple(map(int, line.split())) for line in lines]
    if own == 0:
        for first, count in _FREE:
            if any(row[0] <= first and first + count <= row[0] + row[2] for row in rows):
                return first + secrets.randbelow(count)
    if any(
        start <= own < start + count and own == start - outside for start, outside, count in rows
    ):
        raise Unavailable(
            "Submissions must not run as root, and here no other user can stand for them: grade as "
            "an ordinary user."
        )
    return None


def _pipe(stack):
    """A pipe's two ends, which are closed with the stack."""
    reading, writing = os.pipe()
    return (
        stack.enter_context(open(reading, "rb")),
        stack.enter_context(open(writing, "wb", buffering=0)),
    )


def _command(info, program, held, size):
    """bubblewrap's command line, for a process that waits until nobody holds its input."""
    binds = []
    for path in _visible():
        for folder in reversed(path.parents[:-1]):  # bubblewrap's own are not for everybody
            binds += ["--perms", "0755", "--dir", str(folder)]
        binds += ["--ro-bind", str(path), str(path)]
    settings = Path(sys.prefix, "home")  # where `make` puts Jupyter's, if there is no other home
    if settings.is_dir():
        binds += ["--tmpfs", str(settings), "--remount-ro", str(settings)]
    return [
        *(shutil.which("bwrap"), "--unshare-user", "--unshare-all"),
        *("--die-with-parent", "--new-session", "--cap-drop", "ALL"),
        *("--uid", str(_ID), "--gid", str(_ID), "--hostname", "sandbox", "--clearenv"),
        # Until the user namespace has its users, if bubblewrap does not write them.
        *(["--userns-block-fd", str(held)] if held is not None else []),
        # Before the rest, which may lie in it.
        *("--size", str(size), "--perms", "1777", "--tmpfs", "/tmp"),
        *binds,
        *("--proc", "/proc", "--dev", "/dev"),
        *("--size", str(size), "--perms", "1777", "--tmpfs", "/dev/shm"),
        # A map of it is memory in no process's count.
        *("--ro-bind", "/dev/null", "/dev/zero"),
        # What lies in /proc could be written to: other processes' memory, settings of the kernel.
        *("--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"),
        *("--seccomp", str(program), "--info-fd", str(info)),
        *("/bin/sh", "-c", "echo ready; exec cat"),
    ]


@functools.cache
def _visible():
    """What submissions can read, parents before what is in them."""
    from coursekit.datasets._files import data_folder

    packages = [
        path
        for path in sys.path
        if Path(path).name in ("site-packages", "dist-packages") and Path(path).is_dir()
    ]
    python = Path(sys.executable).resolve().parent  # a virtual environment links to it
    paths = [*_SYSTEM, sys.base_prefix, sys.prefix, python, *packages, _PACKAGE, data_folder()]
    existing = dict.fromkeys(Path(os.path.abspath(path)) for path in paths)
    for path in existing:
        if path in (Path("/"), Path.home()):
            raise Unavailable(
                f"Python is installed in {path} itself, so that submissions would see all of it; "
                "install the course into a virtual environment (`make lab`)."
            )
    return tuple(sorted((path for path in existing if path.exists()), key=lambda p: len(p.parts)))
