import keras
import numpy as np
import pytest
from keras import layers, ops

import coursekit as ck
from coursekit.losses import call_frozen, discriminator_loss, generator_loss
from coursekit.models import GAN, AdversarialAutoencoder

rng = np.random.default_rng(0)
x = rng.random((40, 6), dtype="float32")
y = np.eye(3, dtype="float32")[np.arange(40) % 3]
BACKEND = keras.config.backend()
# For the few steps of a test TensorFlow takes longer to compile, and JAX not to.
UNCOMPILED = {"run_eagerly": BACKEND == "tensorflow"}


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


if BACKEND == "tensorflow":
    import tensorflow as tf

    def automatic_gradients(function, weights):
        with tf.GradientTape() as tape:
            value = function()
        gradients = tape.gradient(value, [w.value for w in weights], unconnected_gradients="zero")
        return [g.numpy() for g in gradients]

elif BACKEND == "jax":
    import jax

    def automatic_gradients(function, weights):
        def of(values):
            with keras.StatelessScope(list(zip(weights, values, strict=True))):
                return function()

        return [numpy(g) for g in jax.grad(of)([w.value for w in weights])]


def player(n, m, *hidden, last=None, dtype=None):
    inputs = keras.Input((n,))
    h = layers.Dense(8, dtype=dtype)(inputs)
    for layer in (*hidden, layers.LeakyReLU(0.2, dtype=dtype)):
        h = layer(h)
    return keras.Model(inputs, layers.Dense(m, last, dtype=dtype)(h))


def gan(*hidden, n=6, m=2, compiled=None, dtype=None, normalized=False, **options):
    keras.utils.set_random_seed(0)
    normalization = [layers.BatchNormalization(dtype=dtype)] if normalized else []
    generator = player(m, n, *normalization, last="sigmoid", dtype=dtype)
    model = GAN(generator, player(n, 1, *hidden, dtype=dtype), seed=1, **options)
    model.compile(keras.optimizers.Adam(1e-2), **(compiled or UNCOMPILED))
    return model


@keras.saving.register_keras_serializable(package="tests")
def uniform_square(n, seed, y=None):
    return keras.random.uniform((n, 2), -1, 1, seed=seed)


def aae(prior=None, *, c=0, dtype=None, m=2, width=8, compiled=None, **options):
    keras.utils.set_random_seed(0)
    inputs = [keras.Input((m,)), *([keras.Input((c,))] if c else [])]
    h = layers.Concatenate(dtype=dtype)(inputs) if c else inputs[0]
    h = layers.Dense(width, "relu", dtype=dtype)(h)
    judge = keras.Model(inputs if c else inputs[0], layers.Dense(1, dtype=dtype)(h))
    halves = player(6, m, dtype=dtype), player(m, 6, dtype=dtype)
    prior = prior or (ck.priors.Petals(c) if c else ck.priors.Gaussian(m))
    model = AdversarialAutoencoder(*halves, judge, prior, seed=1, **options)
    model.compile(keras.optimizers.Adam(1e-2), **(compiled or UNCOMPILED))
    return model


# The frozen call and the losses


DISCRIMINATORS = {
    "dense": lambda: player(6, 1, layers.Dense(5, "tanh")),
    "convolutional": lambda: keras.Sequential(
        [keras.Input((6,)), layers.Reshape((3, 2, 1)), layers.Conv2D(4, 2), layers.LeakyReLU(0.2),
         layers.Flatten(), layers.Dense(1)]
    ),
    "batch normalization": lambda: player(6, 1, layers.BatchNormalization()),
}  # fmt: skip


