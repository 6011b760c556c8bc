"""Sweeps in threads, in processes, on a Dask cluster; interrupted and killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError
from pathlib import Path

import joblib
import numpy as np
import pytest
from joblib.externals import loky

import coursekit as ck
from coursekit import _display, _workers, runtime, sweeps

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def interrupts_are_heard():
    """A shell that starts the tests in the background lets them ignore interrupts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


THREADS = {"backend": "threading", "jobs": 2}


def quotient(a, b=1):
    return a / b


def results(trials):
    return [trial.result for trial in trials]


def test_trials_come_in_the_order_of_the_grid_whichever_ends_first():
    ended = []

    def train(wait):
        time.sleep(wait)
        ended.append(wait)
        return 10 * wait

    waits = [0.2, 0.0, 0.1]
    trials = ck.sweep(train, {"wait": waits}, **THREADS)
    assert ended != waits
    assert [trial.setting for trial in trials] == [{"wait": wait} for wait in waits]
    assert results(trials) == [2.0, 0.0, 1.0]
    assert all(trial.error is None for trial in trials)
    assert [trial.seconds for trial in trials] == pytest.approx(waits, abs=0.05)


def test_a_dict_stands_for_every_combination():
    trials = ck.sweep(lambda **setting: setting, {"b": (1, 2), "a": np.array([5, 6])}, **THREADS)
    assert results(trials) == [
        {"a": 5, "b": 1}, {"a": 5, "b": 2}, {"a": 6, "b": 1}, {"a": 6, "b": 2},
    ]  # fmt: skip


def test_a_list_of_dicts_is_taken_as_it_is():
    grid = [{}, {"b": 2}, {"b": [3, 4]}]
    trials = ck.sweep(lambda b=None: b, iter(grid), **THREADS)
    assert [trial.setting for trial in trials] == grid
    assert results(trials) == [None, 2, [3, 4]]


def test_a_run_that_fails_is_reported_and_the_others_are_kept(capsys):
    trials = ck.sweep(quotient, {"a": [6], "b": [0, 3, "x"]}, **THREADS)
    assert results(trials) == [None, 2.0, None]
    assert isinstance(trials[0].error, ZeroDivisionError)
    assert isinstance(trials[2].error, TypeError)
    assert trials[0].seconds >= 0
    assert "in quotient" in trials[0].error.__notes__[0]  # the traceback
    said = capsys.readouterr().out.split("\n")
    assert said[0] == "sweep: 3 runs, 2 failed"
    assert said[1] == "  {'a': 6, 'b': 0}: ZeroDivisionError: division by zero"
    assert "{'a': 6, 'b': 'x'}: TypeError: unsupported operand" in said[2]


class TwoParts(Exception):
    """Cannot be sent anywhere: it is made of more than its message, and holds a lock."""

    def __init__(self, one, other):
        super().__init__(f"{one} {other}")
        self.lock = threading.Lock()


def test_an_error_that_would_not_survive_the_journey_has_a_stand_in():
    def train(a):
        raise TwoParts("so", a)

    (trial,) = ck.sweep(train, {"a": [1]}, **THREADS)
    assert isinstance(trial.error, RuntimeError)
    assert str(trial.error) == "TwoParts: so 1"


def test_the_line_tells_how_far_it_is(monkeypatch):
    shown = []

    class Handle:
        def update(self, data, raw):
            shown.append(data)

    monkeypatch.setattr(_display, "display_handle", Handle)
    ck.sweep(quotient, {"a": [1], "b": [1, 0, 2]}, jobs=1)
    assert [display["text/plain"].split(",")[0] for display in shown[:3]] == [
        f"sweep: {done} of 3 runs" for done in range(3)
    ]
    assert 'value="0.000"' in shown[0]["text/html"]
    assert shown[0]["text/plain"] == "sweep: 0 of 3 runs"
    assert set(shown[-1]) == {"text/plain"}
    assert shown[-1]["text/plain"].startswith("sweep: 3 runs, 1 failed\n  {'a': 1, 'b': 0}: Zero")


