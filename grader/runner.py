"""Run a submission in a sandbox, under limits, and take what it hands back.

A cell or function that ends the process, or has to be stopped with it, is left out when the rest
is run again: it costs nothing but itself.
"""

import contextlib
import dataclasses
import os
import pickle
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from types import MappingProxyType

import numpy as np

from coursekit import _workers
from grader import ROOT, messages, sandbox
from grader.pictures import png_size

__all__ = ["Execution", "Failed", "Runner"]

_START = 120  # seconds in which TensorFlow is imported, on the slowest machine
_LOOK = 0.1  # seconds between two looks at what it uses
_PICTURES, _BYTES = 30, 12_000_000  # how many are kept of a submission, and bytes of all
_RUN = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from grader import zygote; zygote.main(int(sys.argv[2]))"
)


@dataclasses.dataclass
class Execution:
    """What a submission did.

    Attributes:
        cells: from a cell's place to a dict with `printed`, `error`, `cut` (whether the error is
            of where it ran: a limit, no network, no file) and `pictures` (PNG bytes).
        answers: from an exercise's name to a dict from the places of the cells in or after which
            its function was called, or "end", to a pair: its answers, and what it printed.
        stopped: from ("cell", place) or ("function", name) to why it was left out.
        seconds: wall time.
        pictures: the number of pictures in `cells`, and their bytes.
        returned: bytes of all answers that came, those that others replaced, too.
    """

    cells: dict = dataclasses.field(default_factory=dict)
    answers: dict = dataclasses.field(default_factory=dict)
    stopped: dict = dataclasses.field(default_factory=dict)
    seconds: float = 0.0
    pictures: tuple = (0, 0)
    returned: int = 0


class Failed(RuntimeError):
    """The grader's own machinery does not work; not the submission's doing."""


