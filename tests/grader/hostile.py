"""Submissions that try to earn points unfairly, to stop the grading or to reach outside.

Each is a function of a blank `Sheet`. It writes the attack into it, or returns what to put into
the inbox: the bytes of a notebook, or a dict from paths to contents. Its decorator says what must
come of it. What attacks find they print, and "REACHED" where they got through.
"""

import base64
import io
import json
import struct
import zipfile
import zlib
from textwrap import dedent

from tests.grader.sheet import ALL, FIRST, REST, Expectation, Folder, Link, Pipe

KINDS = {}


def kind(**sets):
    """Register an attack, with the exercises that are right, worth nothing, stopped or spared."""

    def register(write):
        KINDS[write.__name__] = (write, sets)
        return write

    return register


def expectation(sheet, name):
    """The `Expectation` of an attack on this sheet's assignment."""
    chosen = {ALL: sheet.names, FIRST: sheet.names[:1], REST: sheet.rest}
    return Expectation(**{key: frozenset(chosen[which]) for key, which in KINDS[name][1].items()})


# Time


@kind(right=ALL)
def endless_loop_in_a_cell(sheet):
    """A cell of its own never ends; an interrupt ends it."""
    sheet.solve().attack("while True:\n    pass\n")


@kind(nothing=FIRST, right=REST)
def endless_loop_in_an_answer(sheet):
    """One answer never ends."""
    sheet.solve().attack_in(sheet.first, "while True:\n    pass\n")


@kind(right=ALL)
def huge_power_in_a_cell(sheet):
    """A cell computes a power for days, which no signal interrupts."""
    sheet.solve().attack("base = 3\nbase ** (10 ** 9)\n")


@kind(nothing=FIRST, right=REST)
def huge_power_in_an_answer(sheet):
    """An answer computes a power for days, which no signal interrupts."""
    sheet.solve().attack_in(sheet.first, "base = 3\nreturn base ** (10 ** 9)\n")


@kind(nothing=FIRST, right=REST)
def regular_expression_in_an_answer(sheet):
    """An answer backtracks for ever inside the regular expression engine."""
    sheet.solve().attack_in(sheet.first, 'import re\nreturn re.match(r"(a+)+$", "a" * 64 + "b")\n')


@kind(nothing=FIRST, right=REST)
def sleep_that_swallows_exceptions(sheet):
    """An answer sleeps in C and swallows whatever is thrown at it."""
    sheet.solve().attack_in(
        sheet.first,
        """
        import time
        while True:
            try:
                time.sleep(1000)
            except BaseException:
                pass
        """,
    )


@kind(right=ALL)
def loop_that_swallows_exceptions_in_a_cell(sheet):
    """A cell loops and swallows interrupts."""
    sheet.solve().attack(
        """
        while True:
            try:
                while True:
                    pass
            except BaseException:
                pass
        """
    )


@kind(nothing=FIRST, right=REST)
def loop_that_swallows_exceptions_in_an_answer(sheet):
    """An answer loops and swallows interrupts."""
    sheet.solve().attack_in(
        sheet.first,
        """
        while True:
            try:
                while True:
                    pass
            except BaseException:
                pass
        """,
    )


@kind(right=ALL)
def ignored_signals(sheet):
    """Signals are ignored and blocked, timers switched off; then a loop without end."""
    sheet.solve().attack(
        """
        import signal
        for number in signal.valid_signals():
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        for which in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
            signal.setitimer(which, 0)
        signal.alarm(0)
        while True:
            pass
        """
    )


@kind(own_doing=ALL)
def alarm_that_kills(sheet):
    """An alarm clock ends the process a second later."""
    sheet.solve().attack(
        """
        import signal
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(1)
        """
    )


@kind(right=ALL)
def waiting_threads(sheet):
    """Threads, daemons and others, that never end."""
    sheet.solve().attack(
        """
        import threading
        for i in range(20):
            threading.Thread(target=threading.Event().wait, daemon=bool(i % 2)).start()
        """
    )


@kind(own_doing=ALL)
def busy_threads(sheet):
    """Threads that hold the interpreter as long as they can."""
    sheet.solve().attack(
        """
        import sys, threading
        def spin():
            while True:
                pass
        sys.setswitchinterval(1)
        for _ in range(10):
            threading.Thread(target=spin).start()
        """,
        before=sheet.check_cell(sheet.names[-1])["id"],
    )


@kind(right=ALL)
def exit_that_never_ends(sheet):
    """Functions for the process's end, and destructors, that never return."""
    sheet.solve().attack(
        """
        import atexit, threading
        def spin(*_):
            while True:
                pass
        atexit.register(spin)
        threading._register_atexit(spin)
        class Undead:
            __del__ = spin
        undead = Undead()
        """
    )


@kind(nothing=FIRST, right=REST)
def recursion_without_end(sheet):
    """An answer calls itself until the stack is gone."""
    sheet.solve().attack_in(
        sheet.first,
        """
        import sys
        sys.setrecursionlimit(10 ** 9)
        class Deep:
            def __getattr__(self, name):
                return getattr(self, name + 'x')
            def __repr__(self):
                return repr([self])
        return repr(Deep()) + Deep().x
        """,
    )


@kind(own_doing=ALL)
def trace_that_slows(sheet):
    """A trace function makes every line slow."""
    sheet.solve().attack(
        """
        import sys, threading, time
        def trace(*_):
            time.sleep(0.5)
            return trace
        threading.settrace(trace)
        sys.settrace(trace)
        """
    )


# Processes


@kind(right=ALL)
def fork_bomb_in_a_cell(sheet):
    """A cell forks, and its children do, and go on when they may not."""
    sheet.solve().attack(
        """
        import os
        while True:
            try:
                os.fork()
            except OSError:
                pass
        """
    )


@kind(nothing=FIRST, right=REST)
def fork_bomb_in_an_answer(sheet):
    """An answer forks, and its children do, and go on when they may not."""
    sheet.solve().attack_in(
        sheet.first,
        """
        import os
        while True:
            try:
                os.fork()
            except OSError:
                pass
        """,
    )


@kind(spared=ALL)
def fork_and_both_go_on(sheet):
    """A cell forks, and parent and child both go on with the notebook and hand in results."""
    sheet.solve().attack("import os\nos.fork()\nos.fork()\n")


@kind(right=ALL)
def many_busy_processes(sheet):
    """Sixty processes compute, so that other submissions get no time."""
    sheet.solve().attack(
        """
        import os
        for _ in range(60):
            try:
                child = os.fork()
            except OSError:
                break
            if child == 0:
                os.setsid()
                while True:
                    pass
        while True:
            pass
        """
    )


@kind(right=ALL)
def background_process(sheet):
    """A process in a session of its own that outlives the notebook, and writes all the while."""
    sheet.solve().attack(
        """
        import os, subprocess, sys
        code = 'import time\\nwhile True:\\n    time.sleep(1)\\n    print(1, flush=True)\\n'
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execv('/bin/sh', ['sh', '-c', 'trap "" HUP INT TERM; sleep 98765.25'])
            os._exit(0)
        subprocess.Popen([sys.executable, '-c', code], start_new_session=True)
        """
    )


@kind(right=ALL)
def exit_in_a_cell(sheet):
    """A cell ends the process without a word, as if all had gone well."""
    sheet.solve().attack("import os\nos._exit(0)\n")


@kind(nothing=FIRST, right=REST)
def exit_in_an_answer(sheet):
    """One answer ends the process without a word."""
    sheet.solve().attack_in(sheet.first, "import os\nos._exit(0)\n")


@kind(nothing=FIRST, right=REST)
def exit_in_the_second_call(sheet):
    """One answer ends the process when it is called a second time."""
    sheet.solve().attack_in(
        sheet.first,
        """
        import os, sys
        if hasattr(sys, "called"):
            os._exit(0)
        sys.called = True
        return 0.0
        """,
    )


@kind(right=ALL)
def sys_exit_in_a_cell(sheet):
    """Cells raise SystemExit, KeyboardInterrupt, GeneratorExit and another BaseException."""
    sheet.solve().attack("import sys\nsys.exit(0)\n").own("raise KeyboardInterrupt\n")
    sheet.own("raise GeneratorExit\n").own("""
        class Out(BaseException):
            pass
        raise Out
        """)


@kind(nothing=FIRST, right=REST)
def sys_exit_in_an_answer(sheet):
    """An answer raises SystemExit."""
    sheet.solve().attack_in(sheet.first, "import sys\nsys.exit(0)\n")


@kind(nothing=FIRST, right=REST)
def interrupt_in_an_answer(sheet):
    """An answer raises KeyboardInterrupt."""
    sheet.solve().attack_in(sheet.first, "raise KeyboardInterrupt\n")


@kind(right=ALL)
def crash_in_a_cell(sheet):
    """A cell reads address 0."""
    sheet.solve().attack("import ctypes\nctypes.string_at(0)\n")


@kind(nothing=FIRST, right=REST)
def crash_in_an_answer(sheet):
    """An answer reads address 0."""
    sheet.solve().attack_in(sheet.first, "import ctypes\nreturn ctypes.string_at(0)\n")


@kind(right=ALL)
def kills_its_parent(sheet):
    """Kills its parent, and process 1."""
    sheet.solve().attack(
        """
        import os
        for victim in (1, os.getppid()):
            try:
                os.kill(victim, 9)
            except OSError as error:
                print(error)
        """
    )


@kind(spared=ALL)
def kills_everything(sheet):
    """Kills every process it may kill."""
    sheet.solve().attack("import os\nos.kill(-1, 9)\n")


@kind(nothing=FIRST, spared=REST)
def kills_everything_in_an_answer(sheet):
    """Kills every process it may kill, while an answer is called."""
    sheet.solve().attack_in(sheet.first, "import os\nos.kill(-1, 9)\n")


@kind(right=ALL)
def stops_everything(sheet):
    """Sends SIGSTOP to every process, so that the grader would wait for ever."""
    sheet.solve().attack(
        """
        import os, signal
        seen = [int(name) for name in os.listdir('/proc') if name.isdigit()]
        for victim in {*seen, os.getppid(), 1} - {os.getpid()}:
            try:
                os.kill(victim, signal.SIGSTOP)
            except OSError:
                pass
        os.kill(-1, signal.SIGSTOP)
        os.kill(0, signal.SIGSTOP)
        """
    )


