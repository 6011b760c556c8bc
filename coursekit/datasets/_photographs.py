"""Colour photographs that come with scikit-learn and scikit-image."""

import importlib.resources

import numpy as np
from PIL import Image

from coursekit.datasets._files import DataFileError

_FILES = {
    "astronaut": ("skimage", "data/astronaut.png"),
    "cat": ("skimage", "data/chelsea.png"),
    "china": ("sklearn", "datasets/images/china.jpg"),
    "coffee": ("skimage", "data/coffee.png"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
    "rocket": ("skimage", "data/rocket.jpg"),
}


def photographs(names=tuple(_FILES)):
    """Six colour photographs of 300 to 512 by 451 to 640 pixels, as a dict from name to image.

    "astronaut", "cat", "coffee" and "rocket" are scikit-image's, "china" and "flower"
    scikit-learn's; they are read from the installed packages, never downloaded.

    Args:
        names: which ones, in this order.

    Returns:
        Images (height, width, 3) as float32 in [0, 1].

    Raises:
        ValueError: an unknown name.
        DataFileError: an installed package lacks the file.
    """
    if isinstance(names, str):
        raise ValueError(f'names must be a sequence of names such as ("{names}",), got {names!r}.')
    return {name: _read(name) for name in names}


def _read(name):
    if name not in _FILES:
        raise ValueError(f"names must be among {', '.join(_FILES)}, got {name!r}.")
    package, path = _FILES[name]
    file = importlib.resources.files(package) / path
    try:
        with file.open("rb") as opened, Image.open(opened) as image:
            return np.asarray(image.convert("RGB"), dtype="float32") / 255
    except OSError as error:
        raise DataFileError(
            f"The photograph {name!r} of {package} cannot be read ({error}): "
            f"reinstall {'scikit-image' if package == 'skimage' else 'scikit-learn'}."
        ) from None