class Runner(contextlib.AbstractContextManager):
    """Runs submissions, one after another, with TensorFlow imported once; a context manager.

    Args:
        limits: `sandbox.Limits`.
        unsafe: without a sandbox, with all of the caller's rights.

    Raises:
        sandbox.Unavailable: there is no sandbox here.
    """

    def __init__(self, limits: sandbox.Limits | None = None, *, unsafe: bool = False):
        self.limits, self._unsafe = limits or sandbox.Limits(), unsafe
        self._folder, self._zygote, self._closed = None, None, False
        if not unsafe:
            sandbox.require()

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        """End the process that has imported TensorFlow; no `run` may go on meanwhile."""
        self._closed = True
        self._end()

    def stop(self) -> None:
        """Make a `run` that goes on in another thread fail at once; that thread cleans up."""
        self._closed, zygote = True, self._zygote
        if zygote is not None:
            zygote.kill()

    def _end(self):
        if self._zygote is not None:
            self._connection.close()
            self._channel.close()
            self._zygote.kill()
            self._zygote.wait()
            self._zygote = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def run(
        self,
        cells: Sequence[tuple],
        questions: Sequence[tuple],
        files: dict[str, bytes],
        checks: Mapping = MappingProxyType({}),
        total: float | None = None,
    ) -> Execution:
        """Run cells in order, and call each function where its check stands and at the end.

        Args:
            cells: pairs of a place, any string or number, and source.
            checks: from the place of a cell to the name of the function to call after it.
            questions: for each exercise its name, arguments, cases and the argument to
                differentiate by, as for `calls.collect`.
            files: dict from names to bytes, put into the working folder.
            total: seconds, where an earlier run has used up some of the limit.

        Raises:
            Failed: no process could be started for it.
        """
        self._start()  # its time is not the submission's
        run, started = Execution(), time.monotonic()
        total = self.limits.total if total is None else total
        while True:
            left = [asked for asked in questions if ("function", asked[0]) not in run.stopped]
            job = {
                "limits": self.limits,
                "files": files,
                "checks": dict(checks),
                "cells": [cell for cell in cells if ("cell", cell[0]) not in run.stopped],
                "questions": left,
                "answered": {(name, when) for name in run.answers for when in run.answers[name]},
            }
            at, why = self._attempt(job, run, started + total)
            run.seconds = time.monotonic() - started
            if not why:
                return run
            if why == sandbox.memory_passed(self.limits):
                at = self._hoarder(job, run, at)
            run.stopped[at] = why
            if run.seconds >= total:
                why = f"The notebook as a whole took more than {self.limits.total:g} seconds."
                for name, *_ in left:
                    if "end" not in run.answers.get(name, ()):
                        run.stopped.setdefault(("function", name), why)
                return run

    def _hoarder(self, job, run, at):
        """The first cell before `at` that met a limit, and so may hold the memory, or `at`."""
        for place, _ in job["cells"]:
            if at == ("cell", place):
                break
            if run.cells.get(place, {"error": ""})["error"].startswith(("MemoryError", "Stopped")):
                return "cell", place
        return at

    def _attempt(self, job, run, end):
        """One process: fills `run`; where it ended, as a key of its `stopped`, and why, or ""."""
        for last in (False, True):
            self._start()
            place = contextlib.nullcontext() if self._unsafe else sandbox.Sandbox(self.limits)
            with place as space:
                try:
                    at, why = self._supervise(job, run, space, end)
                except (OSError, EOFError) as error:  # the zygote is gone
                    self._end()
                    at, why = None, f"{type(error).__name__}: {error}"
            if at is not None or not why:
                return at, why
            if last:
                said = Path(self._folder or "", "errors")
                said = said.read_text(errors="replace")[-500:] if said.is_file() else ""
                raise Failed(f"No process could be started for a submission. {why} {said}")

    def _supervise(self, job, run, space, end):
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb", buffering=0) as pipe:
            job["init"] = space.init if space else None
            job["folder"] = "/tmp" if space else tempfile.mkdtemp(dir=self._folder)
            # A file in memory that the fork alone reads: what the zygote held, the next fork finds.
            with os.fdopen(os.memfd_create("job"), "wb") as file:
                pickle.dump(job, file)
                file.flush()
                file.seek(0)
                try:
                    doors = space.doors if space else []
                    socket.send_fds(self._channel, [b"x"], [writing, file.fileno(), *doors])
                finally:
                    os.close(writing)
            child = self._connection.recv()
            try:
                at, why = self._follow(pipe, job, run, space, end)
            finally:
                if space:
                    space.close()
                else:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(child, signal.SIGKILL)
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(child, signal.SIGKILL)
                    shutil.rmtree(job["folder"], ignore_errors=True)
                status = self._connection.recv()
        if space and at is None and why == "ended" and status == sandbox.KEPT_OUT:
            raise sandbox.Unavailable(f"The sandbox cannot be entered. {sandbox.PERMIT}")
        if why == "ended":
            why = f"It ended its own process ({_status(status)})."
        return at, why

    def _follow(self, pipe, job, run, space, end):
        """Read frames until the work is done, the process has ended or a limit is passed."""
        frames = messages.Frames(self.limits.output)
        at, deadline = None, time.monotonic() + _START
        looking = select.poll()  # `select` knows no descriptor above 1,023
        looking.register(pipe, select.POLLIN)
        while True:
            ready = looking.poll(1_000 * _LOOK)
            if self._closed:
                raise Failed("The runner is closed.")
            now = time.monotonic()
            if ready:
                data = pipe.read(1 << 20)
                if not data:
                    return at, (space and space.excess()) or "ended"
                try:
                    for header, arrays in frames.feed(data):
                        if header["kind"] == "done":
                            return None, ""
                        now = time.monotonic()
                        if self._closed or now > end:  # a flood, perhaps
                            break
                        if header["kind"] == "start":
                            at, deadline = self._begun(header, job, now)
                        else:
                            self._keep(header, arrays, job, run)
                except (messages.Malformed, LookupError, OverflowError, TypeError, ValueError):
                    return at, "It wrote into the grader's pipe, or more than may be handed back."
            why = self._excess(space, now, deadline, end)
            if why:
                return at, why

    def _begun(self, header, job, now):
        """What has been started, and until when it may take."""
        kind, name = header["what"]
        kind = "cell" if kind == "cell" else "function"
        at = kind, _known(name, job["cells" if kind == "cell" else "questions"])[0]
        return at, now + 2 * getattr(self.limits, kind) + self.limits.grace

    def _keep(self, header, arrays, job, run):
        printed = messages.text(header["printed"], 3_000)
        if header["kind"] == "cell":
            place = _known(header["place"], job["cells"])[0]
            run.cells[place] = {
                "printed": printed,
                "error": messages.text(header["error"], 1_000),
                "cut": header["cut"] is True,
                "pictures": self._kept(map(np.ndarray.tobytes, arrays), run, place),
            }
        else:
            name, _, cases, _ = _known(header["name"], job["questions"])
            given = messages.unpacked(header["answers"], arrays)
            if len(given) != len(cases):
                raise messages.Malformed("there must be an answer for each case")
            when = _known(header["when"], [*job["cells"], ("end",)])[0]
            run.returned += sum(array.nbytes for array in arrays)
            if run.returned > self.limits.output:  # of all attempts together
                raise messages.Malformed("it is too much")
            run.answers.setdefault(name, {})[when] = given, printed

    def _kept(self, pictures, run, place):
        """Those of a cell that a page can show, as far as all of a submission's may take."""
        before = run.cells.get(place, {"pictures": []})["pictures"]  # of an earlier attempt
        count, size = run.pictures[0] - len(before), run.pictures[1] - sum(map(len, before))
        kept = []
        for data in pictures:
            if count == _PICTURES:
                break
            if size + len(data) <= _BYTES and _fits(data):
                kept.append(data)
                count, size = count + 1, size + len(data)
        run.pictures = count, size
        return kept

    def _excess(self, space, now, deadline, end):
        """The limit that is passed, as a sentence, or ""."""
        if now > min(deadline, end):
            return "It took too long, and could not be interrupted."
        return space.excess() if space else ""

    def _start(self):
        """Start the zygote, unless it runs."""
        if self._zygote is not None and self._zygote.poll() is None:
            return
        self._end()
        if self._closed:
            raise Failed("The runner is closed.")
        self._folder = tempfile.mkdtemp(prefix="grading-")
        self._channel, theirs = socket.socketpair()
        with theirs, open(Path(self._folder, "errors"), "w+b") as errors:
            self._zygote = subprocess.Popen(
                [sys.executable, "-P", "-c", _RUN, str(ROOT), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd=self._folder,
                env=self._environment(),
                start_new_session=True,  # the terminal's interrupt is for the grader
            )
            if self._closed:  # `stop` came before there was a process
                self._zygote.kill()
            theirs.close()
            self._connection = Connection(os.dup(self._channel.fileno()))
            with contextlib.suppress(EOFError, OSError):
                if self._connection.poll(_START) and self._connection.recv() == "ready":
                    return
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip()[-2_000:]
        self._end()
        raise Failed(f"The process that imports TensorFlow does not start: {said}")

    def _environment(self):
        """Nothing of the instructor's; one thread for each job's computing."""
        return {
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": self._folder,
            "MPLBACKEND": "agg",
            "KERAS_BACKEND": "tensorflow",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            **_workers.worker_environment(threads=1),
            "CUDA_VISIBLE_DEVICES": "-1",
            "TF_NUM_INTEROP_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }


def _known(name, asked):
    """The one of what was asked for that has this name; what comes from the pipe is not used."""
    for one in asked:
        if type(one[0]) is type(name) and one[0] == name:
            return one
    raise messages.Malformed("nobody asked for this")


def _fits(data):
    """Whether it is a PNG of a size that a page can show."""
    size = png_size(data)
    return size is not None and max(size) <= 5_000


def _status(code):
    number = code - 128 if code > 128 else -code
    with contextlib.suppress(ValueError):
        return f"by {signal.Signals(number).name}"
    return f"exit code {code}"