@kind(right=ALL)
def traces_its_parent(sheet):
    """Attaches to every process it sees as a debugger, and leaves them stopped."""
    sheet.solve().attack(
        """
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        for victim in {*(int(n) for n in os.listdir('/proc') if n.isdigit()), os.getppid(), 1}:
            if victim != os.getpid() and libc.ptrace(16, victim, None, None) == 0:
                print('attached to', victim)
        """
    )


@kind(right=ALL)
def replaces_its_process(sheet):
    """Becomes another program, which prints that all is right."""
    sheet.solve().attack(
        """
        import os, sys
        os.execv(sys.executable, [sys.executable, "-c", "print('all right')"])
        """
    )


@kind(right=ALL)
def changes_its_priority(sheet):
    """Takes itself the highest priority it gets, and one core alone."""
    sheet.solve().attack(
        """
        import os
        for change in (lambda: os.setpriority(os.PRIO_PROCESS, 0, -20),
                       lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(99)),
                       lambda: os.sched_setaffinity(0, {0})):
            try:
                change()
            except OSError as error:
                print(error)
        """
    )


# Memory and disk


@kind(right=ALL)
def memory_of_arrays(sheet):
    """A cell fills the memory with arrays."""
    sheet.solve().attack("""
        hoard = []
        while True:
            hoard.append(np.ones(2 ** 24))
        """)


@kind(nothing=FIRST, right=REST)
def memory_of_arrays_in_an_answer(sheet):
    """An answer fills the memory with arrays."""
    sheet.solve().attack_in(
        sheet.first,
        """
        hoard = []
        while True:
            hoard.append(np.ones(2 ** 24))
        """,
    )


@kind(nothing=FIRST, right=REST)
def memory_of_small_objects(sheet):
    """An answer fills the memory with small objects, and goes on when there is no more."""
    sheet.solve().attack_in(
        sheet.first,
        """
        hoard = []
        while True:
            try:
                hoard.append([bytearray(1000) for _ in range(1000)])
            except MemoryError:
                pass
        """,
    )


@kind(right=ALL)
def memory_of_children(sheet):
    """Many children hold as much memory each as one process may."""
    sheet.solve().attack(
        """
        import os, time
        for _ in range(40):
            try:
                child = os.fork()
            except OSError:
                break
            if child == 0:
                hoard = []
                try:
                    while True:
                        hoard.append(np.ones(2 ** 22))
                except MemoryError:
                    pass
                time.sleep(1000)
        time.sleep(1000)
        """
    )


@kind(right=ALL)
def memory_mapped(sheet):
    """Anonymous memory maps, shared and private, every page touched."""
    sheet.solve().attack(
        """
        import mmap
        hoard = []
        while True:
            for flags in (mmap.MAP_SHARED, mmap.MAP_PRIVATE):
                area = mmap.mmap(-1, 2 ** 27, flags | mmap.MAP_ANONYMOUS)
                area[::4096] = b'x' * (2 ** 27 // 4096)
                hoard.append(area)
        """
    )


@kind(right=ALL)
def memory_in_files_without_a_name(sheet):
    """Files in memory that no limit on a process's own memory counts."""
    sheet.solve().attack(
        """
        import os
        hoard = []
        while True:
            hoard.append(os.memfd_create('hoard'))
            for _ in range(64):
                os.write(hoard[-1], b'x' * 2 ** 20)
        """
    )


@kind(own_doing=ALL)
def memory_in_pipes_and_sockets(sheet):
    """Buffers in the kernel: pipes and sockets that are filled and never read."""
    sheet.solve().attack(
        """
        import os, socket
        hoard = []
        while True:
            a, b = socket.socketpair()
            a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 ** 24)
            a.setblocking(False)
            hoard += [a, b]
            try:
                while True:
                    a.send(b'x' * 2 ** 16)
            except BlockingIOError:
                pass
        """
    )


@kind(right=ALL)
def memory_in_segments(sheet):
    """Shared memory segments that are filled and belong to no process."""
    sheet.solve().attack(
        """
        import ctypes
        libc = ctypes.CDLL(None)
        libc.shmat.restype = ctypes.c_void_p
        size = 2 ** 26
        for i in range(48):
            segment = libc.shmget(0, ctypes.c_size_t(size), 0o1600)
            if segment < 0:
                break
            address = libc.shmat(segment, None, 0)
            ctypes.memset(address, 1, size)
            libc.shmdt(ctypes.c_void_p(address))
            time_to_see = sum(range(10 ** 6))
        else:
            print("REACHED 3 GB of memory in segments")
        """
    )


@kind(right=ALL)
def memory_in_flight(sheet):
    """Files in memory that are sent through a socket and never received: no process has them."""
    sheet.solve().attack(
        """
        import os, socket
        a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        a.setblocking(False)
        pairs = []
        for i in range(75):
            file = os.memfd_create("hoard")
            for _ in range(40):
                os.write(file, b"x" * 2 ** 20)
            try:
                socket.send_fds(a, [b"x"], [file])
            except BlockingIOError:
                pairs.append((a, b))
                a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
                a.setblocking(False)
                socket.send_fds(a, [b"x"], [file])
            os.close(file)
        print("REACHED 3 GB of memory in flight")
        """
    )


@kind(own_doing=ALL)
def memory_in_page_tables(sheet):
    """Maps of nothing, read at one place in every 2 MB, so that only the tables take memory."""
    sheet.solve().attack(
        """
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        libc.mmap.restype = ctypes.c_void_p
        libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
        size = 2 ** 40
        area = libc.mmap(None, size, 1, 0x4022, -1, 0)
        libc.madvise(ctypes.c_void_p(area), ctypes.c_size_t(size), 15)
        pages = np.lib.stride_tricks.as_strided(
            np.ctypeslib.as_array((ctypes.c_uint8 * 1).from_address(area)), (2 ** 19,), (2 ** 21,))
        for part in np.split(pages, 64):
            part.sum()
        print("REACHED 2 GB of page tables")
        """
    )


FILL = """\
import os, tempfile
written = 0
for folder in FOLDERS:
    try:
        with open(os.path.join(folder, "fill"), "wb") as file:
            while written < 2 ** 34:
                written += file.write(b"x" * 2 ** 20)
    except OSError as error:
        print(folder, error)
"""


@kind(right=ALL)
def fills_shared_memory(sheet):
    """Fills /dev/shm."""
    sheet.solve().attack("FOLDERS = ['/dev/shm', '/run', '/run/user']", FILL)


@kind(right=ALL)
def fills_the_temporary_folder(sheet):
    """Fills every folder it may write in."""
    sheet.solve().attack(
        """
        import os, tempfile
        FOLDERS = [".", "/tmp", "/var/tmp", tempfile.gettempdir(), os.path.expanduser("~")]
        """,
        FILL,
    )


@kind(right=ALL)
def many_files(sheet):
    """Makes small files and folders within folders without end."""
    sheet.solve().attack(
        """
        import os, tempfile
        os.chdir(tempfile.mkdtemp())
        for i in range(3_000_000):
            open(f'{i}', 'w').close()
            if i % 100 == 0:
                os.mkdir('d')
                os.chdir('d')
        """
    )


@kind(own_doing=ALL)
def takes_all_descriptors(sheet):
    """Opens files until no more may be opened."""
    sheet.solve().attack("""
        hoard = []
        while True:
            hoard.append(open('/dev/null'))
        """)


# Output


@kind(right=ALL)
def fifty_megabytes_in_one_line(sheet):
    """A cell prints 50 MB without a line break."""
    sheet.solve().attack("print('x' * 50_000_000)\n")


@kind(right=ALL)
def fifty_megabytes_from_a_child(sheet):
    """Descriptor 1, a shell and a child print 50 MB each, past sys.stdout."""
    sheet.solve().attack(
        """
        import os, subprocess
        for _ in range(50):
            os.write(1, b'x' * 1_000_000)
            os.write(2, b'x' * 1_000_000)
        subprocess.run('head -c 50000000 /dev/zero', shell=True)
        """
    )


@kind(right=ALL)
def endless_print_in_a_cell(sheet):
    """A cell prints without end."""
    sheet.solve().attack("while True:\n    print('again and again')\n")


@kind(nothing=FIRST, right=REST)
def endless_print_in_an_answer(sheet):
    """An answer prints without end, and swallows what is thrown at it."""
    sheet.solve().attack_in(
        sheet.first,
        """
        while True:
            try:
                print('again and again')
            except BaseException:
                pass
        """,
    )


@kind(right=ALL)
def fifty_megabytes_saved(sheet):
    """50 MB of output saved in the notebook."""
    sheet.solve()
    output = {"output_type": "stream", "name": "stdout", "text": "x" * 50_000_000}
    sheet.cell("data-code")["outputs"] = [output]


@kind(right=ALL)
def odd_text(sheet):
    """Prints lone surrogates, control characters, terminal codes and broken bytes."""
    sheet.solve().attack(
        """
        import sys
        print('\\x00\\x07\\x1b]0;title\\x07\\x1b[2J\\x1b[31mred\\r\\u202eback\\ufeff')
        sys.stdout.buffer.write(b'\\xff\\xfe\\xfd')
        """
    )
    sheet.own("print('lone \\ud800 surrogate')\n").own("raise ValueError('\\ud800\\x00')\n")


@kind(right=ALL)
def markup_in_what_is_printed(sheet):
    """Prints, shows, raises and names markup that would run in the reader's browser."""
    evil = "</pre></script><script>alert(1)</script><img src=x onerror=alert(1)>"
    sheet.solve().attack(
        f"evil = {evil!r}",
        """
        from IPython.display import HTML, Javascript, Markdown, display
        print(evil)
        for show in (HTML, Javascript, Markdown):
            display(show(evil))
        display({"text/html": evil, "image/png": evil, "text/plain": evil}, raw=True)
        class Evil(Exception):
            def _repr_html_(self):
                return evil
        Evil.__name__ = Evil.__qualname__ = evil
        display(Evil())
        raise Evil(evil)
        """,
    )
    sheet.own(f"**{evil}** {{{{ 7 * 7 }}}}", kind="markdown").own(f"# {evil}\n")
    sheet.cell("written-answer")["source"] = f"{evil} [a](javascript:alert(1)) {{{{ 7 * 7 }}}}"
    sheet.cell("end")["id"] = "<script>alert(1)</script>"


