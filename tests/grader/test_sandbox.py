"""The sandbox without TensorFlow: whose rights a submission has, and what the kernel counts."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from grader import ROOT, cgroups, sandbox
from tests.grader.inside import LEAN, passed, said, started


@pytest.fixture(params=["groups", "counting"] if cgroups.available() else ["counting"])
def counted(request, monkeypatch):
    """Both ways to limit what a submission takes, if both are here."""
    if request.param == "counting":
        monkeypatch.setattr(cgroups, "_found", lambda: ("", ()))
    return request.param


def test_no_process_inside_has_a_capability():
    output = said(
        """
        import glob
        for path in sorted(glob.glob('/proc/[0-9]*/status')):
            lines = open(path).read().splitlines()
            print([line.split()[1] for line in lines if line.startswith(('CapPrm', 'CapEff'))])
        """
    )
    assert len(output.splitlines()) >= 3
    assert not set(output) & set("123456789abcdef")


def test_a_user_namespace_is_refused_by_the_kernel_too():
    """Not by the filter alone."""
    with sandbox.Sandbox() as space:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            sandbox.join(space.init)
            import ctypes

            libc = ctypes.CDLL(None, use_errno=True)
            number = ctypes.get_errno() if libc.unshare(0x10000000) else 0
            os.write(writing, os.strerror(number).encode())
            os._exit(0)
        os.waitpid(child, 0)
        os.close(writing)
        with open(reading) as pipe:
            assert pipe.read() == "No space left on device"


ORDINARY = """
import os, sys
from grader import sandbox, seccomp
assert os.getuid() != 0
sandbox.require()
print(sandbox.accounting(), flush=True)
with sandbox.Sandbox() as space:
    child = os.fork()
    if child == 0:
        for door in space.doors:
            os.write(door, b"0")
        sandbox.join(space.init)
        if os.fork() == 0:
            sandbox.confine(sandbox.Limits())
            seccomp.load()
            print(os.getuid(), os.path.exists("/etc/passwd"), flush=True)
            os._exit(0)
        os.wait()
        os._exit(0)
    os.waitpid(child, 0)
