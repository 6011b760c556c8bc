"""Derivatives against those worked out by hand, on whichever backend the tests run."""

import keras
import numpy as np
import pytest
from keras import ops

import coursekit as ck

BACKEND = keras.config.backend()
RNG = np.random.default_rng(0)


def dense(n=5, m=3):
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((n,)), keras.layers.Dense(m, "sigmoid")])


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradient_of_an_array_in_its_own_precision(dtype):
    x = RNG.normal(size=(4, 3)).astype(dtype)
    found = ck.gradient(lambda x: ops.sum(x**3), x)
    assert isinstance(found, np.ndarray)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, 3 * x**2, rtol=1e-13 if dtype == "float64" else 1e-6)


def test_gradient_takes_tensors_and_numbers():
    tensor = ops.convert_to_tensor(np.float32([1, 2]))
    np.testing.assert_array_equal(ck.gradient(lambda x: ops.sum(x * x), tensor), [2, 4])
    assert ck.gradient(lambda x: x**2, 1.5) == 3.0


def test_gradients_come_in_the_structure_of_what_they_are_by():
    B, C, Y = RNG.normal(size=(4, 3)), RNG.normal(size=(3, 2)), RNG.normal(size=(4, 2))
    at = {"B": B, "rest": [C, (2.0,)]}

    def loss(v):
        C, (factor,) = v["rest"]
        return 0.5 * factor * ops.sum((v["B"] @ C - ops.convert_to_tensor(Y)) ** 2)

    found = ck.gradient(loss, at)
    d_A = B @ C - Y
    np.testing.assert_allclose(found["B"], 2 * d_A @ C.T, rtol=1e-12)
    assert isinstance(found["rest"], list)
    assert isinstance(found["rest"][1], tuple)
    np.testing.assert_allclose(found["rest"][0], 2 * B.T @ d_A, rtol=1e-12)
    np.testing.assert_allclose(found["rest"][1][0], 0.5 * np.sum(d_A**2), rtol=1e-12)


def test_gradient_with_respect_to_weights():
    model, x = dense(), RNG.random((6, 5), dtype="float32")
    W, b = model.get_weights()
    h = sigmoid(x @ W + b)
    d_a = 2 * h * h * (1 - h)
    found = ck.gradient(lambda: ops.sum(model(x) ** 2), model.trainable_weights)
    np.testing.assert_allclose(found[0], x.T @ d_a, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[1], d_a.sum(axis=0), rtol=1e-4, atol=1e-6)
    only = ck.gradient(lambda: ops.sum(model(x) ** 2), model.layers[0].bias)
    np.testing.assert_array_equal(only, found[1])


def test_a_model_is_afterwards_what_it_was():
    layer = keras.layers.BatchNormalization()
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3), layer])
    x = RNG.normal(size=(6, 5)).astype("float32")
    before = model.get_weights()
    ck.gradient(lambda: ops.sum(model(x, training=True) ** 3), model.trainable_weights)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    model(x, training=True)  # where a trace was left behind, this would fail
    assert not np.array_equal(before[-1], model.get_weights()[-1])


def test_what_was_gathered_has_a_whole_gradient():
    table = RNG.random((4, 2))
    found = ck.gradient(lambda t: ops.sum(ops.take(t, [0, 0, 2], axis=0)), table)
    np.testing.assert_array_equal(found, [[2, 2], [0, 0], [1, 1], [0, 0]])


def test_no_way_from_x_to_the_result():
    found = ck.gradient(lambda v: ops.sum(v[0]), (np.ones(2), np.ones(3)))
    np.testing.assert_array_equal(found[0], [1, 1])
    whole = ck.gradient(lambda x: 3.0, np.ones(3))
    if BACKEND == "jax":
        np.testing.assert_array_equal(found[1], np.zeros(3))
        np.testing.assert_array_equal(whole, np.zeros(3))
    else:
        assert found[1] is None
        assert whole is None


@pytest.mark.parametrize(
    ("x", "dtype"),
    [(3, "int64"), ("a", "<U1"), (None, "object"), ([1.0, 2], "int64"), (1j, "complex128")],
)
def test_only_floating_point_numbers_are_taken(x, dtype):
    with pytest.raises(TypeError, match=f"x must hold floating-point numbers, got dtype {dtype}"):
        ck.gradient(lambda x: 1.0, x)
    if not isinstance(x, list):
        with pytest.raises(TypeError, match="x must hold floating-point numbers"):
            ck.jacobian(lambda x: x, x)


@pytest.mark.parametrize(
    ("function", "got"), [(lambda x: x, r"shape \(2, 3\)"), (lambda x: None, "None")]
)
def test_a_function_without_a_scalar_is_told_its_shape(function, got):
    with pytest.raises(ValueError, match=f"function must return a scalar, got {got}; sum"):
        ck.gradient(function, np.ones((2, 3)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_jacobian(dtype):
    x = RNG.normal(size=5).astype(dtype)
    found = ck.jacobian(lambda x: ops.stack([x[0] * x[1], x[2] ** 2, x[3] - x[4]]), x)
    wanted = [[x[1], x[0], 0, 0, 0], [0, 0, 2 * x[2], 0, 0], [0, 0, 0, 1, -1]]
    np.testing.assert_allclose(found, wanted, rtol=1e-13 if dtype == "float64" else 1e-6)
    assert found.dtype == dtype


def test_jacobian_of_a_linear_map_is_its_matrix():
    A = RNG.normal(size=(5, 3)).astype("float32")
    found = ck.jacobian(lambda x: ops.matmul(x, A), np.ones((1, 5), "float32"))
    np.testing.assert_allclose(found[0, :, 0], A.T, rtol=1e-6)


def test_jacobian_of_a_batch_whole_and_per_sample():
    model, x = dense(), RNG.random((4, 5), dtype="float32")
    W, b = model.get_weights()
    h = sigmoid(x @ W + b)
    each = (h * (1 - h))[:, :, None] * W.T
    np.testing.assert_allclose(ck.jacobian(model, x, per_sample=True), each, rtol=1e-4, atol=1e-7)
    whole = ck.jacobian(model, x)
    assert whole.shape == (4, 3, 4, 5)
    for i in range(4):
        for j in range(4):
            expected = each[i] if i == j else np.zeros_like(each[i])
            np.testing.assert_allclose(whole[i, :, j], expected, rtol=1e-4, atol=1e-7)


def test_jacobian_per_sample_of_images_and_of_numbers():
    x = RNG.random((4, 2, 3), dtype="float32")
    images = ck.jacobian(lambda x: ops.stack([x**2, 3 * x], axis=1), x, per_sample=True)
    assert images.shape == (4, 2, 2, 3, 2, 3)
    numbers = ck.jacobian(lambda x: ops.sum(x**2, axis=(1, 2)), x, per_sample=True)
    np.testing.assert_allclose(numbers, 2 * x, rtol=1e-6)
    np.testing.assert_allclose(images[2, 0, 1, 2, 1, 2], 2 * x[2, 1, 2], rtol=1e-6)
    assert images[2, 0, 1, 2, 0, 2] == 0


def test_jacobian_of_what_does_not_depend_on_x_is_zero():
    assert not ck.jacobian(lambda x: 0 * x[:1] + 1, np.ones(3)).any()


@pytest.mark.parametrize("function", [ops.sum, lambda x: x[:2], lambda x: ops.sum(x, axis=0)])
def test_jacobian_per_sample_wants_a_row_for_each_row(function):
    with pytest.raises(ValueError, match=r"a row for each row of x, of shape \(4, 5\), got shape"):
        ck.jacobian(function, np.ones((4, 5)), per_sample=True)
