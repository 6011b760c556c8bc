import keras
import numpy as np
import pytest
from scipy.special import expit

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


@pytest.mark.medium
@pytest.mark.parametrize("eager", [False, True])
def test_fit_reduces_the_error_and_evaluate_is_the_mse(x, eager):
    keras.utils.set_random_seed(0)
    ae = ck.models.Autoencoder(*halves())
    ae.compile(keras.optimizers.Adam(1e-2), loss="mse", run_eagerly=eager)
    before = np.mean((ae.reconstruct(x) - x) ** 2)
    assert ae.evaluate(x, x, verbose=0) == pytest.approx(before, rel=1e-5)
    ae.fit(x, x, epochs=5, batch_size=25, verbose=0)
    assert ae.evaluate(x, x, verbose=0) < 0.9 * before


@pytest.mark.medium
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


# The protocol: codes, decode, image_decoder


def network(*ends, last=None):
    """A dense network from the first of these sizes to the others, with weights that are not small;
    an end that is a list has several inputs or outputs."""
    sizes, to = ([end] if isinstance(end, int) else end for end in ends)
    inputs = [keras.Input((size,)) for size in sizes]
    h = keras.layers.Concatenate()(inputs) if len(inputs) > 1 else inputs[0]
    wide = {"kernel_initializer": keras.initializers.RandomNormal(stddev=2.0, seed=1)}
    h = keras.layers.Dense(8, "tanh", **wide)(h)
    outputs = [keras.layers.Dense(size, last, **wide)(h) for size in to]
    return keras.Model(*(end if len(end) > 1 else end[0] for end in (inputs, outputs)))


def vae(c=(), last=None, **options):
    encoder, decoder = network([6, *c], [2, 2]), network([2, *c], 6, last=last)
    return ck.models.VariationalAutoencoder(encoder, decoder, **options)


def aae(c=(), last=None, **options):
    prior = ck.priors.Petals(*c) if c else ck.priors.Ring()
    players = network(6, 2), network(2, 6, last=last), network([2, *c], 1)
    return ck.models.AdversarialAutoencoder(*players, prior, **options)


def stacked():
    stack = ck.models.StackedAutoencoder((6, 5, 2), output_activation="sigmoid")
    stack.set_weights([np.random.default_rng(i).normal(size=w.shape, scale=2)
                       for i, w in enumerate(stack.get_weights())])  # fmt: skip
    return stack


# How to make each model, and whether its decoder gives logits.
PROTOCOL = {
    "Autoencoder": (lambda: ck.models.Autoencoder(network(6, 2), network(2, 6, last="sigmoid")), 0),
    "StackedAutoencoder": (stacked, 0),
    "VAE": (vae, 1),
    "VAE, Gaussian": (lambda: vae(last="sigmoid", variance=0.1), 0),
    "VAE, conditional": (lambda: vae([3]), 1),
    "AAE": (aae, 1),
    "AAE, Gaussian": (lambda: aae(last="sigmoid", variance=0.1), 0),
    "AAE, conditional": (lambda: aae([3]), 1),
    "GAN": (lambda: ck.models.GAN(network(2, 6, last="sigmoid"), network(6, 1)), 0),
}
every_model = pytest.mark.parametrize(("make", "logits"), PROTOCOL.values(), ids=PROTOCOL)
rng = np.random.default_rng(2)
z = rng.normal(size=(9, 2)).astype("float32")
y = np.eye(3, dtype="float32")[np.arange(9) % 3]


def decoder_of(model):
    return model.generator if isinstance(model, ck.models.GAN) else model.decoder


def told(network, array):
    """What the network is called on: the array, and conditions where it takes them."""
    return [array, y] if len(network.inputs) == 2 else [array]


@every_model
def test_decode_gives_images_whatever_the_last_layer_is(make, logits):
    model = make()
    decoder = decoder_of(model)
    given = told(decoder, z)
    raw = keras.ops.convert_to_numpy(decoder(given if len(given) > 1 else z))
    assert (raw.min() < 0 and raw.max() > 1) == logits  # else nothing would be tested
    images = model.decode(*given)
    assert (images.dtype, images.shape) == (np.float32, (9, 6))
    assert images.min() >= 0
    assert images.max() <= 1
    np.testing.assert_allclose(images, expit(raw) if logits else raw, atol=1e-6)
    some = model.decode(*(part[:2] for part in given), batch_size=1)
    np.testing.assert_allclose(some, images[:2], atol=1e-6)


@every_model
def test_codes_are_one_array(make, logits):
    model = make()
    if isinstance(model, ck.models.GAN):
        assert not hasattr(model, "codes")
        return
    inputs = told(model.encoder, rng.random((9, 6)))
    codes = model.codes(*inputs)
    assert (type(codes), codes.dtype, codes.shape) == (np.ndarray, np.float32, (9, 2))
    first = model.encoder(inputs if len(inputs) > 1 else inputs[0])
    first = first[0] if isinstance(first, (list, tuple)) else first
    np.testing.assert_allclose(codes, first, rtol=1e-5, atol=1e-6)
    images = model.decode(codes, *inputs[1:])
    np.testing.assert_allclose(model.reconstruct(*inputs), images, atol=1e-6)


@pytest.mark.medium
@every_model
def test_image_decoder_is_decode_as_one_keras_model(make, logits, tmp_path):
    model = make()
    decoder = decoder_of(model)
    given = told(decoder, z)
    before = [weight.path for weight in model.weights], model.get_config(), model.count_params()

    def images_of(model):
        return model.image_decoder.predict(given if len(given) > 1 else z, verbose=0)

    np.testing.assert_allclose(images_of(model), model.decode(*given), atol=1e-6)
    assert model.image_decoder is model.image_decoder
    assert (model.image_decoder is decoder) == (not logits)
    after = [weight.path for weight in model.weights], model.get_config(), model.count_params()
    assert after == before

    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(images_of(loaded), images_of(model), atol=1e-6)
    np.testing.assert_allclose(loaded.decode(*given), model.decode(*given), atol=1e-6)
    assert loaded.count_params() == model.count_params()

    decoder.set_weights([weight / 2 for weight in decoder.get_weights()])  # it follows its model
    moved = model.decode(*given)
    assert np.abs(moved - loaded.decode(*given)).max() > 0.1
    np.testing.assert_allclose(images_of(model), moved, atol=1e-6)


@pytest.mark.parametrize("make", [vae, aae])
def test_the_browser_can_unfold_the_image_decoder(make):
    model = make()
    explorer = ck.widgets.LatentExplorer(
        model.image_decoder, limits=(-1, 1), image_shape=(2, 3), evaluate="browser"
    )
    np.testing.assert_allclose(explorer.image.ravel(), model.decode([explorer.z])[0], atol=1e-6)


def test_image_decoder_in_half_precision_gives_single():
    decoder = keras.Sequential([keras.Input((2,)), keras.layers.Dense(6, dtype="mixed_float16")])
    model = ck.models.VariationalAutoencoder(network(6, [2, 2]), decoder)
    images = model.image_decoder.predict(z, verbose=0)
    assert images.dtype == model.decode(z).dtype == np.float32
    raw = np.asarray(keras.ops.convert_to_numpy(decoder(z)), "float64")
    np.testing.assert_allclose(images, expit(raw), atol=1e-6)
