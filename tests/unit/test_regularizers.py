import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers, ops

import coursekit as ck
from coursekit.regularizers import (
    Contractive,
    KLSparsity,
    contractive_penalty,
    encoder_jacobian,
    kl_sparsity,
    stochastic_contractive_penalty,
)

BACKEND = keras.config.backend()
x = np.random.default_rng(0).random((9, 12), dtype="float32")


def dense_encoder(units=(7,), activation="sigmoid", n=12, dtype=None):
    keras.utils.set_random_seed(1)
    dense = [layers.Dense(m, activation, bias_initializer="random_normal", dtype=dtype)
             for m in units]  # fmt: skip
    return keras.Sequential([keras.Input((n,)), *dense])


def to_numpy(tensors):
    return [ops.convert_to_numpy(tensor) for tensor in tensors]


if BACKEND == "tensorflow":
    import tensorflow as tf

    def automatic_jacobian(encoder, x):
        x = tf.convert_to_tensor(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            h = encoder(x)
        return tape.batch_jacobian(h, x)

    def automatic_gradients(function, weights):
        with tf.GradientTape() as tape:
            value = function()
        return to_numpy(
            tape.gradient(value, [w.value for w in weights], unconnected_gradients="zero")
        )

    def automatic_gradient(function, at):
        variable = tf.Variable(at)
        with tf.GradientTape() as tape:
            value = function(variable)
        return tape.gradient(value, variable).numpy()

    compiled = tf.function

    def at_once(function):
        return function

elif BACKEND == "jax":
    import jax

    def automatic_jacobian(encoder, x):
        return jax.jit(jax.vmap(jax.jacrev(lambda row: encoder(row[None])[0])))(x)

    def automatic_gradients(function, weights):
        def of(values):
            with keras.StatelessScope(list(zip(weights, values, strict=True))):
                return function()

        return to_numpy(jax.jit(jax.grad(of))([w.value for w in weights]))

    def automatic_gradient(function, at):
        return ops.convert_to_numpy(jax.grad(function)(at))

    compiled = jax.jit
    # Outside of a compiled function JAX compiles every operation for every shape it meets, some 50
    # ms each, and the cases below have shapes of their own.
    at_once = jax.jit


def close(value, wanted, relative=1e-5):
    """Equal up to `relative` of the largest entry."""
    wanted = ops.convert_to_numpy(wanted)
    assert np.abs(ops.convert_to_numpy(value) - wanted).max() <= relative * np.abs(wanted).max()


# Sparsity


def kl_by_hand(rho_hat, rho):
    terms = [rho * np.log(rho), -rho * np.log(rho_hat), (1 - rho) * np.log(1 - rho),
             -(1 - rho) * np.log(1 - rho_hat)]  # fmt: skip
    return sum(terms)


@settings(max_examples=40, deadline=None)
@given(rho=st.floats(0.01, 0.99), seed=st.integers(0, 1000), weight=st.floats(0.01, 10))
def test_kl_penalty_and_its_gradient_against_the_closed_form(rho, seed, weight):
    h = np.random.default_rng(seed).uniform(0.01, 0.99, (20, 6)).astype("float32")
    rho_hat = h.mean(axis=0, dtype="float64")
    divergence = kl_by_hand(rho_hat, rho)
    # Where rho_hat is close to rho the terms all but cancel: 1e-5 of the terms, then, in float32.
    terms = abs(rho * np.log(rho)) + abs((1 - rho) * np.log(1 - rho))
    np.testing.assert_allclose(
        kl_sparsity(rho_hat.astype("float32"), rho), divergence, rtol=1e-5, atol=1e-6 * terms
    )

    penalty = KLSparsity(rho, weight)
    n = len(h)
    total = n * weight * divergence.sum()
    assert float(penalty(h)) == pytest.approx(total, rel=1e-5, abs=3e-7 * n * weight * 6 * terms)
    by_hand = weight * (-rho / rho_hat + (1 - rho) / (1 - rho_hat))  # n times dKL/dh, a mean's 1/n
    automatic = automatic_gradient(penalty, h)
    scale = weight * (rho / rho_hat + (1 - rho) / (1 - rho_hat)).max()
    assert np.abs(automatic - by_hand).max() <= 1e-5 * scale


def test_kl_is_zero_at_rho_and_positive_elsewhere():
    rho_hat = np.linspace(0.01, 0.99, 99)
    divergence = ops.convert_to_numpy(kl_sparsity(rho_hat, 0.2))
    assert np.argmin(divergence) == 19
    assert divergence[19] == pytest.approx(0, abs=1e-12)
    assert (np.delete(divergence, 19) > 0).all()


@pytest.mark.medium
@pytest.mark.parametrize(("batch_size", "eager"), [(1, False), (4, False), (4, True)])
def test_a_layer_adds_the_penalty_whatever_the_batch_size(batch_size, eager):
    """`fit` and `evaluate` log it; the mean of the batches' penalties, each of its own rho_hat."""
    keras.utils.set_random_seed(0)
    dense = layers.Dense(5, "sigmoid", activity_regularizer=KLSparsity(0.1, 2.0))
    model = keras.Sequential([keras.Input((12,)), dense])
    model.compile(keras.optimizers.SGD(0.0), loss=lambda x, h: 0.0 * ops.mean(h, axis=-1),
                  run_eagerly=eager)  # fmt: skip
    data = np.concatenate([x, x[:3]])
    h = model.predict(data, verbose=0).astype("float64").reshape(-1, batch_size, 5)
    wanted = np.mean([2.0 * kl_by_hand(batch.mean(axis=0), 0.1).sum() for batch in h])
    history = model.fit(data, data[:, :5], batch_size=batch_size, shuffle=False, verbose=0)
    assert history.history["loss"][0] == pytest.approx(wanted, rel=1e-4)
    assert model.evaluate(data, data[:, :5], batch_size=batch_size, verbose=0) == pytest.approx(
        wanted, rel=1e-4
    )


def test_keras_divides_an_activity_penalty_by_the_batch_size():
    """What the module's docstring says of L1."""
    dense = layers.Dense(5, activity_regularizer=keras.regularizers.L1(0.5))
    h = ops.convert_to_numpy(dense(x))
    assert float(dense.losses[0]) == pytest.approx(0.5 * np.abs(h).sum(axis=1).mean(), rel=1e-5)


@pytest.mark.parametrize("end", [0.0, 1.0])
def test_a_saturated_unit_has_a_finite_penalty_and_gradient(end):
    h = np.full((4, 3), end, dtype="float32")
    value = float(KLSparsity(0.05)(h))
    assert np.isfinite(value)
    assert value > 0
    assert np.isfinite(automatic_gradient(KLSparsity(0.05), h)).all()


def test_kl_sums_half_precision_codes_in_single():
    h = np.full((5000, 2), 0.1, dtype="float16")
    value = float(KLSparsity(0.05)(h)) / 5000
    assert value == pytest.approx(2 * kl_by_hand(float(h[0, 0]), 0.05), rel=1e-4)


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
def test_activations_outside_the_unit_range_raise_or_become_nan(wrong):
    h = np.full((4, 3), 0.2, dtype="float32")
    h[2, 1] = wrong
    with pytest.raises(ValueError, match=r"h must lie in \[0, 1\]"):
        KLSparsity()(h)
    assert np.isnan(float(compiled(KLSparsity())(h)))
    assert np.isfinite(float(compiled(KLSparsity())(np.abs(h) % 1))) == np.isfinite(wrong)
    with pytest.raises(ValueError, match="rho_hat must lie in"):
        kl_sparsity(h[2], 0.1)
    assert np.isnan(compiled(lambda rho_hat: kl_sparsity(rho_hat, 0.1))(h[2])).all()


def test_kl_is_serialized(tmp_path):
    again = KLSparsity.from_config(KLSparsity(0.1, 3.0).get_config())
    assert (again.rho, again.weight) == (0.1, 3.0)
    dense = layers.Dense(4, "sigmoid", activity_regularizer=KLSparsity(0.1, 3.0))
    model = keras.Sequential([keras.Input((12,)), dense])
    model.compile("sgd", loss="mse")
    model.save(tmp_path / "sparse.keras")
    loaded = keras.models.load_model(tmp_path / "sparse.keras")
    losses = [m.evaluate(x, x[:, :4], verbose=0) for m in (model, loaded)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


# Contraction

ACTIVATIONS = ["linear", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "softplus", "silu", "gelu"]


@pytest.mark.medium
@pytest.mark.parametrize("units", [(7,), (9, 5), (10, 8, 4)])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_jacobian_and_penalty_against_automatic_differentiation(activation, units):
    encoder = dense_encoder(units, activation)
    wanted = ops.convert_to_numpy(automatic_jacobian(encoder, x))
    assert wanted.shape == (9, units[-1], 12)
    jacobian, penalty = at_once(
        lambda x: (encoder_jacobian(encoder, x), contractive_penalty(encoder, x))
    )(x)
    close(jacobian, wanted)
    squares = np.square(wanted, dtype="float64").sum(axis=(1, 2))
    np.testing.assert_allclose(penalty, squares, rtol=1e-5)


@pytest.mark.parametrize(
    ("units", "activation"),
    [((7,), "sigmoid"), ((9, 5), "tanh"), ((20, 3), "gelu"), ((10, 8, 4), "relu")],
)
def test_gradient_in_the_weights_against_automatic_differentiation(units, activation):
    encoder = dense_encoder(units, activation)
    ours, wanted = (
        automatic_gradients(function, encoder.trainable_weights)
        for function in (
            lambda: ops.sum(contractive_penalty(encoder, x)),
            lambda: ops.sum(ops.square(automatic_jacobian(encoder, x))),
        )
    )
    scale = max(np.abs(gradient).max() for gradient in wanted)
    for gradient, true in zip(ours, wanted, strict=True):
        assert np.abs(gradient - true).max() <= 1e-5 * scale


def test_one_sigmoid_layer_has_the_closed_form():
    encoder = dense_encoder()
    W, b = encoder.get_weights()
    h = 1 / (1 + np.exp(-(x @ W + b)))
    by_hand = np.square(h * (1 - h)) @ np.square(W).sum(axis=0)
    np.testing.assert_allclose(contractive_penalty(encoder, x), by_hand, rtol=1e-5)


def tied_functional():
    inputs = keras.Input((12,))
    return keras.Model(inputs, ck.layers.TiedDense(6, "sigmoid")(inputs))


def nested():
    corrupted = keras.Sequential(
        [keras.Input((12,)), ck.layers.GaussianCorruption(0.1), layers.Dropout(0.5)]
    )
    activated = [layers.Dense(8, use_bias=False), layers.Activation("tanh"), layers.Dense(3),
                 layers.Identity(), layers.GaussianDropout(0.5)]  # fmt: skip
    inner = Contractive(dense_encoder((5,), n=3), 1.0)
    return keras.Sequential([keras.Input((12,)), corrupted, *activated, inner])


def whole_autoencoder():
    return ck.models.Autoencoder(nested(), dense_encoder((12,), "tanh", n=5))


@pytest.mark.parametrize("make", [tied_functional, nested, whole_autoencoder])
def test_chains_of_other_kinds(make):
    encoder = make()
    wanted = ops.convert_to_numpy(automatic_jacobian(encoder, x))
    close(encoder_jacobian(encoder, x), wanted)
    squares = np.square(wanted).sum(axis=(1, 2))
    np.testing.assert_allclose(contractive_penalty(encoder, x), squares, rtol=1e-5)


def test_stochastic_penalty_converges_to_the_exact_one():
    """Its mean over many draws; the bias falls with sigma squared."""
    encoder = dense_encoder((7,), "tanh")
    one = x[:1]
    many = np.repeat(one, 40_000, axis=0)
    exact = float(contractive_penalty(encoder, one)[0])
    bias = {}
    for sigma in (1.0, 0.3, 0.02):
        draws = ops.convert_to_numpy(stochastic_contractive_penalty(encoder, many, sigma, seed=0))
        error = draws.std() / np.sqrt(len(draws))
        bias[sigma] = abs(draws.mean() / exact - 1)
        assert bias[sigma] < 4 * error / exact + 2 * sigma**2
    assert bias[0.02] < 0.02
    assert bias[1.0] > 5 * bias[0.02]


def test_stochastic_penalty_of_a_linear_encoder_is_right_for_every_sigma():
    encoder = dense_encoder((7,), "linear")
    many = np.repeat(x[:1], 20_000, axis=0)
    for sigma in (0.01, 10.0):
        draws = ops.convert_to_numpy(stochastic_contractive_penalty(encoder, many, sigma, seed=1))
        exact = float(contractive_penalty(encoder, x[:1])[0])
        assert draws.mean() == pytest.approx(exact, rel=0.03)


def test_stochastic_penalty_takes_any_encoder():
    convolutional = keras.Sequential(
        [keras.Input((6, 6, 1)), layers.Conv2D(2, 3), layers.BatchNormalization()]
    )
    images = np.random.default_rng(0).random((3, 6, 6, 1), dtype="float32")
    assert stochastic_contractive_penalty(convolutional, images, 0.1).shape == (3,)


def contractive_model(weight=0.5, encoder=None, **options):
    layer = Contractive(encoder or dense_encoder(), weight, **options)
    model = keras.Sequential([keras.Input((12,)), layer])
    model.compile(keras.optimizers.SGD(0.0), loss=lambda x, h: 0.0 * ops.mean(h, axis=-1))
    return model


@pytest.mark.medium
@pytest.mark.parametrize("units", [(7,), (9, 5)])
def test_layer_adds_the_penalty_and_gives_the_codes(units):
    encoder = dense_encoder(units)
    model = contractive_model(encoder=encoder)
    np.testing.assert_allclose(model.predict(x, verbose=0), encoder(x), atol=1e-6)
    wanted = 0.5 * np.mean(ops.convert_to_numpy(contractive_penalty(encoder, x)))
    targets = np.zeros((9, units[-1]))
    # One image more or less in a batch: fit and evaluate weigh a batch by its size.
    assert model.fit(x, targets, batch_size=4, verbose=0).history["loss"][0] == pytest.approx(
        wanted, rel=1e-4
    )
    assert model.evaluate(x, targets, verbose=0) == pytest.approx(wanted, rel=1e-4)


def test_stochastic_layer_draws_afresh_and_reproducibly():
    targets = np.zeros((9, 7))

    def losses():
        model = contractive_model(sigma=0.1, seed=3)
        return [model.train_on_batch(x, targets) for _ in range(3)]

    first, second = losses(), losses()
    assert first == second
    assert len(set(map(float, first))) == 3
    exact = 0.5 * np.mean(ops.convert_to_numpy(contractive_penalty(dense_encoder(), x)))
    assert np.mean(first) == pytest.approx(exact, rel=0.5)


@pytest.mark.medium
def test_training_contracts():
    encoder = dense_encoder((20, 6), "tanh")
    decoder = keras.Sequential([keras.Input((6,)), layers.Dense(12)])
    inputs = keras.Input((12,))
    model = ck.models.Autoencoder(keras.Model(inputs, Contractive(encoder, 1.0)(inputs)), decoder)
    before = ck.metrics.jacobian_norm(model.encoder, x).mean()
    model.compile(keras.optimizers.Adam(0.01), loss="mse", jit_compile=BACKEND == "jax")
    sixty = np.tile(x, (60, 1))  # as many steps, in one epoch
    model.fit(sixty, sixty, batch_size=len(x), shuffle=False, verbose=0)
    assert ck.metrics.jacobian_norm(model.encoder, x).mean() < 0.5 * before


def test_weights_of_a_tied_model_are_saved_and_loaded(tmp_path):
    """Keras cannot load the model itself, where two of its parts share a layer."""

    def tied_model():
        inputs = keras.Input((12,))
        tied = ck.layers.TiedDense(5, "sigmoid")
        h = Contractive(keras.Model(inputs, tied(inputs)), 0.1)(inputs)
        return keras.Model(inputs, tied(h, transpose=True))

    model, again = tied_model(), tied_model()
    assert model.count_params() == 12 * 5 + 5 + 12
    model.save_weights(tmp_path / "tied.weights.h5")
    again.load_weights(tmp_path / "tied.weights.h5")
    np.testing.assert_array_equal(again(x), model(x))


def test_mixed_precision_sums_in_single():
    """Weights may be rounded to half precision, but sums of squares would leave its range."""
    encoder, exact = dense_encoder((9, 5), dtype="mixed_float16"), dense_encoder((9, 5))
    wanted = ops.convert_to_numpy(contractive_penalty(exact, x))
    np.testing.assert_allclose(contractive_penalty(encoder, x), wanted, rtol=1e-5)
    for sigma, tolerance in ((None, 0.005), (1.0, 0.9)):
        layer = Contractive(encoder, 0.5, sigma=sigma, seed=0, dtype="mixed_float16")
        assert keras.backend.standardize_dtype(layer(x).dtype) == "float16"
        (loss,) = layer.losses
        assert keras.backend.standardize_dtype(loss.dtype) == "float32"
        assert float(loss) == pytest.approx(0.5 * wanted.mean(), rel=tolerance)


def unbuilt():
    return keras.Sequential([layers.Dense(2)])


def ending_in(layer):
    return keras.Sequential([keras.Input((12,)), layers.Dense(5), layer])


def branched():
    inputs = keras.Input((12,))
    return keras.Model(inputs, layers.Add(name="sum")([layers.Dense(2)(inputs)] * 2))


def two_headed():
    inputs = keras.Input((12,))
    return keras.Model(inputs, [layers.Dense(2)(inputs), layers.Dense(2)(inputs)])


class Doubled(ck.models.Autoencoder):
    def __init__(self, *halves):
        super().__init__(*halves, name="twice")

    def call(self, x, training=None):
        return 2 * super().call(x, training=training)


def decoding():
    inputs = keras.Input((12,))
    tied = ck.layers.TiedDense(4, name="tie")
    return keras.Model(inputs, tied(tied(inputs), transpose=True))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: KLSparsity(0), ValueError, "rho must be a finite number above 0 and below 1"),
        (lambda: KLSparsity(1.0), ValueError, "rho must be a finite number above 0 and below 1"),
        (lambda: KLSparsity("0.1"), TypeError, "rho must be a number, got '0.1'"),
        (lambda: KLSparsity(weight=-1), ValueError, "weight must be a finite number from 0"),
        (lambda: KLSparsity()(x[0]), ValueError, r"h must be codes of shape \(n, m\)"),
        (lambda: kl_sparsity(0.2, 2), ValueError, "rho must be a finite number above 0"),
        (lambda: contractive_penalty(layers.Dense(2), x), TypeError, "encoder must be a Keras m"),
        (lambda: contractive_penalty(unbuilt(), x), ValueError, "encoder must be built"),
        (lambda: contractive_penalty(dense_encoder(), x[:, :5]), ValueError,
         r"x must have shape \(batch, 12\), got \(9, 5\)"),
        (lambda: encoder_jacobian(dense_encoder(), x[0]), ValueError, "x must have shape"),
        (lambda: contractive_penalty(ending_in(layers.BatchNormalization(name="bn")), x),
         ValueError, "BatchNormalization 'bn' is not supported"),
        (lambda: contractive_penalty(ending_in(layers.Dense(2, "softmax", name="end")), x),
         ValueError, "'end' has the activation softmax"),
        (lambda: contractive_penalty(ending_in(layers.Dense(2, layers.ELU())), x),
         ValueError, "activation ELU"),
        (lambda: contractive_penalty(branched(), x), ValueError, "'sum' has several inputs"),
        (lambda: contractive_penalty(decoding(), x), ValueError, "TiedDense 'tie'"),
        (lambda: contractive_penalty(
            keras.Sequential([keras.Input((12,)), layers.Activation("tanh")]), x),
         ValueError, "a Dense one first"),
        (lambda: contractive_penalty(
            keras.Sequential([keras.Input((12,)), layers.Dropout(0.1)]), x),
         ValueError, "at least one Dense"),
        (lambda: contractive_penalty(Doubled(dense_encoder((4,)), dense_encoder((12,), n=4)), x),
         ValueError, "Doubled 'twice' has a `call` of its own: no Sequential or functional model"),
        (lambda: contractive_penalty(two_headed(), x), ValueError, "has several inputs or outputs"),
        (lambda: stochastic_contractive_penalty(dense_encoder(), x, 0), ValueError,
         "sigma must be a finite number above 0"),
        (lambda: stochastic_contractive_penalty(layers.Dense(2), x, 1), TypeError, "encoder"),
        (lambda: Contractive(dense_encoder(), -1), ValueError, "weight must be"),
        (lambda: Contractive(dense_encoder(), 1, sigma=-1), ValueError, "sigma must be"),
        (lambda: Contractive(unbuilt(), 1, sigma=1), ValueError, "encoder must be built"),
        (lambda: Contractive(ending_in(layers.BatchNormalization()), 1), ValueError,
         "BatchNormalization"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=rf"{message}.*\.$"):
        call()


def test_is_exported():
    assert ck.regularizers.Contractive is Contractive
