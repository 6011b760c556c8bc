import ctypes
import os
import runpy
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import coursekit as ck
from coursekit import runtime

ROOT = Path(__file__).resolve().parents[2]


def run_python(code, *, cwd=ROOT, before=None, **environment):
    """Run `code` in a process of its own, where the course is importable from any folder.

    `before` is called in that process first.
    """
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path, **environment},
        cwd=cwd, preexec_fn=before, capture_output=True, text=True, timeout=240,
    )  # fmt: skip


TRAIN = """
import hashlib, keras, numpy as np, coursekit as ck
ck.setup(seed={seed})
x = ck.datasets.fashion_mnist().train.x[:2000]
encoder = keras.Sequential([
    keras.Input((784,)), keras.layers.Reshape((28, 28, 1)),
    keras.layers.Conv2D(8, 3, strides=2, activation="gelu"), keras.layers.BatchNormalization(),
    keras.layers.Flatten(), keras.layers.Dropout(0.1), keras.layers.Dense(2),
])
decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(784)])
ae = ck.models.Autoencoder(encoder, decoder)
ae.compile("adam", loss="mse")
ae.fit(x, x, epochs=2, verbose=0)
print(hashlib.sha256(ae.reconstruct(x).tobytes()).hexdigest(), np.random.rand())
"""


@pytest.mark.slow
def test_one_seed_gives_the_same_numbers_to_the_last_digit_and_another_does_not():
    first, again, other = (run_python(TRAIN.format(seed=seed)).stdout for seed in (3, 3, 4))
    assert len(first.split()[-2]) == 64
    assert first == again
    assert first.split()[-2:] != other.split()[-2:]


@pytest.mark.medium
def test_says_one_line_and_nothing_on_standard_error():
    done = run_python("import coursekit as ck; ck.setup(seed=5)")
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.startswith("Keras 3.")
    assert done.stdout.count("\n") == 1
    assert done.stdout.endswith("seed 5.\n")


def test_what_was_held_back_is_shown_if_the_import_fails(capfd):
    def import_(*, fails):
        with runtime._held_stderr():
            os.write(2, b"cause")
            assert not fails

    import_(fails=False)
    assert capfd.readouterr().err == ""
    with pytest.raises(AssertionError):
        import_(fails=True)
    os.write(2, b", then as ever")
    assert capfd.readouterr().err == "cause, then as ever"


def obey_permissions():
    """Let the superuser be refused what anybody else would be (PR_CAPBSET_DROP, on Linux)."""
    if os.geteuid() == 0:
        ctypes.CDLL(None, use_errno=True).prctl(24, 1)  # CAP_DAC_OVERRIDE


@pytest.mark.medium
@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
@pytest.mark.parametrize(
    "home", ["{folder}", pytest.param("/dev/null/nowhere", marks=pytest.mark.slow)]
)
def test_a_home_directory_that_cannot_be_written_to(tmp_path, home):
    tmp_path.chmod(0o555)
    home = home.format(folder=tmp_path)
    code = "import coursekit as ck, coursekit.plots; ck.setup(); ck.plots.hourglass([3, 1, 3])"
    settings = {"MPLCONFIGDIR": "", "XDG_CONFIG_HOME": "", "XDG_CACHE_HOME": "", "KERAS_HOME": ""}
    done = run_python(code, before=obey_permissions, HOME=home, **settings)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "home directory cannot be written to" in done.stdout


@pytest.mark.medium
def test_works_without_any_network_from_another_working_directory(tmp_path):
    code = """
import socket
def refuse(*args, **kwargs): raise OSError("no network here")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
import coursekit as ck
ck.setup()
print(ck.datasets.mnist((1, 5, 6)))
print(ck.datasets.fashion_mnist())
"""
    done = run_python(code, cwd=tmp_path)
    assert "16,583" in done.stdout, done.stderr
    assert "9,000" in done.stdout