"""


def test_an_ordinary_user_needs_no_rights():
    """By the system's Python, since another's may lie where this user cannot look."""
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    if python is None:
        pytest.skip("no Python in /usr")
    user = ["setpriv", "--reuid=65533", "--regid=65533", "--clear-groups"]
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        (top / "grader").mkdir()
        for name in ("__init__", "sandbox", "seccomp", "cgroups"):
            shutil.copy(ROOT / "grader" / f"{name}.py", top / "grader")
        (top / "coursekit" / "datasets").mkdir(parents=True)  # what the sandbox asks it for
        for package in ("coursekit", "coursekit/datasets"):
            (top / package / "__init__.py").touch()
        data = f"def data_folder():\n    return {folder!r} + '/coursekit/datasets'\n"
        (top / "coursekit" / "datasets" / "_files.py").write_text(data)
        subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
        ended = subprocess.run(
            [*(user if os.geteuid() == 0 else []), python, "-B", "-c", ORDINARY],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": folder},
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.stderr == ""
    how, *inside = ended.stdout.splitlines()
    assert how in ("cgroup v1", "cgroup v2", "counting")
    assert inside == ["1000 False"]


# What takes memory that is in no process's count, or no longer; each of them more than `LEAN` has.
HOARDS = {
    "sockets_that_nobody_reads": """
        import contextlib, socket
        hoard = [socket.socketpair() for _ in range(120)]
        for one in sum(hoard, ()):
            one.setblocking(False)
            with contextlib.suppress(OSError):
                while True:
                    one.send(bytes(65536))
        """,
    "page_tables": """
        import ctypes, mmap
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000
        area = mmap.mmap(-1, 2 ** 36, flags, mmap.PROT_READ)
        area.madvise(15)  # no huge pages, and above, no reserve
        for place in range(0, 2 ** 36, 2 ** 21):
            area[place]
        """,
    "children": """
        import os, time
        for _ in range(8):
            if os.fork() == 0:
                hoard = b'1' * 20_000_000
                time.sleep(60)
        time.sleep(60)
        """,
}


@pytest.mark.parametrize("hoard", HOARDS)
def test_memory_is_counted_wherever_it_is(counted, hoard):
    assert passed(HOARDS[hoard]) == "It took more than 0.06 GB of memory."


def test_areas_of_memory_are_counted_even_if_empty(monkeypatch):
    monkeypatch.setattr(cgroups, "_found", lambda: ("", ()))
    source = """
    import ctypes, time
    libc = ctypes.CDLL(None)
    for i in range(60_000):
        libc.mmap(None, ctypes.c_long(4096), (1, 3)[i % 2], 0x22, -1, ctypes.c_long(0))
    time.sleep(60)
    """
    assert passed(source) == "It took more than 0.06 GB of memory."


def test_files_are_memory(counted):
    """Or, where they are not counted, of a limited size."""
    source = """
    for folder in ('/tmp', '/dev/shm'):
        for i in range(9):
            try:
                open(f'{folder}/{i}', 'wb').write(bytes(5_000_000))
            except OSError as error:
                print(error.strerror)
    """
    told = {
        "groups": ["It took more than 0.06 GB of memory."],
        "counting": 4 * ["No space left on device"],
    }[counted]
    assert passed(source).splitlines() == told


def test_what_is_not_much_passes_nothing(counted):
    source = """
    import asyncio, multiprocessing, os, socket, threading
    pairs = [socket.socketpair() for _ in range(4)]
    async def nothing():
        await asyncio.sleep(0.3)
    asyncio.run(nothing())
    threads = [threading.Timer(0.2, print) for _ in range(4)]
    for thread in threads:
        thread.start()
    shared = multiprocessing.Array('d', 1000)
    process = multiprocessing.Process(target=shared.__setitem__, args=(0, 7.0))
    process.start()
    process.join()
    print(shared[0], len(bytes(10_000_000)))
    """
    assert passed(source).split() == ["7.0", "10000000"]


def test_many_processes_are_told(counted):
    source = "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass"
    limits = sandbox.Limits(processes=16)
    assert passed(source, limits) == "It started more than 16 processes and threads."


@pytest.mark.parametrize("folder", ["/tmp", "/dev/shm"])
def test_empty_files_are_not_without_end(folder):
    source = f"import os\nos.chdir({folder!r})\nfor i in range(30_000): os.mkdir(str(i))"
    assert "No space left" in said(source)


def test_terminals_are_not_without_end():
    """Of those there is a fixed number for the whole machine."""
    assert "No space left" in said("import os; hoard = [os.openpty() for _ in range(40)]")


def test_signals_do_not_queue_without_end():
    source = """
    import ctypes, os, signal
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])
    libc = ctypes.CDLL(None)
    print(sum(libc.sigqueue(os.getpid(), signal.SIGRTMIN, None) == 0 for _ in range(5_000)))
    """
    assert 1 <= int(said(source)) <= 256


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("mmap.mmap(-1, 4096)", "Operation not permitted"),
        ("mmap.mmap(os.open('/dev/zero', os.O_RDWR), 4096)", "Error"),
        ("socket.socketpair()[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)", "permitted"),
        ("socket.socketpair()[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)", "permitted"),
        # The kernel does not look at the upper half of such an argument.
        ("system(54, socket.socketpair()[0].fileno(), 1 << 32 | 1, 7, b'aaaa', 4)", "permitted"),
        ("socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", "not supported"),
        ("socket.socketpair(socket.AF_NETLINK)", "Address family not supported"),
        ("socket.socketpair()[0].setsockopt(1, 26, bytes(16))", "permitted"),  # a filter
        ("mmap.mmap(-1, 1 << 21, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000)", "permitted"),
        ("fcntl.lockf(open('/tmp/file', 'w'), fcntl.LOCK_EX)", "No locks available"),
        ("fcntl.fcntl(open('/tmp/file', 'w'), 37, bytes(32))", "No locks available"),
        ("os.setxattr('/tmp', 'system.posix_acl_access', b'')", "not supported"),
        ("system(463, -1, b'', 0, 0, 0, 0)", "not supported"),  # setxattrat
        ("system(237, 0, 0, 0, 0, 0, 0)", "permitted"),  # mbind
        ("system(41, 1 << 32 | socket.AF_INET, 1, 0)", "not supported"),
        ("system(278, os.pipe()[1], 0, 0, 0)", "permitted"),
        ("system(294, 0)", "permitted"),  # inotify_init1
        ("system(206, 1, 0)", "permitted"),  # io_setup
        ("system(444, 0, 0, 1)", "permitted"),  # landlock_create_ruleset
    ],
)
def test_calls_that_take_what_nobody_counts_are_refused(call, error):
    if "system" in call and os.uname().machine != "x86_64":
        pytest.skip("the numbers are x86-64's")
    source = f"""
    import ctypes, fcntl, mmap, os, socket
    libc = ctypes.CDLL(None, use_errno=True)
    def system(*numbers):
        sent = [n if isinstance(n, bytes) else ctypes.c_long(n) for n in numbers]
        if libc.syscall(*sent) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    {call}
    """
    assert error in said(source)


def test_no_core_is_dumped_nor_given_to_a_program_of_the_machines():
    source = """
    import resource
    print(open('/proc/self/limits').read().split('Max core file size')[1].split()[:2])
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except ValueError:
        print('refused')
    """
    assert said(source).splitlines() == ["['1', '1']", "refused"]


def test_nothing_of_the_machine_shows_but_its_hardware():
    source = """
    import os
    print(*os.uname()[1:2], open('/proc/sys/kernel/hostname').read().strip())
    print(*sorted(int(name) for name in os.listdir('/proc') if name.isdigit()))
    print(len(open('/proc/net/unix').readlines()), len(open('/proc/sysvipc/shm').readlines()))
    """
    names, processes, sockets = said(source).splitlines()
    assert names == "sandbox sandbox"
    assert len(processes.split()) == 3  # the sandbox's two, and this one
    assert sockets == "1 1"  # their headings


def test_the_end_takes_what_is_in_the_background_and_the_group(counted):
    source = """
    import os, time
    if os.fork() == 0:
        os.setsid()
        os.write(1, b'up')
        time.sleep(60)
    """
    with sandbox.Sandbox(LEAN) as space, started(space, source) as (_, output):
        assert output.read(2) == b"up"
        folders = space._group._folders if counted == "groups" else []
        assert all(Path(folder, "cgroup.procs").read_text() for folder in folders)
        began = time.monotonic()
        space.close()
        assert output.read(1) == b""  # nobody has the pipe any more
        assert time.monotonic() - began < 3
    assert not any(folder.exists() for folder in folders)


def test_what_a_killed_grader_left_is_swept(tmp_path):
    """As of a grader that runs, a group stays."""
    ended = subprocess.Popen("true")
    ended.wait()
    gone, kept = tmp_path / f"submission-{ended.pid}-1", tmp_path / f"submission-{os.getpid()}-1"
    gone.mkdir()
    kept.mkdir()
    cgroups._sweep([tmp_path])
    assert list(tmp_path.iterdir()) == [kept]


def test_a_group_that_cannot_be_limited_is_an_error(tmp_path):
    """Such as an ordinary folder; nothing of it stays."""
    with pytest.raises(OSError, match=r"has no pids\.max"):
        cgroups.Group(1 << 20, 4, ("cgroup v2", (tmp_path,)))
    assert not list(tmp_path.iterdir())


if cgroups.available():  # elsewhere there is nothing to be tested

    def test_a_process_that_goes_on_goes_with_the_group(monkeypatch):
        monkeypatch.setattr(cgroups, "_PATIENCE", 0.2)
        group = cgroups.Group(1 << 30, 4)
        stubborn = subprocess.Popen(["sleep", "60"])
        for door in group.doors:
            os.write(door, str(stubborn.pid).encode())
        group.close()
        assert stubborn.wait(5) == -signal.SIGKILL
        assert not any(folder.exists() for folder in group._folders)
