"""Derivatives against closed forms, on whatever backend runs."""

import keras
import numpy as np
import pytest
from keras import ops

import coursekit as ck

rng = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_gradient_has_the_values_shape_and_precision_of_its_closed_form(dtype):
    x = rng.normal(size=(3, 4)).astype(dtype)
    found = ck.gradient(lambda x: ops.sum(x**3) / 7, x)
    assert (type(found), found.dtype, found.shape) == (np.ndarray, dtype, (3, 4))
    np.testing.assert_allclose(found, 3 * x**2 / 7, rtol=10 * np.finfo(dtype).eps)


def test_a_structure_of_arrays_gets_a_structure_of_gradients():
    W, b = rng.normal(size=(4, 2)), rng.normal(size=2)
    x = rng.normal(size=(5, 4))
    found = ck.gradient(lambda v: ops.sum(ops.square(x @ v["W"] + v["b"])), {"W": W, "b": b})
    assert found.keys() == {"W", "b"}
    residual = 2 * (x @ W + b)
    np.testing.assert_allclose(found["W"], x.T @ residual, rtol=1e-12)
    np.testing.assert_allclose(found["b"], residual.sum(axis=0), rtol=1e-12)


def test_weights_of_a_model():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    x = rng.normal(size=(6, 3)).astype("float32")
    before = model.get_weights()
    kernel, bias = ck.gradient(lambda: ops.sum(model(x)), model.trainable_weights)
    np.testing.assert_allclose(kernel, np.tile(x.sum(axis=0)[:, None], 2), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(bias, [6, 6])
    for was, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)


def test_where_nothing_leads_from_the_argument_to_the_result():
    x, other = np.ones(3, "float32"), np.ones(2, "float32")
    found = ck.gradient(lambda v: ops.sum(v[0]), (x, other))
    np.testing.assert_array_equal(found[0], np.ones(3))
    nothing = found[1]
    assert not nothing.any() if keras.config.backend() == "jax" else nothing is None


def test_a_jacobian_is_the_matrix_of_a_linear_map():
    A = rng.normal(size=(2, 3))
    found = ck.jacobian(lambda x: ops.matmul(A, x), rng.normal(size=3))
    np.testing.assert_allclose(found, A, rtol=1e-12)


def test_a_jacobian_of_each_sample_is_that_of_the_sample_alone():
    W = rng.normal(size=(3, 2))
    x = rng.normal(size=(5, 3))
    found = ck.jacobian(lambda x: ops.matmul(x, W) ** 3, x, per_sample=True)
    slope = 3 * (x @ W) ** 2
    np.testing.assert_allclose(found, slope[:, :, None] * W.T, rtol=1e-10)
    whole = ck.jacobian(lambda x: ops.matmul(x, W) ** 3, x)
    assert whole.shape == (5, 2, 5, 3)
    np.testing.assert_allclose(whole[range(5), :, range(5)], found, rtol=1e-12)
    assert not whole[0, :, 1:].any()


@pytest.mark.parametrize(
    ("function", "x", "error", "message"),
    [
        (ops.sum, np.ones(3, "int32"), TypeError, "floating-point numbers, got dtype int32"),
        (ops.square, np.ones(3, "float32"), ValueError, r"return a scalar, got shape \(3,\)"),
        (lambda x: None, np.ones(3, "float32"), ValueError, "return a scalar, got None"),
    ],
)
def test_what_has_no_gradient_is_refused(function, x, error, message):
    with pytest.raises(error, match=message):
        ck.gradient(function, x)


def test_a_function_that_mixes_samples_away_is_refused():
    x = np.ones((4, 3), "float32")
    with pytest.raises(ValueError, match="a row for each row of x"):
        ck.jacobian(lambda x: ops.sum(x, axis=0), x, per_sample=True)