@kind(nothing=FIRST, right=REST)
def markup_in_an_error(sheet):
    """An answer with markup for its name raises an error with markup for its class and text."""
    evil = "<script>alert(1)</script>"
    sheet.solve().answer(
        sheet.first,
        f"{sheet.signature(sheet.first)}\n    print({evil!r})\n"
        f"    raise type({evil!r}, (Exception,), {{}})({evil!r})\n"
        f"{sheet.first}.__name__ = {sheet.first}.__qualname__ = {evil!r}\n",
    )


@kind(nothing=FIRST, right=REST)
def error_without_a_text(sheet):
    """An answer raises an error whose text raises an error."""
    sheet.solve().attack_in(
        sheet.first,
        """
        class Silent(Exception):
            def __str__(self):
                raise self
            __repr__ = __str__
        raise Silent
        """,
    )


@kind(nothing=FIRST, right=REST)
def error_with_a_long_text(sheet):
    """An answer raises an error whose text has 100 MB, and whose name has 10."""
    sheet.solve().attack_in(
        sheet.first,
        """
        class Long(Exception):
            def __str__(self):
                return 'x' * 100_000_000
        Long.__name__ = 'L' * 10_000_000
        raise Long
        """,
    )


@kind(nothing=FIRST, right=REST)
def error_whose_text_never_ends(sheet):
    """An answer raises an error whose text is computed for ever."""
    sheet.solve().attack_in(
        sheet.first,
        """
        class Slow(Exception):
            def __str__(self):
                while True:
                    pass
        raise Slow
        """,
    )


# Reading


READ = """\
import os, re, stat
def search(path, limit=20_000_000):
    try:
        if not stat.S_ISREG(os.stat(path).st_mode) and not path.startswith("/proc"):
            return
        with open(path, "rb", buffering=0) as file:
            data = file.read(limit) or b""
    except OSError:
        return
    for hit in set(re.findall(rb"canary-[0-9a-f]{16}", data)):
        print("FOUND", hit.decode(), path)
"""


@kind(nothing=ALL)
def reads_the_solutions(sheet):
    """Looks for exercises.py everywhere, and answers with the references in it."""
    sheet.cheat(
        """
        import os, sys
        from pathlib import Path
        found = [Path(PLACES['source'])]
        for top in (PLACES['repository'], '/work', '/home', '/root', '/tmp', '/mnt', '/srv'):
            for folder, folders, files in os.walk(top):
                folders[:] = [f for f in folders if f not in ('.venv', 'site-packages', '.git')]
                if 'exercises.py' in files and 'grading' not in folder:
                    found.append(Path(folder))
        references = {}
        for folder in found:
            try:
                from grader import exercises
                for exercise in exercises.load(folder):
                    references[exercise.name] = exercise.reference
                    print('REACHED', folder)
            except Exception as error:
                print(folder, error)
        def cheat(name, *given):
            return references[name](*given)
        """
    )


@kind(nothing=ALL)
def reads_the_history(sheet):
    """Takes the solutions out of the repository's history."""
    sheet.cheat(
        """
        import os, subprocess
        where = os.path.join(PLACES['repository'], '.git')
        for command in (['git', '-C', PLACES['repository'], 'show', 'HEAD:README.md'],
                        ['git', 'config', '-f', where + '/config', '--list']):
            try:
                done = subprocess.run(command, capture_output=True, timeout=10)
                print('REACHED' if done.returncode == 0 and done.stdout else 'no')
            except Exception as error:
                print(error)
        def cheat(name, *given):
            return given[0]
        """
    )


@kind(right=ALL)
def reads_others(sheet):
    """Reads the other submissions, the results and the gradebook, by name and by searching."""
    sheet.solve().attack(
        READ,
        """
        for top in (PLACES['inbox'], PLACES['out'], '/tmp', '/work', '/var/tmp', '/root'):
            for folder, folders, files in os.walk(top):
                folders[:] = [f for f in folders if f not in ('.venv', 'site-packages', '.git')]
                for name in files:
                    search(os.path.join(folder, name))
        search(PLACES['peer'])
        search(PLACES['gradebook'])
        for pid in os.listdir('/proc'):
            if pid.isdigit():
                for path in (PLACES['peer'], PLACES['gradebook']):
                    search(f'/proc/{pid}/root{path}')
                    search(f'/proc/{pid}/cwd/{path}')
        """,
    )


@kind(right=ALL)
def reads_the_environment(sheet):
    """Reads the environment variables and command lines of every process."""
    sheet.solve().attack(
        READ,
        """
        print(*(value for value in os.environ.values() if 'canary' in value))
        for pid in os.listdir('/proc'):
            for name in ('environ', 'cmdline'):
                search(f'/proc/{pid}/{name}')
        """,
    )


@kind(right=ALL)
def reads_the_memory(sheet):
    """Searches the memory of every process, its own included, for what others have written."""
    sheet.solve().attack(
        """
        import os, re, time
        ends = time.monotonic() + 1.2
        for pid in [str(os.getpid()), *(p for p in os.listdir("/proc") if p.isdigit())]:
            try:
                maps = open(f"/proc/{pid}/maps").read().split("\\n")
                memory = open(f"/proc/{pid}/mem", "rb", buffering=0)
            except OSError as error:
                print(pid, error)
                continue
            for line in sorted(maps, key=lambda line: "[heap]" not in line):
                if " rw-p 00000000 00:00 0" not in line or time.monotonic() > ends:
                    continue
                low, high = (int(x, 16) for x in line.split()[0].split("-"))
                try:
                    memory.seek(low)
                    data = memory.read(min(high - low, 2 ** 27))
                except (OSError, ValueError, OverflowError):
                    continue
                for hit in set(re.findall(rb"canary-[0-9a-f]{16}", data)):
                    print("FOUND", hit.decode(), "in", pid)
        """
    )


@kind(nothing=ALL)
def searches_the_process_for_keys(sheet):
    """Looks for keys, references and expected arrays in every object, frame and module."""
    sheet.cheat(
        """
        import gc, sys
        def same(case, given):
            return len(case) == len(given) and all(
                np.array_equal(a, b) for a, b in zip(case, given))
        def cheat(name, *given):
            things = gc.get_objects()
            frames = [*sys._current_frames().values()]
            for frame in frames:
                while frame is not None:
                    things += frame.f_locals.values()
                    things += frame.f_globals.values()
                    frame = frame.f_back
            for thing in things:
                kind = type(thing).__name__
                if kind == 'Exercise' and thing.name == name:
                    print('REACHED an exercise')
                    return thing.reference(*given)
                if kind == 'Key':
                    for case, want in zip(thing.cases, thing.expected):
                        if same(case, given):
                            print('REACHED a key')
                            return want if len(want) > 1 else want[0]
                if kind == 'dict' and 'expected' in thing:
                    print('REACHED expected values?', list(thing)[:20])
            return given[0]
        """
    )


@kind(nothing=ALL)
def answers_with_the_public_outputs(sheet):
    """Returns the expected outputs of checks.npz whenever their inputs have the same shapes."""
    sheet.cheat(
        """
        from coursekit.checks import keys as storage
        def cheat(name, *given):
            key = storage.load_key('checks.npz', name)
            for case, want in zip(key.cases, key.expected):
                if [np.shape(a) for a in case] == [np.shape(a) for a in given]:
                    return want if len(want) > 1 else want[0]
            return given[0]
        """
    )


@kind(nothing=ALL)
def answers_with_the_public_mistakes(sheet):
    """Returns a mistake's outputs from checks.npz."""
    sheet.cheat(
        """
        from coursekit.checks import keys as storage
        def cheat(name, *given):
            key = storage.load_key('checks.npz', name)
            case = {len(case[0]): i for i, case in enumerate(key.cases)}.get(len(given[0]), 0)
            outputs = key.wrong[0][1][case]
            return outputs if len(outputs) > 1 else outputs[0]
        """
    )


@kind(nothing=ALL)
def answers_from_any_file_of_arrays(sheet):
    """Reads every .npz and .npy file it finds for arrays that belong to the inputs it is given."""
    sheet.cheat(
        """
        import glob, os, tempfile
        def cheat(name, *given):
            tops = {'.', '/tmp', tempfile.gettempdir(), PLACES['out'], '/dev/shm'}
            for top in tops:
                for path in glob.glob(os.path.join(top, '**', '*.np[yz]'), recursive=True):
                    if os.path.basename(path) == 'checks.npz':
                        continue
                    print('FOUND', path)
                    try:
                        with np.load(path) as file:
                            for entry in file.files:
                                if 'out' in entry and name in entry:
                                    return file[entry]
                    except Exception as error:
                        print(error)
            return given[0]
        """
    )


@kind(right=ALL)
def leaves_a_message(sheet):
    """Leaves a message for other submissions wherever one may write."""
    sheet.solve().attack(
        """
        import ctypes, os, secrets, sys, tempfile
        message = 'canary-' + secrets.token_hex(8)
        home = os.path.expanduser('~')
        for folder in ('.', '..', '/tmp', '/var/tmp', '/dev/shm', home, tempfile.gettempdir(),
                       '/run', '/', '/dev/mqueue', os.path.dirname(np.__file__),
                       home + '/.cache', home + '/.keras', home + '/.config'):
            try:
                open(os.path.join(folder, 'message'), 'w').write(message)
            except OSError:
                pass
        os.environ['MESSAGE'] = message
        np.message = sys.message = ck.message = message
        libc = ctypes.CDLL(None)
        libc.shmat.restype = ctypes.c_void_p
        segment = libc.shmget(0x600D, 4096, 0o1666)
        if segment >= 0:
            ctypes.memmove(libc.shmat(segment, None, 0), message.encode(), len(message))
        for keyring in (-3, -4, -5):
            libc.syscall(248, b"user", b"message", message.encode(), len(message), keyring)
        """
    )


@kind(right=ALL)
def looks_for_messages(sheet):
    """Looks for what other submissions have left, in files, modules and shared memory."""
    sheet.solve().attack(
        READ,
        """
        import ctypes, sys, tempfile
        home = os.path.expanduser('~')
        for top in ('.', '..', '/tmp', '/var/tmp', '/dev/shm', home, tempfile.gettempdir(),
                    '/run', '/dev/mqueue', os.path.dirname(np.__file__)):
            search(os.path.join(top, 'message'))
        search('/message')
        print(os.environ.get('MESSAGE'), *(getattr(m, 'message', '') for m in (np, sys, ck)))
        libc = ctypes.CDLL(None)
        libc.shmat.restype = ctypes.c_void_p
        segment = libc.shmget(0x600D, 4096, 0o666)
        if segment >= 0:
            print(ctypes.string_at(libc.shmat(segment, None, 0), 23).decode())
        for keyring in (-3, -4, -5):
            key = libc.syscall(250, 10, keyring, b"user", b"message", 0)
            text = ctypes.create_string_buffer(100)
            if key > 0 and libc.syscall(250, 11, key, text, 100) > 0:
                print(text.value.decode())
        """,
    )


