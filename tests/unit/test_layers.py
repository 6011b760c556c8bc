import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

import coursekit as ck
from coursekit.layers import (
    GaussianCorruption,
    MaskingCorruption,
    SaltAndPepperCorruption,
    TiedDense,
)
from coursekit.regularizers import Contractive

x = np.random.default_rng(0).random((40, 12), dtype="float32")
# What compiles soonest: TensorFlow without XLA; JAX has no other compiler.
XLA = keras.config.backend() == "jax"


# What Keras asks of a layer, asked of every layer of the course


def small_encoder():
    return keras.Sequential([keras.Input((12,)), keras.layers.Dense(5, "sigmoid")])


LAYERS = {
    "tied": lambda **options: TiedDense(
        5, "sigmoid", decoder_activation="tanh", kernel_initializer="orthogonal",
        kernel_regularizer=keras.regularizers.L1(0.25), **options,
    ),
    "contractive": lambda **options: Contractive(small_encoder(), 0.5, **options),
    "stochastic": lambda **options: Contractive(small_encoder(), 0.5, sigma=0.2, seed=1, **options),
    "gaussian": lambda **options: GaussianCorruption(0.1, clip=True, seed=1, **options),
    "masking": lambda **options: MaskingCorruption(0.1, seed=1, change_per_hit=0.3, **options),
    "pepper": lambda **options: SaltAndPepperCorruption(0.1, change_per_hit=0.4, **options),
}  # fmt: skip
every_layer = pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)


def model_of(layer):
    inputs = keras.Input((12,))
    return keras.Model(inputs, keras.layers.Dense(12)(layer(inputs)))


@every_layer
def test_config_rebuilds_the_layer(make):
    layer = make(name="mine")
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.name == "mine"


@every_layer
def test_serialized_by_keras_and_restored(make):
    layer = make()
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(restored) is type(layer)
    assert restored.get_config() == layer.get_config()


@every_layer
def test_shapes_leave_the_batch_open(make):
    layer = make()
    symbolic = layer(keras.Input((12,)))
    width = layer.compute_output_shape((None, 12))[1]
    assert symbolic.shape == (None, width)
    for size in (1, 7):
        assert layer(x[:size]).shape == (size, width)


@every_layer
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(make, policy):
    """Weights stay single, results are half precision and about the same."""
    exact, layer = make(), make(dtype=policy)
    exact(x), layer(x)
    if not isinstance(layer, Contractive):  # its encoder computes in the encoder's own precision
        assert keras.backend.standardize_dtype(layer(x).dtype) == policy.removeprefix("mixed_")
    assert {keras.backend.standardize_dtype(w.dtype) for w in layer.weights} <= {"float32"}
    layer.set_weights(exact.get_weights())
    halved = ops.convert_to_numpy(ops.cast(layer(x), "float32"))
    np.testing.assert_allclose(halved, exact(x), atol=0.05)


