"""The one definition of an exercise, from which its checks and its marks are made."""

import dataclasses
import functools
import importlib.util
import inspect
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from coursekit import datasets
from coursekit.checks import diagnosis, keys
from grader import ROOT, notebooks

__all__ = ["PUBLIC_SEED", "Exercise", "Wrong", "clothes", "load", "source_folder"]
__all__ += ["source_folders", "student_folder", "tells_apart"]

# Other seeds give inputs that nobody has seen.
PUBLIC_SEED = 0


@dataclasses.dataclass(frozen=True)
class Wrong:
    """A mistake that students make: what it computes, and the sentence for those who make it.

    The sentence says what the code does and what is wanted ("averages over the units; sum over
    them"), continues "Your kl_sparsity ...", and must not spell out the solution's line.
    """

    sentence: str
    function: Callable


@dataclasses.dataclass(frozen=True)
class Exercise:
    """One exercise of an assignment.

    `reference` and the wrong variants are NumPy functions; their arrays come and go in double
    precision, so that what is stored does not depend on backend or processor. They must be
    deterministic: noise is an argument.

    Args:
        name: the student's function, a lower-case identifier.
        points: what it earns.
        reference: the solution; its signature is the exercise's. Returns an array, a number, or a
            tuple of arrays.
        inputs: of a `numpy.random.Generator`, returns the cases: at least two tuples of arguments
            (arrays in float32, int or bool, and numbers), not all of one batch size. It serves
            for the public inputs and, with other seeds, for those that marks are given on.
        wrong: at least four.
        rtol, atol: numbers agree if they differ by at most atol + rtol * |expected|; single
            precision must do, and every mistake must be ten times further away.
        differentiable: the argument by which the answer must be differentiable, or "". The first
            case is used, whose argument then has at most 2,000 numbers, with no kink near any.
        alternatives: right answers, written otherwise (loops, `keras.ops`, another dtype).
    """

    name: str
    points: int
    reference: Callable
    inputs: Callable
    wrong: tuple[Wrong, ...]
    rtol: float = 1e-3
    atol: float = 1e-5
    differentiable: str = ""
    alternatives: tuple[Callable, ...] = ()

    @property
    def cell_id(self) -> str:
        """The id of its answer's cell."""
        return notebooks.cell_id(self.name)

    @property
    def check_id(self) -> str:
        """The id of the cell that checks it."""
        return notebooks.check_id(self.name)

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names of the function's arguments."""
        return tuple(inspect.signature(self.reference).parameters)

    def key(self, seed: int = PUBLIC_SEED) -> keys.Key:
        """The `keys.Key` for the inputs that this seed gives."""
        cases = tuple(tuple(case) for case in self.inputs(np.random.default_rng(seed)))
        for case in cases:
            self._require_plain(case)
        return keys.Key(
            name=self.name,
            arguments=self.arguments,
            cases=cases,
            expected=tuple(_outputs(self.reference, case) for case in cases),
            wrong=tuple(
                (wrong.sentence, tuple(_outputs(wrong.function, case) for case in cases))
                for wrong in self.wrong
            ),
            points=self.points,
            rtol=self.rtol,
            atol=self.atol,
            differentiable=self.differentiable,
            gradient=self._gradient(cases[0]) if self.differentiable else None,
        )

    def _require_plain(self, case):
        if len(case) != len(self.arguments):
            raise ValueError(
                f"{self.name}: inputs must give {len(self.arguments)} arguments, got {len(case)}."
            )
        for name, value in zip(self.arguments, case, strict=True):
            plain = (
                value.dtype == "float32" or value.dtype.kind in "iub"
                if isinstance(value, np.ndarray)
                else isinstance(value, (bool, int, float))
            )
            if not plain:
                raise TypeError(
                    f"{self.name}: {name} must be a number or an array of float32, int or bool, "
                    f"got {getattr(value, 'dtype', type(value).__name__)}."
                )

    def _gradient(self, case):
        """By central differences, in double precision."""
        position = self.arguments.index(self.differentiable)
        x = case[position].astype("float64")
        if x.size > 2_000:
            raise ValueError(
                f"{self.name}: the first case's {self.differentiable} may have at most 2,000 "
                f"numbers to be differentiated by, got {x.size:,}."
            )

        def weighted_sum(x):
            given = [x if i == position else _double(value) for i, value in enumerate(case)]
            output = self.reference(*given)
            output = np.asarray(output[0] if isinstance(output, tuple) else output)
            return float(np.sum(output * keys.weights(output.shape)))

        gradient, step = np.zeros(x.shape), 1e-5
        for at in np.ndindex(x.shape):
            forward, backward = x.copy(), x.copy()
            forward[at] += step
            backward[at] -= step
            gradient[at] = (weighted_sum(forward) - weighted_sum(backward)) / (2 * step)
        return _rounded(gradient, bits=12)


