"""NoiseExplorer without a browser: what it accepts, refuses, sends and writes."""

import keras
import numpy as np
import pytest
from traitlets import TraitError

from coursekit.layers import GaussianCorruption, MaskingCorruption, SaltAndPepperCorruption
from coursekit.models import Autoencoder, VariationalAutoencoder
from coursekit.widgets import NoiseExplorer, export_html

IMAGES = np.random.default_rng(0).uniform(size=(20, 36)).astype("float32") ** 2
KINDS = ["gaussian", "masking", "salt and pepper"]


def corruptions(strength=0.03):
    layers = [
        kind(strength) for kind in (GaussianCorruption, MaskingCorruption, SaltAndPepperCorruption)
    ]
    for layer in layers:
        layer.adapt(IMAGES)
    return layers


def halves():
    encoder = keras.Sequential(
        [keras.Input((36,)), *corruptions(), keras.layers.Dense(8, "tanh", name="code")]
    )
    decoder = keras.Sequential([keras.Input((8,)), keras.layers.Dense(36, "sigmoid", name="x_hat")])
    return encoder, decoder


def convolutional():
    return keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid", name="smooth"),
        ]
    )


@pytest.fixture
def explorer():
    return NoiseExplorer(Autoencoder(*halves()), IMAGES, corruptions(), example=3)


def test_an_autoencoder_is_evaluated_by_the_browser_without_its_corruption(explorer):
    assert explorer.evaluation == "browser"
    assert explorer.notice == ""
    assert [step["kind"] for step in explorer._steps] == ["dense", "tanh", "dense", "sigmoid"]
    sizes = [step.get("inputs") for step in explorer._steps if step["kind"] == "dense"]
    assert sizes == [36, 8]


def test_any_model_of_the_course_that_makes_images_of_images_denoises():
    x, h = keras.Input((36,)), keras.Input((2,))
    encoder = keras.Model(x, [keras.layers.Dense(2)(x), keras.layers.Dense(2)(x)])
    vae = VariationalAutoencoder(encoder, keras.Model(h, keras.layers.Dense(36)(h)))
    explorer = NoiseExplorer(vae, IMAGES, corruptions())
    assert explorer.evaluation == "kernel"
    assert "VariationalAutoencoder" in explorer.notice
    np.testing.assert_allclose(explorer._evaluate(IMAGES), vae.reconstruct(IMAGES), atol=1e-6)


def test_what_the_browser_is_told_of_the_noise(explorer):
    mean_square = np.square(IMAGES, dtype="float64").mean()
    assert [*explorer._corruptions] == KINDS
    assert explorer._corruptions["gaussian"] == {"clip": False}
    assert explorer._corruptions["masking"]["change_per_hit"] == pytest.approx(mean_square)
    assert (explorer.kind, explorer.strength, explorer.example) == ("gaussian", 0.03, 3)
    assert explorer._strongest == pytest.approx(mean_square)
    np.testing.assert_array_equal(np.frombuffer(explorer._images, "<f4").reshape(20, 36), IMAGES)


def test_a_convolutional_denoiser_is_left_to_the_kernel_and_named(tmp_path):
    denoiser = convolutional()
    images = IMAGES.reshape(20, 6, 6, 1)
    explorer = NoiseExplorer(denoiser, images, corruptions())
    assert explorer.notice.startswith("Denoised by the kernel")
    assert "Conv2D 'smooth'" in explorer.notice
    assert explorer._image_shape == [6, 6, 1]
    with pytest.raises(ValueError, match="asks the kernel for its images"):
        export_html(explorer, tmp_path / "page.html")
    answers = []
    explorer.send = lambda content, buffers=(): answers.append((content, buffers))
    explorer._handle_custom_msg({"view": 1, "input": IMAGES[0].tolist()}, [])
    explorer._handle_custom_msg({"view": 1, "input": [0.0] * 35}, [])
    (content, [buffer]), (refused, _) = answers
    assert content == {"view": 1}
    expected = keras.ops.convert_to_numpy(denoiser(images[:1]))
    np.testing.assert_array_equal(np.frombuffer(buffer, "<f4"), expected.ravel())
    assert "error" in refused


def test_evaluation_can_be_chosen():
    assert NoiseExplorer(
        Autoencoder(*halves()), IMAGES, corruptions(), evaluate="kernel"
    ).needs_kernel
    with pytest.raises(ValueError, match="Conv2D 'smooth'"):
        NoiseExplorer(
            convolutional(), IMAGES.reshape(20, 6, 6, 1), corruptions(), evaluate="browser"
        )
    with pytest.raises(ValueError, match="evaluate must be one of"):
        NoiseExplorer(Autoencoder(*halves()), IMAGES, corruptions(), evaluate="grid")


def dense(inputs, outputs, **options):
    return keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(outputs, **options)])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"denoiser": len}, TypeError, "denoiser must be a Keras model"),
        ({"denoiser": dense(49, 36)}, ValueError, r"takes images of shape \(49,\).* are \(36,\)"),
        ({"denoiser": dense(36, 49)}, ValueError, r"give images of shape \(36,\), got \(49,\)"),
        (
            {"denoiser": dense(36, 36, kernel_initializer=keras.initializers.Constant(np.nan))},
            ValueError,
            "denoiser must have finite weights",
        ),
        ({"images": 2 * IMAGES}, ValueError, r"images must lie in \[0, 1\]"),
        ({"images": np.zeros((201, 36))}, ValueError, "images must be at most 200, got 201"),
        ({"corruptions": []}, ValueError, "corruptions is empty"),
        ({"corruptions": [keras.layers.GaussianNoise(0.1)]}, TypeError, "got GaussianNoise"),
        ({"corruptions": corruptions()[:1] * 2}, ValueError, "each kind once, got two of gaussian"),
        (
            {"corruptions": [MaskingCorruption(0.03, name="mask")]},
            ValueError,
            r"call mask.adapt\(training_images\)",
        ),
        (
            {"corruptions": [GaussianCorruption(0.5), *corruptions()[1:]]},
            ValueError,
            "strength must be from 0 to .* which every kind given can reach, got 0.5",
        ),
        ({"example": 20}, ValueError, "example must be a row of images, 0 to 19"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, message):
    good = {"denoiser": dense(36, 36), "images": IMAGES, "corruptions": corruptions()}
    with pytest.raises(error, match=rf"{message}.*\.$"):
        NoiseExplorer(**{**good, **arguments})


@pytest.mark.parametrize(
    ("name", "value"),
    [("kind", "salt"), ("strength", 1.0), ("strength", np.nan), ("example", -1), ("draw", 0.5)],
)
def test_bad_state_is_refused_and_leaves_no_trace(explorer, name, value):
    before = getattr(explorer, name)
    with pytest.raises((ValueError, TraitError), match=name):
        setattr(explorer, name, value)
    assert getattr(explorer, name) == before


def test_gaussian_noise_alone_may_be_as_strong_as_asked():
    weak, strong = (
        NoiseExplorer(dense(36, 36), IMAGES, [GaussianCorruption(strength, clip=True)])
        for strength in (0.01, 0.8)
    )
    assert weak._strongest == 0.25
    assert strong._strongest == strong.strength == 0.8
    assert strong._corruptions == {"gaussian": {"clip": True}}
