import keras
import numpy as np
import pytest

import coursekit as ck


def halves(n=6, m=2):
    encoder = keras.Sequential([keras.Input((n,)), keras.layers.Dense(4, "tanh"),
                                keras.layers.Dense(m)])  # fmt: skip
    decoder = keras.Sequential([keras.Input((m,)), keras.layers.Dense(4, "tanh"),
                                keras.layers.Dense(n)])  # fmt: skip
    return encoder, decoder


@pytest.fixture
def x():
    return np.random.default_rng(0).random((50, 6), dtype="float32")


def test_is_the_decoder_after_the_encoder(x):
    keras.utils.set_random_seed(0)
    ae = ck.models.Autoencoder(*halves())
    h = x
    for layer in (*ae.encoder.layers, *ae.decoder.layers):  # in NumPy, apart from Keras
        kernel, bias = map(np.asarray, layer.get_weights())
        h = h @ kernel + bias
        if layer.activation is keras.activations.tanh:
            h = np.tanh(h)
    np.testing.assert_allclose(ae.reconstruct(x), h, atol=1e-6)
    np.testing.assert_allclose(ae.decode(ae.codes(x)), h, atol=1e-6)
    np.testing.assert_allclose(ae(x), h, atol=1e-6)


@pytest.mark.parametrize("eager", [False, True])
def test_fit_reduces_the_error_and_evaluate_is_the_mse(x, eager):
    keras.utils.set_random_seed(0)
    ae = ck.models.Autoencoder(*halves())
    ae.compile(keras.optimizers.Adam(1e-2), loss="mse", run_eagerly=eager)
    before = np.mean((ae.reconstruct(x) - x) ** 2)
    assert ae.evaluate(x, x, verbose=0) == pytest.approx(before, rel=1e-5)
    ae.fit(x, x, epochs=5, batch_size=25, verbose=0)
    assert ae.evaluate(x, x, verbose=0) < 0.9 * before


def test_saved_and_loaded_it_computes_the_same(x, tmp_path):
    ae = ck.models.Autoencoder(*halves())
    ae.compile("adam", loss="mse")
    ae.fit(x, x, batch_size=25, verbose=0)
    ae.save(tmp_path / "ae.keras")
    loaded = keras.models.load_model(tmp_path / "ae.keras")
    assert isinstance(loaded, ck.models.Autoencoder)
    np.testing.assert_array_equal(loaded.reconstruct(x), ae.reconstruct(x))
    np.testing.assert_array_equal(loaded.codes(x), ae.codes(x))
    loaded.fit(x, x, batch_size=25, verbose=0)


def test_output_shape_leaves_the_batch_open():
    ae = ck.models.Autoencoder(*halves())
    assert ae.compute_output_shape((None, 6)) == (None, 6)


def test_images_keep_their_shape():
    layers = keras.layers
    encoder = keras.Sequential([keras.Input((4, 4, 1)), layers.Flatten(), layers.Dense(2)])
    decoder = keras.Sequential([keras.Input((2,)), layers.Dense(16), layers.Reshape((4, 4, 1))])
    ae = ck.models.Autoencoder(encoder, decoder)
    assert ae.reconstruct(np.zeros((3, 4, 4, 1))).shape == (3, 4, 4, 1)


def test_images_of_any_size():
    convolution = keras.layers.Conv2D(1, 3, padding="same")
    encoder = keras.Sequential([keras.Input((None, None, 1)), convolution])
    decoder = keras.Sequential([keras.Input((None, None, 1)), keras.layers.Conv2D(1, 1)])
    ae = ck.models.Autoencoder(encoder, decoder)
    assert ae.reconstruct(np.zeros((2, 5, 7, 1))).shape == (2, 5, 7, 1)
    with pytest.raises(ValueError, match=r"shape \(n, any, any, 1\), got shape \(2, 5, 7, 3\)"):
        ae.codes(np.zeros((2, 5, 7, 3)))


@pytest.mark.parametrize(
    ("h", "message"),
    [
        (np.zeros((1, 3)), r"h must be a batch of shape \(n, 2\), got shape \(1, 3\)"),
        (np.zeros(2), r"h must be a batch of shape \(n, 2\), got shape \(2,\)"),
        ([[0.0, np.nan]], "h must be finite, but 1 of 2 values are not"),
        (np.zeros((0, 2)), "h is empty"),
    ],
)
def test_a_latent_point_that_does_not_fit_is_refused(h, message):
    with pytest.raises(ValueError, match=message):
        ck.models.Autoencoder(*halves()).decode(h)


def test_inputs_that_do_not_fit_are_refused():
    ae = ck.models.Autoencoder(*halves())
    with pytest.raises(ValueError, match=r"x must be a batch of shape \(n, 6\), got"):
        ae.codes(np.zeros((2, 7)))
    with pytest.raises(ValueError, match="x must be finite"):
        ae.reconstruct(np.full((2, 6), np.inf))
    with pytest.raises(TypeError, match="x must hold real numbers"):
        ae.codes(np.array([["a"] * 6]))


def test_halves_that_do_not_meet_are_refused():
    encoder, decoder = halves(m=2)
    with pytest.raises(ValueError, match=r"codes of shape \(3,\), but decoder takes \(2,\)"):
        ck.models.Autoencoder(halves(m=3)[0], decoder)
    with pytest.raises(ValueError, match=r"inputs of shape \(7,\), but decoder gives \(6,\)"):
        ck.models.Autoencoder(halves(n=7)[0], decoder)
    with pytest.raises(TypeError, match="encoder must be a Keras model, got Dense"):
        ck.models.Autoencoder(keras.layers.Dense(2), decoder)
    with pytest.raises(ValueError, match="decoder must be built"):
        ck.models.Autoencoder(encoder, keras.Sequential([keras.layers.Dense(6)]))
    a, b = keras.Input((2,)), keras.Input((2,))
    with pytest.raises(
        ValueError, match=r"decoder must be .* one input and one output, got 2 and 1"
    ):
        ck.models.Autoencoder(encoder, keras.Model([a, b], keras.layers.Dense(6)(a + b)))