@pytest.mark.parametrize(
    ("grid", "error", "message"),
    [
        ({}, ValueError, r"grid holds no setting: \{\}"),
        ([], ValueError, r"grid holds no setting: \[\]"),
        ({"a": []}, ValueError, "grid must hold a list of values for each name: .*'a'"),
        ({"a": 1}, TypeError, "grid must hold a list of values for each name: .*'a'"),
        ({"a": "text"}, TypeError, "grid must hold a list of values for each name: .*'a'"),
        (3, TypeError, "grid must be a dict of lists or a list of dicts, got 3"),
        ("ab", TypeError, "grid must be a dict of lists or a list of dicts, got 'ab'"),
        ([3], TypeError, "grid must hold settings, dicts from a name to a value, got 3"),
        ([{1: 2}], TypeError, r"grid must hold settings, dicts from a name .*, got \{1: 2\}"),
        ({"a": [1], "c": [2]}, TypeError, r"grid must fit train\(a, b=1\), but .*argument 'c'"),
        ([{"a": 1}, {"b": 1}], TypeError, r"but \{'b': 1\} does not: missing .*argument: 'a'"),
    ],
)
def test_grids_that_do_not_fit_are_refused_before_anything_runs(grid, error, message):
    with pytest.raises(error, match=message):
        ck.sweep(quotient, grid)


def test_what_cannot_be_used_is_refused():
    with pytest.raises(TypeError, match="train must be a function, got float"):
        ck.sweep(0.5, {"a": [1]})
    lock = threading.Lock()
    with pytest.raises(TypeError, match=r"train cannot be sent to another process .*lock"):
        ck.sweep(lambda a: lock, {"a": [1]})
    assert results(ck.sweep(lambda a: lock, {"a": [1]}, **THREADS)) == [lock]
    with pytest.raises(ValueError, match="Invalid backend: rocket, expected one of"):
        ck.sweep(quotient, {"a": [1]}, backend="rocket")
    for jobs, error in ((0, ValueError), (-1, ValueError), (2.5, TypeError), (True, TypeError)):
        with pytest.raises(error, match="jobs must be"):
            ck.sweep(quotient, {"a": [1]}, jobs=jobs)


def test_a_fork_of_this_process_is_refused():
    for options in ({"backend": "multiprocessing"}, {}):
        with (
            joblib.parallel_config("multiprocessing"),
            pytest.raises(
                ValueError, match=r"got Multiprocessing.* fork of this process, in which"
            ),
        ):
            ck.sweep(quotient, {"a": [1]}, **options)


def test_one_job_is_this_very_thread_and_threads_are_others():
    def train(a):
        return threading.get_ident()

    grid = {"a": [0, 1, 2]}
    assert set(results(ck.sweep(train, grid, jobs=1))) == {threading.get_ident()}
    others = results(ck.sweep(train, grid, **THREADS))
    assert threading.get_ident() not in others
    assert len(set(others)) <= 2


def test_what_joblib_is_configured_for_is_taken():
    seen = threading.Barrier(3, timeout=20)

    def train(a):
        return seen.wait()  # ends only if three are here at once

    with joblib.parallel_config("threading", n_jobs=3):
        assert sorted(results(ck.sweep(train, {"a": [0, 1, 2]}))) == [0, 1, 2]
        assert results(ck.sweep(lambda a: a, {"a": [0, 1]}, jobs=1)) == [0, 1]
    with joblib.parallel_config("sequential"):
        (trial,) = ck.sweep(lambda a: threading.get_ident(), {"a": [0]})
    assert trial.result == threading.get_ident()


