"""The lectures on JAX: each one up to its first training, and all that computes gradients.

By hand, on any backend: ``KERAS_BACKEND=torch python tests/notebooks/test_backends.py '06*'``.
"""

import contextlib
import io
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path
from unittest import mock

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
LECTURES = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
# The cells that judge gradients, and what must be true then, however short the training was.
GRADIENTS = {
    "01_backpropagation_and_likelihood": (
        "setup automatic scalar-check matrix-check two-layers-check relu-check softmax-code "
        "softmax-check deep-code deep-gradients deep-check match-figure",
        "len(gaps) == 8 and max(gaps.values()) < 1e-6",
    ),
    "05_sparse_autoencoder": (
        "kl-code kl-figure gradient-by-hand gradient-automatic gradient-compare",
        "max(gradient_gap, package_gap) < 1e-5",
    ),
    "06_contractive_autoencoder": (
        "one-layer-check one-layer-gaps deep-check",
        "max({**one_layer_gaps, **deep_gaps}.values()) < 1e-5",
    ),
    "09_variational_autoencoder": (
        "train-space-run gradient-decoder",
        "0 < noise['reparameterized'] < noise['score function']",
    ),
    "12_adversarial_autoencoder": (
        "by-hand by-hand-compare",
        "step_difference < 1e-4 and loss_difference < 1e-5",
    ),
}


@pytest.fixture(scope="module")
def ran():
    """For each lecture the ids of the cells that ran, and the traceback of one that failed."""
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # compiles faster
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    halves = [
        subprocess.Popen(
            [sys.executable, __file__, *LECTURES[half::2]],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for half in (0, 1)
    ]  # fmt: skip
    found = {}
    for half in halves:
        said, errors = half.communicate(timeout=600)
        assert half.returncode == 0, errors
        found |= json.loads(said)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("lecture", LECTURES)
def test_a_lecture_runs_on_jax(ran, lecture):
    ids, problem = ran[lecture]
    assert not problem, problem
    of_gradients = {
        cell.id
        for cell in code_cells(lecture)
        if "ck.gradient(" in cell.source or "ck.jacobian(" in cell.source
    }
    assert not of_gradients or lecture in GRADIENTS, "say when its gradients are right"
    assert of_gradients <= set(ids)


def code_cells(lecture):
    notebook = nbformat.read(ROOT / "notebooks" / f"{lecture}.ipynb", as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


class Trained(BaseException):
    """Ends a cell after its first training; no lecture catches it."""


def run(lecture, trainings):
    """Run the cells up to the first training, and those of gradients; return their ids."""
    from matplotlib import pyplot as plt

    cells = code_cells(lecture)
    listed, truth = GRADIENTS.get(lecture, ("", "True"))
    trains = any(".fit(" in cell.source for cell in cells)
    begins = trains or not listed  # where nothing is ever trained, all of it is the beginning
    space, ids = {"display": mock.Mock(), "__name__": "__main__"}, []
    trainings.clear()
    for cell in cells:
        if (begins and not trainings) or cell.id in listed.split():
            with contextlib.suppress(Trained):
                exec(compile(cell.source, f"{lecture}, cell {cell.id}", "exec"), space)
            plt.close("all")
            ids.append(cell.id)
    assert bool(trainings) == trains
    assert set(listed.split()) <= set(ids)
    assert eval(truth, space), truth
    return ids


def shorten(keras, ck):
    """Cut the first training to two steps, spare later ones; return the list of its `History`."""
    fit, trainings = keras.Model.fit, []

    def fit_shortly(self, *data, **options):
        if trainings:
            return trainings[0]
        steps = self.steps_per_execution = min(self.steps_per_execution, 2)
        options |= {"epochs": 1, "initial_epoch": 0, "steps_per_epoch": steps}
        if options.get("validation_data") is not None:
            options["validation_steps"] = 1
        trainings.append(fit(self, *data, **options))
        raise Trained

    keras.Model.fit = fit_shortly
    # What a lecture claims of a trained model is not true of these.
    ck.expect = lambda *claim, **bounds: None
    return trainings


if __name__ == "__main__":
    os.environ["MPLBACKEND"] = "agg"
    if os.environ["KERAS_BACKEND"] != "tensorflow":
        sys.modules["tensorflow"] = None  # from here on an import of it fails
    import keras

    import coursekit

    found, trainings = {}, shorten(keras, coursekit)
    for lecture in LECTURES:
        if any(Path(lecture).match(wanted) for wanted in sys.argv[1:]):
            said = io.StringIO()
            try:
                with contextlib.redirect_stdout(said):
                    found[lecture] = run(lecture, trainings), ""
            except Exception:
                found[lecture] = [], said.getvalue()[-500:] + traceback.format_exc()
    print(json.dumps(found))
