import keras
import numpy as np
import pytest
from keras import layers, ops
from scipy import stats

import coursekit as ck
from coursekit.layers import Sampling
from coursekit.models import VariationalAutoencoder

rng = np.random.default_rng(0)
x = rng.random((50, 6), dtype="float32")
y = np.eye(3, dtype="float32")[rng.integers(3, size=50)]


# For the few steps of a test TensorFlow takes longer to compile, and JAX not to.
UNCOMPILED = {"run_eagerly": keras.config.backend() == "tensorflow"}


def halves(n=6, m=2, c=0, width=8, dtype=None):
    """Encoder and decoder; with `c`, both have a second input of that size."""
    inputs = [keras.Input((n,)), *([keras.Input((c,))] if c else [])]
    h = layers.Concatenate(dtype=dtype)(inputs) if c else inputs[0]
    h = layers.Dense(width, "tanh", dtype=dtype)(h)
    heads = [layers.Dense(m, dtype=dtype)(h), layers.Dense(m, dtype=dtype)(h)]
    encoder = keras.Model(inputs if c else inputs[0], heads)
    inputs = [keras.Input((m,)), *([keras.Input((c,))] if c else [])]
    h = layers.Concatenate(dtype=dtype)(inputs) if c else inputs[0]
    h = layers.Dense(width, "tanh", dtype=dtype)(h)
    decoder = keras.Model(inputs if c else inputs[0], layers.Dense(n, dtype=dtype)(h))
    return encoder, decoder


def vae(*, c=0, m=2, dtype=None, compiled=None, **options):
    keras.utils.set_random_seed(0)
    model = VariationalAutoencoder(*halves(c=c, m=m, dtype=dtype), seed=1, **options)
    model.compile(keras.optimizers.Adam(1e-2), **(compiled or UNCOMPILED))
    return model


FORMS = {
    "plain": (vae, (x,)),
    "gaussian": (lambda **o: vae(variance=0.1, **o), (x,)),
    "conditional": (lambda **o: vae(c=3, **o), (x, y)),
}
every_form = pytest.mark.parametrize(("make", "data"), FORMS.values(), ids=FORMS)


def given(data):
    return data[0] if len(data) == 1 else list(data)


# Sampling


def test_draws_have_their_mean_and_variance_in_training_and_outside():
    z_mean, z_log_var = np.array([[-3.0, 0.5]]), np.array([[-2.0, 1.0]])
    pair = [np.repeat(a, 100_000, axis=0).astype("float32") for a in (z_mean, z_log_var)]
    for training in (True, False):
        z = ops.convert_to_numpy(Sampling(seed=0)(pair, training=training))
        variance = np.exp(z_log_var[0])
        error = np.sqrt(variance / len(z))
        assert (np.abs(z.mean(axis=0) - z_mean[0]) < 5 * error).all()
        np.testing.assert_allclose(z.var(axis=0), variance, rtol=5 * np.sqrt(2 / len(z)))
        assert abs(np.corrcoef(z.T)[0, 1]) < 5 / np.sqrt(len(z))


def test_gradients_reach_mean_and_log_variance():
    """d E[z^2] / d mean = 2 mean and d E[z^2] / d log_var = exp(log_var), from one step of SGD."""
    n, start = 100_000, {"mean": 0.7, "log_var": -0.4}
    one = keras.Input((1,))
    heads = [
        layers.Dense(1, use_bias=False, kernel_initializer=keras.initializers.Constant(value))(one)
        for value in start.values()
    ]
    model = keras.Model(one, Sampling(seed=0)(heads))
    model.compile(keras.optimizers.SGD(1.0), loss="mse", jit_compile=False)
    before = model.get_weights()
    model.train_on_batch(np.ones((n, 1)), np.zeros((n, 1)))
    mean, log_var = (
        float((b - a).item()) for a, b in zip(model.get_weights()[:2], before[:2], strict=True)
    )
    sigma = np.exp(start["log_var"] / 2)
    assert mean == pytest.approx(2 * start["mean"], abs=5 * 2 * sigma / np.sqrt(n))
    assert log_var == pytest.approx(sigma**2, abs=5 * 3 * sigma / np.sqrt(n))