def test_an_executor_that_is_broken_says_so_for_each_run(monkeypatch):
    class Broken:
        def submit(self, *args):
            raise loky.BrokenProcessPool("all gone")

    monkeypatch.setattr(loky, "get_reusable_executor", lambda *args, **options: Broken())
    trials = ck.sweep(quotient, {"a": [1, 2]})
    assert [str(trial.error) for trial in trials] == ["all gone", "all gone"]


def interrupt_when(condition):
    """Send this process the stop button's signal once `condition` holds."""

    def wait_and_send():
        while not condition():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=wait_and_send, daemon=True).start()


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize(
    ("options", "begun"),
    [({"jobs": 1}, [0, 1, 2]), (THREADS, [0, 1, 2, 3])],
    ids=["here", "threads"],
)
def test_an_interrupt_keeps_what_is_finished_and_starts_nothing_more(capsys, options, begun):
    started, stop = [], threading.Event()

    def train(a):
        started.append(a)
        if a >= 2:
            stop.wait(20)
        return a

    interrupt_when(lambda: begun[-1] in started)
    began = time.monotonic()
    trials = ck.sweep(train, {"a": [0, 1, 2, 3, 4]}, **options)
    assert time.monotonic() - began < 10
    stop.set()
    time.sleep(0.1)
    assert started == begun
    assert results(trials) == [0, 1, None, None, None]
    assert [trial.error is None for trial in trials] == [True, True, False, False, False]
    assert all(isinstance(trial.error, CancelledError) for trial in trials[2:])
    assert [trial.setting["a"] for trial in trials] == [0, 1, 2, 3, 4]
    assert "interrupted; 2 of 5 runs had ended and are kept" in capsys.readouterr().out


# What follows starts processes, each of which imports the course.


def in_notebook(function):
    """The function as a notebook's would be: not to be found in any module."""
    function.__module__ = "__main__"
    return function


@pytest.mark.slow
def test_own_processes_run_functions_of_the_notebook_and_survive_a_death(tmp_path, capfd):
    factor = np.arange(3.0)

    @in_notebook
    def train(a):
        if a == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if a == 2:
            raise TwoParts("failed", "it is")
        with open(tmp_path / str(a), "a") as log:
            log.write("run\n")
        return os.getpid(), a * factor, "TF_NUM_INTRAOP_THREADS" in os.environ

    trials = ck.sweep(train, {"a": [0, 1, 2, 3, 4, 5]})
    assert isinstance(trials[1].error, loky.BrokenProcessPool)
    assert "TwoParts: failed it is" in str(trials[2].error)
    for a in (0, 3, 4, 5):
        pid, product, limited = trials[a].result
        assert pid != os.getpid()
        assert limited
        np.testing.assert_array_equal(product, a * factor)
    said = capfd.readouterr()
    assert "sweep: 6 runs, 2 failed" in said.out
    # The next sweep finds processes that have the course imported.
    first, again = (ck.sweep(train, {"a": some}) for some in ([0, 3], [0, 3, 4, 5]))
    assert {trial.result[0] for trial in first} & {trial.result[0] for trial in again}