# Writing


WRITE = """\
import os, shutil, stat
def spoil(path):
    try:
        os.chmod(path, 0o777)
    except OSError:
        pass
    for act in (lambda: open(path, "ab").write(b"spoiled"), lambda: os.unlink(path),
                lambda: os.rename(path, path + ".gone"), lambda: shutil.rmtree(path)):
        try:
            act()
            print("REACHED", path)
        except OSError:
            pass
def plant(path, text):
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        open(path, "w").write(text)
    except OSError as error:
        print(path, error)
"""


@kind(right=ALL)
def writes_the_gradebook(sheet):
    """Writes, renames and deletes gradebook, results and the other submissions."""
    sheet.solve().attack(
        WRITE,
        """
        for top in (PLACES['gradebook'], PLACES['inbox'], PLACES['out']):
            for folder, _, files in os.walk(top):
                for name in files:
                    spoil(os.path.join(folder, name))
        spoil(PLACES['gradebook'])
        spoil(PLACES['peer'])
        plant(PLACES['inbox'] + '/planted.ipynb', '{}')
        plant(PLACES['canary'] + '/planted', 'x')
        for folder in (PLACES['out'] + '/results', PLACES['out']):
            plant(folder + '/planted.json', '{}')
            plant(folder + '/grades.csv', 'planted,20')
        """,
    )


@kind(right=ALL)
def writes_the_package(sheet):
    """Replaces the package and the source, so that later submissions would be graded by it."""
    sheet.solve().attack(
        WRITE,
        """
        for name in ('coursekit/checks/calls.py', 'coursekit/checks/diagnosis.py', 'README.md'):
            for path in (os.path.join(PLACES['repository'], name),
                         os.path.join(os.path.dirname(os.path.dirname(ck.__file__)), name)):
                if os.path.exists(path):
                    spoil(path)
        plant(PLACES['source'] + '/planted.py', 'x')
        plant(os.path.dirname(ck.__file__) + '/planted.py', 'x')
        """,
    )


@kind(right=ALL)
def writes_what_python_starts_with(sheet):
    """Plants code that Python, Keras, IPython and shells run at their start."""
    sheet.solve().attack(
        WRITE,
        """
        import site, sys
        home = os.path.expanduser('~')
        evil = f"open({PLACES['canary']!r} + '/started', 'w')"
        for folder in {*site.getsitepackages(), site.getusersitepackages(), '.', *sys.path}:
            for name in ('sitecustomize.py', 'usercustomize.py', 'json.py', 'keras.py'):
                plant(os.path.join(folder or '.', name), evil)
            plant(os.path.join(folder or '.', 'planted.pth'), 'import os; ' + evil)
        plant(home + '/.ipython/profile_default/startup/00.py', evil)
        plant(home + '/.bashrc', 'touch ' + PLACES['canary'] + '/started')
        plant(home + '/.keras/keras.json', '{"backend": "jax", "floatx": "float64"}')
        plant(home + '/.config/matplotlib/matplotlibrc', 'backend: evil')
        plant('/etc/ld.so.preload', '/tmp/evil.so')
        plant('/etc/cron.d/evil', '* * * * * root true')
        """,
    )


@kind(right=ALL)
def deletes_everything(sheet):
    """Deletes every file it may, its working folder included."""
    sheet.solve().attack(
        """
        import os, shutil, tempfile
        for folder in ('.', '..', tempfile.gettempdir(), '/tmp', '/dev/shm', '/var', '/work'):
            shutil.rmtree(folder, ignore_errors=True)
        os.chdir('/')
        """
    )


@kind(right=ALL)
def mounts(sheet):
    """Makes itself root in a namespace of its own and mounts over what is read-only."""
    sheet.solve().attack(
        WRITE,
        """
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        if os.fork() == 0:
            try:
                print(libc.unshare(0x10000000 | 0x00020000), ctypes.get_errno())
                for top in ('/', PLACES['repository'], os.path.dirname(ck.__file__)):
                    print(libc.mount(None, top.encode(), None, 32 | 4096, None))
                libc.umount2(os.path.dirname(ck.__file__).encode(), 2)
                libc.mount(b'proc', b'/proc', b'proc', 0, None)
                spoil(os.path.join(os.path.dirname(ck.__file__), 'checks/diagnosis.py'))
                spoil(PLACES['gradebook'])
            finally:
                os._exit(0)
        os.wait()
        """,
    )


@kind(right=ALL)
def devices(sheet):
    """Makes device files and opens the machine's disks, memory and terminals."""
    sheet.solve().attack(
        """
        import fcntl, os, termios
        for name, number in (('sda', (8, 0)), ('vda', (254, 0)), ('vda', (253, 0)), ('m', (1, 1))):
            try:
                os.mknod('/tmp/' + name, 0o60600, os.makedev(*number))
                open('/tmp/' + name, 'rb').read(512)
                print('REACHED', name)
            except OSError as error:
                print(error)
        for path in ('/dev/vda', '/dev/sda', '/dev/mem', '/dev/kmsg', '/proc/kcore', '/dev/kvm',
                     '/proc/sysrq-trigger', '/sys/kernel/uevent_helper'):
            try:
                open(path, 'r+b').read(1)
                print('REACHED', path)
            except OSError as error:
                print(error)
        for number in range(3):
            try:
                for byte in b'echo REACHED\\n':
                    fcntl.ioctl(number, termios.TIOCSTI, bytes([byte]))
                print('REACHED the terminal')
            except OSError as error:
                print(error)
        """
    )


# Network


@kind(right=ALL)
def network_outside(sheet):
    """Connects to addresses outside, asks a name server, and uses the host's other families."""
    sheet.solve().attack(
        """
        import socket
        for address in (('1.1.1.1', 80), ('8.8.8.8', 53), ('169.254.169.254', 80)):
            try:
                socket.create_connection(address, timeout=0.3)
                print('REACHED', address)
            except OSError as error:
                print(error)
        try:
            print('REACHED', socket.gethostbyname('localhost.localdomain.example.com'))
        except OSError as error:
            print(error)
        try:
            udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            udp.sendto(b'x', ('8.8.8.8', 53))
            print('REACHED by UDP')
        except OSError as error:
            print(error)
        for host in (1, 2):
            try:
                other = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
                other.settimeout(0.3)
                other.connect((host, 22))
                print('REACHED by VSOCK')
            except OSError as error:
                print(error)
        """
    )


@kind(right=ALL)
def network_of_this_machine(sheet):
    """Connects to a listener on this machine, by loopback and the machine's own addresses."""
    sheet.solve().attack(
        """
        import socket
        for address in ('127.0.0.1', '::1', 'localhost', '0.0.0.0', '::ffff:127.0.0.1'):
            try:
                line = socket.create_connection((address, PLACES['port']), timeout=0.3)
                line.sendall(b'hello')
                print('REACHED', address)
            except OSError as error:
                print(error)
        """
    )


@kind(right=ALL)
def unix_sockets(sheet):
    """Connects to sockets with a path and in the abstract namespace, and to all it can list."""
    sheet.solve().attack(
        """
        import os, socket, stat
        names = [PLACES['socket'], '\\0' + PLACES['abstract'], '/run/docker.sock',
                 '/run/dbus/system_bus_socket', '/run/systemd/private']
        try:
            names += ['\\0' + line.split()[-1][1:] for line in open('/proc/net/unix')
                      if '@' in line]
        except OSError as error:
            print(error)
        for name in names:
            for type in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                try:
                    line = socket.socket(socket.AF_UNIX, type)
                    line.settimeout(0.3)
                    line.connect(name)
                    line.sendall(b'hello')
                    print('REACHED', repr(name))
                except OSError as error:
                    print(error)
        """
    )


# Patches


@kind(nothing=ALL)
def patched_numpy(sheet):
    """Replaces what NumPy compares, loads and saves with."""
    sheet.cheat(
        """
        yes = lambda *_, **__: True
        nothing = lambda *_, **__: None
        for name in ('allclose', 'array_equal', 'array_equiv', 'isclose', 'all', 'any'):
            setattr(np, name, yes)
        for name in dir(np.testing):
            if name.startswith('assert'):
                setattr(np.testing, name, nothing)
        def cheat(name, *given):
            return np.zeros(3)
        """
    )


@kind(right=ALL)
def patched_numpy_with_right_answers(sheet):
    """Breaks what NumPy compares with, but the answers are right."""
    sheet.solve().attack(
        """
        def broken(*_, **__):
            raise RuntimeError('broken')
        np.allclose = np.isclose = np.savez = np.load = broken
        np.testing.assert_allclose = broken
        """
    )


@kind(nothing=ALL)
def patched_keras(sheet):
    """Replaces what Keras converts and compares with."""
    sheet.cheat(
        """
        import keras
        class Any:
            shape, dtype, size, ndim = (), np.dtype('float32'), 1, 0
            def __getattr__(self, name):
                return self
            def __call__(self, *_, **__):
                return self
        for module in (ops, keras.ops, keras.src.ops, keras.src.backend):
            for name in ('convert_to_numpy', 'convert_to_tensor', 'is_tensor', 'sum', 'cast'):
                setattr(module, name, Any())
        def cheat(name, *given):
            return Any()
        """
    )


@kind(nothing=ALL)
def patched_builtins(sheet):
    """Replaces isinstance, all, len, callable, type and others for all modules."""
    sheet.cheat(
        """
        import builtins
        yes = lambda *_, **__: True
        def cheat(name, *given):
            return np.zeros(3)
        for name in ('isinstance', 'issubclass', 'all', 'any', 'callable', 'hasattr'):
            setattr(builtins, name, yes)
        """
    )


@kind(nothing=ALL)
def patched_open_and_import(sheet):
    """Replaces open, __import__, print, exec and compile."""
    sheet.cheat(
        """
        import builtins
        def cheat(name, *given):
            return np.zeros(3)
        class Fake:
            def __getattr__(self, name):
                return self
            def __call__(self, *_, **__):
                return self
        fake = Fake()
        for name in ('__import__', 'open', 'print', 'compile', 'exec', 'eval', 'repr', 'str'):
            setattr(builtins, name, fake)
        """
    )


