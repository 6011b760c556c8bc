"""The sandbox for a submission: bubblewrap makes it, a process that has TensorFlow joins it.

`Sandbox` starts bubblewrap with a first process that only waits; `join` moves the calling process
into the same namespaces (see namespaces(7)) and gives up every privilege. In there is no network,
no other process, no file of the machine but the Python environment, the course's package and its
data, all read-only, and a private folder /tmp in memory that is gone with the sandbox.
"""

import contextlib
import ctypes
import dataclasses
import errno
import fcntl
import functools
import importlib.util
import json
import os
import platform
import resource
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

__all__ = ["KEPT_OUT", "PERMIT", "Limits", "Sandbox", "Unavailable", "confine", "exposed", "join"]
__all__ += ["refuse", "require"]

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
    its process. `memory` holds for the sum over its processes, of which there may be `processes`,
    threads counted; `folder` for /tmp, and for each file in it; `output` for what it hands back.
    """

    cell: float = 30
    function: float = 10
    total: float = 300
    memory: int = 1_000_000_000
    processes: int = 64
    folder: int = 64_000_000
    output: int = 64_000_000


def require() -> None:
    """Raise `Unavailable` unless bubblewrap makes a sandbox here."""
    if sys.platform != "linux" or not shutil.which("bwrap"):
        raise Unavailable(f"Grading needs bubblewrap (`bwrap`), which is not here. {INSTALL}")
    _seccomp()
    Sandbox().close()


def exposed(path: str | Path) -> Path | None:
    """The folder that submissions can read and that holds `path`, or None."""
    path = Path(path).resolve()
    return next((folder for folder in _visible() if path.is_relative_to(folder)), None)


class Sandbox(contextlib.AbstractContextManager):
    """Bubblewrap's namespaces, kept up by one waiting process; a context manager.

    Attributes:
        init: the process that is the sandbox's first; with it everything inside ends.

    Raises:
        Unavailable: bubblewrap fails; with what it said.
    """

    def __init__(self, limits: Limits | None = None):
        told, tell = os.pipe()
        # In memory, where the sandbox's own two processes take the filter from.
        program = os.memfd_create("filter")
        try:
            with _filter() as (library, compiled):
                if library.seccomp_export_bpf(compiled, program):
                    raise OSError("seccomp's filter cannot be exported")
            os.lseek(program, 0, os.SEEK_SET)
            self._bwrap = subprocess.Popen(
                _command(tell, program, (limits or Limits()).folder),
                pass_fds=[tell, program],
                stdin=subprocess.PIPE,  # closed if the grader is killed, however early
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={},
                start_new_session=True,
            )
            os.close(tell)
            ready = self._bwrap.stdout.readline()  # the mounts are made before this is said
            with os.fdopen(told) as file:
                about = file.read() if ready else ""
        except BaseException:
            for descriptor in (told, tell):
                with contextlib.suppress(OSError):
                    os.close(descriptor)
            raise
        finally:
            os.close(program)
        if not ready:
            said = self._bwrap.communicate()[1].decode(errors="replace").strip()
            raise Unavailable(f"bubblewrap makes no sandbox here: {said}. {PERMIT}{INSTALL}")
        self.init = json.loads(about)["child-pid"]

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        """End every process inside, background ones too."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.init, signal.SIGKILL)
        self._bwrap.kill()
        self._bwrap.communicate()

    def usage(self) -> tuple[int, int]:
        """Memory in bytes and number of threads, of all processes inside."""
        memory = threads = 0
        proc = Path("/proc", str(self.init), "root", "proc")  # as it is inside
        listed = []
        with contextlib.suppress(OSError):  # it has ended
            listed = os.listdir(proc)
        for process in {*filter(str.isdigit, listed)} - {"1"}:
            with contextlib.suppress(OSError, ValueError, KeyError):
                status = (proc / process / "status").read_text()
                fields = dict(line.split(":\t", 1) for line in status.splitlines())
                sizes = (fields[name].split()[0] for name in ("RssAnon", "RssShmem", "VmPTE"))
                threads += int(fields["Threads"])
                memory += 1024 * sum(map(int, sizes))
        return memory, threads


