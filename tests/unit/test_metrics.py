import keras
import numpy as np
import pytest
import skimage.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

import coursekit as ck
from coursekit.metrics import (
    jacobian_norm,
    jacobian_spectrum,
    lifetime_sparsity,
    population_sparsity,
    principal_angles,
    psnr,
    squared_error,
    ssim,
)


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


def test_large_angles_agree_with_the_cosines():
    """The textbook's formula, in which only small angles lose digits."""
    A, B = basis(50, 4, 0), basis(50, 7, 1)
    cosines = np.linalg.svd(A.T @ B, compute_uv=False)
    wanted = np.rad2deg(np.arccos(cosines[::-1]))
    assert wanted.min() > 10
    np.testing.assert_allclose(principal_angles(A, B), wanted, rtol=1e-9)


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


rng = np.random.default_rng(0)
x = rng.random((5, 28, 28), dtype="float32")
x_hat = (x + rng.normal(0, 0.2, x.shape)).astype("float32")  # leaves [0, 1]


@pytest.mark.parametrize("shape", [(5, 784), (5, 28, 28), (5, 28, 28, 1)])
def test_psnr_and_ssim_are_scikit_images(shape):
    a, b = x.reshape(shape), x_hat.reshape(shape)
    wanted = [skimage.metrics.peak_signal_noise_ratio(p, q, data_range=1)
              for p, q in zip(x, x_hat, strict=True)]  # fmt: skip
    np.testing.assert_allclose(psnr(a, b), wanted, rtol=1e-6)
    wanted = [skimage.metrics.structural_similarity(p, q, data_range=1)
              for p, q in zip(x, x_hat, strict=True)]  # fmt: skip
    np.testing.assert_allclose(ssim(a, b), wanted, rtol=1e-4)


def test_psnr_is_the_formula():
    mse = np.square(x.astype("float64") - x_hat).mean(axis=(1, 2))
    np.testing.assert_allclose(psnr(x, x_hat), -10 * np.log10(mse))
    assert psnr(x[:1], x[:1] + 0.1)[0] == pytest.approx(20, rel=1e-5)


def test_psnr_and_ssim_of_colors():
    a, b = rng.random((2, 3, 16, 20, 3))
    wanted = [skimage.metrics.structural_similarity(p, q, data_range=1, channel_axis=-1)
              for p, q in zip(a, b, strict=True)]  # fmt: skip
    np.testing.assert_allclose(ssim(a, b), wanted)
    assert psnr(a, b).shape == (3,)


@pytest.mark.filterwarnings("error")
def test_equal_images():
    assert (psnr(x, x) == np.inf).all()
    np.testing.assert_allclose(ssim(x, x), 1)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(2, 30), seed=st.integers(0, 1000), scale=st.floats(0.01, 100))
def test_sparsity_of_closed_cases(n, seed, scale):
    eye, ones = scale * np.eye(n), np.full((n, n), scale)
    for sparsity in (lifetime_sparsity, population_sparsity):
        np.testing.assert_allclose(sparsity(eye), 1)
        np.testing.assert_allclose(sparsity(-eye), 1)
        np.testing.assert_allclose(sparsity(ones), 0, atol=1e-12)
        some = sparsity(np.random.default_rng(seed).exponential(size=(n, n)))
        assert ((some >= -1e-12) & (some <= 1)).all()


@pytest.mark.parametrize("on", [1, 2, 5])
def test_sparsity_of_units_that_are_on_for_a_share(on):
    """k of N alike and the rest silent: (1 - k/N) / (1 - 1/N)."""
    h = np.zeros((10, 3))
    h[:on] = 0.7
    np.testing.assert_allclose(lifetime_sparsity(h), (1 - on / 10) / 0.9)
    np.testing.assert_allclose(population_sparsity(h.T), (1 - on / 10) / 0.9)