def test_draws_afresh_and_reproducibly():
    pair = [np.zeros((4, 2), "float32")] * 2
    first, again = Sampling(seed=3), Sampling(seed=3)
    draws = [ops.convert_to_numpy(first(pair)) for _ in range(2)]
    np.testing.assert_array_equal(draws[0], again(pair))
    assert (draws[0] != draws[1]).all()


@pytest.mark.parametrize("shape", [(4, 2), (1, 2), (4, 3, 3, 2)])
def test_sample_keeps_the_shape(shape):
    layer = Sampling()
    assert layer([np.zeros(shape, "float32")] * 2).shape == shape
    open_shape = (None, *shape[1:])
    assert layer.compute_output_shape([open_shape] * 2) == open_shape
    assert layer([keras.Input(shape[1:])] * 2).shape == open_shape


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_sample_in_mixed_precision(policy):
    pair = [np.ones((4, 2), "float32"), np.full((4, 2), -1.0, "float32")]
    half = Sampling(seed=1, dtype=policy)(pair)
    assert keras.backend.standardize_dtype(half.dtype) == policy.removeprefix("mixed_")
    exact = Sampling(seed=1)(pair)
    np.testing.assert_allclose(ops.convert_to_numpy(ops.cast(half, "float32")), exact, atol=0.03)


def test_sample_is_serialized():
    layer = Sampling(seed=7, name="mine")
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert restored.get_config() == layer.get_config()
    pair = [np.zeros((4, 2), "float32")] * 2
    np.testing.assert_array_equal(restored(pair), layer(pair))


@pytest.mark.parametrize(
    ("pair", "shown"),
    [
        ([np.zeros((4, 2)), np.zeros((4, 1))], r"\(4, 2\) and \(4, 1\)"),
        ([np.zeros((4, 2))], r"got \(4, 2\)"),
        (np.zeros((4, 2)), r"got \(4, 2\)"),
    ],
)
def test_sample_refuses_what_is_no_pair(pair, shown):
    with pytest.raises(ValueError, match=rf"two tensors of one shape, got .*{shown}|{shown}"):
        Sampling()(pair)


# A model whose log p(x) is known: z ~ N(0, I), x = W z + b + s eps


class LinearGaussian:
    n, m, s = 6, 2, 0.5
    W = np.random.default_rng(1).normal(size=(2, 6))
    b = np.random.default_rng(2).normal(size=6)

    def __init__(self):
        draw = np.random.default_rng(3)
        z = draw.normal(size=(300, self.m))
        self.x = z @ self.W + self.b + self.s * draw.normal(size=(300, self.n))
        covariance = self.W.T @ self.W + self.s**2 * np.eye(self.n)
        self.log_p = stats.multivariate_normal(self.b, covariance).logpdf(self.x)

    def vae(self, *, shift=0.0, log_variance=None, **options):
        """With the exact posterior as q; moved by `shift`, or of other variances, where asked."""
        precision = np.eye(self.m) + self.W @ self.W.T / self.s**2
        covariance = np.linalg.inv(precision)
        # Rotated in z so that the posterior's covariance is diagonal: N(0, I) stays what it is.
        variances, rotation = np.linalg.eigh(covariance)
        A = self.W.T @ covariance @ rotation / self.s**2
        inputs = keras.Input((self.n,))
        log_variances = np.log(variances) if log_variance is None else np.full(2, log_variance)
        heads = [layers.Dense(self.m), layers.Dense(self.m)]
        encoder = keras.Model(inputs, [head(inputs) for head in heads])
        heads[0].set_weights([A, shift - self.b @ A])
        heads[1].set_weights([0 * A, log_variances])
        decoder = keras.Sequential([keras.Input((self.m,)), layers.Dense(self.n)])
        decoder.set_weights([rotation.T @ self.W, self.b])
        options = {"variance": self.s**2, **options}
        return VariationalAutoencoder(encoder, decoder, **options)


def standard_error(values):
    return values.std() / np.sqrt(len(values))


@pytest.fixture(scope="module")
def linear():
    return LinearGaussian()


def test_with_the_exact_posterior_both_bounds_are_log_p(linear):
    model = linear.vae()
    for k in (1, 10):
        np.testing.assert_allclose(
            model.importance_weighted_nll(linear.x, k), -linear.log_p, atol=2e-3
        )
    # The ELBO takes the KL in closed form, so that its draws do not cancel: only on average.
    difference = model.elbo(linear.x, samples=200) - linear.log_p
    assert abs(difference.mean()) < 5 * difference.std() / np.sqrt(len(difference)) + 2e-3
    assert difference.std() < 0.5


