"""The process that has imported TensorFlow once; each submission's process is a fork of it.

It holds no solution, no expected value and no byte of any submission: a fork could find it, and
reads its own job from a descriptor. It computes nothing: a fork could not use TensorFlow after its
parent has. `runner` starts it and tells it when to fork.
"""

import contextlib
import ctypes
import functools
import gc
import io
import os
import pickle
import resource
import shutil
import signal
import socket
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection

import matplotlib.pyplot as plt
import numpy as np
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from matplotlib.figure import Figure
from traitlets.config import Config

import coursekit
from coursekit.checks import calls
from grader import lacks, messages, sandbox, seccomp

__all__ = ["main"]

_PIPE = 3  # the descriptor through which a submission's process hands back its results
_PICTURES, _PICTURE = 30, 400_000  # how many of a submission are kept, and bytes of each
_PR_SET_PDEATHSIG = 1
# Magics of Jupyter's kernel, about the screen.
_JUPYTER = ("autosave", "clear", "cls", "connect_info", "edit", "less", "man", "more", "qtconsole")


def main(descriptor: int) -> None:
    """Fork whenever a job comes through the socket, until it is closed or the grader has ended.

    The working folder, which is this process's own, goes with it.
    """
    folder = os.getcwd()

    def leave(*_):
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)

    signal.signal(signal.SIGTERM, leave)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    with contextlib.suppress(OSError):  # the grader's end of the socket is gone
        _serve(descriptor)
    leave()


