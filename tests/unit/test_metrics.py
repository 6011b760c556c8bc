import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import subspace_angles

import coursekit as ck
from coursekit.metrics import principal_angles, squared_error


def basis(n, k, seed):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(n, k)))[0]


@settings(max_examples=60, deadline=None)
@given(
    degrees=st.lists(st.floats(0, 90), min_size=1, max_size=5), extra=st.integers(0, 3),
    seed=st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_finds_the_angles_it_was_given(degrees, extra, seed):
    """Each column of B is tilted out of span(A) by a known angle, into a direction of its own."""
    k, rng = len(degrees), np.random.default_rng(seed)
    Q = basis(2 * k + extra + 2, 2 * k + extra, seed)
    tilt = np.deg2rad(degrees)
    A = Q[:, : k + extra] @ rng.normal(size=(k + extra, k + extra))
    B = (Q[:, :k] * np.cos(tilt) + Q[:, k + extra :] * np.sin(tilt)) @ rng.normal(size=(k, k))
    if max(np.linalg.cond(A), np.linalg.cond(B)) > 1e4:
        return
    wanted = np.sort(degrees)[::-1]
    np.testing.assert_allclose(principal_angles(A, B), wanted, atol=1e-7)
    np.testing.assert_allclose(principal_angles(B, A), wanted, atol=1e-7)


def test_agrees_with_scipy():
    A, B = basis(50, 4, 0), basis(50, 7, 1)
    np.testing.assert_allclose(principal_angles(A, B), np.rad2deg(subspace_angles(A, B)), rtol=1e-9)


@pytest.mark.parametrize("degrees", [1e-9, 1e-6, 1e-3])
def test_small_angles_keep_their_digits(degrees):
    """Where the cosine is 1 to machine precision."""
    tilt = np.deg2rad(degrees)
    A, B = np.array([[1.0], [0.0]]), np.array([[np.cos(tilt)], [np.sin(tilt)]])
    assert principal_angles(A, B)[0] == pytest.approx(degrees, rel=1e-6)


def test_does_not_depend_on_the_basis():
    A, B = basis(9, 3, 0), basis(9, 3, 1)
    mixed = A @ np.array([[2.0, 1, 0], [0, -3, 1], [1, 0, 1]])
    np.testing.assert_allclose(principal_angles(mixed, B), principal_angles(A, B), atol=1e-9)
    np.testing.assert_allclose(principal_angles(A, mixed), 0, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 6), features=st.integers(1, 5), seed=st.integers(0, 1000))
def test_squared_error_is_the_sum_over_features_averaged_over_samples(n, features, seed):
    rng = np.random.default_rng(seed)
    x, x_hat = rng.normal(size=(2, n, features))
    total = sum((a - b) ** 2 for row, other in zip(x, x_hat, strict=True)
                for a, b in zip(row, other, strict=True))  # fmt: skip
    assert squared_error(x, x_hat) == pytest.approx(total / n)


def test_squared_error_of_images_is_784_times_kerass_mse():
    rng = np.random.default_rng(0)
    x, x_hat = rng.random((2, 8, 28, 28, 1), dtype="float32")
    mse = np.mean((x.astype("float64") - x_hat) ** 2)
    assert squared_error(x, x_hat) == pytest.approx(784 * mse, rel=1e-6)
    assert squared_error(x.reshape(8, 784), x_hat.reshape(8, 784)) == pytest.approx(784 * mse)


def test_squared_error_of_whole_numbers_does_not_wrap_around():
    x = np.array([[0, 255]], dtype="uint8")
    assert squared_error(x, x[:, ::-1]) == 2 * 255**2


I3 = np.eye(3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: principal_angles(I3[:, :2], np.eye(4)), "equally many rows"),
        (lambda: principal_angles(I3[0], I3), "A must have 2 axes"),
        (lambda: principal_angles(I3, I3[:, [0, 0]]), "B must have linearly independent columns"),
        (lambda: principal_angles(np.eye(2, 3), I3), "A must have linearly independent columns"),
        (lambda: principal_angles(I3 * np.nan, I3), "A must be finite"),
        (lambda: squared_error(I3, I3[:2]), "must have one shape"),
        (lambda: squared_error(I3[0], I3[0]), r"one shape \(n, ...\)"),
        (lambda: squared_error(I3, np.full((3, 3), np.inf)), "x_hat must be finite"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_is_exported():
    assert ck.metrics.principal_angles is principal_angles
