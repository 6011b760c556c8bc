"""Train once for each setting of a grid, side by side. Lecture 02."""

import contextlib
import dataclasses
import inspect
import signal
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping
from concurrent import futures

import cloudpickle
import joblib
from joblib.externals import loky
from sklearn.model_selection import ParameterGrid

from coursekit import _display, _validate, _workers

__all__ = ["Trial", "sweep"]

# A process that has imported TensorFlow and holds some images takes about 0.7 GB.
_MOST_PROCESSES = 4


@dataclasses.dataclass(frozen=True)
class Trial:
    """One run of a `sweep`: its `setting`, the arguments of `train`, and the `result` of `train`.

    `error` is None or what ended the run, with the traceback as a note; a `CancelledError` where an
    interrupt came first. `seconds` is how long `train` ran, NaN where that is not known.
    """

    setting: dict
    result: object = None
    error: BaseException | None = None
    seconds: float = float("nan")


def sweep(
    train: Callable, grid: Iterable, *, backend: str | None = None, jobs: int | None = None
) -> list[Trial]:
    """Call ``train(**setting)`` for each setting of a grid, in parallel, and keep every outcome.

    A run that raises, or whose process dies, is reported and costs no other run its result. An
    interrupt (the notebook's stop button) ends the sweep and returns what is finished.

    Args:
        train: function of the settings; it may be defined in the notebook. In a process of its own
            what it returns must be picklable, what it changes there stays there, and for equal
            numbers every time it must seed itself (`keras.utils.set_random_seed`).
        grid: dict from an argument's name to a list of its values, for every combination in the
            order of scikit-learn's `ParameterGrid` (names sorted, the last changing fastest); or
            the settings themselves, a list of dicts from names to values.
        backend: where, in joblib's words: "loky" (processes on this computer, which wait a minute
            for a next sweep), "threading", "dask" (the cluster of the current Dask client). None:
            as a `joblib.parallel_config` around the call says, else "loky".
        jobs: runs at a time; 1: one after another in this process. None: one for each core, but at
            most four processes; a Dask cluster decides by itself.

    Returns:
        List of `Trial`, one per setting in the order of the grid.

    Raises:
        TypeError, ValueError: `train` does not take the names in `grid` or cannot be pickled, the
            grid is empty or not of one of the two forms, `backend` or `jobs` cannot be had.
    """
    settings = _settings(train, grid)
    open_executor, stop, is_here = _place(backend, jobs)
    if not is_here:  # other processes do not have the notebook's functions
        try:
            train = cloudpickle.dumps(train)
        except Exception as error:
            raise TypeError(
                f"train cannot be sent to another process ({type(error).__name__}: {error}): make "
                "what it needs inside of it, or run it in this process with jobs=1."
            ) from error
    trials, line = {}, _display.ProgressLine("sweep")  # trials by index, as they come in
    said = f"{len(settings)} run{'s' * (len(settings) != 1)}"
    try:
        with warnings.catch_warnings():  # a process whose memory grew is replaced, nothing is lost
            warnings.filterwarnings("ignore", message="A worker stopped while some jobs")
            _run_all(train, settings, trials, line, open_executor, stop)
    except KeyboardInterrupt:
        said = f"interrupted; {len(trials)} of {said} had ended and are kept"
    failed = [trial for _, trial in sorted(trials.items()) if trial.error is not None]
    said += f", {len(failed)} failed" if failed else ""
    for trial in failed:
        reason = (str(trial.error).strip() or "no message").split("\n")[0][:200]
        said += f"\n  {trial.setting}: {type(trial.error).__name__}: {reason}"
    line.end(said)
    unfinished = futures.CancelledError("the sweep was interrupted before this run ended")
    return [trials.get(i) or Trial(settings[i], error=unfinished) for i in range(len(settings))]


def _settings(train, grid):
    """The grid as a list of dicts that `train` takes."""
    if not callable(train):
        raise TypeError(f"train must be a function, got {type(train).__name__}.")
    if isinstance(grid, str) or not isinstance(grid, Iterable):
        raise TypeError(f"grid must be a dict of lists or a list of dicts, got {grid!r}.")
    settings = grid
    if isinstance(grid, Mapping) and grid:
        try:
            settings = ParameterGrid(dict(grid))
        except (TypeError, ValueError) as error:
            raise type(error)(f"grid must hold a list of values for each name: {error}") from None
    settings = list(settings)
    if not settings:
        raise ValueError(f"grid holds no setting: {grid!r}.")
    signature = None
    with contextlib.suppress(ValueError):  # some functions of other languages have no signature
        signature = inspect.signature(train)
    for setting in settings:
        if not isinstance(setting, Mapping) or not all(isinstance(key, str) for key in setting):
            raise TypeError(
                f"grid must hold settings, dicts from a name to a value, got {setting!r}."
            )
        try:
            _ = signature and signature.bind(**setting)
        except TypeError as error:
            raise TypeError(
                f"grid must fit train{signature}, but {dict(setting)} does not: {error}."
            ) from None
    return [dict(setting) for setting in settings]


