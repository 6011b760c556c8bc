"""Submissions that start, end, stop and kill processes."""

from tests.grader.hostile._kinds import kind
from tools.sheets import ALL, FIRST, REST


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
