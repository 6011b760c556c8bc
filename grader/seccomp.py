"""The filter of system calls for a submission: what no exercise needs is refused.

Namespaces leave some doors open: sockets to a virtual machine's host, memory that belongs to no
process, the kernel's lesser used parts. The filter is libseccomp's, see seccomp(2).
"""

import contextlib
import ctypes
import errno
import functools
import os
import socket
from collections.abc import Iterator

__all__ = ["exported", "load", "require"]


def require() -> None:
    """Raise OSError if there is no libseccomp here."""
    _library()


def load() -> None:
    """Refuse this process, and its children to come, the system calls that no exercise needs.

    Raises:
        OSError: the filter cannot be installed.
    """
    with _filter() as (library, program):
        if library.seccomp_load(program):
            raise OSError("seccomp's filter is not accepted")


@contextlib.contextmanager
def exported() -> Iterator[int]:
    """A descriptor of a file in memory from which another program, bubblewrap, takes the filter."""
    file = os.memfd_create("filter")
    try:
        with _filter() as (library, program):
            if library.seccomp_export_bpf(program, file):
                raise OSError("seccomp's filter cannot be exported")
        os.lseek(file, 0, os.SEEK_SET)
        yield file
    finally:
        os.close(file)


@contextlib.contextmanager
def _filter():
    """libseccomp, and the filter as one of its programs."""
    library = _library()
    program = library.seccomp_init(_ALLOW)

    def add(error, name, *conditions):
        call = library.seccomp_syscall_resolve_name(name.encode())
        if call == _UNKNOWN:  # to this architecture, or to a library that is older than the call
            call = _NUMBERS.get(name, _UNKNOWN)
        compared = (_Condition * len(conditions))(*conditions)
        if call != _UNKNOWN and library.seccomp_rule_add_array(
            program, _ERRNO | error, call, len(conditions), compared
        ):
            raise OSError(f"seccomp has no rule for {name}")

    try:
        for name in _REFUSED:
            add(errno.EPERM, name)
        # Not even loopback: what waits in its buffers is charged to the whole machine. And what is
        # asked for first, the kernel may load from its modules.
        for name in ("socket", "socketpair"):
            add(errno.EAFNOSUPPORT, name, _Condition(0, _OTHER, socket.AF_UNIX))
        # Its value is 1: at 0 a core would still be given to the machine's program for them.
        add(errno.EPERM, "setrlimit", _Condition(0, _MASKED, 0xFFFFFFFF, _RLIMIT_CORE))
        add(errno.EPERM, "prlimit64", _Condition(1, _MASKED, 0xFFFFFFFF, _RLIMIT_CORE))
        # No larger buffers, no filters: `multiprocessing` sets this option alone.
        add(errno.EPERM, "setsockopt", _Condition(2, _OTHER, socket.SO_REUSEADDR))
        # Shared anonymous memory stays when it is in no process's count any more. Huge pages are
        # the machine's, set aside for others.
        for flags in (_SHARED_ANONYMOUS, _HUGE):
            add(errno.EPERM, "mmap", _Condition(3, _MASKED, flags, flags))
        # What the kernel keeps for these belongs to no group and no process: records of locks
        # (flock(2) is there), access lists.
        for command in _LOCKS:
            add(errno.ENOLCK, "fcntl", _Condition(1, _MASKED, 0xFFFFFFFF, command))
        for name in ("setxattr", "lsetxattr", "fsetxattr", "setxattrat"):
            add(errno.ENOTSUP, name)
        add(errno.EPERM, "clone", _Condition(0, _MASKED, _CLONE_NEWUSER, _CLONE_NEWUSER))
        add(errno.ENOSYS, "clone3")  # its flags cannot be looked at; libraries fall back on clone
        yield library, program
    finally:
        library.seccomp_release(program)


class _Condition(ctypes.Structure):
    """libseccomp's `struct scmp_arg_cmp`: which argument is compared, how, and with what."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("comparison", ctypes.c_int),
        ("value", ctypes.c_uint64),
        ("other", ctypes.c_uint64),
    )


# From seccomp.h, sched.h, mman.h, resource.h, fcntl.h and unistd.h.
_ALLOW, _ERRNO, _UNKNOWN = 0x7FFF0000, 0x00050000, -1
_OTHER, _MASKED = 1, 7
_CLONE_NEWUSER, _SHARED_ANONYMOUS, _HUGE, _RLIMIT_CORE = 0x10000000, 0x21, 0x40000, 4
_LOCKS = (6, 7, 37, 38)  # F_SETLK, F_SETLKW and the two of F_OFD_...
# Of those in use, what is the same on every architecture.
_NUMBERS = {"io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427}
_NUMBERS |= {"open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432}
_NUMBERS |= {"fspick": 433, "clone3": 435, "mount_setattr": 442, "landlock_create_ruleset": 444}
_NUMBERS |= {"memfd_secret": 447, "set_mempolicy_home_node": 450, "setxattrat": 463}
_NUMBERS |= {"open_tree_attr": 467}
_REFUSED = (
    # Memory that no process is charged for.
    *("memfd_create", "memfd_secret", "shmget", "msgget", "semget", "userfaultfd"),
    *("vmsplice", "landlock_create_ruleset", "mbind", "set_mempolicy", "set_mempolicy_home_node"),
    # What there is a fixed number of, for all of a user or the machine.
    *("inotify_init", "inotify_init1", "fanotify_init", "io_setup"),
    # Keys outlive a process; the others look into processes, or change the view of files.
    *("add_key", "request_key", "keyctl", "ptrace", "process_vm_readv", "process_vm_writev"),
    *("unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree"),
    *("fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "open_tree_attr"),
    *("name_to_handle_at", "open_by_handle_at"),
    # Large parts of the kernel that nothing here uses.
    *("bpf", "perf_event_open", "io_uring_setup", "io_uring_enter", "io_uring_register"),
    *("syslog", "acct", "quotactl", "personality", "kcmp"),
)


@functools.cache
def _library():
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = (ctypes.c_uint32,)
    library.seccomp_rule_add_array.argtypes = (
        *(ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint),
        ctypes.POINTER(_Condition),
    )
    library.seccomp_load.argtypes = library.seccomp_release.argtypes = (ctypes.c_void_p,)
    library.seccomp_export_bpf.argtypes = (ctypes.c_void_p, ctypes.c_int)
    return library
