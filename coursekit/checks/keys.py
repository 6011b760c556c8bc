"""What an exercise's answers are compared with, and its file: numbers, no solution."""

import dataclasses
import io
import json
import os
import zipfile
from collections.abc import Iterable, Sequence

import numpy as np

__all__ = ["Key", "load_key", "save_keys", "weights"]


@dataclasses.dataclass(frozen=True)
class Key:
    """What one exercise's answers are compared with.

    `cases` holds the inputs: for each case one value per name in `arguments`, an array or a
    number. `expected` holds for each case the outputs, a tuple of arrays, and `wrong` pairs of a
    sentence and, for each case, the outputs of someone who makes that mistake. Two numbers agree
    if they differ by at most atol + rtol * |expected|. `gradient` is the derivative of the first
    case's output, summed with `weights`, with respect to the argument `differentiable`.
    """

    name: str
    arguments: tuple
    cases: tuple
    expected: tuple
    wrong: tuple
    points: int
    rtol: float
    atol: float
    differentiable: str = ""
    gradient: np.ndarray | None = None


def weights(shape: Sequence[int]) -> np.ndarray:
    """The fixed weights, from 1 to 2, with which an output is summed before it is differentiated.

    A plain sum would not do: that of a softmax, say, is constant.
    """
    return np.linspace(1, 2, int(np.prod(shape)), dtype="float32").reshape(shape)


def save_keys(path: str | os.PathLike, keys: Iterable[Key]) -> None:
    """Write keys to an .npz file: numbers and text, the same bytes for the same keys."""
    arrays = {}
    for key in keys:
        fields = ("arguments", "points", "rtol", "atol", "differentiable")
        about = {field: getattr(key, field) for field in fields} | {
            "wrong": [sentence for sentence, _ in key.wrong],
            "cases": len(key.cases),
            "outputs": len(key.expected[0]),
        }
        arrays[f"{key.name}/about"] = np.array(json.dumps(about))
        for i, (case, want) in enumerate(zip(key.cases, key.expected, strict=True)):
            arrays |= {f"{key.name}/{i}/in{j}": value for j, value in enumerate(case)}
            arrays |= {f"{key.name}/{i}/out{j}": value for j, value in enumerate(want)}
            for w, (_, outputs) in enumerate(key.wrong):
                for j, value in enumerate(outputs[i]):
                    arrays[f"{key.name}/{i}/wrong{w}-{j}"] = value
        if key.gradient is not None:
            arrays[f"{key.name}/gradient"] = key.gradient
    # np.savez would write the time of day into the file.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(name + ".npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3  # the same on Windows
            file.writestr(entry, buffer.getvalue())


def load_key(path: str | os.PathLike, name: str) -> Key:
    """One exercise's `Key`, from a file of `save_keys`; raises a ValueError where there is none."""
    try:
        with np.load(path, allow_pickle=False) as file:
            names = [entry.split("/")[0] for entry in file.files if entry.endswith("/about")]
            if name not in names:
                raise ValueError(
                    f"There is no exercise {name!r} in this assignment: it has {', '.join(names)}."
                )
            about = json.loads(str(file[f"{name}/about"]))
            sentences, cases, outputs = (about.pop(key) for key in ("wrong", "cases", "outputs"))
            arguments = tuple(about.pop("arguments"))

            def stored(kind, count):
                """For each case a tuple of the arrays of one kind."""
                return tuple(
                    tuple(file[f"{name}/{i}/{kind}{j}"] for j in range(count)) for i in range(cases)
                )

            return Key(
                name=name,
                arguments=arguments,
                cases=tuple(
                    tuple(value if value.ndim else value.item() for value in case)
                    for case in stored("in", len(arguments))
                ),
                expected=stored("out", outputs),
                wrong=tuple((s, stored(f"wrong{w}-", outputs)) for w, s in enumerate(sentences)),
                gradient=file[f"{name}/gradient"] if about["differentiable"] else None,
                **about,
            )
    except (zipfile.BadZipFile, KeyError, EOFError, OSError) as error:
        raise ValueError(
            f"{path} is damaged: restore it with `git checkout`, or download it again."
        ) from error