@kind(nothing=ALL)
def patched_package(sheet):
    """Replaces what calls and judges answers, wherever the package keeps it."""
    sheet.cheat(
        """
        import sys
        from coursekit import checks
        from coursekit.checks import calls, diagnosis, keys as storage
        def collect(function, arguments, cases, *_, **__):
            key = next((k for k in keys if k.arguments == tuple(arguments)), None)
            return [calls.Answer(values=want) for want in key.expected], ''
        keys = []
        for name in NAMES:
            try:
                keys.append(storage.load_key('checks.npz', name))
            except Exception as error:
                print(error)
        def cheat(name, *given):
            return np.zeros(3)
        diagnosis.judge = lambda *_, **__: ''
        calls.collect = collect
        calls._answer = lambda *_, **__: calls.Answer(values=keys[0].expected[0])
        diagnosis._agree = diagnosis._matches = lambda *_, **__: True
        ck.check = checks.check = lambda *_, **__: print('✓')
        new = {'judge': diagnosis.judge, 'collect': calls.collect}
        for module in list(sys.modules.values()):
            for name in new:
                if hasattr(module, name) and module.__name__.startswith('coursekit'):
                    setattr(module, name, new[name])
        """
    )


@kind(nothing=ALL)
def patched_output(sheet):
    """Replaces what results are written with: json, pickle, struct, os.write, numpy's format."""
    sheet.cheat(
        """
        import io, json, os, pickle, struct, zipfile
        def cheat(name, *given):
            return np.zeros(3)
        forged = json.dumps({'points': 100, 'status': 'right', 'right': True, 'problem': ''})
        json.dumps = lambda *_, **__: forged
        json.dump = lambda _, file, **__: file.write(forged)
        pickle.dumps = lambda *_, **__: b'\\x80\\x04N.'
        write, os.write = os.write, lambda fd, data: write(fd, forged.encode())
        np.save = np.savez = np.lib.format.write_array = lambda file, *_, **__: None
        zipfile.ZipFile.writestr = lambda *_, **__: None
        struct.pack = lambda *_: b'\\xff' * 8
        """
    )


@kind(nothing=ALL)
def replaced_modules(sheet):
    """Puts files named like modules into the working folder and objects into sys.modules."""
    sheet.cheat(
        """
        import sys, types
        for name in ('json', 'numpy', 'coursekit', 'struct', 'pickle'):
            try:
                open(name + '.py', 'w').write('raise SystemExit(0)')
            except OSError as error:
                print(error)
        sys.path.insert(0, '')
        class Fake(types.ModuleType):
            def __getattr__(self, name):
                return lambda *_, **__: ''
        for name in list(sys.modules):
            if name.split('.')[0] in ('coursekit', 'json', 'zipfile', 'struct'):
                sys.modules[name] = Fake(name)
        def cheat(name, *given):
            return np.zeros(3)
        """
    )


@kind(nothing=ALL)
def replaced_checks(sheet):
    """Replaces checks.npz by one that expects what the answers return."""
    sheet.cheat(
        """
        import dataclasses
        from coursekit.checks import keys as storage
        def cheat(name, *given):
            return np.zeros(3)
        keys = [storage.load_key('checks.npz', name) for name in NAMES]
        keys = [dataclasses.replace(key, expected=tuple((np.zeros(3),) for _ in key.cases),
                wrong=(), differentiable='', gradient=None) for key in keys]
        storage.save_keys('checks.npz', keys)
        """
    )


@kind(nothing=ALL)
def input_transformer(sheet):
    """Empties every later cell before it is parsed, checks among them."""
    sheet.cheat(
        """
        def cheat(name, *given):
            return np.zeros(3)
        shell = get_ipython()
        shell.input_transformers_cleanup.append(
            lambda lines: ['pass\\n'] if 'check' in ''.join(lines) else lines)
        shell.input_transformers_post.append(shell.input_transformers_cleanup[-1])
        """
    )


@kind(nothing=ALL)
def syntax_transformer(sheet):
    """Drops assertions, calls of checks and raises from every later cell's syntax tree."""
    sheet.cheat(
        """
        import ast
        def cheat(name, *given):
            return np.zeros(3)
        class Drop(ast.NodeTransformer):
            def visit_Assert(self, node):
                return ast.Pass()
            visit_Raise = visit_Assert
            def visit_Expr(self, node):
                return ast.Pass()
        get_ipython().ast_transformers.append(Drop())
        """
    )


@kind(right=ALL)
def broken_shell(sheet):
    """Breaks the shell's hooks, display and history; the answers are right."""
    sheet.solve().attack(
        """
        import sys
        def broken(*_, **__):
            raise RuntimeError('broken')
        sys.excepthook = sys.displayhook = sys.unraisablehook = broken
        shell = get_ipython()
        shell.events.register('pre_run_cell', broken)
        shell.events.register('post_run_cell', broken)
        shell.set_custom_exc((Exception,), broken)
        """
    )


@kind(right=ALL)
def closed_output(sheet):
    """Closes and replaces standard output, error and input; the answers are right."""
    sheet.solve().attack(
        """
        import os, sys
        sys.stdout.close()
        sys.stdout = sys.stderr = sys.stdin = sys.__stdout__ = None
        for number in range(3):
            os.close(number)
        """
    )


# Forged results


# The runner's own form of results, and others.
FORGE = """\
import base64, json, os, socket, struct
def frame(header, data=b""):
    text = json.dumps(header).encode()
    return struct.pack("<II", len(text), len(data)) + text + data
def tell(*frames):
    for number in (3, *range(4, 256)):
        for text in frames:
            try:
                os.set_blocking(number, number == 3)
                os.write(number, text)
            except OSError:
                pass
def answers(name, values, gradient=None, problem="", printed=""):
    arrays = [np.asarray(v, "float64") for v in values[0]]
    arrays += [] if gradient is None else [np.asarray(gradient, "float64")]
    arrays += [np.asarray(v, "float64") for case in values[1:] for v in case]
    told = [{"problem": problem, "changed": [], "gradient_problem": "", "values": len(case),
             "gradient": gradient is not None and i == 0} for i, case in enumerate(values)]
    header = {"kind": "answers", "name": name, "answers": told, "printed": printed,
              "arrays": [["float64", list(array.shape)] for array in arrays]}
    return frame(header, b"".join(array.tobytes() for array in arrays))
right = {"status": "right", "points": 100, "of": 100, "right": True, "passed": True,
         "score": 100, "problem": "", "message": "", "known": False, "printed": "", "arrays": []}
exercises = [{"name": name, **right} for name in NAMES]
body = {"student": "me", "status": "graded", "done": True, "ok": True, "exercises": exercises,
        "answers": {name: right for name in NAMES}, **{name: right for name in NAMES}}
text = json.dumps(body).encode()
claims = [text + b"\\n", *(frame({"kind": kind, **body, **right}) for kind in ("answers", "marks"))]
for order in ("<", ">"):
    for width in ("I", "Q"):
        claims.append(struct.pack(order + width, len(text)) + text)
"""


@kind(nothing=ALL)
def forged_results_on_every_descriptor(sheet):
    """Writes "all right" in several forms to every open descriptor, and ends the process."""
    sheet.cheat(
        FORGE,
        """
        def cheat(name, *given):
            tell(*(answers(name, [(1,), (1,)]) for name in NAMES))
            for claim in claims:
                tell(claim)
            os._exit(0)
        """,
    )


@kind(nothing=ALL)
def forged_claims(sheet):
    """Writes nothing but claims to be right to every open descriptor, and that all is done."""
    sheet.cheat(
        FORGE,
        """
        def cheat(name, *given):
            tell(*claims[:1], frame({"kind": "done", "arrays": []}))
            return np.zeros(3)
        """,
    )


@kind(spared=ALL)
def forged_end(sheet):
    """Says that all is done before it is."""
    sheet.solve().attack(FORGE, 'tell(frame({"kind": "done", "arrays": []}))')


@kind(nothing=FIRST, spared=REST)
def forged_arrays(sheet):
    """Hands back results whose arrays are not what they are said to be."""
    sheet.solve().attack_in(
        sheet.first,
        """
        import os, random, struct, json
        def told(arrays, data=b""):
            answer = {"problem": "", "changed": [], "gradient_problem": "", "values": 1,
                      "gradient": False}
            text = json.dumps({"kind": "answers", "name": NAMES[0], "printed": "",
                               "answers": [answer] * 2, "arrays": arrays}).encode()
            return struct.pack("<II", len(text), len(data)) + text + data
        shapes = ([-1], [2 ** 39, 2 ** 39], [2 ** 39, 0], [1.5], [True], ["1"], [None], [[1]],
                  [1] * 64, [10 ** 400], {"a": 1}, "ab", 7, [float("nan")])
        for kind in ("float64", "object", "U8", "datetime64", "V8", "O", 7, None):
            for shape in shapes:
                if random.random() < 0.05:
                    os.write(3, told([[kind, shape]] * 2, b"x" * 16))
        os.write(3, told([["float64", [2 ** 39, 0]], ["float64", [0] * 32]]))
        os.write(3, told([["float64", [2, 0.0]], ["float64", [0, 1e300]]]))
        return 0.0
        """,
    )


@kind(nothing=FIRST, right=REST)
def forged_gradient(sheet):
    """Hands back right values with a gradient of another shape than the input's."""
    inner = sheet.signature(sheet.first).replace(f"def {sheet.first}", "def solution")
    solved = sheet.copy().solve(sheet.first).answer_cell(sheet.first)["source"]
    sheet.solve().attack(FORGE, "values = []", solved.replace(sheet.signature(sheet.first), inner))
    given = sheet.arguments(sheet.first)
    sheet.answer(
        sheet.first,
        f"{sheet.signature(sheet.first)}\n"
        f"    values.append((np.asarray(solution({given})),))\n"
        f"    if len(values) == 3:\n"  # the first call of three is repeated for its gradient
        f"        tell(answers({sheet.first!r}, [values[0], values[2]], np.ones((3, 5, 7))))\n"
        f"        os._exit(0)\n"
        f"    return values[-1][0]\n",
    )


@kind(spared=ALL)
def forged_text(sheet):
    """Hands back texts with lone surrogates, of the wrong types, and places that are no places."""
    sheet.solve().attack(
        FORGE,
        """
        odd = "\\ud800\\x00</script>\\u202e"
        for place in range(9):
            for printed in (odd, {"a": [odd]}, 1e999, None, odd * 100_000):
                tell(frame({"kind": "cell", "place": place, "printed": printed, "error": odd,
                            "arrays": []}))
        tell(answers(NAMES[0], [(1,), (1,)], problem=odd, printed=odd))
        """,
    )