@pytest.mark.slow
def test_an_installed_copy_carries_its_data(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    import zipfile

    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = "import coursekit as ck; print(ck.__file__, ck.datasets.mnist([1, 5, 6])); ck.setup()"
    done = run_python(code, cwd=tmp_path / "site", PYTHONPATH=str(tmp_path / "site"))
    assert str(tmp_path / "site") in done.stdout, done.stderr
    assert "16,583" in done.stdout


def test_python_too_old_is_said_in_one_sentence(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 13))
    with pytest.raises(ImportError, match=r"needs Python 3.11, 3.12 or 3.13, and this is .* 3.10"):
        runpy.run_path(str(ROOT / "coursekit" / "__init__.py"))


def test_a_gpu_that_fails_is_reported_and_the_cpu_used(monkeypatch, capsys):
    def fail():
        raise RuntimeError("CUDA_ERROR_OUT_OF_MEMORY\nmore lines")

    hidden = []  # hiding it for good would reach the tests that follow
    monkeypatch.setattr(runtime, "_list_gpus", lambda: ["gpu:0"])
    monkeypatch.setattr(runtime, "_try_gpu", fail)
    monkeypatch.setattr(runtime, "_hide_gpus", lambda: hidden.append(True))
    run = ck.setup()
    said = capsys.readouterr().out
    assert run.device == "CPU"
    assert run.epochs(cpu=2, gpu=9) == 2
    assert "A GPU is present but does not work (RuntimeError: CUDA_ERROR_OUT_OF_MEMORY)" in said
    assert "so the CPU is used." in said
    assert float(keras.ops.sum(keras.ops.ones(3))) == 3
    assert hidden == [True]


def test_a_gpu_that_works_is_taken(monkeypatch, capsys):
    monkeypatch.setattr(runtime, "_list_gpus", lambda: ["gpu:0"])
    monkeypatch.setattr(runtime, "_try_gpu", lambda: None)
    asked = []
    if keras.config.backend() == "tensorflow":
        config = runtime.tf.config.experimental
        monkeypatch.setattr(config, "enable_op_determinism", lambda: asked.append(True))
    run = ck.setup()
    assert bool(asked) == (keras.config.backend() == "tensorflow")
    assert run.device == "GPU"
    assert run.epochs(cpu=2, gpu=9) == 9
    assert "GPU, seed 0" in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for nvidia-smi is a shell script")
def test_a_gpu_that_the_backend_cannot_see_is_reported(monkeypatch, capsys, tmp_path):
    command = tmp_path / "nvidia-smi"
    command.write_text("#!/bin/sh\necho 'GPU 0: NVIDIA H200 (UUID: GPU-1)'\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(runtime, "_list_gpus", list)
    assert ck.setup().device == "CPU"
    assert "An NVIDIA GPU is present but Keras' backend cannot use it" in capsys.readouterr().out
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    ck.setup()
    assert "NVIDIA" not in capsys.readouterr().out


def test_seeds_python_numpy_and_keras():
    import random

    def draw():
        ck.setup(seed=11)
        return random.random(), np.random.rand(), float(keras.random.normal(()))

    assert draw() == draw()


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "0", None, True])
def test_other_seeds_are_refused(seed):
    with pytest.raises(ValueError, match="seed must be a whole number"):
        ck.setup(seed=seed)


def test_other_devices_are_refused():
    with pytest.raises(ValueError, match='device must be "auto" or "cpu", got'):
        ck.setup(device="tpu")


@pytest.mark.parametrize("epochs", [0, -1, 1.5, "8", True])
def test_other_numbers_of_epochs_are_refused(epochs):
    run = ck.Run(seed=0, device="CPU", description="")
    with pytest.raises(ValueError, match="cpu must be a whole number of epochs from 1"):
        run.epochs(cpu=epochs, gpu=1)
    with pytest.raises(ValueError, match="gpu must be a whole number of epochs from 1"):
        run.epochs(cpu=1, gpu=epochs)


def test_hiding_the_gpu_after_the_start_puts_operations_on_the_cpu(monkeypatch):
    def too_late(*args):
        raise RuntimeError("Visible devices cannot be modified after being initialized")

    if keras.config.backend() == "tensorflow":
        monkeypatch.setattr(runtime.tf.config, "set_visible_devices", too_late)
    runtime._hide_gpus()
    try:
        assert "cpu" in str(keras.ops.ones(3).device).lower()
    finally:
        runtime._on_cpu.close()