def join(init: int) -> None:
    """Move this process, which must have one thread, and its children to come into a sandbox.

    `init` is `Sandbox.init`.

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
    # bubblewrap nests two user namespaces; the outer one owns the others and comes first.
    owner = fcntl.ioctl(spaces["mnt"], _NS_GET_USERNS)
    call(libc.setns, owner, 0)
    for name in names[1:]:
        call(libc.setns, spaces[name], 0)
    if os.fstat(owner).st_ino != os.fstat(spaces["user"]).st_ino:
        call(libc.setns, spaces["user"], 0)
    call(libc.prctl, _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    for capability in range(64):
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails for those that do not exist
    header, nothing = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    call(libc.capset, header, nothing)
    for descriptor in (owner, *spaces.values()):
        os.close(descriptor)


def refuse() -> None:
    """Refuse this process, and its children to come, the system calls that no exercise needs.

    Namespaces leave some doors open: sockets to a virtual machine's host, memory that belongs to
    no process, the kernel's lesser used parts. The filter is libseccomp's.

    Raises:
        OSError: it cannot be installed.
    """
    with _filter() as (library, program):
        if library.seccomp_load(program):
            raise OSError("seccomp's filter is not accepted")


@contextlib.contextmanager
def _filter():
    """libseccomp, and the filter as one of its programs."""
    library = _seccomp()
    program = library.seccomp_init(_ALLOW)

    def add(error, name, *conditions):
        call = library.seccomp_syscall_resolve_name(name.encode())
        compared = (_Condition * len(conditions))(*conditions)
        if call != _UNKNOWN and library.seccomp_rule_add_array(
            program, _ERRNO | error, call, len(conditions), compared
        ):
            raise OSError(f"seccomp has no rule for {name}")

    try:
        for name in _REFUSED:
            add(errno.EPERM, name)
        # Not even loopback: what waits in its buffers is charged to the whole machine.
        for family in set(range(_AF_NETLINK)) - {socket.AF_UNIX}:
            add(errno.EAFNOSUPPORT, "socket", _Condition(0, _EQUAL, family))
        add(errno.EAFNOSUPPORT, "socket", _Condition(0, _GREATER, _AF_NETLINK))
        add(errno.EPERM, "clone", _Condition(0, _MASKED, _CLONE_NEWUSER, _CLONE_NEWUSER))
        add(errno.ENOSYS, "clone3")  # its flags cannot be looked at; libraries fall back on clone
        yield library, program
    finally:
        library.seccomp_release(program)


def confine(limits: Limits) -> None:
    """Set this process's own limits, which its children inherit; none can raise them again."""
    status = Path("/proc/self/status").read_text()
    data = 1024 * int(status.split("VmData:")[1].split()[0])  # TensorFlow reserves some
    ceilings = {
        "RLIMIT_CORE": 0,
        "RLIMIT_CPU": int(limits.total),
        "RLIMIT_DATA": data + limits.memory,
        "RLIMIT_FSIZE": limits.folder,
        "RLIMIT_NOFILE": 256,
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_SIGPENDING": 256,
    }
    release = platform.release().split(".")
    if (int(release[0]), int("".join(filter(str.isdigit, release[1])))) >= (5, 14):
        # Before, this counted all of the user's processes on the machine.
        ceilings["RLIMIT_NPROC"] = limits.processes
    for name, ceiling in ceilings.items():
        number = getattr(resource, name, None)
        if number is not None:
            hard = resource.getrlimit(number)[1]
            ceiling = ceiling if hard == resource.RLIM_INFINITY else min(ceiling, hard)
            resource.setrlimit(number, (ceiling, ceiling))


class _Condition(ctypes.Structure):
    """libseccomp's `struct scmp_arg_cmp`: which argument is compared, how, and with what."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("comparison", ctypes.c_int),
        ("value", ctypes.c_uint64),
        ("other", ctypes.c_uint64),
    )


# From seccomp.h and sched.h.
_ALLOW, _ERRNO, _UNKNOWN = 0x7FFF0000, 0x00050000, -1
_EQUAL, _GREATER, _MASKED = 4, 6, 7
_AF_NETLINK, _CLONE_NEWUSER = 16, 0x10000000
_REFUSED = (
    # Memory that no process is charged for.
    *("memfd_create", "memfd_secret", "shmget", "msgget", "semget", "userfaultfd"),
    # Keys outlive a process; the others look into processes, or change the view of files.
    *("add_key", "request_key", "keyctl", "ptrace", "process_vm_readv", "process_vm_writev"),
    *("unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree"),
    *("fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "name_to_handle_at"),
    # Large parts of the kernel that nothing here uses.
    *("bpf", "perf_event_open", "io_uring_setup", "io_uring_enter", "io_uring_register"),
    *("syslog", "acct", "quotactl", "personality", "kcmp", "fanotify_init"),
)
_NS_GET_USERNS = 0xB701
_PR_SET_NO_NEW_PRIVS, _PR_CAPBSET_DROP = 38, 24
_CAPABILITY_VERSION_3 = 0x20080522


def _command(info, program, size):
    """bubblewrap's command line, for a process that waits until nobody holds its input."""
    binds = [word for path in _visible() for word in ("--ro-bind", str(path), str(path))]
    settings = Path(sys.prefix, "home")  # where `make` puts Jupyter's, if there is no other home
    if settings.is_dir():
        binds += ["--tmpfs", str(settings), "--remount-ro", str(settings)]
    return [
        *(shutil.which("bwrap"), "--unshare-user", "--unshare-all"),
        *("--die-with-parent", "--new-session"),
        *(["--disable-userns"] if "--disable-userns" in _help() else []),
        *("--uid", "1000", "--gid", "1000", "--hostname", "sandbox", "--clearenv"),
        # Before the rest, which may lie in it.
        *("--size", str(size), "--perms", "1777", "--tmpfs", "/tmp"),
        *binds,
        *("--proc", "/proc", "--dev", "/dev"),
        *("--size", str(size), "--perms", "1777", "--tmpfs", "/dev/shm"),
        # What lies in /proc could be written to: other processes' memory, settings of the kernel.
        *("--remount-ro", "/proc", "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"),
        *(
            "--seccomp",
            str(program),
            "--info-fd",
            str(info),
            "/bin/sh",
            "-c",
            "echo ready; exec cat",
        ),
    ]


@functools.cache
def _help():
    bwrap = [shutil.which("bwrap"), "--help"]
    return subprocess.run(bwrap, capture_output=True, text=True, check=False).stdout


@functools.cache
def _seccomp():
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        raise Unavailable(f"Grading needs libseccomp, which is not here. {INSTALL}") from None
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = (ctypes.c_uint32,)
    library.seccomp_rule_add_array.argtypes = (
        *(ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint),
        ctypes.POINTER(_Condition),
    )
    library.seccomp_load.argtypes = library.seccomp_release.argtypes = (ctypes.c_void_p,)
    library.seccomp_export_bpf.argtypes = (ctypes.c_void_p, ctypes.c_int)
    return library


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
