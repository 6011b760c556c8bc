"""The images that exercises draw their inputs from."""

import numpy as np
import pytest

import coursekit as ck
from grader.exercises import clothes


@pytest.mark.parametrize("side", [1, 4, 28])
def test_clothes_are_means_of_blocks_of_the_classes_asked_for(side):
    x, y = clothes(np.random.default_rng(0), 30, side, classes=(3, 5), dtype="float64")
    again, _ = clothes(np.random.default_rng(0), 30, side, classes=(3, 5), dtype="float64")
    assert x.shape == (30, side**2)
    assert x.dtype == "float64"
    assert set(y) == {3, 5}
    np.testing.assert_array_equal(x, again)
    images = ck.datasets.fashion_mnist().train
    of_a_class = images.x[images.y == y[0]].reshape(-1, 28, 28)
    block = 28 // side
    corners = of_a_class[:, :block, :block].mean(axis=(1, 2))
    assert np.abs(corners - x[0, 0]).min() < 1e-6
    assert np.abs(of_a_class.mean(axis=(1, 2)) - x[0].mean()).min() < 1e-6


def test_a_side_that_does_not_divide_28_is_refused():
    with pytest.raises(ValueError, match="side must divide 28, got 5"):
        clothes(np.random.default_rng(0), 3, 5)
