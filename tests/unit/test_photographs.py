import re

import numpy as np
import pytest
import skimage.data
from sklearn.datasets import load_sample_image

import coursekit as ck
from coursekit.datasets import _photographs

photographs = ck.datasets.photographs


def test_all_are_color_images_in_the_unit_range():
    images = photographs()
    assert list(images) == ["astronaut", "cat", "china", "coffee", "flower", "rocket"]
    for image in images.values():
        assert image.dtype == np.float32
        assert image.ndim == 3
        assert image.shape[2] == 3
        assert min(image.shape[:2]) >= 300
        assert image.min() >= 0
        assert 0.9 < image.max() <= 1


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("china", lambda: load_sample_image("china.jpg")),
        ("flower", lambda: load_sample_image("flower.jpg")),
        ("astronaut", skimage.data.astronaut),
        ("cat", skimage.data.chelsea),
        ("coffee", skimage.data.coffee),
        ("rocket", skimage.data.rocket),
    ],
)
def test_is_the_image_that_the_library_hands_out(name, published):
    image = photographs([name])[name]
    np.testing.assert_array_equal(np.round(image * 255), published())


def test_order_is_the_callers():
    assert list(photographs(["rocket", "cat"])) == ["rocket", "cat"]


@pytest.mark.parametrize("names", ["cat", ["cat", "dog"], [1], 5, None])
def test_unknown_name(names):
    given = re.escape(f"got {names!r}")
    with pytest.raises(ValueError, match=rf"names must be .* \('astronaut', .*, {given}"):
        photographs(names)


def test_a_missing_file_is_reported_and_not_downloaded(monkeypatch):
    monkeypatch.setitem(_photographs._FILES, "cat", ("skimage", "data/absent.png"))
    with pytest.raises(ck.datasets.DataFileError, match=r"'cat' .* reinstall scikit-image"):
        photographs(["cat"])


def test_a_damaged_file_is_reported(monkeypatch):
    monkeypatch.setitem(_photographs._FILES, "china", ("sklearn", "datasets/__init__.py"))
    with pytest.raises(ck.datasets.DataFileError, match="reinstall scikit-learn"):
        photographs(["china"])
