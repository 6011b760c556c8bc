import keras
import numpy as np
import pytest

import coursekit as ck

UNITS = (6, 5, 3)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


@pytest.fixture
def x():
    return np.random.default_rng(0).random((60, 6), dtype="float32")


@pytest.fixture
def stack():
    keras.utils.set_random_seed(0)
    stack = ck.models.StackedAutoencoder(UNITS, activation="sigmoid", output_activation="sigmoid")
    rng = np.random.default_rng(1)
    for layer in stack.tied:  # biases that are not zero
        layer.set_weights([rng.normal(size=w.shape).astype("float32") for w in layer.get_weights()])
    return stack


def copied(stack):
    return [w.copy() for w in stack.get_weights()]


def compiled(stack, rate=0.01):
    stack.compile(keras.optimizers.Adam(rate), loss="mse")
    return stack


def test_computes_the_formula_with_tied_weights(stack, x):
    (W1, b1, c1), (W2, b2, c2) = (layer.get_weights() for layer in stack.tied)
    h1 = sigmoid(x @ W1 + b1)
    h2 = h1 @ W2 + b2
    x_hat = sigmoid(sigmoid(h2 @ W2.T + c2) @ W1.T + c1)
    np.testing.assert_allclose(stack.codes(x), h2, atol=1e-5)
    np.testing.assert_allclose(stack.decode(h2), x_hat, atol=1e-5)
    np.testing.assert_allclose(stack.reconstruct(x), x_hat, atol=1e-5)
    np.testing.assert_allclose(stack.predict(x, verbose=0), x_hat, atol=1e-5)


def test_a_tied_kernel_is_one_parameter():
    stack = ck.models.StackedAutoencoder((784, 100, 30))
    assert stack.count_params() == 784 * 100 + 100 + 784 + 100 * 30 + 30 + 100
    assert len(stack.trainable_variables) == 6


def test_the_gradient_is_the_sum_of_both_uses(stack, x):
    """One step of gradient descent against central differences of the loss in NumPy."""
    weights = [w.astype("float64") for w in stack.get_weights()]

    def loss(weights):
        W1, b1, c1, W2, b2, c2 = weights
        h1 = sigmoid(x @ W1 + b1)
        x_hat = sigmoid(sigmoid((h1 @ W2 + b2) @ W2.T + c2) @ W1.T + c1)
        return np.mean((x_hat - x) ** 2)

    assert [w.shape for w in weights] == [(6, 5), (5,), (6,), (5, 3), (3,), (5,)]
    stack.compile(keras.optimizers.SGD(1.0), loss="mse")
    stack.train_on_batch(x, x)
    for i in (0, 3):
        step = weights[i] - stack.get_weights()[i]
        for at in ((0, 0), (2, 1), (4, 2)):
            moved = []
            for sign in (1, -1):
                w = [v.copy() for v in weights]
                w[i][at] += sign * 1e-5
                moved.append(loss(w))
            assert step[at] == pytest.approx((moved[0] - moved[1]) / 2e-5, rel=2e-2, abs=2e-6)


def test_the_kth_autoencoder_shares_the_stacks_weights(stack, x):
    (W1, b1, c1), (W2, b2, c2) = (layer.get_weights() for layer in stack.tied)
    first, second = stack.autoencoder(1), stack.autoencoder(2)
    h1 = sigmoid(x @ W1 + b1)
    np.testing.assert_allclose(first.codes(x), h1, atol=1e-5)
    np.testing.assert_allclose(first.reconstruct(x), sigmoid(h1 @ W1.T + c1), atol=1e-5)
    np.testing.assert_allclose(second.codes(h1), h1 @ W2 + b2, atol=1e-5)
    np.testing.assert_allclose(
        second.reconstruct(h1), sigmoid((h1 @ W2 + b2) @ W2.T + c2), atol=1e-5
    )
    before = copied(stack)
    compiled(second).fit(h1, h1, verbose=0)
    changed = [not np.array_equal(a, b) for a, b in zip(before, stack.get_weights(), strict=True)]
    assert changed == [False] * 3 + [True] * 3


@pytest.mark.slow
def test_pretraining_is_the_three_phases_written_out(x):
    def make():
        keras.utils.set_random_seed(3)
        return ck.models.StackedAutoencoder(UNITS, activation="tanh")

    options = {"epochs": 3, "batch_size": 20, "shuffle": False, "verbose": 0}
    stack = make()
    histories = stack.pretrain(x, keras.optimizers.Adam(0.01), **options)
    by_hand, h = make(), x
    for k, n, m in ((0, 6, 5), (1, 5, 3)):
        W, b, c = by_hand.tied[k].get_weights()
        inputs = keras.Input((n,))
        layer = ck.layers.TiedDense(m, (["tanh", None])[k], decoder_activation=([None, "tanh"])[k])
        code = layer(inputs)
        model = keras.Model(inputs, layer(code, transpose=True))
        layer.set_weights([W, b, c])
        model.compile(keras.optimizers.Adam(0.01), loss="mse")
        history = model.fit(h, h, **options)
        np.testing.assert_allclose(histories[k].history["loss"], history.history["loss"], rtol=1e-5)
        for mine, theirs in zip(stack.tied[k].get_weights(), layer.get_weights(), strict=True):
            np.testing.assert_allclose(mine, theirs, atol=1e-5)
        h = keras.Model(inputs, code).predict(h, verbose=0)
    assert histories[0].history["loss"][-1] < histories[0].history["loss"][0]