@pytest.mark.slow
def test_one_seed_gives_the_same_numbers_in_every_process():
    def train(seed):
        import keras

        keras.utils.set_random_seed(seed)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(3)])
        model.compile("adam", loss="mse")
        x = np.random.default_rng(0).random((64, 3), dtype="float32")
        model.fit(x, x, epochs=2, verbose=0)
        return model

    models = results(ck.sweep(train, [{"seed": 0}, {"seed": 1}, {"seed": 0}]))
    x = np.ones((1, 3), "float32")
    one, other, again = (np.asarray(model(x)) for model in models)
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_an_interrupt_ends_own_processes_and_a_second_one_does_no_harm(
    tmp_path, capsys, monkeypatch
):
    def shutdown(executor, **options):
        os.kill(os.getpid(), signal.SIGINT)  # while the first one is dealt with
        time.sleep(0.1)
        original(executor, **options)

    original = loky.ProcessPoolExecutor.shutdown
    monkeypatch.setattr(loky.ProcessPoolExecutor, "shutdown", shutdown)

    def train(a):
        (tmp_path / f"{a}.{os.getpid()}").touch()
        if a:
            time.sleep(60)
        return a

    begun = lambda: {path.name.split(".")[0] for path in tmp_path.iterdir()}  # noqa: E731
    interrupt_when(lambda: begun() >= {"0", "1"})
    started = time.monotonic()
    trials = ck.sweep(train, {"a": [0, 1, 2, 3, 4, 5, 6, 7]})
    assert time.monotonic() - started < 40
    assert trials[0].result == 0
    assert all(isinstance(trial.error, CancelledError) for trial in trials[1:])
    assert "interrupted; 1 of 8 runs had ended and are kept\n" in capsys.readouterr().out
    for path in tmp_path.iterdir():
        assert not Path(f"/proc/{path.name.split('.')[1]}").exists()


@pytest.mark.slow
def test_a_process_that_grew_is_replaced_without_a_word(recwarn):
    def train(a):
        if a:
            sys.kept = [*getattr(sys, "kept", ()), np.ones(60_000_000)]  # half a gigabyte
        time.sleep(1.2)  # it is looked at once a second
        return a

    assert results(ck.sweep(train, {"a": range(5)})) == list(range(5))
    assert not [str(warning.message) for warning in recwarn if "worker" in str(warning.message)]


@pytest.mark.slow
def test_a_script_needs_no_guard(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import coursekit as ck\n"
        "def train(a): return a + 1\n"
        "print([trial.result for trial in ck.sweep(train, {'a': [1, 2]})])\n"
    )
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout == "sweep: 2 runs\n[2, 3]\n", done.stderr
    assert done.stderr == ""


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    distributed = pytest.importorskip("distributed")
    folder = tmp_path_factory.mktemp("dask")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None,
            local_directory=str(folder), memory_limit=0,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):  # fmt: skip
        yield client


@pytest.mark.slow
def test_a_dask_cluster_runs_a_sweep_and_survives_the_death_of_a_worker(client, tmp_path):
    factor = np.arange(3.0)

    @in_notebook
    def train(a):
        first = tmp_path / "first"
        if a == 2 and not first.exists():
            first.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if a == 3:
            raise TwoParts("failed", "it is")
        time.sleep(0.2)
        return os.getpid(), a * factor

    trials = ck.sweep(train, {"a": range(6)}, backend="dask")
    assert (tmp_path / "first").exists()
    assert "TwoParts: failed it is" in str(trials[3].error)
    for a in (0, 1, 2, 4, 5):
        assert trials[a].error is None, trials[a].error
        np.testing.assert_array_equal(trials[a].result[1], a * factor)
        assert trials[a].result[0] != os.getpid()


@pytest.mark.slow
def test_a_run_that_kills_every_dask_worker_is_named(client):
    def train(a):
        if a == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return a

    trials = ck.sweep(train, {"a": range(4)}, backend="dask")
    assert results(trials) == [0, None, 2, 3]
    assert type(trials[1].error).__name__ == "KilledWorker"