@pytest.mark.medium
@every_layer
@pytest.mark.parametrize("eager", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_trains_and_is_saved_and_loaded(make, eager, tmp_path):
    model = model_of(make())
    model.compile(keras.optimizers.Adam(1e-2), loss="mse", run_eagerly=eager,
                  jit_compile=XLA and not eager)  # fmt: skip
    # The last batch is smaller.
    losses = model.fit(x, x, epochs=10, batch_size=16, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    assert loaded.count_params() == model.count_params()
    assert np.isfinite(loaded.train_on_batch(x, x))


def test_layers_are_exported():
    for make in LAYERS.values():
        name = type(make()).__name__
        assert type(make()) in (getattr(ck.layers, name, 0), getattr(ck.regularizers, name, 0))


# TiedDense


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


@pytest.mark.medium
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


@pytest.mark.medium
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


def test_shapes_of_both_calls():
    model, layer = tied_model()
    assert model.output_shape == (None, 12)
    assert layer.compute_output_shape((None, 5), transpose=True) == (None, 12)
    assert TiedDense(4).compute_output_shape((None, 9, 6)) == (None, 9, 4)


def test_takes_any_leading_axes():
    _, layer = tied_model()
    stacked = x[:12].reshape(3, 4, 12)
    h = ops.convert_to_numpy(layer(stacked))
    np.testing.assert_allclose(h.reshape(12, 5), layer(x[:12]), atol=1e-6)
    assert layer(h, transpose=True).shape == (3, 4, 12)


def test_mixed_precision_of_both_calls():
    model, _ = tied_model(activation="sigmoid", dtype="mixed_float16")
    exact, _ = tied_model(activation="sigmoid")
    assert keras.backend.standardize_dtype(model(x).dtype) == model.output.dtype == "float16"
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


# Corruption

CORRUPTIONS = [GaussianCorruption, MaskingCorruption, SaltAndPepperCorruption]
every_corruption = pytest.mark.parametrize("kind", CORRUPTIONS)
rng = np.random.default_rng(5)
# Mostly black, as digits are: a hit changes a pixel by 0.1 (masking) or 0.45 (salt and pepper).
images = (rng.random((400, 784)) * (rng.random((400, 784)) < 0.3)).astype("float32")


def corruption(kind, strength=0.05, seed=0, **options):
    layer = kind(strength, seed=seed, **options)
    layer.adapt(images)
    return layer


def corrupted(layer, x=images):
    return ops.convert_to_numpy(layer(x, training=True))


@settings(max_examples=25, deadline=None)
@given(kind=st.sampled_from(CORRUPTIONS), share=st.floats(0, 1), seed=st.integers(0, 2**31 - 1))
def test_squared_change_is_the_strength(kind, share, seed):
    largest = {
        GaussianCorruption: 0.5,
        MaskingCorruption: np.square(images).mean(dtype="float64"),
        SaltAndPepperCorruption: (
            np.square(images).mean(dtype="float64") + np.square(1 - images).mean(dtype="float64")
        )
        / 2,
    }
    strength = share * 0.999 * float(largest[kind])
    change = np.square(corrupted(corruption(kind, strength, seed)) - images)
    # Five standard errors, and one hit pixel where hardly any is hit.
    error = 5 * change.std(dtype="float64") / np.sqrt(change.size) + 3 / change.size
    assert abs(change.mean(dtype="float64") - strength) <= error


def test_gaussian_noise_has_its_sigma():
    layer = corruption(GaussianCorruption, 0.04)
    noise = corrupted(layer) - images
    assert layer.sigma == pytest.approx(0.2)
    assert noise.mean() == pytest.approx(0, abs=0.002)
    assert noise.std() == pytest.approx(0.2, rel=0.01)


def test_clip_holds_the_unit_range():
    x_tilde = corrupted(corruption(GaussianCorruption, 0.25, clip=True))
    assert x_tilde.min() == 0
    assert x_tilde.max() == 1
    unclipped = corrupted(corruption(GaussianCorruption, 0.25))
    np.testing.assert_array_equal(x_tilde, np.clip(unclipped, 0, 1))


@pytest.mark.parametrize(
    ("kind", "values"), [(MaskingCorruption, [0]), (SaltAndPepperCorruption, [0, 1])]
)
def test_hits_have_their_probability_and_values(kind, values):
    layer = corruption(kind)
    gray = np.full((400, 784), 0.5, dtype="float32")
    x_tilde = corrupted(layer, gray)
    for value in values:
        share = layer.probability / len(values)
        assert (x_tilde == value).mean() == pytest.approx(share, rel=0.05)
    assert np.isin(x_tilde, [0.5, *values]).all()
    assert layer.probability == pytest.approx(0.05 / layer.change_per_hit)


@every_corruption
def test_corrupts_in_training_only(kind):
    layer = corruption(kind)
    for training in (False, None):
        np.testing.assert_array_equal(layer(images, training=training), images)
    assert (corrupted(layer) != images).any()
    model = keras.Sequential([keras.Input((784,)), layer])
    np.testing.assert_array_equal(model.predict(images, verbose=0), images)
    np.testing.assert_array_equal(corrupted(corruption(kind, 0.0)), images)


@every_corruption
@pytest.mark.parametrize("eager", [False, True])
def test_draws_afresh_for_every_batch_and_reproducibly(kind, eager):
    """What the layer changes in `fit`, read off the loss of a model that has nothing else."""

    def losses():
        model = keras.Sequential([keras.Input((784,)), corruption(kind)])
        model.compile(keras.optimizers.SGD(0.0), loss="mse", run_eagerly=eager,
                      jit_compile=XLA and not eager)  # fmt: skip
        return [float(model.train_on_batch(images, images)) for _ in range(3)]

    first = losses()
    assert first == losses()
    assert len(set(first)) == 3
    assert first == pytest.approx([0.05] * 3, rel=0.05)


@every_corruption
def test_takes_any_shape(kind):
    layer = corruption(kind)
    for shape in ((4, 784), (4, 28, 28), (4, 28, 28, 1), (2, 2, 28, 28, 1)):
        assert corrupted(layer, images[:4].reshape(shape)).shape == shape
        assert layer.compute_output_shape((None, *shape[1:])) == (None, *shape[1:])


@every_corruption
def test_what_was_measured_is_saved(kind, tmp_path):
    model = keras.Sequential([keras.Input((784,)), corruption(kind)])
    model.save(tmp_path / "corrupted.keras")
    loaded = keras.models.load_model(tmp_path / "corrupted.keras")
    assert loaded.layers[0].get_config() == model.layers[0].get_config()
    assert np.square(corrupted(loaded.layers[0]) - images).mean() == pytest.approx(0.05, rel=0.05)


def test_half_precision_keeps_small_probabilities():
    layer = corruption(MaskingCorruption, 2e-4, dtype="mixed_bfloat16")
    hit = corrupted(layer, np.ones((400, 784), dtype="float32")) == 0
    assert hit.mean() == pytest.approx(layer.probability, rel=0.25)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: GaussianCorruption(-0.1), ValueError, "strength must be a finite number from 0"),
        (lambda: MaskingCorruption("0.1"), TypeError, "strength must be a number, got '0.1'"),
        (lambda: MaskingCorruption(True), TypeError, "strength must be a number, got True"),
        (lambda: GaussianCorruption(float("nan")), ValueError, "strength must be a finite number"),
        (lambda: GaussianCorruption(0.1, clip="no"), TypeError, "clip must be True or False"),
        (lambda: GaussianCorruption(0.1, seed=0.5), ValueError, "seed"),
        (lambda: MaskingCorruption(0.1, change_per_hit=-1), ValueError, "change_per_hit must be"),
        (lambda: MaskingCorruption(0.1, change_per_hit=0.05), ValueError, "at most 0.05"),
        (lambda: MaskingCorruption(0.1, name="mask")(x, training=True), ValueError,
         r"mask must know the images .* call adapt"),
        (lambda: SaltAndPepperCorruption(0.1).probability, ValueError, "adapt"),
        (lambda: corruption(SaltAndPepperCorruption, 0.5), ValueError,
         "strength must be at most 0.4.* for SaltAndPepperCorruption .* got 0.5"),
        (lambda: MaskingCorruption(0.1).adapt(np.zeros((2, 4))), ValueError, "at most 0 "),
        (lambda: GaussianCorruption(0.1).adapt(images * 255), ValueError,
         r"images must lie in \[0, 1\], got 0 to 25"),
        (lambda: SaltAndPepperCorruption(0.1).adapt(images - 0.1), ValueError, "images must lie"),
        (lambda: GaussianCorruption(0.1, name="noise")(np.ones((2, 3), "uint8")), TypeError,
         "noise takes floating-point inputs .* uint8"),
    ],
)  # fmt: skip
def test_bad_input_of_a_corruption_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_a_refused_adapt_leaves_the_layer_as_it_was():
    layer = corruption(MaskingCorruption, 0.1)
    with pytest.raises(ValueError, match="at most"):
        layer.adapt(images / 10)
    assert layer.probability == pytest.approx(0.1 / np.square(images).mean(dtype="float64"))