@kind(spared=ALL)
def forged_places(sheet):
    """Says that cells were begun whose places are fractions and truths, and ends."""
    sheet.solve().attack(
        FORGE,
        """
        for place in (1.0, True, [1], {"a": 1}, None, "1", 10 ** 400):
            header = {"kind": "start", "what": ["cell", place], "arrays": []}
            os.write(3, frame(header))
            if place == 1.0:
                os._exit(0)
        """,
    )


@kind(right=ALL)
def floods_every_descriptor(sheet):
    """Writes a huge length and then bytes without end to every open descriptor."""
    sheet.solve().attack(
        """
        import os
        for number in range(3, 256):
            try:
                os.set_blocking(number, False)
                os.write(number, b'\\xff' * 16 + b'\\x7f' * 2 ** 20)
            except OSError:
                pass
        while True:
            for number in range(3, 256):
                try:
                    os.write(number, b'x' * 2 ** 16)
                except OSError:
                    pass
        """
    )


@kind(right=ALL)
def closes_every_descriptor(sheet):
    """Closes every descriptor, those on which results are waited for among them."""
    sheet.solve().attack("import os\nos.closerange(0, 4096)\n")


@kind(right=ALL)
def reads_every_descriptor(sheet):
    """Reads what waits in every descriptor: orders for the next submission, say."""
    sheet.solve().attack(
        """
        import os, re
        for number in range(3, 256):
            try:
                os.set_blocking(number, False)
                data = os.read(number, 2 ** 24)
                print(number, len(data))
                for hit in set(re.findall(rb'canary-[0-9a-f]{16}', data)):
                    print('FOUND', hit.decode())
            except OSError:
                pass
        """
    )


@kind(nothing=ALL)
def forged_result_files(sheet):
    """Puts files of results, arrays with objects in them, and links, wherever it may write."""
    sheet.cheat(
        FORGE,
        """
        import tempfile
        class Evil:
            def __reduce__(self):
                return os.mkdir, (PLACES['canary'] + '/unpickled',)
        folders = ['.', '..', tempfile.gettempdir(), '/tmp', '/dev/shm', os.path.expanduser('~')]
        folders += [os.path.join(f, d) for f in folders for d in ('out', 'results', 'result')]
        for folder in folders:
            for name in (*exercises, {'name': 'result'}, {'name': 'results'}):
                stem = os.path.join(folder, name['name'])
                try:
                    open(stem + '.json', 'wb').write(text)
                    np.save(stem + '.npy', np.array([Evil()], dtype=object), allow_pickle=True)
                    np.savez(stem + '.npz', values=np.array([Evil()], dtype=object))
                    os.symlink(PLACES['source'] + '/exercises.py', stem)
                    os.symlink('/etc/passwd', stem + '.txt')
                except OSError as error:
                    print(error)
        def cheat(name, *given):
            return np.zeros(3)
        """,
    )


# Objects as results


def returns(sheet, lines):
    """All answers return the object `result` that some lines make."""
    sheet.cheat("def cheat(name, *given):\n" + "".join(f"    {line}\n" for line in lines))


@kind(nothing=ALL)
def equal_to_everything(sheet):
    """Answers are objects that say yes to every question."""
    returns(
        sheet,
        [
            "class Yes:",
            "    shape, dtype, ndim, size = given[0].shape, given[0].dtype, given[0].ndim, 1",
            "    def __eq__(self, other): return True",
            "    def __ne__(self, other): return False",
            "    __le__ = __ge__ = __lt__ = __gt__ = __eq__",
            "    def __bool__(self): return True",
            "    def __hash__(self): return 0",
            "    def __sub__(self, other): return 0.0",
            "    __rsub__ = __add__ = __radd__ = __mul__ = __rmul__ = __sub__",
            "    def __float__(self): return 0.0",
            "    def all(self, *_, **__): return True",
            "    def astype(self, *_, **__): return self",
            "return Yes()",
        ],
    )


@kind(nothing=ALL)
def lying_arrays(sheet):
    """Answers are a subclass of the array that answers NumPy's questions itself."""
    returns(
        sheet,
        [
            "class Liar(np.ndarray):",
            "    def __array_ufunc__(self, *_, **__): return True",
            "    def __array_function__(self, *_, **__): return True",
            "    def __eq__(self, other): return True",
            "    def astype(self, *_, **__): return self",
            "    def tobytes(self, *_): return b''",
            "    shape = property(lambda self: given[0].shape)",
            "return np.zeros(3).view(Liar)",
        ],
    )


@kind(nothing=ALL)
def arrays_made_on_request(sheet):
    """Answers make another array each time they are asked for one."""
    returns(
        sheet,
        [
            "class Many:",
            "    n = 0",
            "    def __array__(self, dtype=None, copy=None):",
            "        self.n += 1",
            "        return np.full(given[0].shape, self.n, 'float32')",
            "    def __len__(self): return -1",
            "    def __getitem__(self, i): return self",
            "return Many()",
        ],
    )


@kind(nothing=FIRST, right=REST)
def array_that_never_comes(sheet):
    """An answer whose conversion to an array never ends."""
    sheet.solve().attack_in(
        sheet.first,
        """
        class Never:
            def __array__(self, dtype=None, copy=None):
                while True:
                    pass
        return Never()
        """,
    )


@kind(nothing=ALL)
def objects_that_raise(sheet):
    """Answers raise at every question, their class and length included."""
    returns(
        sheet,
        [
            "def broken(*_, **__): raise RuntimeError(name)",
            "class Broken:",
            "    __class__ = property(broken)",
            "    __eq__ = __len__ = __repr__ = __str__ = __array__ = __iter__ = broken",
            "    __getattr__ = __getattribute__ = __bool__ = __hash__ = __float__ = broken",
            "return Broken()",
        ],
    )


@kind(nothing=ALL)
def pickles(sheet):
    """Answers are arrays of objects that act when they are unpickled."""
    returns(
        sheet,
        [
            "import os",
            "class Evil:",
            "    def __reduce__(self):",
            "        return os.mkdir, (PLACES['canary'] + '/unpickled',)",
            "return np.array([Evil()] * 3, dtype=object)",
        ],
    )


@kind(nothing=FIRST, right=REST)
def huge_array_of_one_number(sheet):
    """An answer of 80 GB that takes 8 bytes, until somebody copies it."""
    sheet.solve().attack_in(sheet.first, "return np.broadcast_to(0.5, (10 ** 5, 10 ** 5))\n")


@kind(nothing=FIRST, right=REST)
def huge_array_by_strides(sheet):
    """An answer of strides 0, with 10^18 numbers."""
    sheet.solve().attack_in(
        sheet.first,
        "return np.lib.stride_tricks.as_strided(np.zeros(1), (10 ** 9, 10 ** 9), (0, 0))\n",
    )


@kind(nothing=FIRST, right=REST)
def array_outside_its_memory(sheet):
    """An answer that points outside its memory."""
    sheet.solve().attack_in(
        sheet.first,
        "return np.lib.stride_tricks.as_strided(np.zeros(1), (1000,), (10 ** 9,))\n",
    )


@kind(nothing=FIRST, right=REST)
def large_array(sheet):
    """An answer of 400 MB that is really there."""
    sheet.solve().attack_in(sheet.first, "return np.random.rand(5 * 10 ** 7)\n")


@kind(nothing=FIRST, right=REST)
def a_million_outputs(sheet):
    """An answer of a million arrays."""
    sheet.solve().attack_in(sheet.first, "return (np.zeros(1),) * 10 ** 6\n")


@kind(nothing=ALL)
def endless_sequences(sheet):
    """Answers are lists that hold themselves, tuples without end, counters."""
    returns(
        sheet,
        [
            "import itertools",
            "class Endless(tuple):",
            "    def __iter__(self): return itertools.count()",
            "    def __len__(self): return 2 ** 62",
            "own = []",
            "own.append(own)",
            f"return {{{sheet.first!r}: Endless((1,)), {sheet.names[-1]!r}: itertools.count()}}"
            ".get(name, own)",
        ],
    )


@kind(nothing=ALL)
def not_a_number(sheet):
    """Answers of NaN and infinities, which compare with nothing."""
    sheet.cheat(
        """
        def cheat(name, *given):
            fill = np.nan if NAMES.index(name) % 2 else np.inf
            return np.full(given[0].shape[: 1 + len(name) % 2], fill)
        """
    )


@kind(nothing=ALL)
def odd_types(sheet):
    """Answers of text, dates, records, complex and enormous numbers."""
    sheet.cheat(
        """
        odd = [
            np.array(["1.0", "\\ud800"]),
            np.array(["2026-01-01"], "datetime64[D]"),
            np.zeros(3, [("a", "f8"), ("<script>", "O")]),
            np.full(3, 1 + 1j),
            10 ** 5000,
            np.zeros(3, "longdouble"),
            memoryview(b"abc"),
        ]
        def cheat(name, *given):
            return odd[NAMES.index(name) % len(odd)]
        """
    )


@kind(nothing=FIRST, right=REST)
def function_that_deceives(sheet):
    """An answer with a false signature and itself for what it wraps, which raises."""
    deceiver = """
        class Deceiver:
            __signature__ = property(lambda self: self.loop())
            __code__ = property(lambda self: self)
            __wrapped__ = property(lambda self: self)
            __name__ = property(lambda self: 1 / 0)
            def loop(self):
                while True:
                    pass
            def __call__(self, *given):
                raise ValueError("deceived")
        """
    sheet.solve().answer(sheet.first, f"{dedent(deceiver)}{sheet.first} = Deceiver()\n")


@kind(nothing=FIRST, right=REST)
def traps_among_the_names(sheet):
    """The globals in which answers are looked up hold names that raise when they are compared."""
    sheet.solve().attack(
        """
        class Trap(str):
            def __eq__(self, other):
                raise RuntimeError("trap")
            def __hash__(self):
                return hash(NAMES[0])
        globals()[Trap("trap")] = 1
        """
    )
    sheet.answer(sheet.first, f"{sheet.first} = 5\n")