@pytest.mark.medium
@pytest.mark.parametrize("loss", ["non-saturating", "minimax"])
@pytest.mark.parametrize("kind", DISCRIMINATORS)
def test_one_loss_has_the_gradients_of_two_separate_ones(kind, loss):
    keras.utils.set_random_seed(0)
    G, D = player(2, 6), DISCRIMINATORS[kind]()
    z = ops.convert_to_tensor(rng.normal(size=(40, 2)).astype("float32"))
    real = ops.convert_to_tensor(x)

    def both():
        fake = G(z)
        fixed = ops.stop_gradient(fake)
        J_D = discriminator_loss(D(real, training=True), D(fixed, training=True), 0.9)
        return ops.mean(J_D + generator_loss(call_frozen(D, fake, training=True), loss))

    def of_the_discriminator():
        fixed = ops.convert_to_tensor(numpy(G(z))) if BACKEND == "tensorflow" else G(z)
        return ops.mean(discriminator_loss(D(real, training=True), D(fixed, training=True), 0.9))

    def of_the_generator():
        return ops.mean(generator_loss(D(G(z), training=True), loss))

    players = (G, of_the_generator), (D, of_the_discriminator)
    together = automatic_gradients(both, [*G.trainable_weights, *D.trainable_weights])
    separate = [g for model, J in players for g in automatic_gradients(J, model.trainable_weights)]
    for one, other in zip(together, separate, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert max(np.abs(g).max() for g in separate) > 1e-2


def test_a_frozen_call_gives_the_same_and_leaves_no_trace():
    model = player(6, 1, layers.BatchNormalization(), layers.Dropout(0.5))
    np.testing.assert_array_equal(call_frozen(model, x, training=False), model(x, training=False))
    before = [numpy(v.value) for v in model.variables]
    call_frozen(model, x, training=True)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.value, value)


def test_losses_are_the_formulas_and_stay_finite():
    real, fake = rng.normal(0, 3, size=(2, 20, 1))
    p, q = (1 / (1 + np.exp(-logits)) for logits in (real, fake))
    J_D = -np.log(p) - np.log(1 - q)
    np.testing.assert_allclose(discriminator_loss(real, fake), J_D[:, 0], rtol=1e-5)
    smooth = -0.9 * np.log(p) - 0.1 * np.log(1 - p) - np.log(1 - q)
    np.testing.assert_allclose(discriminator_loss(real, fake, 0.9), smooth[:, 0], rtol=1e-5)
    np.testing.assert_allclose(generator_loss(fake), -np.log(q)[:, 0], rtol=1e-5)
    np.testing.assert_allclose(
        generator_loss(fake, "minimax"), np.log(1 - q)[:, 0], rtol=1e-5, atol=1e-6
    )
    undecided = np.zeros((1, 1))
    assert float(discriminator_loss(undecided, undecided)[0]) == pytest.approx(2 * np.log(2))
    sure = np.array([[300.0]])
    for value in (discriminator_loss(-sure, sure), generator_loss(-sure)):
        assert np.isfinite(numpy(value)).all()


# GAN


@pytest.mark.parametrize("loss", ["non-saturating", "minimax"])
def test_a_step_moves_both_players_by_their_own_gradients(loss):
    model = gan(loss=loss, real_label=0.9)
    model.compile(keras.optimizers.SGD(1.0), **UNCOMPILED)
    G, D = model.generator, model.discriminator
    z = keras.random.normal((40, 2), seed=keras.random.SeedGenerator(1))  # the model's own draw
    before = [numpy(w.value) for w in (*G.trainable_weights, *D.trainable_weights)]
    fixed = ops.convert_to_tensor(numpy(G(z)))
    steps = [
        *automatic_gradients(lambda: ops.mean(generator_loss(D(G(z)), loss)), G.trainable_weights),
        *automatic_gradients(
            lambda: ops.mean(discriminator_loss(D(x), D(fixed), 0.9)), D.trainable_weights
        ),
    ]
    model.fit(x, batch_size=40, verbose=0)
    after = [numpy(w.value) for w in (*G.trainable_weights, *D.trainable_weights)]
    for one, other, step in zip(before, after, steps, strict=True):
        np.testing.assert_allclose(one - other, step, atol=1e-6)


def test_reports_the_game():
    model = gan()
    logs = model.evaluate(x, batch_size=40, return_dict=True, verbose=0)
    z = keras.random.normal((40, 2), seed=keras.random.SeedGenerator(1))
    fake = numpy(model.generator(z))
    real_logits, fake_logits = numpy(model.discriminator(x)), numpy(model.discriminator(fake))
    expected = {
        "discriminator_loss": numpy(discriminator_loss(real_logits, fake_logits)).mean(),
        "generator_loss": numpy(generator_loss(fake_logits)).mean(),
        "accuracy_real": np.mean(real_logits > 0),
        "accuracy_generated": np.mean(fake_logits < 0),
        "diversity": fake.var(axis=0).sum() / x.var(axis=0).sum(),
    }
    expected["loss"] = expected["discriminator_loss"] + expected["generator_loss"]
    assert logs == pytest.approx(expected, rel=1e-4)