@pytest.mark.slow
def test_a_dask_cluster_as_joblib_is_configured_and_without_a_number_of_jobs(client):
    with joblib.parallel_config("dask"):
        trials = ck.sweep(lambda a: (a, os.getpid()), {"a": range(3)})
    assert [trial.result[0] for trial in trials] == [0, 1, 2]
    assert os.getpid() not in {trial.result[1] for trial in trials}
    with pytest.raises(ValueError, match=r"jobs must be None on a Dask cluster.*got 2"):
        ck.sweep(quotient, {"a": [1]}, backend="dask", jobs=2)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_an_interrupt_cancels_what_waits_on_a_dask_cluster(client, tmp_path, capsys):
    def train(a):
        (tmp_path / str(a)).touch()
        time.sleep(4 if a else 0)
        return a

    def others_run_and_the_first_result_has_come():
        started = [path.stat().st_mtime for path in tmp_path.iterdir()]
        return len(started) >= 3 and time.time() - max(started) > 1

    interrupt_when(others_run_and_the_first_result_has_come)
    trials = ck.sweep(train, {"a": range(8)}, backend="dask")
    assert trials[0].result == 0
    assert all(isinstance(trial.error, CancelledError) for trial in trials[3:])
    assert "of 8 runs had ended and are kept" in capsys.readouterr().out
    time.sleep(5)  # long enough for more runs, if any were left
    assert len(list(tmp_path.iterdir())) <= 4


KERNEL_CODE = """
import pathlib, time
def train(a):
    pathlib.Path({folder!r}, str(a)).touch()
    if a:
        time.sleep(60)
    return a
trials = ck.sweep(train, {{"a": [0, 1, 2, 3, 4, 5]}})
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_the_stop_button_of_a_notebook(tmp_path):
    from jupyter_client.manager import start_new_kernel

    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    manager, kernel = start_new_kernel(kernel_name="python3", env=environment)
    texts = []

    def say(message):
        content = message["content"]
        texts.append(content.get("text") or content.get("data", {}).get("text/plain", ""))

    def execute(code):
        return kernel.execute_interactive(code, output_hook=say, timeout=120)["content"]["status"]

    def press():
        while not {"0", "1"} <= {path.name for path in tmp_path.iterdir()}:
            time.sleep(0.05)
        manager.interrupt_kernel()  # reaches the processes of the sweep, too

    try:
        assert execute("import coursekit as ck") == "ok"
        presser = threading.Thread(target=press, daemon=True)
        presser.start()
        assert execute(KERNEL_CODE.format(folder=str(tmp_path))) == "ok"
        texts.clear()
        code = "print([trial.result for trial in trials], [type(t.error).__name__ for t in trials])"
        assert execute(code) == "ok"
        said = "".join(texts)
        assert "[0, None, None, None, None, None]" in said
        assert said.count("CancelledError") == 5
        # The next sweep works as ever.
        texts.clear()
        assert execute("print([t.result for t in ck.sweep(lambda a: -a, {'a': [1, 2]})])") == "ok"
        assert "[-1, -2]" in "".join(texts)
    finally:
        kernel.stop_channels()
        manager.shutdown_kernel(now=True)


def test_processes_beside_this_one_leave_a_hidden_gpu_alone(monkeypatch):
    monkeypatch.setattr(runtime, "_gpus_hidden", False)
    assert "CUDA_VISIBLE_DEVICES" not in _workers.worker_environment(threads=1)
    assert _workers.worker_environment(threads=3)["TF_NUM_INTRAOP_THREADS"] == "3"
    monkeypatch.setattr(runtime, "_gpus_hidden", True)
    assert _workers.worker_environment(threads=1)["CUDA_VISIBLE_DEVICES"] == "-1"


def test_own_processes_are_as_many_as_cores_and_at_most_four(monkeypatch):
    asked = []
    take = lambda workers, **options: asked.append((workers, options["env"]["OMP_NUM_THREADS"]))  # noqa: E731
    monkeypatch.setattr(loky, "get_reusable_executor", take)
    for cores in (1, 2, 16):
        monkeypatch.setattr(loky, "cpu_count", lambda cores=cores: cores)
        for jobs in (None, 3):
            open_executor, _, is_here = sweeps._place(None, jobs)
            assert not is_here
            open_executor(8)
            open_executor(1)
    assert asked == [
        (1, "1"), (1, "1"), (3, "1"), (1, "1"), (2, "1"), (1, "1"), (3, "1"), (1, "1"),
        (4, "4"), (1, "4"), (3, "5"), (1, "5"),
    ]  # fmt: skip