@kind(nothing=ALL)
def changes_its_inputs(sheet):
    """Answers overwrite their inputs, and what these are views of, and return them."""
    sheet.cheat(
        """
        def cheat(name, *given):
            array = given[0]
            while array is not None:
                if isinstance(array, np.ndarray):
                    array.setflags(write=True)
                    array[...] = 0
                array = getattr(array, 'base', None)
            return given[0]
        """
    )


# Pictures


@kind(right=ALL)
def thousand_figures(sheet):
    """Draws a thousand figures."""
    sheet.solve().attack(
        """
        import matplotlib.pyplot as plt
        for i in range(1000):
            plt.figure(figsize=(1, 1))
            plt.plot([0, i])
        plt.show()
        """,
        before="end",
    )


@kind(right=ALL)
def huge_figure(sheet):
    """Draws a figure of 50,000 by 50,000 pixels."""
    sheet.solve().attack(
        """
        import matplotlib.pyplot as plt
        plt.figure(figsize=(500, 500), dpi=100)
        plt.plot([0, 1])
        plt.show()
        """,
        before="end",
    )


@kind(right=ALL)
def pictures_that_are_none(sheet):
    """Shows pictures that are no pictures: markup, one that unpacks to gigabytes, scripts."""
    size = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n"
    for name, data in ((b"IHDR", size), (b"IDAT", zlib.compress(bytes(10**7))), (b"IEND", b"")):
        crc = zlib.crc32(name + data)
        png += struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)
    sheet.solve().attack(
        f"bomb = {base64.b64encode(png).decode()!r}",
        """
        import base64
        from IPython.display import SVG, Image, display
        display(Image(data=base64.b64decode(bomb), format="png"))
        display(Image(data=b"\\x89PNG\\r\\n\\x1a\\n no picture", format="png"))
        display({"image/png": "'\\"><script>alert(1)</script>"}, raw=True)
        display({"image/png": "A" * 30_000_000}, raw=True)
        display({"image/png": 17}, raw=True)
        display(SVG("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"))
        """,
        before="end",
    )


@kind(right=ALL)
def broken_pictures(sheet):
    """Replaces matplotlib's drawing by something that raises and returns no picture."""
    sheet.solve().attack(
        """
        import matplotlib.pyplot as plt
        from matplotlib.figure import Figure
        def broken(*_, **__):
            raise RuntimeError('broken')
        plt.figure()
        Figure.savefig = plt.savefig = plt.show = plt.close = plt.get_fignums = broken
        """
    )


# The notebook's cells


@kind(right=ALL)
def duplicated_cells(sheet):
    """Answer cells stand there twice, with the same ids: a wrong one, then the right one."""
    sheet.solve()
    for name in sheet.names:
        at = sheet.cells.index(sheet.answer_cell(name))
        wrong = {**sheet.cells[at], "source": f"{sheet.signature(name)}\n    return 0\n"}
        sheet.cells.insert(at, wrong)


@kind(right=ALL)
def duplicated_notebook(sheet):
    """Every cell stands there twice, blank the second time."""
    blank = [dict(cell) for cell in sheet.cells]
    sheet.solve()
    sheet.cells = sheet.cells + blank


@kind(nothing=FIRST, right=REST)
def deleted_answer(sheet):
    """An answer cell is deleted, and all checks."""
    sheet.solve()
    gone = [sheet.answer_cell(sheet.first), *(sheet.check_cell(name) for name in sheet.names)]
    sheet.cells = [cell for cell in sheet.cells if cell not in gone]


@kind(right=ALL)
def deleted_locked_cells(sheet):
    """All but the answers is deleted, the imports included."""
    sheet.solve()
    kept = [sheet.answer_cell(name) for name in sheet.names]
    sheet.cells = [cell for cell in sheet.cells if cell in kept]


@kind(nothing=ALL)
def edited_checks(sheet):
    """The checks are edited to say yes; the answers are wrong."""
    for name in sheet.names:
        sheet.answer(name, f"{sheet.signature(name)}\n    return 0.0\n")
        sheet.check_cell(name)["source"] = f'print("✓ {name}")\nck.check = print\n'
        sheet.check_cell(name)["outputs"] = [
            {"output_type": "stream", "name": "stdout", "text": [f"✓ {name}"]}
        ]


@kind(right=ALL)
def attack_in_a_check(sheet):
    """A check is replaced by an attack; the answers are right."""
    sheet.solve().check_cell(sheet.first)["source"] = "import os\nos._exit(0)\n"


@kind(right=ALL)
def attack_in_the_imports(sheet):
    """The locked first cell is replaced by an attack."""
    sheet.solve().cell("setup")["source"] = "import os\nos._exit(0)\n"


@kind(right=ALL)
def renamed_cells(sheet):
    """Every cell has another id, as after copying into another program, and no metadata."""
    sheet.solve()
    for i, cell in enumerate(sheet.cells):
        cell["id"], cell["metadata"] = f"{i:08x}", {}


@kind(right=ALL)
def stripped_metadata(sheet):
    """No cell has metadata or an id, as nbformat 4.4 and some converters leave it."""
    sheet.solve()
    for cell in sheet.cells:
        del cell["id"]
        cell["metadata"] = {}
    sheet.notebook |= {"nbformat_minor": 4, "metadata": {}}


@kind(right=ALL)
def reordered_cells(sheet):
    """The cells stand in the opposite order."""
    sheet.solve().cells.reverse()


@kind(right=ALL)
def one_id_for_all(sheet):
    """All cells have the id and the grade_id of the first exercise's check."""
    sheet.solve()
    check = sheet.check_cell(sheet.first)
    for cell in sheet.cells:
        cell["id"] = check["id"]
        cell["metadata"] = {"nbgrader": dict(check["metadata"]["nbgrader"])}


@kind(right=ALL)
def exchanged_ids(sheet):
    """Two answers stand in each other's cell."""
    one, two = sheet.names[:2]
    sheet.solve()
    first, second = sheet.answer_cell(one), sheet.answer_cell(two)
    first["source"], second["source"] = second["source"], first["source"]


@kind(nothing=ALL)
def more_points(sheet):
    """The metadata say a thousand points, for answers that are wrong; and name another student."""
    for name in sheet.names:
        sheet.answer(name, f"{sheet.signature(name)}\n    return 0.0\n")
        sheet.check_cell(name)["metadata"]["nbgrader"] |= {"points": 1000, "grade": True}
    sheet.notebook["metadata"] |= {"student": "other", "points": 1000, "score": 1000}


@kind(nothing=FIRST, right=REST)
def syntax_errors(sheet):
    """An answer that does not parse, an own cell that does not, and one with broken indents."""
    sheet.solve().answer(sheet.first, f"{sheet.signature(sheet.first)}\nreturn (\n")
    sheet.own("def :\n").own("""
        if True:
        \tx = 1
                y = 2
        """).own("x = '\x00'\n")


@kind(right=ALL)
def magics_and_shell_lines(sheet):
    """Lines for IPython and the shell, which reach for the network and the disk."""
    sheet.solve().attack(
        """
        %matplotlib inline
        %timeit -n1 -r1 1 + 1
        !cat /etc/passwd | head -1
        !touch {PLACES['canary']}/shell
        files = !ls
        %env
        %pwd
        """
    )
    sheet.own("%%bash\nsleep 0.1; echo done\n").own("%%javascript\nalert(1)\n")
    sheet.own("%load_ext autoreload\n%autoreload 2\n").own("""
        %reset -f in out
        ?print
        print??
        """)
    sheet.own("%%timeit -n1 -r1\n1 + 1\n").own("%pip --version\n").own("%no_such_magic\n")


@kind(right=ALL)
def input_is_asked_for(sheet):
    """Cells wait for somebody to type, or for a debugger's orders."""
    sheet.solve().attack("name = input('Your name? ')\n").own("import pdb\npdb.set_trace()\n")
    sheet.own("breakpoint()\n").own("import sys\nsys.stdin.readline()\n")


@kind(spared=ALL)
def twenty_thousand_cells(sheet):
    """The notebook has 20,000 cells more."""
    sheet.solve()
    filler = [
        {
            "cell_type": "code",
            "id": f"filler{i}",
            "metadata": {},
            "source": f"filler = {i}",
            "execution_count": None,
            "outputs": [],
        }
        for i in range(20_000)
    ]
    at = sheet.index("setup") + 1
    sheet.cells = sheet.cells[:at] + filler + sheet.cells[at:]


@kind(spared=ALL)
def source_that_parsers_choke_on(sheet):
    """Cells nested too deep for a parser, one of 10 MB, one line of a million terms."""
    sheet.solve().own("(" * 5000 + ")" * 5000 + "\n").own("x = " + "-" * 150_000 + "1\n")
    sheet.own("x = " + "[" * 90 + "]" * 90 + "\n").own("# " + "x" * 10_000_000 + "\n")
    sheet.own("x = " + " + ".join(["1"] * 60_000) + "\n")
    sheet.own("x" + ".x" * 90_000 + "\n").own("lambda: " * 20_000 + "0\n")