def _place(backend, jobs):
    """A function that opens an executor for n runs (None: do without), how to stop it, is it here.

    Joblib's words, but not its `Parallel`, which gives up every run when one process dies and waits
    forever for a Dask worker that died.
    """
    with joblib.parallel_config(backend) if backend else contextlib.nullcontext():
        place, configured = joblib.parallel.get_active_backend()
    if hasattr(place, "client"):
        if jobs is not None:
            raise ValueError(f"jobs must be None on a Dask cluster, which decides, got {jobs!r}.")
        return lambda n: place.client.get_executor(pure=False), {"wait": False}, False
    jobs = configured if jobs is None else _validate.whole("jobs", jobs)
    jobs, cores = jobs and place.effective_n_jobs(jobs), loky.cpu_count()
    if jobs == 1 or isinstance(place, joblib.parallel.SequentialBackend):
        return None, {}, True
    if isinstance(place, joblib.parallel.ThreadingBackend):
        stop = {"wait": False, "cancel_futures": True}
        return lambda n: futures.ThreadPoolExecutor(jobs or cores), stop, True
    if not isinstance(place, joblib.parallel.LokyBackend):
        raise ValueError(
            f"backend must be 'loky', 'threading' or 'dask', got {type(place).__name__}: a fork of "
            "this process, in which TensorFlow runs, would hang."
        )
    most = jobs or min(cores, _MOST_PROCESSES)
    options = {"timeout": 60, "env": _workers.worker_environment(threads=max(1, cores // most))}
    stop = {"kill_workers": True}
    return lambda n: loky.get_reusable_executor(min(most, n), **options), stop, False


def _attempt(train, setting):
    """One run, in whatever process or thread it is; an error is part of the answer."""
    started = time.perf_counter()
    result = error = None
    try:
        result = (cloudpickle.loads(train) if isinstance(train, bytes) else train)(**setting)
    except Exception as raised:
        error, frames = raised, traceback.format_exception(raised)
        try:
            cloudpickle.loads(cloudpickle.dumps(error))
        except Exception:  # it would not survive the journey, but its message does
            error = RuntimeError(f"{type(raised).__name__}: {raised}")
        error.add_note("In the run:\n" + "".join(frames))
    return Trial(setting, result, error, time.perf_counter() - started)


def _run_all(train, settings, trials, line, open_executor, stop):
    """Add a trial for every setting to `trials`, also where processes die."""

    def show():
        failed = sum(trial.error is not None for trial in trials.values())
        text = f"{len(trials)} of {len(settings)} runs" + (f", {failed} failed" if failed else "")
        line.show(len(trials) / len(settings), text)

    left, alone = list(range(len(settings))), False
    while left and open_executor is None:
        show()
        trials[left[0]] = _attempt(train, settings[left[0]])
        del left[0]
    while left:
        # A process that dies takes others' runs along. Alone, a run can blame no other, and where
        # memory was short it has all of it.
        some = left[:1] if alone else left
        death = _run(open_executor(len(some)), stop, train, settings, some, trials, show)
        alone = len(some) > 1 or not death
        if not alone:
            trials[some[0]] = Trial(settings[some[0]], error=death)
        left = [i for i in left if i not in trials]


def _run(executor, stop, train, settings, indices, trials, show):
    """Add the trials of these settings as they end; return the error of a process that died."""
    running, death = {}, None
    try:
        for i in indices:
            try:
                running[executor.submit(_attempt, train, settings[i])] = i
            except futures.BrokenExecutor as error:
                death = error
        waiting = set(running)
        while waiting:
            show()
            # With a timeout, so that an interrupt is heard on Windows, too.
            done, waiting = futures.wait(waiting, 0.5, futures.FIRST_COMPLETED)
            for future in done:
                try:
                    trials[running[future]] = future.result()
                except Exception as error:
                    # Dask's KilledWorker blames whatever run was waiting where another one died.
                    by_death = type(error).__name__ == "KilledWorker"
                    if by_death or isinstance(error, futures.BrokenExecutor):
                        death = error
                    else:
                        trials[running[future]] = Trial(settings[running[future]], error=error)
    except KeyboardInterrupt:
        with _no_interrupt():  # a second press must not lose what the first one kept
            for future, i in running.items():
                if future.done() and not future.cancelled() and not future.exception():
                    trials[i] = future.result()
            executor.shutdown(**stop)
        raise
    return death


@contextlib.contextmanager
def _no_interrupt():
    """Leave the stop button without effect, for as long as it takes to clean up."""
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if is_main else None
    try:
        yield
    finally:
        if is_main:
            signal.signal(signal.SIGINT, before)
