import keras
import numpy as np
import pytest
from keras import ops

import coursekit as ck
from coursekit.layers import TiedDense

x = np.random.default_rng(0).random((40, 12), dtype="float32")


def tied_model(units=5, n=12, **options):
    """x -> h -> x_hat with one layer used twice, every weight random."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((n,))
    layer = TiedDense(units, **options)
    model = keras.Model(inputs, layer(layer(inputs), transpose=True))
    rng = np.random.default_rng(2)
    layer.set_weights([rng.normal(0, 0.5, size=w.shape) for w in layer.get_weights()])
    return model, layer


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def squared_error_gradients(model, x):
    """Gradients of the MSE, read off one step of gradient descent: on any Keras backend."""
    before = model.get_weights()
    model.compile(keras.optimizers.SGD(1.0), loss="mse")
    model.train_on_batch(x, x)
    return [b - a for a, b in zip(model.get_weights(), before, strict=True)]


def test_has_one_kernel_and_two_biases():
    model, layer = tied_model(units=300, n=784)
    assert model.count_params() == layer.count_params() == 784 * 300 + 300 + 784
    assert [w.shape for w in layer.weights] == [(784, 300), (300,), (784,)]


def test_computes_the_formula():
    model, layer = tied_model(activation="sigmoid", decoder_activation="tanh")
    W, b, c = layer.get_weights()
    h = sigmoid(x @ W + b)
    np.testing.assert_allclose(layer(x), h, atol=1e-5)
    np.testing.assert_allclose(model(x), np.tanh(h @ W.T + c), atol=1e-5)


def test_gradient_is_the_sum_of_both_uses():
    """Against automatic differentiation of two dense layers, and against the chain rule."""
    model, layer = tied_model(activation="sigmoid")
    W, b, c = layer.get_weights()
    untied = keras.Sequential(
        [keras.Input((12,)), keras.layers.Dense(5, "sigmoid"), keras.layers.Dense(12)]
    )
    untied.set_weights([W, b, W.T, c])
    encoder_W, encoder_b, decoder_W, decoder_c = squared_error_gradients(untied, x)
    gradient_W, gradient_b, gradient_c = squared_error_gradients(model, x)
    np.testing.assert_allclose(gradient_W, encoder_W + decoder_W.T, atol=1e-6)
    np.testing.assert_allclose(gradient_b, encoder_b, atol=1e-6)
    np.testing.assert_allclose(gradient_c, decoder_c, atol=1e-6)
    assert np.abs(encoder_W).max() > 1e-3
    assert np.abs(decoder_W).max() > 1e-3

    h = sigmoid(x @ W + b)
    delta = 2 * (h @ W.T + c - x) / x.size
    by_hand = x.T @ (delta @ W * h * (1 - h)) + delta.T @ h
    np.testing.assert_allclose(gradient_W, by_hand, atol=1e-6)


def test_kernel_regularizer_counts_the_kernel_once():
    model, layer = tied_model(kernel_regularizer=keras.regularizers.L2(0.1))
    model(x)
    penalty = sum(float(ops.convert_to_numpy(loss)) for loss in model.losses)
    assert penalty == pytest.approx(0.1 * np.square(layer.get_weights()[0]).sum(), rel=1e-5)


@pytest.mark.parametrize("eager", [False, True])
def test_stays_tied_in_training(eager):
    model, layer = tied_model(activation="gelu")
    model.compile(keras.optimizers.Adam(1e-2), loss="mse", run_eagerly=eager)
    before = model.evaluate(x, x, verbose=0)
    model.fit(x, x, epochs=5, batch_size=16, verbose=0)  # the last batch is smaller
    assert model.evaluate(x, x, verbose=0) < 0.9 * before
    W, b, c = layer.get_weights()
    gelu = ops.convert_to_numpy(keras.activations.gelu(x @ W + b))
    np.testing.assert_allclose(model(x), gelu @ W.T + c, atol=1e-4)


def test_saved_and_loaded_it_computes_the_same_and_is_still_tied(tmp_path):
    model, _ = tied_model(activation="sigmoid", kernel_regularizer="l2")
    model.compile("adam", loss="mse")
    model.fit(x, x, verbose=0)
    model.save(tmp_path / "tied.keras")
    loaded = keras.models.load_model(tmp_path / "tied.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    assert loaded.count_params() == model.count_params()
    loaded.fit(x, x, verbose=0)


def test_a_clone_is_tied_too():
    model, _ = tied_model()
    assert keras.models.clone_model(model).count_params() == model.count_params()


def test_config_rebuilds_the_layer():
    layer = TiedDense(
        7, "sigmoid", decoder_activation="tanh", kernel_initializer="orthogonal",
        kernel_regularizer=keras.regularizers.L1(0.25), name="tie",
    )  # fmt: skip
    again = TiedDense.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert (again.units, again.name) == (7, "tie")
    assert again.activation is keras.activations.sigmoid
    assert again.decoder_activation is keras.activations.tanh
    assert float(again.kernel_regularizer.l1) == 0.25


def test_serialized_by_keras_and_restored():
    layer = TiedDense(3, "relu")
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert isinstance(restored, TiedDense)
    assert restored.get_config() == layer.get_config()


def test_shapes_leave_the_batch_open():
    model, layer = tied_model()
    assert model.output_shape == (None, 12)
    assert layer.compute_output_shape((None, 12)) == (None, 5)
    assert layer.compute_output_shape((None, 5), transpose=True) == (None, 12)
    for size in (1, 7):
        assert model(x[:size]).shape == (size, 12)
    assert TiedDense(4).compute_output_shape((None, 9, 6)) == (None, 9, 4)


def test_takes_any_leading_axes():
    _, layer = tied_model()
    stacked = x[:12].reshape(3, 4, 12)
    h = ops.convert_to_numpy(layer(stacked))
    np.testing.assert_allclose(h.reshape(12, 5), layer(x[:12]), atol=1e-6)
    assert layer(h, transpose=True).shape == (3, 4, 12)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(policy):
    model, layer = tied_model(activation="sigmoid", dtype=policy)
    wanted = policy.removeprefix("mixed_")
    assert {keras.backend.standardize_dtype(w.dtype) for w in layer.weights} == {"float32"}
    assert keras.backend.standardize_dtype(layer(x).dtype) == wanted
    assert keras.backend.standardize_dtype(model(x).dtype) == wanted
    assert model.output.dtype == wanted
    exact, _ = tied_model(activation="sigmoid")
    halved = ops.convert_to_numpy(ops.cast(model(x), "float32"))
    np.testing.assert_allclose(halved, exact(x), atol=0.1)


def test_an_untrained_orthogonal_layer_copies():
    """W W^T = I where the code is larger than the input: lecture 04's warning."""
    keras.utils.set_random_seed(0)
    layer = TiedDense(20, kernel_initializer="orthogonal")
    np.testing.assert_allclose(layer(layer(x), transpose=True), x, atol=1e-5)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: TiedDense(0), ValueError, "units must be at least 1, got 0"),
        (lambda: TiedDense(2.5), TypeError, "units must be a whole number, got 2.5"),
        (lambda: TiedDense(True), TypeError, "units must be a whole number"),
        (lambda: TiedDense(2)(x, transpose=True), ValueError, "on inputs x before"),
        (lambda: TiedDense(2).compute_output_shape((None, 2), transpose=True), ValueError,
         "on inputs x before"),
        (lambda: TiedDense(2, name="tie")(keras.Input((None,))), ValueError, "last axis .* tie"),
        (lambda: tied_model(name="tie")[1](x[:, :7]), ValueError,
         r"tie takes inputs of shape \(\.\.\., 12\), got \(40, 7\)"),
        (lambda: tied_model(name="tie")[1](x, transpose=True), ValueError,
         r"tie takes codes of shape \(\.\.\., 5\) with transpose=True, got \(40, 12\)"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_refused_call_leaves_the_layer_usable():
    layer = TiedDense(2)
    with pytest.raises(ValueError, match="before"):
        layer(x, transpose=True)
    assert layer(x).shape == (40, 2)


def test_is_exported():
    assert ck.layers.TiedDense is TiedDense
