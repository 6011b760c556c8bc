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
        for option in _BUFFER_SIZES:
            # The kernel takes the lower half of these, so the upper one must not matter.
            level = _Condition(1, _MASKED, 0xFFFFFFFF, socket.SOL_SOCKET)
            add(errno.EPERM, "setsockopt", level, _Condition(2, _MASKED, 0xFFFFFFFF, option))
        # Such memory stays when it is in no process's count any more.
        add(errno.EPERM, "mmap", _Condition(3, _MASKED, _SHARED_ANONYMOUS, _SHARED_ANONYMOUS))
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


# From seccomp.h, sched.h, mman.h and socket.h.
_ALLOW, _ERRNO, _UNKNOWN = 0x7FFF0000, 0x00050000, -1
_EQUAL, _GREATER, _MASKED = 4, 6, 7
_AF_NETLINK, _CLONE_NEWUSER, _SHARED_ANONYMOUS = 16, 0x10000000, 0x21
_BUFFER_SIZES = (socket.SO_SNDBUF, socket.SO_RCVBUF, 32, 33)  # and the two with FORCE
_REFUSED = (
    # Memory that no process is charged for.
    *("memfd_create", "memfd_secret", "shmget", "msgget", "semget", "userfaultfd"),
    *("vmsplice", "landlock_create_ruleset"),
    # What there is a fixed number of, for all of a user or the machine.
    *("inotify_init", "inotify_init1", "fanotify_init", "io_setup"),
    # Keys outlive a process; the others look into processes, or change the view of files.
    *("add_key", "request_key", "keyctl", "ptrace", "process_vm_readv", "process_vm_writev"),
    *("unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree"),
    *("fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "name_to_handle_at"),
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
