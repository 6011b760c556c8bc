"""Submissions that never end, or slow the grader down."""

from tests.grader.hostile._kinds import kind
from tools.sheets import ALL, FIRST, REST


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
