"""Train once for each setting of a grid, side by side. Lecture 02."""

import concurrent.futures
import contextlib
import dataclasses
import inspect
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Iterable, Mapping

import cloudpickle
from joblib.externals import loky
from sklearn.model_selection import ParameterGrid

from coursekit import _display, _workers

# A process that has imported TensorFlow and holds some images takes about 0.7 GB.
_MOST_PROCESSES = 4
# After so many idle seconds the processes end and give their memory back.
_IDLE = 60
_UNFINISHED = "the sweep was interrupted before this run ended"


@dataclasses.dataclass(frozen=True)
class Trial:
    """One run of a `sweep`.

    Attributes:
        setting: dict, the arguments that `train` was called with.
        result: what `train` returned, or None.
        error: None, or the exception that ended the run, with the traceback as its note; a
            `CancelledError` where an interrupt came first.
        seconds: how long `train` ran, NaN where that is not known.
    """

    setting: dict
    result: object = None
    error: BaseException | None = None
    seconds: float = float("nan")


def sweep(train, grid, executor=None):
    """Call ``train(**setting)`` for each setting of a grid, in parallel, and keep every outcome.

    A run that raises, or whose process dies, is reported and costs no other run its result. An
    interrupt (the notebook's stop button) ends the sweep and returns what is finished.

    Args:
        train: function of the settings; it may be defined in the notebook. It runs in a process of
            its own, so what it returns must be picklable, what it changes there stays there, and
            for equal numbers every time it must seed itself (`keras.utils.set_random_seed`).
        grid: dict from an argument's name to a list of its values, for every combination in the
            order of scikit-learn's `ParameterGrid` (names sorted, the last changing fastest); or
            the settings themselves, a list of dicts from names to values.
        executor: any `concurrent.futures.Executor`, which is left running: `ThreadPoolExecutor(1)`
            runs one after another in this process, a Dask client's ``get_executor()`` on a
            cluster. None takes up to four processes on this computer; they start in some seconds
            and wait a minute for a next sweep. If a process dies, the runs that were lost with it
            are repeated, one at a time until it is known which one is to blame.

    Returns:
        List of `Trial`, one per setting in the order of the grid.

    Raises:
        TypeError, ValueError: `train` does not take the names in `grid` or cannot be pickled, the
            grid is empty or not of one of the two forms, or `executor` is no executor or would fork
            a process in which TensorFlow runs.
    """
    settings = _settings(train, grid)
    portable = _Portable(train)
    if executor is None:
        portable.pickle()
    else:
        _require_executor(executor)
    trials = {}  # from the setting's index, as they come in
    line = _display.ProgressLine("sweep")
    interrupted = False
    try:
        _run_all(portable, settings, trials, line, executor)
    except KeyboardInterrupt:
        interrupted = True
    _report(settings, trials, line, interrupted, busy=executor is not None)
    return [
        trials.get(index) or Trial(setting, error=concurrent.futures.CancelledError(_UNFINISHED))
        for index, setting in enumerate(settings)
    ]


def _settings(train, grid):
    """The grid as a list of dicts that `train` takes."""
    if not callable(train):
        raise TypeError(f"train must be a function, got {type(train).__name__}.")
    if isinstance(grid, Mapping):
        try:
            settings = list(ParameterGrid(dict(grid)))
        except (TypeError, ValueError) as error:
            raise type(error)(f"grid must hold a list of values for each name: {error}") from None
        settings = [] if not grid else settings
    elif isinstance(grid, Iterable) and not isinstance(grid, str):
        settings = list(grid)
    else:
        raise TypeError(f"grid must be a dict of lists or a list of dicts, got {grid!r}.")
    if not settings:
        raise ValueError(f"grid holds no setting: {grid!r}.")
    for setting in settings:
        if not isinstance(setting, Mapping) or not all(isinstance(key, str) for key in setting):
            raise TypeError(
                f"grid must hold settings, dicts from a name to a value, got {setting!r}."
            )
    with contextlib.suppress(ValueError):  # some functions of other languages have no signature
        signature = inspect.signature(train)
        for setting in settings:
            try:
                signature.bind(**setting)
            except TypeError as error:
                raise TypeError(
                    f"grid must fit train{signature}, but {dict(setting)} does not: {error}."
                ) from None
    return [dict(setting) for setting in settings]


def _require_executor(executor):
    if not isinstance(executor, concurrent.futures.Executor):
        raise TypeError(
            "executor must be a concurrent.futures.Executor, such as ThreadPoolExecutor(1) or a "
            f"Dask client's client.get_executor(), got {type(executor).__name__}."
        )
    context = getattr(executor, "_mp_context", None)
    if context is not None and context.get_start_method() == "fork":
        raise ValueError(
            "executor forks this process, in which TensorFlow runs already, and a fork of it hangs:"
            ' give it mp_context=multiprocessing.get_context("spawn"), or leave executor out.'
        )