@pytest.mark.slow
def test_fine_tuning_reduces_the_error_of_the_whole(stack, x):
    stack.pretrain(x, keras.optimizers.Adam(0.05), epochs=20, batch_size=20, verbose=0)
    before = np.mean((stack.reconstruct(x) - x) ** 2)
    assert compiled(stack).evaluate(x, x, verbose=0) == pytest.approx(before, rel=1e-5)
    stack.fit(x, x, epochs=20, batch_size=20, verbose=0)
    assert np.mean((stack.reconstruct(x) - x) ** 2) < before


@pytest.mark.slow
def test_saved_and_loaded_it_computes_the_same_and_is_still_tied(stack, x, tmp_path):
    compiled(stack).fit(x, x, verbose=0)
    stack.save(tmp_path / "stack.keras")
    loaded = keras.models.load_model(tmp_path / "stack.keras")
    assert isinstance(loaded, ck.models.StackedAutoencoder)
    assert loaded.units == UNITS
    np.testing.assert_array_equal(loaded.reconstruct(x), stack.reconstruct(x))
    np.testing.assert_array_equal(loaded.codes(x), stack.codes(x))
    loaded.fit(x, x, verbose=0)
    test_computes_the_formula_with_tied_weights(loaded, x)


def test_layers_of_one_size_begin_with_different_weights():
    normal = keras.initializers.RandomNormal(stddev=0.1)
    a, b = ck.models.StackedAutoencoder((4, 4, 4), kernel_initializer=normal).tied
    assert not np.array_equal(a.get_weights()[0], b.get_weights()[0])
    assert ck.models.StackedAutoencoder((4, 2), kernel_initializer="ones").tied[0].kernel[0, 0] == 1


@pytest.mark.medium
@pytest.mark.parametrize("frozen", [True, False])
def test_a_classifier_is_a_copy_of_the_encoder_and_leaves_the_stack_alone(stack, x, frozen):
    (W1, b1, _), (W2, b2, _) = (layer.get_weights() for layer in stack.tied)
    classifier = stack.classifier(4, frozen=frozen)
    V, d = classifier.layers[-1].get_weights()
    logits = (sigmoid(x @ W1 + b1) @ W2 + b2) @ V + d
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(classifier.predict(x, verbose=0), softmax, atol=1e-5)

    before = copied(stack)
    classifier.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    classifier.fit(x, np.arange(60) % 4, verbose=0)
    for a, b in zip(before, stack.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    kept = [np.array_equal(a, b) for a, b in zip([W1, b1, W2, b2], classifier.get_weights()[:4],
                                                 strict=True)]  # fmt: skip
    assert kept == [frozen] * 4
    assert not np.array_equal(V, classifier.layers[-1].get_weights()[0])


@pytest.mark.medium
def test_a_classifier_does_not_follow_the_stack(stack, x):
    classifier = stack.classifier(2)
    before = copied(classifier)
    compiled(stack).fit(x, x, verbose=0)
    for a, b in zip(before, classifier.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("units", "error", "message"),
    [
        ((784,), ValueError, r"units must be at least two, of x and of a code, got \[784\]"),
        ((784, 0), ValueError, "units must be at least 1, got 0"),
        ((784, 2.5), TypeError, "units must be a whole number, got 2.5"),
        (784, TypeError, r"units must be a sequence such as \(784, 256, 64\), got 784"),
        ("784", TypeError, "units must be a sequence"),
    ],
)
def test_other_units_are_refused(units, error, message):
    with pytest.raises(error, match=message):
        ck.models.StackedAutoencoder(units)


def test_what_does_not_fit_is_refused(stack, x):
    with pytest.raises(ValueError, match="k must be at most 2, the number of codes, got 3"):
        stack.autoencoder(3)
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        stack.autoencoder(0)
    with pytest.raises(ValueError, match=r"x must be a batch of shape \(n, 6\), got"):
        stack.pretrain(x[:, :4])
    with pytest.raises(ValueError, match="x must be finite"):
        stack.pretrain(np.full((3, 6), np.nan))
    with pytest.raises(ValueError, match="validation_data fits the first autoencoder alone"):
        stack.pretrain(x, validation_data=(x, x))
    with pytest.raises(ValueError, match="classes must be at least 2, got 1"):
        stack.classifier(1)
    with pytest.raises(TypeError, match="frozen must be True or False, got 1"):
        stack.classifier(3, frozen=1)