def tells_apart(key: keys.Key) -> bool:
    """Whether what is right and each mistake are ten tolerances away from each other."""
    loose = dataclasses.replace(key, rtol=10 * key.rtol, atol=10 * key.atol)
    variants = [key.expected, *(outputs for _, outputs in key.wrong)]
    return not any(
        all(diagnosis.agree(a, b, loose) for a, b in zip(one, other, strict=True))
        for one, other in itertools.combinations(variants, 2)
    )


def _outputs(function, case):
    """What a NumPy function returns for a case: a tuple of arrays, as they are stored."""
    with np.errstate(all="ignore"):  # a mistake may well divide by zero
        returned = function(*(_double(value) for value in case))
    returned = returned if isinstance(returned, tuple) else (returned,)
    return tuple(_rounded(np.asarray(value, dtype="float64"), bits=20) for value in returned)


def clothes(
    rng: np.random.Generator,
    n: int,
    side: int = 14,
    *,
    classes: Sequence[int] = range(10),
    dtype: str = "float32",
) -> tuple[np.ndarray, np.ndarray]:
    """Images of Fashion-MNIST for an exercise's inputs, made small so that checks.npz is.

    Args:
        rng: draws them without repetition.
        n: how many.
        side: pixels a side, a divisor of 28: each is the mean of a block.
        classes: those to draw from.
        dtype: in which the means are taken and returned.

    Returns:
        x (n, side * side) in [0, 1] and the classes (n,).

    Raises:
        ValueError: `side` does not divide 28, or there are fewer than n images of these classes.
    """
    if side < 1 or 28 % side:
        raise ValueError(f"side must divide 28, got {side}.")
    x, y = _fashion()
    chosen = rng.choice(np.flatnonzero(np.isin(y, classes)), n, replace=False)
    block = 28 // side
    blocks = x[chosen].astype(dtype).reshape(-1, side, block, side, block)
    return blocks.mean(axis=(2, 4)).reshape(-1, side**2), y[chosen]


@functools.cache
def _fashion():
    return datasets.fashion_mnist().train


def source_folders() -> list[Path]:
    """The assignments' source folders, instructor/NN_topic, in order."""
    return sorted(path.parent for path in ROOT.glob("instructor/[0-9][0-9]_*/exercises.py"))


def source_folder(assignment: str) -> Path:
    """One of them, by its name.

    Raises:
        ValueError: there is none of that name.
    """
    known = {folder.name: folder for folder in source_folders()}
    if assignment not in known:
        raise ValueError(f"there is no assignment {assignment!r}; there are {', '.join(known)}.")
    return known[assignment]


def student_folder(assignment: str) -> Path:
    """Where its student version is: the notebook and checks.npz."""
    return ROOT / "notebooks" / "assignments" / assignment


def load(folder: str | Path) -> tuple[Exercise, ...]:
    """The exercises of an assignment's source folder, instructor/NN_topic."""
    path = Path(folder) / "exercises.py"
    spec = importlib.util.spec_from_file_location(f"exercises_{path.parent.name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.EXERCISES


def _double(value):
    if isinstance(value, np.ndarray):
        return value.astype("float64") if value.dtype.kind == "f" else value.copy()
    return value


def _rounded(values, bits):
    """To float32 with so many binary digits, and what is below 1e-9 to 0.

    Processors differ in the last digit of an exponential and in the sign of NaN; what is stored
    must not.
    """
    values = np.where(np.isnan(values), np.nan, values)
    mantissa, exponent = np.frexp(values)
    kept = np.ldexp(np.round(np.ldexp(mantissa, bits)), exponent - bits)
    return np.where(np.abs(values) < 1e-9, 0, kept).astype("float32")
