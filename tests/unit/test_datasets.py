import hashlib
import struct

import numpy as np
import pytest

import coursekit as ck
from coursekit.datasets import _files

IDX_SHA256 = {  # published with the original files
    "x_train": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "y_train": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "x_test": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "y_test": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


@pytest.mark.parametrize("name", IDX_SHA256)
def test_mnist_written_back_to_idx_is_the_published_file(name):
    array = _files.load_arrays("mnist.npz")[name]
    header = struct.pack(f">HBB{array.ndim}I", 0, 0x08, array.ndim, *array.shape)
    assert hashlib.sha256(header + array.tobytes()).hexdigest() == IDX_SHA256[name]


def test_mnist_split():
    data, raw = ck.datasets.mnist(), _files.load_arrays("mnist.npz")
    assert [len(part.x) for part in (data.train, data.validation, data.test)] == [
        55_000, 5_000, 10_000,
    ]  # fmt: skip
    np.testing.assert_array_equal(data.validation.y, raw["y_train"][:5_000])
    np.testing.assert_array_equal(data.train.y, raw["y_train"][5_000:])
    np.testing.assert_array_equal(np.round(data.train.x[7] * 255), raw["x_train"][5_007].ravel())
    assert data.train.x.dtype == np.float32
    assert (data.train.x.min(), data.train.x.max()) == (0, 1)


def test_digits_1_5_6_have_the_lectures_counts():
    data = ck.datasets.mnist((1, 5, 6), shape="image")
    assert data.train.x.shape == (16_583, 28, 28, 1)
    assert data.validation.x.shape == (1_498, 28, 28, 1)
    assert data.test.x.shape == (2_985, 28, 28, 1)
    assert set(data.train.y) == {1, 5, 6}


def test_fashion_split():
    data = ck.datasets.fashion_mnist()
    assert [part.x.shape for part in (data.train, data.validation, data.test)] == [
        (9_000, 784), (1_000, 784), (2_000, 784),
    ]  # fmt: skip
    assert len(ck.datasets.FASHION_NAMES) == len(set(data.test.y)) == 10
    assert len(ck.datasets.fashion_mnist([9]).test.x) == (data.test.y == 9).sum()


def test_a_split_unpacks():
    x, y = ck.datasets.fashion_mnist([0]).test
    assert len(x) == len(y)


@pytest.mark.parametrize("digits", [[10], [-1, 2], [1.0], ["1"], [True], "156", 5, None])
def test_digits_outside_0_to_9_are_refused(digits):
    with pytest.raises(ValueError, match=r"digits must .*whole numbers from 0 to 9"):
        ck.datasets.mnist(digits)


def test_no_digit_left_is_refused():
    with pytest.raises(ValueError, match="digits leaves no image"):
        ck.datasets.mnist([])


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"shape must be .flat. or .image., got .square."):
        ck.datasets.mnist(shape="square")


@pytest.fixture
def copied_data(tmp_path, monkeypatch):
    source = ck.datasets.data_folder() / "fashion_mnist_12k.npz"
    copy = tmp_path / source.name
    copy.write_bytes(source.read_bytes())
    monkeypatch.setenv("COURSEKIT_DATA", str(tmp_path))
    return copy


def test_data_may_lie_elsewhere(copied_data):
    assert len(ck.datasets.fashion_mnist().train.x) == 9_000


def test_a_truncated_file_is_refused(copied_data):
    copied_data.write_bytes(copied_data.read_bytes()[:-1000])
    with pytest.raises(
        ck.datasets.DataFileError,
        match=r"fashion_mnist_12k.npz is truncated or altered .*git checkout -- data/fashion",
    ):
        ck.datasets.fashion_mnist()


def test_one_altered_byte_is_refused(copied_data):
    content = bytearray(copied_data.read_bytes())
    content[len(content) // 2] ^= 1
    copied_data.write_bytes(content)
    with pytest.raises(ck.datasets.DataFileError, match="truncated or altered"):
        ck.datasets.fashion_mnist()


def test_a_missing_file_is_named(copied_data):
    with pytest.raises(ck.datasets.DataFileError, match=r"mnist.npz is missing: restore it with"):
        ck.datasets.mnist()


def test_a_missing_folder_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSEKIT_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(
        ck.datasets.DataFileError, match=r"COURSEKIT_DATA was not found at .*nowher"
    ):
        ck.datasets.mnist()