def test_a_collapsed_generator_has_no_diversity():
    model = gan()
    model.generator.layers[-1].kernel.assign(np.zeros((8, 6)))
    assert model.evaluate(x, return_dict=True, verbose=0)["diversity"] == pytest.approx(0, abs=1e-6)


def test_training_that_breaks_down_says_so():
    broken = x.copy()
    broken[3, 2] = np.nan
    with pytest.raises(ArithmeticError, match="stopped in epoch 1: discriminator_loss is nan"):
        gan().fit(broken, verbose=0)
    with pytest.raises(ArithmeticError, match="reconstruction is nan"):
        aae(variance=1.0).fit(broken, verbose=0)


def test_gradient_penalty_is_the_square_of_the_logits_gradient():
    """Exact in expectation for a discriminator that is linear: gamma / 2 ||w||^2."""
    judge = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
    many = np.repeat(x, 500, axis=0)
    losses = []
    for gamma in (0.0, 3.0):
        keras.utils.set_random_seed(0)
        model = GAN(player(2, 6), judge, gradient_penalty=gamma, seed=0)
        loss = model.compute_loss(ops.convert_to_tensor(many))
        losses.append(float(loss))
    wanted = 1.5 * np.sum(np.square(judge.get_weights()[0]))
    assert losses[1] - losses[0] == pytest.approx(wanted, rel=0.05)


def test_penalties_of_the_weights_are_added():
    plain, penalized = gan(), gan(layers.Dense(8, kernel_regularizer=keras.regularizers.L2(0.3)))
    layer = penalized.discriminator.layers[2]
    logs = penalized.evaluate(x, batch_size=40, return_dict=True, verbose=0)
    penalty = 0.3 * np.square(layer.get_weights()[0]).sum()
    parts = logs["discriminator_loss"] + logs["generator_loss"]
    assert logs["loss"] == pytest.approx(parts + penalty, rel=1e-5)
    assert plain.losses == []


@pytest.mark.medium
@pytest.mark.parametrize("layer", [layers.Dropout(0.5), layers.BatchNormalization()])
def test_gradient_penalty_refuses_a_judge_that_changes_its_mind(layer):
    name = type(layer).__name__
    with pytest.raises(ValueError, match=rf"discriminator has the layer .* \({name}\)"):
        gan(layer, gradient_penalty=1.0)
    assert np.isfinite(gan(layer).fit(x, verbose=0).history["loss"][0])


@pytest.mark.medium
def test_saved_and_loaded_a_gan_computes_the_same(tmp_path):
    model = gan(normalized=True, loss="minimax", real_label=0.9, gradient_penalty=0.1)
    model.fit(x, verbose=0)
    model.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    assert isinstance(loaded, GAN)
    for key in ("loss", "real_label", "gradient_penalty", "seed"):
        assert loaded.get_config()[key] == model.get_config()[key]
    np.testing.assert_array_equal(loaded.sample(7), model.sample(7))
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    assert np.isfinite(loaded.fit(x, verbose=0).history["loss"][0])


def test_predict_is_the_probability_of_being_real():
    model = gan()
    p = model.predict(x, verbose=0)
    np.testing.assert_allclose(p, ops.sigmoid(model.discriminator(x)), atol=1e-6)
    assert p.shape == (40, 1)
    assert model.compute_output_shape((None, 6)) == (None, 1)


@pytest.mark.medium
def test_samples_are_reproducible_and_differ_by_seed():
    model = gan(normalized=True)
    z = np.random.default_rng(3).standard_normal((5, 2), dtype="float32")
    np.testing.assert_array_equal(model.sample(5, seed=3), model.decode(z))
    assert (model.sample(5, seed=3) != model.sample(5, seed=4)).any()
    first, again = (gan().fit(x, epochs=2, verbose=0).history["loss"] for _ in range(2))
    assert first == again