def _serve(descriptor):
    gc.collect()
    gc.freeze()  # else a collection in a fork would copy every page
    channel = socket.socket(fileno=descriptor)
    connection = Connection(os.dup(descriptor))
    connection.send("ready")
    while True:
        _, descriptors, _, _ = socket.recv_fds(channel, 1, 4)
        if not descriptors:
            return
        child = os.fork()
        if child == 0:
            status = 1
            try:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                channel.close()
                connection.close()
                pipe, job, *doors = descriptors
                for door in doors:  # before there is anything of a submission in memory
                    os.write(door, b"0")
                    os.close(door)
                with os.fdopen(job, "rb") as file:
                    job = pickle.load(file)
                status = _enter(job, pipe)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        for descriptor in descriptors:
            os.close(descriptor)
        connection.send(child)
        connection.send(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _enter(job, pipe):
    """Join the sandbox and work there; the status to exit with."""
    if job["init"] is not None:
        score = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        try:
            sandbox.join(job["init"])
        except OSError:
            return sandbox.KEPT_OUT
        # Only children of the process that joins are in the sandbox's process namespace.
        os.write(score, b"1000")
        child = os.fork()
        if child:
            # Where memory runs out the child goes first: this process has to see it off.
            os.write(score, b"0")
            os.close(pipe)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            status = status if status >= 0 else 128 - status
            return 1 if status == sandbox.KEPT_OUT else status  # it had come in
    os.setsid()
    nothing = os.open("/dev/null", os.O_RDWR)
    pipe = os.dup2(pipe, 100)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.dup2(pipe, _PIPE)
    os.closerange(_PIPE + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    sandbox.confine(job["limits"])
    if job["init"] is not None:
        seccomp.load()
    os.chdir(job["folder"])
    os.environ["HOME"] = os.environ["IPYTHONDIR"] = job["folder"]
    os.environ["USER"] = os.environ["LOGNAME"] = "student"
    sys.argv[:] = ["notebook"]
    _work(job)
    return 0


def _work(job):
    """Run the cells, call the functions, and tell of each before and after."""
    sys.path.insert(0, "")  # as in a notebook: what is written beside it can be imported
    for name, content in job["files"].items():
        with open(name, "wb") as file:
            file.write(content)
    notebook = _Notebook(job["limits"])
    questions = {name: asked for name, *asked in job["questions"]}

    def ask(functions, name, when):
        if name in questions:
            _ask(functions, name, when, questions[name], job)

    for place, source in job["cells"]:
        messages.send(_PIPE, {"kind": "start", "what": ["cell", place]})
        with _asking_too(ask, place):
            told, pictures = notebook.run(source)
        messages.send(_PIPE, {"kind": "cell", "place": place} | told, pictures)
        ask(notebook.namespace, job["checks"].get(place), place)
    for name in questions:
        ask(notebook.namespace, name, "end")
    messages.send(_PIPE, {"kind": "done"})


@contextlib.contextmanager
def _asking_too(ask, place):
    """Whatever function a cell's own call of `check` finds right is asked, too, at once."""
    check, asking = coursekit.check, []

    @functools.wraps(check)
    def checking(name, function):
        check(name, function)
        if asking or threading.current_thread() is not threading.main_thread():
            return
        asking.append(name)
        left = signal.setitimer(signal.ITIMER_PROF, 0)  # what it takes is not the cell's time
        try:
            ask({name: function}, str(name), place)
            messages.send(_PIPE, {"kind": "start", "what": ["cell", place]})
        finally:
            asking.clear()
            signal.setitimer(signal.ITIMER_PROF, *left)

    coursekit.check = coursekit.checks.check = checking
    try:
        yield
    finally:
        coursekit.check = coursekit.checks.check = check


def _ask(functions, name, when, asked, job):
    """Call one function, if there is one by that name, and hand back what it returned."""
    if (name, when) in job["answered"]:
        return
    messages.send(_PIPE, {"kind": "start", "what": ["function", name]})
    if name in functions:
        seconds = job["limits"].function
        given, printed = calls.collect(
            functions[name], *asked, seconds, clock=time.process_time, is_cut=lacks.is_outside
        )
    else:
        given, printed = [calls.Answer(problem="is not defined.")] * len(asked[1]), ""
    told, arrays = messages.packed(given)
    header = {"kind": "answers", "name": name, "when": when, "answers": told, "printed": printed}
    messages.send(_PIPE, header, arrays)


class _Notebook:
    """An IPython in which cells run as in a notebook; what they show is kept."""

    def __init__(self, limits):
        self._limits, self._shown, self._pictures = limits, [], 0
        config = Config()
        config.HistoryManager.enabled = False
        config.InteractiveShell.colors = "NoColor"
        self._shell = _Shell.instance(config=config)
        self._shell.show = self._show
        formatters = self._shell.display_formatter.formatters
        formatters["image/png"].for_type(Figure, _png)
        self.namespace = self._shell.user_ns
        for name in _JUPYTER:
            self._shell.register_magic_function(lambda line: None, magic_name=name)
        signal.signal(signal.SIGPROF, _stop)

    def run(self, source):
        """What a cell printed and raised, as a dict, and its pictures as bytes."""
        sink, self._shown, error = calls.Sink(), [], None
        try:
            with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(io.StringIO()):
                signal.setitimer(signal.ITIMER_PROF, self._limits.cell)
                result = self._shell.run_cell(source, store_history=True)  # it numbers `Out`
                for number in plt.get_fignums():
                    self._show({"image/png": _png(plt.figure(number))})
            error = result.error_before_exec or result.error_in_exec
        except BaseException as stopped:  # raised by what the cell leaves behind
            error = stopped
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            plt.close("all")
        pictures = [np.frombuffer(picture, "uint8") for picture in self._shown]
        told = {"error": self._told(error) if error else "", "cut": lacks.is_outside(error)}
        return {"printed": sink.getvalue(), **told}, pictures

    def _show(self, data):
        picture, text = data.get("image/png"), data.get("text/plain")
        if isinstance(picture, bytes):
            if self._pictures < _PICTURES and len(picture) <= _PICTURE:
                self._pictures += 1
                self._shown.append(picture)
        elif isinstance(text, str):
            print(text)

    def _told(self, error):
        if isinstance(error, calls.Stopped):
            return f"Stopped after {self._limits.cell:g} seconds."
        if isinstance(error, calls.TooMuch):
            return f"Stopped: it printed more than {calls.CHARACTERS:,} characters."
        line, trace = "", error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_globals is self.namespace:
                line = f" (line {trace.tb_lineno})"
            trace = trace.tb_next
        name = type(error).__name__
        if isinstance(error, SyntaxError):
            return f"{name} (line {error.lineno}): {error.msg}"[:500]
        try:
            return f"{name}{line}: {str(error)[:500]}"
        except Exception:
            return f"{name}{line}"


class _Hook(DisplayHook):
    """Keeps a cell's last value."""

    def __call__(self, result=None):
        if result is not None:
            self.update_user_ns(result)
            self.shell.show(self.shell.display_formatter.format(result)[0])


class _Publisher(DisplayPublisher):
    """Keeps what `display` is called with."""

    def publish(self, data, *_, **__):
        self.shell.show(data)


class _Shell(InteractiveShell):
    displayhook_class = _Hook
    display_pub_class = _Publisher

    def showtraceback(self, *_, **__):
        """The error is told, once, by `_Notebook`."""

    showsyntaxerror = showindentationerror = showtraceback

    def enable_matplotlib(self, gui=None):
        """`%matplotlib inline` has nothing to do here: figures are kept as they are."""
        return gui, "agg"


def _png(figure):
    """A figure as bytes, or None if it is larger than any page."""
    width, height = figure.get_size_inches()
    if width * height > 1_000:
        return None
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=72, bbox_inches="tight")
    return buffer.getvalue()


def _stop(*_):
    if threading.current_thread() is threading.main_thread():
        raise calls.Stopped