@pytest.mark.medium
@pytest.mark.parametrize("off", [{"shift": 0.4}, {"log_variance": 0.0}])
def test_bounds_tighten_towards_log_p(linear, off):
    """-log p(x) <= bound at K = 100 <= 10 <= 1, whose expectation is -ELBO."""
    model = linear.vae(**off)
    k_1, k_10, k_100 = (model.importance_weighted_nll(linear.x, k, seed=k) for k in (1, 10, 100))
    elbo = model.elbo(linear.x, samples=100)
    for loose, tight in ((k_1, k_10), (-elbo, k_10), (k_10, k_100)):
        assert (loose - tight).mean() > 3 * standard_error(loose - tight)
    assert abs((k_1 + elbo).mean()) < 5 * standard_error(k_1 + elbo)
    assert -3 * standard_error(k_100 + linear.log_p) < (k_100 + linear.log_p).mean() < 0.1


@pytest.mark.medium
def test_elbo_is_log_p_less_the_divergence_from_the_posterior(linear):
    """log p(x) = ELBO + KL(q || p(z | x)); q is the posterior moved by 0.3 in both directions."""
    model, exact = linear.vae(shift=0.3), linear.vae()
    divergence = ops.convert_to_numpy(
        ck.losses.gaussian_kl(*model.encode(linear.x), *exact.encode(linear.x))
    )
    gap = linear.log_p - model.elbo(linear.x, samples=200) - divergence
    assert abs(gap.mean()) < 5 * gap.std() / np.sqrt(len(gap)) + 2e-3
    assert divergence.min() > 0.1


@pytest.mark.medium
def test_chunks_do_not_change_the_result(linear):
    model, few = linear.vae(shift=0.3), linear.x[:20]
    for bound in (
        lambda size: model.importance_weighted_nll(few, 7, batch_size=size),
        lambda size: model.elbo(few, samples=7, batch_size=size),
    ):
        for size in (1, 6):
            np.testing.assert_allclose(bound(size), bound(5000), rtol=1e-4)


def test_no_more_codes_than_asked_are_decoded_at_once(linear):
    model = linear.vae()
    sizes = []
    decoder = model.decoder.call
    model.decoder.call = lambda z, *args, **kwargs: (
        sizes.append(z.shape[0]),
        decoder(z, *args, **kwargs),
    )[1]
    model.importance_weighted_nll(linear.x, 30, batch_size=80)
    assert max(sizes) <= 80
    assert sum(sizes) == 300 * 30