def test_batch_normalization_of_the_generator_learns_its_averages():
    model = gan(normalized=True)
    averages = model.generator.non_trainable_weights
    model.sample(3)
    model.predict(x, verbose=0)
    before = [numpy(v.value) for v in averages]
    assert all((b == start).all() for b, start in zip(before, (0, 1), strict=True))
    model.fit(x, verbose=0)
    assert all((numpy(v.value) != b).all() for v, b in zip(averages, before, strict=True))


@pytest.mark.medium
def test_mixed_precision():
    exact = gan(normalized=True)
    half = gan(normalized=True, dtype="mixed_bfloat16")
    half.set_weights(exact.get_weights())
    assert half.sample(3).dtype == np.float32
    np.testing.assert_allclose(half.sample(3), exact.sample(3), atol=0.05)
    one, other = (m.fit(x, batch_size=40, verbose=0).history for m in (exact, half))
    assert one["loss"][0] == pytest.approx(other["loss"][0], rel=0.05)
    model = aae(c=3, dtype="mixed_bfloat16")
    assert model.reconstruct(x).dtype == np.float32
    assert np.isfinite(model.fit([x, y], verbose=0).history["loss"][0])


@pytest.mark.slow
def test_a_compiled_gan_learns_a_gaussian():
    mean, spread = np.array([0.5, -1.0]), np.array([[1.0, 0.0], [0.6, 0.4]])
    data = (mean + rng.normal(size=(8000, 2)) @ spread.T).astype("float32")
    keras.utils.set_random_seed(0)
    generator = keras.Sequential([keras.Input((2,)), layers.Dense(2)])
    discriminator = player(2, 1, layers.LeakyReLU(0.2), layers.Dense(32))
    model = GAN(generator, discriminator, gradient_penalty=0.5, seed=0)
    model.compile(keras.optimizers.Adam(5e-3, beta_1=0.5), steps_per_execution=10)
    model.fit(data, batch_size=200, epochs=30, verbose=0)
    fake = model.sample(8000)
    assert ck.metrics.frechet_distance(fake, data) < 0.05
    assert ck.metrics.frechet_distance(data - mean, data) > 1


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gan(loss="wasserstein"), ValueError,
         "loss must be one of 'non-saturating', 'minimax', got 'wasserstein'"),
        (lambda: gan(real_label=0.3), ValueError, "real_label must be a finite number to 1 above"),
        (lambda: gan(gradient_penalty=-1), ValueError, "gradient_penalty must be"),
        (lambda: GAN(layers.Dense(2), player(6, 1)), TypeError, "generator must be a Keras model"),
        (lambda: GAN(player(2, 6), layers.Dense(1)), TypeError, "discriminator must be a Keras"),
        (lambda: GAN(player(2, 6), player(5, 1)), ValueError,
         r"generator gives \(6,\), but discriminator takes \(5,\)"),
        (lambda: gan(layers.Dense(5, activity_regularizer="l2")), ValueError,
         "discriminator has an activity regularizer in the layer"),
        (lambda: GAN(player(2, 6), player(6, 2)), ValueError,
         r"discriminator gives \(2,\), but one logit is \(1,\)"),
        (lambda: gan().fit([x, x]), ValueError, "takes x alone, got 2 arrays"),
        (lambda: gan().evaluate(x, x), ValueError, "takes no targets"),
        (lambda: gan().sample(0), ValueError, "n must be at least 1"),
        (lambda: gan().decode(x), ValueError, r"z must be a batch of shape \(n, 2\)"),
        (lambda: call_frozen(abs, x), TypeError, "model must be a Keras model or layer"),
        (lambda: call_frozen(layers.Dense(2), x), ValueError, "model must be built"),
        (lambda: discriminator_loss(x, x[:, :2]), ValueError, "real_logits and fake_logits must"),
        (lambda: generator_loss(x[0]), ValueError, r"fake_logits must have shape \(batch, 1\)"),
        (lambda: generator_loss(x, "hinge"), ValueError, "loss must be one of"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


# AdversarialAutoencoder


@pytest.mark.medium
@pytest.mark.parametrize("c", [0, 3])
@pytest.mark.parametrize("variance", [None, 0.5])
def test_the_loss_is_its_parts(c, variance):
    model = aae(c=c, variance=variance, beta=3.0)
    data, rows = ([x, y], [y]) if c else (x, [])
    logs = model.evaluate(data, batch_size=40, return_dict=True, verbose=0)
    h = model.codes(x)
    output = numpy(model.decoder(h))
    if variance is None:
        expected = -ck.losses.bernoulli_log_likelihood(x, output)
    else:
        expected = -ck.losses.gaussian_log_likelihood(x, output, variance)
    drawn = model.prior(40, keras.random.SeedGenerator(1), *rows)
    given = lambda z: [ops.convert_to_tensor(part) for part in (z, *rows)]  # noqa: E731
    real, fake = (model.discriminator(given(z) if c else z) for z in (drawn, h))
    parts = {
        "reconstruction": numpy(expected).mean(),
        "discriminator_loss": numpy(discriminator_loss(real, fake)).mean(),
        "generator_loss": numpy(generator_loss(fake)).mean(),
    }
    for name, value in parts.items():
        assert logs[name] == pytest.approx(value, rel=1e-4), name
    total = parts["reconstruction"] + parts["discriminator_loss"] + 3 * parts["generator_loss"]
    assert logs["loss"] == pytest.approx(total, rel=1e-4)


@pytest.mark.medium
@pytest.mark.parametrize("prior", [ck.priors.Ring(1.5, 0.1), uniform_square], ids=["class", "def"])
def test_saved_and_loaded_it_computes_the_same(prior, tmp_path):
    model = aae(prior, variance=0.1, beta=2.0, real_label=0.9)
    model.fit(x, verbose=0)
    model.save(tmp_path / "aae.keras")
    loaded = keras.models.load_model(tmp_path / "aae.keras")
    assert isinstance(loaded, AdversarialAutoencoder)
    for key in ("variance", "beta", "loss", "real_label", "gradient_penalty", "seed"):
        assert loaded.get_config()[key] == model.get_config()[key]
    for name in ("codes", "reconstruct", "sample"):
        of = 5 if name == "sample" else x
        np.testing.assert_array_equal(getattr(loaded, name)(of), getattr(model, name)(of))
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    assert np.isfinite(loaded.fit(x, verbose=0).history["loss"][0])


def test_a_prior_that_could_not_be_loaded_is_not_saved(tmp_path):
    model = aae(lambda n, seed: keras.random.normal((n, 2), seed=seed))
    with pytest.raises(ValueError, match="prior <lambda> is not registered"):
        model.save(tmp_path / "aae.keras")


@pytest.mark.medium
def test_methods_meet():
    model = aae(c=3)
    np.testing.assert_allclose(model.reconstruct(x), model.decode(model.codes(x)), atol=1e-6)
    for given in ([x, y], x):
        np.testing.assert_allclose(model.predict(given, verbose=0), model.reconstruct(x), atol=1e-6)
    h = model.prior(40, keras.random.SeedGenerator(7), y)
    np.testing.assert_allclose(model.sample(40, y, seed=7), model.decode(numpy(h)), atol=1e-6)
    assert model.compute_output_shape([(None, 6), (None, 3)]) == (None, 6)
    assert aae().sample(5).shape == (5, 6)


@pytest.mark.medium
def test_a_compiled_step_draws_from_the_prior_in_batches_of_any_size():
    model = aae(ck.priors.Ring(), compiled={"steps_per_execution": 2})
    assert np.isfinite(model.fit(x, batch_size=16, verbose=0).history["loss"][0])


@pytest.mark.slow
@pytest.mark.parametrize("c", [0, 3])
def test_codes_take_the_shape_of_the_prior(c):
    wide = rng.random((6000, 6), dtype="float32")
    labels = np.eye(3, dtype="float32")[rng.integers(3, size=6000)]
    wide[:, :3] = 0.7 * labels + 0.3 * wide[:, :3]
    model = aae(c=c, prior=None if c else ck.priors.Ring(1.0, 0.2), width=32,
                variance=0.1, beta=5.0)  # fmt: skip
    model.compile(keras.optimizers.Adam(5e-3, beta_1=0.5), steps_per_execution=10)
    prior = numpy(model.prior(2000, 5, *([labels[:2000]] if c else [])))
    beside = labels[:2000, : c or 0]  # each label has its own part of the prior

    def distance():
        codes = np.hstack([model.codes(wide[:2000]), beside])
        return ck.metrics.maximum_mean_discrepancy(codes, np.hstack([prior, beside]), bandwidth=0.5)

    before = distance()
    model.fit([wide, labels] if c else wide, batch_size=100, epochs=15, verbose=0)
    assert distance() < 0.25 * before


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: aae(ck.priors.Gaussian(3)), ValueError,
         r"prior gives codes of shape \(2, 3\), but wanted is \(2, 2\)"),
        (lambda: aae(prior=7), TypeError, "prior must be a function of n and a seed, got int"),
        (lambda: aae(beta=-1), ValueError, "beta must be"),
        (lambda: aae(variance=0), ValueError, "variance must be"),
        (lambda: aae().fit([x, y]), ValueError, "takes x alone"),
        (lambda: aae(c=3).fit(x), ValueError, r"takes \[x, y\], got 1 array"),
        (lambda: aae(c=3).sample(5), ValueError, "y must be given where"),
        (lambda: aae().sample(5, y[:5]), ValueError, "y must be given where"),
        (lambda: aae(c=3).sample(5, y), ValueError, "y must have n = 5 rows, got 40"),
        (lambda: aae().codes(x[:, :3]), ValueError, r"x must be a batch of shape \(n, 6\)"),
        (lambda: aae(ck.priors.Petals(4), c=3), ValueError, r"y must have shape \(n, 4\)"),
    ],
)  # fmt: skip
def test_bad_input_of_the_autoencoder_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