@pytest.mark.filterwarnings("error")
def test_sparsity_of_the_silent_is_undefined():
    h = np.array([[0.0, 1], [0, 2]])
    np.testing.assert_array_equal(np.isnan(lifetime_sparsity(h)), [True, False])
    np.testing.assert_array_equal(np.isnan(population_sparsity(h[:, :1] * [[1, 1]])), True)


def encoder(*units, n=784):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(m, "tanh") for m in units]
    return keras.Sequential([keras.Input((n,)), *layers])


def jacobian_by_differences(model, x, step=1e-5):
    """Central differences, in double precision, with the weights of `model`."""
    weights = [w.astype("float64") for w in model.get_weights()]

    def f(x):
        for W, b in zip(weights[::2], weights[1::2], strict=True):
            x = np.tanh(x @ W + b)
        return x

    steps = step * np.eye(len(x))
    return ((f(x + steps) - f(x - steps)) / (2 * step)).T


@pytest.mark.parametrize("units", [(40,), (60, 9)])
def test_jacobian_norm_and_spectrum_against_numpy(units):
    model, inputs = encoder(*units), x.reshape(5, 784)
    jacobians = [jacobian_by_differences(model, row.astype("float64")) for row in inputs]
    norms = [np.linalg.norm(J) for J in jacobians]
    np.testing.assert_allclose(jacobian_norm(model, inputs), norms, rtol=1e-5)
    spectrum = jacobian_spectrum(model, inputs)
    assert spectrum.shape == (5, units[-1])
    for values, J in zip(spectrum, jacobians, strict=True):
        np.testing.assert_allclose(values, np.linalg.svd(J)[1], atol=1e-5 * values[0])
    np.testing.assert_allclose(np.linalg.norm(spectrum, axis=1), norms, rtol=1e-5)


def test_jacobians_of_a_model_are_those_of_its_encoder():
    half = encoder(5, n=12)
    model = ck.models.Autoencoder(half, encoder(12, n=5))
    inputs = rng.random((4, 12), dtype="float32")
    for measure in (jacobian_norm, jacobian_spectrum):
        np.testing.assert_array_equal(measure(model, inputs), measure(half, inputs))


def test_jacobians_in_several_batches():
    model = encoder(300, 300, n=600)
    inputs = rng.random((120, 600), dtype="float32")  # more than 64 MB of Jacobians
    norms = jacobian_norm(model, inputs)
    assert norms.shape == (120,)
    np.testing.assert_allclose(norms[100:], jacobian_norm(model, inputs[100:]), rtol=1e-5)


def test_spectrum_of_an_encoder_wider_than_its_input():
    spectrum = jacobian_spectrum(encoder(5, n=3), rng.random((4, 3), dtype="float32"))
    assert spectrum.shape == (4, 3)
    assert (np.diff(spectrum, axis=1) <= 0).all()


def test_jacobian_norm_of_a_constant_encoder_is_zero():
    model = encoder(6, 2, n=3)
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    np.testing.assert_array_equal(jacobian_norm(model, np.ones((2, 3))), 0)


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
        (lambda: psnr(x * 255, x_hat), r"x must lie in \[0, 1\]"),
        (lambda: psnr(x, x_hat[:2]), "x and x_hat must have one shape"),
        (lambda: ssim(x[0], x_hat[0]), "x must be a batch of images"),
        (lambda: ssim(x[:, :6], x_hat[:, :6]), "x must have at least 7 by 7 pixels"),
        (lambda: lifetime_sparsity(I3[0]), "h must have 2 axes"),
        (lambda: lifetime_sparsity(I3[:1]), "h must hold at least two inputs"),
        (lambda: population_sparsity(I3[:, :1]), "h must hold at least two units"),
        (lambda: jacobian_norm(encoder(2, n=3), I3[:, :2]), r"x must have shape \(batch, 3\)"),
        (lambda: jacobian_spectrum(encoder(2, n=3), I3 * np.nan), "x must be finite"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_is_exported():
    assert ck.metrics.principal_angles is principal_angles