@pytest.mark.slow
def test_training_finds_the_likelihood_of_a_linear_model(linear):
    """Trained from scratch, -ELBO per image comes down to the entropy of p(x), the least it can."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    encoder = keras.Model(inputs, [layers.Dense(2)(inputs), layers.Dense(2)(inputs)])
    decoder = keras.Sequential([keras.Input((2,)), layers.Dense(6)])
    model = VariationalAutoencoder(encoder, decoder, variance=linear.s**2, seed=0)
    model.compile(keras.optimizers.Adam(5e-2), jit_compile=False)
    model.fit(np.tile(linear.x, (10, 1)), batch_size=300, epochs=25, verbose=0)
    nll = -model.elbo(linear.x, samples=50).mean()
    # Fitted to 300 points, it may do a little better than the truth on them.
    assert -linear.log_p.mean() - 0.15 < nll < -linear.log_p.mean() + 0.1


# The loss and its parts


@pytest.mark.medium
def test_the_printed_parts_add_up_to_the_printed_loss():
    check_the_parts(vae(c=3, variance=0.1), [x, y])


@pytest.mark.slow
def test_the_printed_parts_of_a_compiled_step():
    check_the_parts(vae(compiled={"jit_compile": False}), x)


def check_the_parts(model, inputs):
    history = model.fit(
        inputs, epochs=2, batch_size=30, verbose=0, validation_data=(inputs,)
    ).history
    names = ("loss", "kl", "reconstruction", "elbo")
    assert set(history) == {p + q for p in ("", "val_") for q in names}
    for prefix in ("", "val_"):
        parts = np.add(history[prefix + "reconstruction"], history[prefix + "kl"])
        np.testing.assert_allclose(history[prefix + "loss"], parts, rtol=1e-5)
        np.testing.assert_allclose(history[prefix + "elbo"], -parts, rtol=1e-5)


@pytest.mark.medium
@pytest.mark.parametrize("beta", [0.0, 1.0, 4.0])
def test_loss_is_the_formula(beta):
    """In NumPy, where the variances are so small that z is z_mean."""
    model = vae(beta=beta)
    kernel, bias = model.encoder.layers[-1].get_weights()
    model.encoder.layers[-1].set_weights([0 * kernel, bias - 40])
    z_mean, z_log_var = model.encode(x)
    p = model.decode(z_mean).astype("float64")
    reconstruction = -(x * np.log(p) + (1 - x) * np.log(1 - p)).sum(axis=1).mean()
    kl = 0.5 * (z_mean**2 + np.exp(z_log_var) - 1 - z_log_var).sum(axis=1).mean()
    logs = model.evaluate(x, batch_size=16, verbose=0, return_dict=True)
    assert logs["reconstruction"] == pytest.approx(reconstruction, rel=1e-4)
    assert logs["kl"] == pytest.approx(kl, rel=1e-5)
    assert logs["loss"] == pytest.approx(reconstruction + beta * kl, rel=1e-4)
    assert logs["elbo"] == pytest.approx(-reconstruction - kl, rel=1e-4)
    assert model.beta == beta


def test_loss_is_minus_the_elbo():
    model, copies = vae(), np.repeat(x, 400, axis=0)
    loss = model.evaluate(copies, batch_size=5000, verbose=0, return_dict=True)["loss"]
    elbo = model.elbo(copies)
    assert loss == pytest.approx(-elbo.mean(), abs=5 * standard_error(elbo))
    assert elbo[:400].std() > 0


def test_penalties_of_the_layers_are_added():
    encoder, decoder = halves()
    inputs = keras.Input((6,))
    penalized = layers.Dense(6, kernel_regularizer="l2", activity_regularizer="l2")
    encoder = keras.Model(inputs, encoder(penalized(inputs)))
    model = VariationalAutoencoder(encoder, decoder, seed=0)
    model.compile("adam", **UNCOMPILED)
    logs = model.evaluate(x, batch_size=50, verbose=0, return_dict=True)
    kernel, bias = penalized.get_weights()
    penalty = 0.01 * (kernel**2).sum() + 0.01 * ((x @ kernel + bias) ** 2).sum() / len(x)
    extra = logs["loss"] - logs["reconstruction"] - logs["kl"]
    assert extra == pytest.approx(penalty, rel=1e-3)


@pytest.mark.medium
def test_training_is_reproducible_by_seed():
    first, again = (
        vae().fit(x, batch_size=25, epochs=2, verbose=0).history["loss"] for _ in range(2)
    )
    assert first == again


# Keras' contract


@pytest.mark.medium
def test_saved_and_loaded_it_computes_the_same(tmp_path):
    model = vae(c=3, beta=0.5, variance=0.1)
    model.fit([x, y], batch_size=25, verbose=0)
    model.save(tmp_path / "vae.keras")
    loaded = keras.models.load_model(tmp_path / "vae.keras")
    assert isinstance(loaded, VariationalAutoencoder)
    for key in ("variance", "beta", "seed"):
        assert loaded.get_config()[key] == model.get_config()[key]
    predicted = [m.predict([x, y], batch_size=25, verbose=0) for m in (model, loaded, loaded)]
    np.testing.assert_array_equal(predicted[0], predicted[1])
    np.testing.assert_array_equal(predicted[1], predicted[2])
    np.testing.assert_array_equal(loaded.elbo(x, y), model.elbo(x, y))
    assert loaded.count_params() == model.count_params()
    assert np.isfinite(loaded.fit([x, y], batch_size=25, verbose=0).history["loss"][0])


@pytest.mark.medium
@every_form
def test_predict_is_the_decoder_after_the_mean(make, data):
    model = make()
    z_mean, z_log_var = model.encode(*data)
    assert z_mean.shape == z_log_var.shape == (50, 2)
    expected = model.decode(z_mean, *data[1:])
    np.testing.assert_allclose(model.predict(given(data), verbose=0), expected, atol=1e-6)
    np.testing.assert_allclose(model.reconstruct(*data), expected, atol=1e-6)
    assert model.call(given([ops.convert_to_tensor(part[:3]) for part in data])).shape == (3, 6)


@pytest.mark.medium
def test_mixed_precision():
    exact, half = vae(c=3), vae(c=3, dtype="mixed_float16")
    half.set_weights(exact.get_weights())
    assert half.reconstruct(x, y).dtype == np.float32
    np.testing.assert_allclose(half.reconstruct(x, y), exact.reconstruct(x, y), atol=0.05)
    np.testing.assert_allclose(half.elbo(x, y), exact.elbo(x, y), rtol=0.05)
    loss = half.fit([x, y], batch_size=50, verbose=0).history["loss"][0]
    assert loss == pytest.approx(-exact.elbo(x, y, samples=20).mean(), rel=0.05)


def test_images_keep_their_shape():
    inputs = keras.Input((4, 4, 1))
    h = layers.Flatten()(layers.Conv2D(3, 3, padding="same", activation="relu")(inputs))
    encoder = keras.Model(inputs, [layers.Dense(2)(h), layers.Dense(2)(h)])
    decoder = keras.Sequential([keras.Input((2,)), layers.Dense(16), layers.Reshape((4, 4, 1))])
    model = VariationalAutoencoder(encoder, decoder)
    images = rng.random((9, 4, 4, 1), dtype="float32")
    assert model.reconstruct(images).shape == images.shape
    assert model.elbo(images, samples=3).shape == (9,)
    assert model.importance_weighted_nll(images, 3, batch_size=4).shape == (9,)
    assert model.sample(5).shape == (5, 4, 4, 1)
    assert model.compute_output_shape((None, 4, 4, 1)) == (None, 4, 4, 1)


def test_layers_that_differ_in_training_are_called_as_such():
    """Batch normalization learns from each batch once: its averages move in `fit` alone."""
    inputs = keras.Input((6,))
    normalization = layers.BatchNormalization(momentum=0.5)
    h = normalization(inputs)
    encoder = keras.Model(inputs, [layers.Dense(2)(h), layers.Dense(2)(h)])
    model = VariationalAutoencoder(encoder, halves()[1], seed=0)
    model.compile("adam", **UNCOMPILED)
    model.evaluate(x, verbose=0)
    np.testing.assert_array_equal(normalization.moving_mean, 0)
    model.fit(x, batch_size=50, verbose=0)
    np.testing.assert_allclose(normalization.moving_mean, x.mean(axis=0) / 2, rtol=1e-4)


# Samples, conditions


def test_samples_are_the_decoder_of_the_prior():
    model = vae()
    model.decoder.layers[-1].set_weights([np.ones((8, 6)), np.zeros(6)])
    samples = model.sample(2000, seed=4)
    again = model.sample(2000, seed=4)
    np.testing.assert_array_equal(samples, again)
    assert not np.array_equal(samples, model.sample(2000, seed=5))
    z = np.random.default_rng(9).normal(size=(2000, 2))
    # Two sets of draws from one distribution.
    assert stats.ks_2samp(samples[:, 0], model.decode(z)[:, 0]).pvalue > 1e-3


def test_conditions_reach_both_halves():
    model = vae(c=3)
    other = np.roll(y, 1, axis=1)
    assert np.abs(model.encode(x, y)[0] - model.encode(x, other)[0]).max() > 1e-3
    one_style = np.zeros((3, 2))
    rows = model.decode(one_style, np.eye(3))
    assert np.abs(rows[0] - rows[1]).max() > 1e-3
    assert model.sample(3, np.eye(3)).shape == (3, 6)
    assert model.compute_output_shape([(None, 6), (None, 3)]) == (None, 6)


@pytest.mark.medium
def test_a_conditional_model_learns_what_the_condition_says():
    """x depends on y alone: generated from a label, it is that label's image."""
    prototypes = np.array([[1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1]], "float32")
    model = vae(c=3, compiled={"jit_compile": True})
    many = np.tile(y, (10, 1))
    model.fit([many @ prototypes, many], epochs=20, batch_size=50, verbose=0)
    generated = model.sample(3, np.eye(3))
    np.testing.assert_allclose(generated, prototypes, atol=0.1)