# Priors


def test_priors_have_the_moments_that_they_promise():
    n = 50_000
    gaussian = numpy(ck.priors.Gaussian(3)(n, 0))
    np.testing.assert_allclose(np.cov(gaussian.T), np.eye(3), atol=0.03)
    ring = numpy(ck.priors.Ring(2.0, 0.2)(n, 0))
    r, angle = np.hypot(*ring.T), np.arctan2(ring[:, 1], ring[:, 0])
    assert (r.mean(), r.std()) == pytest.approx((2.0, 0.2), rel=0.02)
    assert np.abs(np.exp(1j * angle * np.arange(1, 4)[:, None]).mean(axis=1)).max() < 0.02
    assert abs(np.corrcoef(r, angle)[0, 1]) < 0.02  # two draws, not one used twice


def test_petals_lie_where_they_should_with_labels_and_without():
    parts, n = 5, 40_000
    petals = ck.priors.Petals(parts, distance=2.0, length=0.3, breadth=0.1)
    labels = np.random.default_rng(1).integers(parts, size=n)
    z = numpy(petals(n, 0, np.eye(parts)[labels]))
    free = numpy(petals(n, 0))
    turn = np.exp(2j * np.pi * np.arange(parts) / parts)
    for part in range(parts):
        own = (z[labels == part] @ (1, 1j)) / turn[part]
        assert own.mean() == pytest.approx(2.0, abs=0.02)
        assert (own.real.std(), own.imag.std()) == pytest.approx((0.3, 0.1), rel=0.05)
    nearest = np.abs((free @ (1, 1j))[:, None] - 2 * turn).argmin(axis=1)
    np.testing.assert_allclose(np.bincount(nearest) / n, 1 / parts, atol=0.02)


@pytest.mark.parametrize("prior", [ck.priors.Gaussian(), ck.priors.Ring(), ck.priors.Petals()])
def test_priors_draw_by_their_seed(prior):
    generator = keras.random.SeedGenerator(0)
    draws = [numpy(prior(4, seed)) for seed in (3, 3, 4, generator, generator)]
    np.testing.assert_array_equal(draws[0], draws[1])
    for one, other in ((1, 2), (3, 4)):
        assert (draws[one] != draws[other]).all()
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(prior))
    np.testing.assert_array_equal(again(4, 3), draws[0])


def test_priors_name_bad_arguments():
    for call, name in (
        (lambda: ck.priors.Gaussian(0), "units"),
        (lambda: ck.priors.Ring(radius=0), "radius"),
        (lambda: ck.priors.Petals(breadth=-1), "breadth"),
    ):
        with pytest.raises(ValueError, match=f"{name} must be"):
            call()