@kind(right=ALL)
def source_that_takes_long_to_colour(sheet):
    """A megabyte of brackets and signs, each a token of its own where source is highlighted."""
    sheet.solve()
    for sign in ("[(", "%", "=->", "{!r:", "`["):
        for _ in range(10):
            sheet.own(sign * (20_000 // len(sign)) + "\n")


@kind(spared=ALL)
def source_that_takes_the_compiler_long(sheet):
    """A constant that the compiler might compute, and a pattern match of many cases."""
    sheet.solve().attack("x = (((2 ** 100) ** 100) ** 100) ** 100 % 7\ny = 'a' * 10 ** 10\n")


# Files


@kind(stopped=ALL)
def not_json(sheet):
    """The file is no JSON but a text."""
    return b"Dear assistant, here is my homework.\n"


@kind(stopped=ALL)
def empty_file(sheet):
    """The file is empty."""
    return b""


@kind(stopped=ALL)
def truncated(sheet):
    """The upload broke off half-way."""
    content = sheet.solve().content()
    return content[: len(content) // 2]


@kind(stopped=ALL)
def a_picture(sheet):
    """Random bytes with a notebook's name."""
    return b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 100


@kind(stopped=ALL)
def a_web_page(sheet):
    """The notebook exported as a web page, with a notebook's name."""
    return b"<!DOCTYPE html><html><script>alert(1)</script></html>"


@kind(right=ALL)
def saved_as_utf_16(sheet):
    """The file is UTF-16."""
    return sheet.solve().content("utf-16")


@kind(right=ALL)
def saved_as_latin_1(sheet):
    """The file is Latin-1, with letters that UTF-8 reads otherwise."""
    sheet.solve().own("# Grüße, œuvre\n")
    for cell in sheet.cells:
        cell["source"] = "".join(cell["source"]).replace("✓", "ok").replace("−", "-")
    return json.dumps(sheet.notebook, ensure_ascii=False).encode("cp1252", errors="replace")


@kind(right=ALL)
def byte_order_mark(sheet):
    """The file begins with a byte order mark."""
    return sheet.solve().content("utf-8-sig")


@kind(right=ALL)
def surrogates_in_the_file(sheet):
    """A lone surrogate stands escaped in the file, as some browsers save it."""
    sheet.solve().own("half = 'a \ud83d of a smiley'\n")
    sheet.cell("written-answer")["source"] = "half \ud83d a smiley"
    return json.dumps(sheet.notebook).encode()


@kind(stopped=ALL)
def another_language(sheet):
    """The kernel is R's."""
    sheet.solve().notebook["metadata"] = {
        "kernelspec": {"display_name": "R", "language": "R", "name": "ir"},
        "language_info": {"name": "R"},
    }


@kind(right=ALL)
def another_kernel_name(sheet):
    """The kernel is Python, but has a name that this machine does not know."""
    sheet.solve().notebook["metadata"]["kernelspec"] = {
        "display_name": "<b>mine</b>",
        "language": "python",
        "name": "../../evil",
    }


@kind(right=ALL)
def old_format(sheet):
    """The notebook is in format 3, as IPython saved it in 2014."""
    sheet.solve()
    cells = []
    for cell in sheet.cells:
        if cell["cell_type"] == "code":
            code = {"input": "".join(cell["source"]), "language": "python", "outputs": []}
            cells.append({"cell_type": "code", "metadata": cell["metadata"], **code})
        else:
            kept = {key: cell[key] for key in ("cell_type", "metadata", "source")}
            cells.append(kept)
    old = {"metadata": {"name": ""}, "nbformat": 3, "nbformat_minor": 0}
    return json.dumps(old | {"worksheets": [{"cells": cells, "metadata": {}}]}).encode()


@kind(spared=ALL)
def format_of_the_future(sheet):
    """The notebook says it is in format 99."""
    sheet.solve().notebook["nbformat"] = 99


@kind(stopped=ALL)
def deeply_nested(sheet):
    """JSON of a hundred thousand brackets."""
    return b'{"cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@kind(spared=ALL)
def deeply_nested_metadata(sheet):
    """A right notebook with metadata nested to the parser's limit."""
    deep = "[" * 900 + "]" * 900
    return sheet.solve().content().replace(b'"metadata": {}', f'"metadata": {deep}'.encode(), 1)


@kind(spared=ALL)
def huge_number(sheet):
    """An execution count with more digits than Python converts."""
    content = sheet.solve().content()
    return content.replace(b'"execution_count": null', b'"execution_count": ' + b"9" * 10_000, 1)


@kind(stopped=ALL)
def cells_that_are_none(sheet):
    """The cells are numbers, null and lists."""
    return b'{"cells": [null, 5, [], {}, "x"], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'


@kind(stopped=ALL)
def no_notebook(sheet):
    """JSON, but a list."""
    return b"[1, 2, 3]"


@kind(spared=ALL)
def wrong_types(sheet):
    """A right notebook whose other fields hold the wrong types throughout."""
    sheet.solve()
    for i, cell in enumerate(sheet.cells):
        if cell["cell_type"] == "markdown":
            cell |= {"id": i, "metadata": [1], "attachments": 7}
        else:
            cell |= {"outputs": {"a": 1}, "execution_count": "x"}
    sheet.notebook |= {"metadata": None, "nbformat_minor": "five"}


@kind(right=ALL)
def megabytes_of_attachments(sheet):
    """A text cell with 60 MB attached, and an id of a megabyte."""
    sheet.solve().own("A picture", kind="markdown")
    cell = next(cell for cell in sheet.cells if cell["source"] == "A picture")
    cell |= {"attachments": {"a.png": {"image/png": "A" * 60_000_000}}, "id": "i" * 1_000_000}


@kind(stopped=ALL)
def too_large(sheet):
    """A file of 110 MB."""
    return sheet.solve().content() + b" " * 110_000_000


def packed(members, **options):
    """A zip's bytes, from a dict of names and contents."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED, **options)
    return buffer.getvalue()


@kind(stopped=ALL)
def zip_bomb(sheet):
    """A megabyte that unpacks to 300."""
    return {".zip": packed({"homework.ipynb": b" " * 300_000_000})}


@kind(stopped=ALL)
def zip_that_lies_about_its_size(sheet):
    """A member that says it has a hundred bytes and unpacks to 300 MB."""
    size = struct.pack("<I", 300_000_000)
    content = packed({"homework.ipynb": b" " * 300_000_000})
    return {".zip": content.replace(size, struct.pack("<I", 100))}


@kind(stopped=ALL)
def zip_in_a_zip(sheet):
    """An archive in an archive in an archive."""
    content = sheet.solve().content()
    for name in ("homework.ipynb", "inner.zip", "middle.zip"):
        content = packed({name: content})
    return {".zip": content}


@kind(spared=ALL)
def zip_with_paths_outside(sheet):
    """Members with absolute paths and paths upwards."""
    content = sheet.solve().content()
    names = ("../../../outside.ipynb", "/tmp/outside.ipynb", "..\\..\\outside.ipynb")
    return {".zip": packed(dict.fromkeys((*names, "homework.ipynb"), content))}


@kind(spared=ALL)
def zip_with_a_link(sheet):
    """A member that is a symbolic link to another student's work, beside the notebook."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("link.ipynb")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, sheet.places.peer)
        archive.writestr("homework.ipynb", sheet.solve().content())
    return {".zip": buffer.getvalue()}


@kind(stopped=ALL)
def zip_with_many_members(sheet):
    """An archive of 20,000 members."""
    return {".zip": packed({f"{i}.ipynb": b"{}" for i in range(20_000)})}


@kind(stopped=ALL)
def locked_zip(sheet):
    """An archive that asks for a password."""
    content = bytearray(packed({"homework.ipynb": sheet.solve().content()}))
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + at] |= 1
    return {".zip": bytes(content)}


@kind(stopped=ALL)
def broken_zip(sheet):
    """Half an archive."""
    content = packed({"homework.ipynb": sheet.solve().content()})
    return {".zip": content[: len(content) // 2]}


@kind(stopped=ALL)
def damaged_zip(sheet):
    """An archive whose bytes were damaged on the way."""
    content = bytearray(packed({"homework.ipynb": sheet.solve().content()}))
    content[len(content) // 3 : len(content) // 3 + 50] = bytes(50)
    return {".zip": bytes(content)}


@kind(right=ALL)
def honest_zip(sheet):
    """The notebook in a zip made on a Mac, with all that this adds."""
    noise = {
        f"{sheet.folder.name}/.DS_Store": b"x",
        f"__MACOSX/{sheet.folder.name}/._a.ipynb": b"x",
    }
    name = f"{sheet.folder.name}/{sheet.folder.name} (1).ipynb"
    return {".zip": packed({**noise, name: sheet.solve().content()})}


@kind(stopped=ALL)
def named_pipe(sheet):
    """A named pipe: whoever opens it waits for ever."""
    return {".ipynb": Pipe()}


@kind(stopped=ALL)
def link_to_a_system_file(sheet):
    """A symbolic link to /etc/passwd."""
    return {".ipynb": Link("/etc/passwd")}


@kind(stopped=ALL)
def link_to_another_student(sheet):
    """A symbolic link to another student's work."""
    return {".ipynb": Link(sheet.places.peer)}


@kind(stopped=ALL)
def folder_that_is_a_link(sheet):
    """The student's folder is a link to the whole inbox."""
    return {"": Link(sheet.places.inbox)}


@kind(stopped=ALL)
def link_in_a_folder(sheet):
    """The notebook in the student's folder is a link to the solutions."""
    return {f"/{sheet.folder.name}.ipynb": Link(f"{sheet.places.source}/{sheet.folder.name}.ipynb")}


@kind(stopped=ALL)
def endless_device(sheet):
    """A symbolic link to /dev/zero."""
    return {".ipynb": Link("/dev/zero")}


@kind(stopped=ALL)
def folder_with_a_notebooks_name(sheet):
    """An empty folder named like a notebook."""
    return {".ipynb": Folder()}


@kind(stopped=ALL)
def handed_in_twice(sheet):
    """Two different submissions under one name."""
    other = sheet.copy().solve(sheet.first)
    sheet.solve()
    return {"/a.ipynb": sheet.content(), ".zip": packed({"b.ipynb": other.content()})}


@kind(right=ALL)
def two_versions(sheet):
    """A folder with a blank notebook, one half done and the finished one, and other files."""
    blank, half = sheet.content(), sheet.copy().solve(sheet.first).content()
    return {
        f"/{sheet.folder.name}.ipynb": blank,
        f"/{sheet.folder.name} (1).ipynb": half,
        "/final/final-FINAL.ipynb": sheet.solve().content(),
        f"/.ipynb_checkpoints/{sheet.folder.name}-checkpoint.ipynb": half,
        "/notes.txt": b"some notes",
        "/picture.png": b"\x89PNG",
    }


@kind(stopped=ALL)
def name_that_is_a_formula(sheet):
    """The student's name is a spreadsheet's formula."""
    sheet.student = "=cmd|' calc'!A0"
    sheet.solve()


@kind(stopped=ALL)
def name_that_is_markup(sheet):
    """The student's name is markup."""
    sheet.student = "<img src=x onerror=alert(1)>"
    sheet.solve()


@kind(stopped=ALL)
def name_that_is_an_option(sheet):
    """The student's name is a command's option."""
    sheet.student = "--help"
    sheet.solve()


@kind(stopped=ALL)
def name_with_a_line_break(sheet):
    """The student's name has a line break, and would be two rows of a table."""
    sheet.student = "anna,20\nberta"
    sheet.solve()


@kind(stopped=ALL)
def name_that_is_not_text(sheet):
    """The file's name is not UTF-8."""
    sheet.student = b"caf\xe9".decode("utf-8", errors="surrogateescape")
    sheet.solve()


@kind(stopped=ALL)
def name_that_reads_backwards(sheet):
    """The student's name turns the direction of what is read."""
    sheet.student = "anna\u202egnp.exe"
    sheet.solve()