# Errors


def test_halves_that_do_not_meet_are_refused():
    encoder, decoder = halves()
    one_head = keras.Sequential([keras.Input((6,)), layers.Dense(2)])
    a, b = keras.Input((6,)), keras.Input((6,))
    unequal = keras.Model(a, [layers.Dense(2)(a), layers.Dense(3)(a)])
    for halves_given, error, message in [
        ((one_head, decoder), ValueError, "encoder must be .* two outputs, got 1 and 1"),
        ((layers.Dense(2), decoder), TypeError, "encoder must be a Keras model, got Dense"),
        ((unequal, decoder), ValueError, r"z_mean of shape \(2,\), but z_log_var of \(3,\)"),
        ((encoder, halves(m=3)[1]), ValueError, r"codes of shape \(2,\), but decoder takes \(3,\)"),
        ((encoder, halves(n=7)[1]), ValueError, r"x of shape \(6,\), but decoder gives \(7,\)"),
        ((halves(c=3)[0], decoder), ValueError, "decoder must be .* two inputs .* got 1 and 1"),
        ((halves(c=3)[0], halves(c=4)[1]), ValueError, r"y of shape \(3,\), but decoder takes"),
        ((encoder, keras.Sequential([layers.Dense(6)])), ValueError, "decoder must be built"),
        ((keras.Model([a, b], [layers.Dense(2)(a + b)] * 2), decoder), ValueError, "decoder must"),
    ]:
        with pytest.raises(error, match=message):
            VariationalAutoencoder(*halves_given)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"variance": 0}, ValueError, "variance must be a finite number above 0, got 0"),
        ({"variance": "1"}, TypeError, "variance must be a number"),
        ({"beta": -1}, ValueError, "beta must be a finite number from 0, got -1"),
        ({"beta": "1"}, TypeError, "beta must be a number"),
    ],
)
def test_bad_options_are_named(options, error, message):
    with pytest.raises(error, match=message):
        VariationalAutoencoder(*halves(), **options)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: m.fit(x, x, verbose=0), ValueError, r"takes no targets, .* fit\(x\)"),
        (lambda m: m.compute_loss(x, sample_weight=x[:, 0]), ValueError, "targets, no weights"),
        (lambda m: m.fit([x, y], verbose=0), ValueError, "takes x alone, got 2 arrays"),
        (lambda m: vae(c=3).fit(x, verbose=0), ValueError, r"takes \[x, y\], got 1 array"),
        (lambda m: vae(compiled={"loss": "mse"}).fit(x, verbose=0), ValueError, "no loss of yours"),
        (lambda m: m.compute_loss(255 * x), ValueError, r"x must lie in \[0, 1\]"),
        (lambda m: m.elbo(255 * x), ValueError, r"x must lie in \[0, 1\]"),
        (lambda m: m.encode(x[:, :5]), ValueError, r"x must be a batch of shape \(n, 6\)"),
        (lambda m: m.encode(np.full((2, 6), np.nan)), ValueError, "x must be finite"),
        (lambda m: m.decode(x), ValueError, r"z must be a batch of shape \(n, 2\), got"),
        (lambda m: m.encode(x, y), ValueError, "y must be given where .* and only there"),
        (lambda m: vae(c=3).encode(x), ValueError, "y must be given where"),
        (lambda m: vae(c=3).encode(x, y[:4]), ValueError, "x and y must have equally many rows"),
        (lambda m: vae(c=3).sample(2, np.eye(3)), ValueError, "z and y must have equally many"),
        (lambda m: m.sample(0), ValueError, "n must be at least 1, got 0"),
        (lambda m: m.elbo(x, samples=0), ValueError, "samples must be at least 1"),
        (lambda m: m.importance_weighted_nll(x, 2.5), TypeError, "k must be a whole number"),
        (lambda m: m.elbo(x, batch_size=0), ValueError, "batch_size must be at least 1"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call(vae())


@pytest.mark.medium
def test_images_out_of_range_are_not_learned_silently():
    """In a compiled step no value can be looked at: the loss is NaN there."""
    assert np.isnan(vae(compiled={"jit_compile": True}).fit(255 * x, verbose=0).history["loss"][0])
