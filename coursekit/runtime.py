"""Seeds, device, quiet logs, progress: what a notebook settles before its first idea."""

import contextlib
import dataclasses
import os
import shutil
import subprocess
import sys
import tempfile

__all__ = ["Run", "setup"]

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# At "2" TensorFlow still reports its own graph rewrites as errors whenever `fit` starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_home_is_writable = os.access(os.path.expanduser("~"), os.W_OK)
if not _home_is_writable:
    # Matplotlib and Keras keep settings at home, and complain in the notebook where they may not.
    for _variable in ("MPLCONFIGDIR", "KERAS_HOME"):
        if not os.environ.get(_variable):
            os.environ[_variable] = tempfile.mkdtemp(prefix="coursekit-")


@contextlib.contextmanager
def _held_stderr():
    """Hold back what C++ libraries write to file descriptor 2; show it only if the block fails.

    TensorFlow writes some lines there whatever its log level says, and a notebook would keep them.
    """
    try:
        original = os.dup(2)
    except OSError:  # no standard error at all, as under pythonw
        yield
        return
    with tempfile.TemporaryFile() as held:
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(original, held.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)


with _held_stderr():
    import keras

    _BACKEND = keras.config.backend()
    if _BACKEND == "tensorflow":
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")

# Entered once if a GPU turns out to be unusable after TensorFlow has taken hold of it.
_on_cpu = contextlib.ExitStack()
# Whether other processes should leave the GPU alone, too.
_gpus_hidden = False


@dataclasses.dataclass(frozen=True)
class Run:
    """What `setup` found and fixed: seed, device ("CPU" or "GPU") and a sentence about it."""

    seed: int
    device: str
    description: str

    def epochs(self, *, cpu: int, gpu: int) -> int:
        """Number of epochs for this device: `cpu` fits the lecture hall, `gpu` the papers."""
        for name, value in (("cpu", cpu), ("gpu", gpu)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a whole number of epochs from 1, got {value!r}.")
        return gpu if self.device == "GPU" else cpu


def setup(seed: int = 0, *, device: str = "auto") -> Run:
    """Seed everything, find the device, apply the course's plot style, and say so in one line.

    Python, NumPy and Keras are seeded and operations deterministic: two runs with one seed on one
    machine give the same numbers to the last digit.

    Args:
        seed: from 0 to 2**32 - 1.
        device: "auto" takes a GPU that works (one that fails is reported), "cpu" leaves it alone.

    Returns:
        The `Run`, whose `epochs` picks a length for the device.

    Raises:
        ValueError: for another seed or device.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(f"seed must be a whole number from 0 to 2**32 - 1, got {seed!r}.")
    if device not in ("auto", "cpu"):
        raise ValueError(f'device must be "auto" or "cpu", got {device!r}.')

    import matplotlib.style

    matplotlib.style.use("coursekit.course")
    with _held_stderr():  # with another backend, Keras imports TensorFlow here, to seed it too
        keras.utils.set_random_seed(seed)
    keras.utils.disable_interactive_logging()
    kind, problem = _find_device(device)
    place = "GPU"
    if kind == "CPU":
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        place = f"CPU with {cores} core{'s' if cores != 1 else ''}"
    elif _BACKEND == "tensorflow":
        # On the CPU TensorFlow's operations are deterministic as they are (a test holds this), and
        # asking for it would cost XLA, and with it half the speed.
        tf.config.experimental.enable_op_determinism()
    backend = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}.get(_BACKEND, _BACKEND)
    description = f"Keras {keras.version()} on {backend}, {place}, seed {seed}."
    if not _home_is_writable:
        problem += (
            " The home directory cannot be written to, so settings last for this session only."
        )
    print(f"{problem} {description}".strip())
    return Run(seed, kind, description)


def _find_device(wanted):
    """Return ("CPU" or "GPU", a sentence about what is wrong with the GPU or "")."""
    global _gpus_hidden
    _gpus_hidden = False
    _on_cpu.close()  # what an earlier call may have settled
    with _held_stderr():
        gpus = _list_gpus()
        if gpus and wanted == "cpu":
            _hide_gpus()
        elif gpus:
            try:
                _try_gpu()
                return "GPU", ""
            except Exception as error:
                _hide_gpus()
                reason = str(error).strip().split("\n")[0][:200]
                return "CPU", (
                    f"A GPU is present but does not work ({type(error).__name__}: {reason}), "
                    "so the CPU is used."
                )
    if wanted == "auto" and _driver_lists_gpu():
        return "CPU", (
            "An NVIDIA GPU is present but Keras' backend cannot use it, so the CPU is used: "
            "install its CUDA libraries (README, 'GPU')."
        )
    return "CPU", ""


def _list_gpus():
    if _BACKEND == "tensorflow":
        # Keras' own list would start the GPUs, and then their memory could no longer be shared.
        return tf.config.list_physical_devices("GPU")
    try:
        return keras.distribution.list_devices("gpu")
    except (RuntimeError, AttributeError):  # JAX' answer where there is none, and PyTorch's
        return []


def _try_gpu():
    """Compute one product on the GPU, having asked TensorFlow to take memory only as needed."""
    for gpu in _list_gpus() if _BACKEND == "tensorflow" else ():
        # GPUs that were used already keep the setting that they were started with.
        with contextlib.suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(gpu, True)
    with keras.device("gpu:0"):
        ones = keras.ops.ones((8, 8))
        total = float(keras.ops.sum(keras.ops.matmul(ones, ones)))
    if total != 512.0:
        raise ArithmeticError(f"a product of ones summed to {total} instead of 512")


def _hide_gpus():
    global _gpus_hidden
    _gpus_hidden = True
    try:
        if _BACKEND == "tensorflow":
            tf.config.set_visible_devices([], "GPU")
            return
    except RuntimeError:
        pass  # the context is up: visible devices can no longer change, but the placement can
    _on_cpu.enter_context(keras.device("cpu:0"))


def _driver_lists_gpu():
    """Whether NVIDIA's driver knows a GPU that was not hidden on purpose."""
    command = shutil.which("nvidia-smi")
    if command is None or os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    try:
        found = subprocess.run([command, "-L"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return found.returncode == 0 and "GPU" in found.stdout