class _Portable:
    """A function that reaches other processes by value, since they do not have the notebook's.

    It is pickled once, and unpickled in the run itself: what fails there is that run's error.
    """

    def __init__(self, function, pickled=None):
        self.function, self.pickled = function, pickled

    def __call__(self, **setting):
        if self.function is None:
            self.function = cloudpickle.loads(self.pickled)
        return self.function(**setting)

    def pickle(self):
        if self.pickled is None:
            try:
                self.pickled = cloudpickle.dumps(self.function)
            except Exception as error:
                raise TypeError(
                    f"train cannot be sent to another process ({type(error).__name__}: {error}): "
                    "make what it needs inside of it, or run it in this process with "
                    "executor=ThreadPoolExecutor(1)."
                ) from error
        return self.pickled

    def __reduce__(self):
        return _Portable, (None, self.pickle())


def _attempt(train, setting):
    """One run, in whatever process or thread it is; an error is part of the answer."""
    started = time.perf_counter()
    result = error = None
    try:
        result = train(**setting)
    except Exception as raised:
        error = _sendable(raised)
    return Trial(setting, result, error, time.perf_counter() - started)


def _sendable(error):
    """The error with its traceback as a note; a stand-in where it would not survive the journey."""
    frames = traceback.format_exception(error)
    try:
        cloudpickle.loads(cloudpickle.dumps(error))
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note("In the run:\n" + "".join(frames))
    return error


def _run_all(train, settings, trials, line, given):
    """Add a trial for every setting to `trials`, also where processes die."""

    def run(indices, at_once=_MOST_PROCESSES):
        executor = given or _own_executor(min(at_once, len(indices)))

        def stop(futures):
            if not given:  # it sees to its futures itself
                executor.shutdown(kill_workers=True)
                return
            for future in futures:
                future.cancel()

        return _run(executor, train, settings, indices, trials, line, stop)

    with warnings.catch_warnings():
        # A process whose memory has grown is replaced by a new one, and nothing is lost.
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
        lost = run(range(len(settings)))
        while lost:
            # A process died and took others' runs along. Alone, a run can blame no other, and where
            # memory was short it has all of it.
            index, *rest = lost
            fault = run([index], at_once=1)
            trials.update(fault)
            lost = run(rest) if fault and rest else rest


def _own_executor(processes):
    """Processes on this computer, never forked, that are kept for a next sweep."""
    cores = loky.cpu_count()
    most = min(cores, _MOST_PROCESSES)
    return loky.get_reusable_executor(
        max_workers=min(most, processes),
        timeout=_IDLE,
        env=_workers.worker_environment(threads=cores // most),
    )


def _run(executor, train, settings, indices, trials, line, stop):
    """Add the trials of these settings to `trials`; return those lost with a process that died."""
    futures, lost = {}, {}

    def collect(future):
        index = futures[future]
        if future.cancelled():
            error = concurrent.futures.CancelledError("the executor cancelled this run")
        else:
            error = future.exception()
        if isinstance(error, KeyboardInterrupt):  # the interrupt was heard in a process, too
            raise error
        ended = lost if _by_death(error) else trials
        ended[index] = Trial(settings[index], error=error) if error else future.result()

    waiting = set()
    try:
        for index in indices:
            try:
                future = executor.submit(_attempt, train, settings[index])
            except concurrent.futures.BrokenExecutor as error:
                lost[index] = Trial(settings[index], error=error)
            else:
                futures[future] = index
                waiting.add(future)
        while waiting:
            _show(line, trials, len(settings))
            # With a timeout, so that an interrupt is heard on Windows, too.
            done, waiting = concurrent.futures.wait(
                waiting, timeout=0.5, return_when=concurrent.futures.FIRST_COMPLETED
            )
            for future in done:
                collect(future)
    except KeyboardInterrupt:
        with _no_interrupt():  # a second press must not lose what the first one kept
            for future in futures:
                if future.done() and not future.cancelled() and future.exception() is None:
                    collect(future)
            stop(futures)
        raise
    return dict(sorted(lost.items()))


def _by_death(error):
    # Dask's KilledWorker, of a package that the course does without, blames whatever run was
    # waiting where another one died.
    is_broken = isinstance(error, concurrent.futures.BrokenExecutor)
    return is_broken or type(error).__name__ == "KilledWorker"


def _show(line, trials, count):
    failed = sum(trial.error is not None for trial in trials.values())
    line.show(
        len(trials) / count,
        f"{len(trials)} of {count} runs" + (f", {failed} failed" if failed else ""),
    )


def _report(settings, trials, line, interrupted, busy):
    """End the line with a sentence about what came of the runs, and one for each failure."""
    failed = [trial for _, trial in sorted(trials.items()) if trial.error is not None]
    said = f"{len(settings)} run{'s' * (len(settings) != 1)}"
    if interrupted:
        said = f"interrupted; {len(trials)} of {said} had ended and are kept"
        if busy:
            said += " (the executor may be busy with others for a while)"
    if failed:
        said += f", {len(failed)} failed"
    for trial in failed:
        reason = (str(trial.error).strip() or "no message").split("\n")[0][:200]
        said += f"\n  {trial.setting}: {type(trial.error).__name__}: {reason}"
    line.end(said)


@contextlib.contextmanager
def _no_interrupt():
    """Leave the stop button without effect, for as long as it takes to clean up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
