import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import coursekit as ck

manifolds = ck.datasets.manifolds
MAKERS = [manifolds.swiss_roll, manifolds.s_curve, manifolds.circles]


@pytest.mark.parametrize("make", [manifolds.swiss_roll, manifolds.s_curve])
def test_arc_length_is_the_length_walked_along_the_curve(make):
    """Against the polygon through the points in their order along the curve."""
    x, y = make(20_000, seed=3)
    order = np.argsort(y[:, 0])
    curve = x[order][:, [0, 2]].astype("float64")
    steps = np.linalg.norm(np.diff(curve, axis=0), axis=1)
    walked = np.concatenate([[0], np.cumsum(steps)])
    np.testing.assert_allclose(walked, y[order, 0] - y[order[0], 0], atol=2e-3 * walked[-1])


def test_swiss_roll_lies_on_its_spiral_and_height_is_its_axis():
    x, y = manifolds.swiss_roll(500)
    radius = np.hypot(x[:, 0], x[:, 2])  # the spiral is r = t
    angle = np.arctan2(x[:, 2], x[:, 0])
    np.testing.assert_allclose(np.cos(radius), np.cos(angle), atol=1e-4)
    np.testing.assert_allclose(np.sin(radius), np.sin(angle), atol=1e-4)
    np.testing.assert_array_equal(x[:, 1], y[:, 1])
    assert y[:, 0].min() >= 0
    assert 89 < y[:, 0].max() < 90.5
    assert 20 < y[:, 1].max() <= 21


@pytest.mark.parametrize("height", [2, 6.0])
def test_s_curve_is_made_of_two_arcs_of_unit_circles(height):
    x, y = manifolds.s_curve(500, height=height)
    center = np.where(y[:, 0] < 1.5 * np.pi, 1, -1)
    np.testing.assert_allclose(np.hypot(x[:, 0], x[:, 2] - center), 1, atol=1e-5)
    np.testing.assert_array_equal(x[:, 1], y[:, 1])
    assert 0.97 * height < y[:, 1].max() <= height
    assert 0 <= y[:, 0].min() < 0.1
    assert 3 * np.pi - 0.1 < y[:, 0].max() <= 3 * np.pi


def test_circles_are_where_their_coordinates_say():
    x, y = manifolds.circles(301, radii=(1, 2, 5))
    radius = np.array([1, 2, 5])[y[:, 1].astype(int)]
    np.testing.assert_allclose(x[:, 0], radius * np.cos(y[:, 0]), atol=1e-5)
    np.testing.assert_allclose(x[:, 1], radius * np.sin(y[:, 0]), atol=1e-5)
    assert sorted(np.bincount(y[:, 1].astype(int))) == [100, 100, 101]


@pytest.mark.parametrize("make", MAKERS)
def test_noise_moves_the_points_and_not_their_coordinates(make):
    clean, noisy = make(4000, seed=5), make(4000, seed=5, noise=0.1)
    np.testing.assert_array_equal(clean.y, noisy.y)
    moved = noisy.x - clean.x
    assert np.std(moved, axis=0) == pytest.approx(0.1, rel=0.1)
    assert np.abs(moved.mean(axis=0)).max() < 0.01


@settings(max_examples=20, deadline=None)
@given(make=st.sampled_from(MAKERS), n=st.integers(1, 50), seed=st.integers(0, 2**32 - 1))
def test_one_seed_one_set_of_points(make, n, seed):
    first, again = make(n, seed=seed), make(n, seed=seed)
    np.testing.assert_array_equal(first.x, again.x)
    assert first.x.dtype == first.y.dtype == np.float32
    assert first.x.shape[0] == first.y.shape[0] == n
    assert first.y.shape[1] == 2
    assert not np.array_equal(first.x, make(n, seed=(seed + 1) % 2**32).x)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: manifolds.swiss_roll(0), "n must be a whole number of points from 1, got 0"),
        (lambda: manifolds.s_curve(2.5), "n must be a whole number"),
        (lambda: manifolds.swiss_roll(9, noise=-1), "noise must be a standard deviation from 0"),
        (lambda: manifolds.circles(9, noise=np.nan), "noise must be a standard deviation"),
        (lambda: manifolds.s_curve(9, height=0), "height must be a positive number, got 0"),
        (lambda: manifolds.circles(9, radii=(1, -1)), "radii must be positive"),
        (lambda: manifolds.circles(9, radii=()), "radii must be positive"),
        (lambda: manifolds.circles(9, radii=1), "radii must be positive"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
