"""Color photographs that come with scikit-learn and scikit-image."""

import importlib.resources
from collections.abc import Sequence

import numpy as np
from PIL import Image

from coursekit import _validate
from coursekit.datasets._files import DataFileError

_FILES = {
    "astronaut": ("skimage", "data/astronaut.png"),
    "cat": ("skimage", "data/chelsea.png"),
    "china": ("sklearn", "datasets/images/china.jpg"),
    "coffee": ("skimage", "data/coffee.png"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
    "rocket": ("skimage", "data/rocket.jpg"),
}


def photographs(names: Sequence[str] = tuple(_FILES)) -> dict[str, np.ndarray]:
    """Six color photographs of 300 to 512 by 451 to 640 pixels, or some of them, by their `names`.

    "astronaut", "cat", "coffee" and "rocket" are scikit-image's, "china" and "flower"
    scikit-learn's; they are read from the installed packages, never downloaded.

    Returns a dict from name to image, (height, width, 3) as float32 in [0, 1]. Raises a ValueError
    for an unknown name, a `DataFileError` where an installed package lacks the file.
    """
    images = {}
    for name in _validate.some_of("names", names, tuple(_FILES)):
        package, path = _FILES[name]
        try:
            with Image.open(importlib.resources.files(package) / path) as image:
                images[name] = np.asarray(image.convert("RGB"), dtype="float32") / 255
        except OSError as error:
            raise DataFileError(
                f"The photograph {name!r} of {package} cannot be read ({error}): reinstall "
                f"{'scikit-image' if package == 'skimage' else 'scikit-learn'}."
            ) from None
    return images
