"""Find a data file, verify it, open it."""

import hashlib
import io
import os
from pathlib import Path

import numpy as np

_SHA256 = {
    "mnist.npz": "06af5dfe73b70e3bc1c36439982b18a8d76803db9b544f6fdf838a37fbb01b64",
    "fashion_mnist_12k.npz": "009dc909d6914f083fba08e5fd702ecb398ce07d2710ca2194130aea5eedb6e1",
    "digit_classifier.npz": "7813dbbcacf76e5242873ba2a27e97d17fc92f1c4c73203b9c0a6dca3d4aa5b7",
}


class DataFileError(RuntimeError):
    """A data file of the course is missing, truncated or altered."""


def data_folder() -> Path:
    """The folder that holds the course's data, wherever Python was started.

    The environment variable ``COURSEKIT_DATA`` comes first, then the copy inside an installed
    package, then ``data/`` of the checkout. Raises a `DataFileError` where none of them exists.
    """
    chosen = os.environ.get("COURSEKIT_DATA")
    package = Path(__file__).resolve().parents[1]
    candidates = [Path(chosen)] if chosen else [package / "data", package.parent / "data"]
    for folder in candidates:
        if folder.is_dir():
            return folder
    origin = "named by COURSEKIT_DATA " if chosen else ""
    raise DataFileError(
        f"The course's data folder {origin}was not found at {' or '.join(map(str, candidates))}: "
        "restore `data/` with `git checkout -- data`, or set COURSEKIT_DATA to a folder that holds "
        "mnist.npz and the other files."
    )


def load_arrays(name):
    """The arrays of a published ``.npz`` file as a dict; any other raises `DataFileError`."""
    path = data_folder() / name
    restore = f"restore it with `git checkout -- data/{name}` or copy it from the course's page."
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataFileError(f"{path} is missing: {restore}") from None
    except OSError as error:
        raise DataFileError(f"{path} cannot be read ({error.strerror}): {restore}") from None
    found = hashlib.sha256(content).hexdigest()
    if found != _SHA256[name]:
        raise DataFileError(
            f"{path} is truncated or altered ({len(content):,} bytes, SHA-256 {found[:12]}… "
            f"instead of {_SHA256[name][:12]}…): {restore}"
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)
