"""LatentExplorer without a browser: what it accepts, refuses, sends and writes."""

import json
import math
import re

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from traitlets import TraitError

from coursekit.layers import GaussianCorruption
from coursekit.models import Autoencoder, VariationalAutoencoder
from coursekit.widgets import LatentExplorer, NoiseExplorer, export_html
from coursekit.widgets.latent_explorer import MOST_POINTS

layers = keras.layers


def dense_decoder(code_size=2, pixels=784, **options):
    return keras.Sequential(
        [keras.Input((code_size,)), layers.Dense(8, "tanh"), layers.Dense(pixels, **options)]
    )


def convolutional_decoder(code_size=2):
    return keras.Sequential(
        [
            keras.Input((code_size,)),
            layers.Dense(49),
            layers.Reshape((7, 7, 1)),
            layers.Conv2DTranspose(1, 3, strides=4, padding="same", name="widen"),
        ]
    )


def two_headed(inputs=1, outputs=1):
    code = [keras.Input((2,)) for _ in range(inputs)]
    joined = layers.Concatenate()(code) if inputs > 1 else code[0]
    return keras.Model(code, [layers.Dense(4)(joined) for _ in range(outputs)])


@pytest.fixture
def codes():
    return np.random.default_rng(0).normal(size=(50, 2)) * [1, 5]


def sent_bytes(explorer):
    """Everything that the page is sent for this widget, buffers and JSON together."""
    state = explorer.get_state()
    buffers = sum(len(value) for value in state.values() if isinstance(value, bytes))
    return buffers + len(json.dumps(state, default=lambda _: ""))


# What is sent


def test_lecture_decoder_with_3000_points_fits_in_two_and_a_half_megabytes():
    decoder = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(300, "tanh"),
            layers.Dense(500, "tanh"),
            layers.Dense(784),
        ]
    )
    codes = np.random.default_rng(0).normal(size=(3000, 2))
    explorer = LatentExplorer(decoder, codes, np.arange(3000) % 10)
    assert explorer.evaluation == "browser"
    assert explorer.notice == ""
    assert 4 * decoder.count_params() < sent_bytes(explorer) <= 2_500_000


def test_100_000_points_are_thinned_and_the_widget_says_so():
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(100_000, 2)).astype("float32")
    explorer = LatentExplorer(dense_decoder(), codes, rng.integers(0, 10, 100_000), example=77)
    rows = np.frombuffer(explorer._rows, "<i4")
    assert len(rows) <= MOST_POINTS
    assert 77 in rows
    assert explorer.notice == f"{len(rows):,} of the 100,000 codes are drawn, chosen at random."
    drawn = np.frombuffer(explorer._codes, "<f4").reshape(-1, 2)
    np.testing.assert_array_equal(drawn, codes[rows])
    assert sent_bytes(explorer) < 200_000
    assert len(explorer.codes) == 100_000


def test_as_many_points_as_are_allowed_are_all_drawn():
    explorer = LatentExplorer(dense_decoder(), np.eye(2)[np.arange(MOST_POINTS) % 2])
    assert explorer.notice == ""
    assert len(explorer._rows) == 4 * MOST_POINTS


def test_digits_keep_their_color_and_other_labels_are_colored_in_order(codes):
    digits = LatentExplorer(dense_decoder(), codes, np.arange(50) % 2 * 5)
    words = LatentExplorer(dense_decoder(), codes, np.array(["shoe", "bag"])[np.arange(50) % 2])
    assert [name for name, _ in digits._legend] == ["0", "5"]
    assert [name for name, _ in words._legend] == ["bag", "shoe"]
    assert digits._legend[0][1] == words._legend[0][1]
    assert digits._legend[1][1] != words._legend[1][1]
    assert list(words._classes[:2]) == [1, 0]


def test_units_are_ordered_by_spread_and_a_dead_unit_has_a_range():
    codes = np.random.default_rng(0).normal(size=(40, 4)) * [1, 0, 5, 3]
    explorer = LatentExplorer(dense_decoder(4), codes)
    assert explorer._order == [2, 3, 0, 1]
    assert explorer.units == [2, 3]
    low, high = np.array(explorer._limits).T
    assert (low < codes.min(axis=0)).all()
    assert (high > codes.max(axis=0)).all()


# Which models


class ImagesOfCodes:
    """Stands for a model of the course whose own decoder gives logits."""

    def __init__(self, logits):
        self.decoder = logits
        z = logits.inputs if len(logits.inputs) > 1 else logits.inputs[0]
        self.image_decoder = keras.Model(z, layers.Activation("sigmoid")(logits(z)))


def test_a_model_is_shown_by_its_image_decoder(codes):
    logits = dense_decoder(kernel_initializer="normal")
    explorer = LatentExplorer(ImagesOfCodes(logits), codes)
    assert [step["kind"] for step in explorer._steps] == ["dense", "tanh", "dense", "sigmoid"]
    z = codes[:1].astype("float32")
    image = 1 / (1 + np.exp(-keras.ops.convert_to_numpy(logits(z)).astype("float64")))
    np.testing.assert_allclose(explorer.image.ravel(), image[0], atol=1e-6)


class ImagesOfImages(Autoencoder):
    """A Keras model itself, which is not what is shown."""

    image_decoder = property(lambda self: self.decoder)


def test_an_autoencoder_is_shown_by_its_image_decoder_too():
    encoder = keras.Sequential([keras.Input((9,)), layers.Dense(4)])
    assert LatentExplorer(ImagesOfImages(encoder, dense_decoder(4, 9))).z.shape == (4,)


def test_a_model_with_a_condition_is_refused_with_the_way_out():
    z, y, x = keras.Input((2,)), keras.Input((3,)), keras.Input((4,))
    zy, xy = (layers.Concatenate()(pair) for pair in ([z, y], [x, y]))
    vae = VariationalAutoencoder(
        keras.Model([x, y], [layers.Dense(2)(xy), layers.Dense(2)(xy)]),
        keras.Model([z, y], layers.Dense(4)(zy)),
    )
    wanted = (
        "model must have one input and one output, got 2 inputs and 1 outputs; a condition can be "
        r"fixed in a Keras model around it\.$"
    )
    with pytest.raises(ValueError, match=wanted):
        LatentExplorer(ImagesOfCodes(vae.decoder))
    with pytest.raises(ValueError, match=wanted.replace("model must", "denoiser must")):
        NoiseExplorer(vae, np.zeros((2, 4)), [GaussianCorruption(0.1)])


# The state, from Python


def test_image_is_what_the_decoder_makes_of_z(codes):
    decoder = dense_decoder()
    explorer = LatentExplorer(decoder, codes, example=3)
    np.testing.assert_allclose(explorer.z, codes[3], rtol=1e-6)
    explorer.z = (0.5, -1)
    expected = keras.ops.convert_to_numpy(decoder(np.array([[0.5, -1.0]], "float32")))
    np.testing.assert_allclose(explorer.image, expected.reshape(28, 28), atol=1e-6)


def test_z_cannot_be_changed_in_place(codes):
    explorer = LatentExplorer(dense_decoder(), codes)
    with pytest.raises(ValueError, match="read-only"):
        explorer.z[0] = 1


@settings(max_examples=30, deadline=None)
@given(z=st.tuples(*[st.floats(-1e6, 1e6)] * 2))
def test_any_finite_code_can_be_set_and_the_plane_widens_to_it(z):
    explorer = LatentExplorer(dense_decoder())
    explorer.z = z
    np.testing.assert_array_equal(explorer.z, z)
    low, high = np.array(explorer._limits).T
    assert (low <= np.minimum(z, -3)).all()
    assert (high >= np.maximum(z, 3)).all()


def test_a_change_is_observed_once(codes):
    explorer = LatentExplorer(dense_decoder(), codes)
    seen = []
    explorer.observe(seen.append, "z")
    explorer.z = [1, 1]
    assert len(seen) == 1
    np.testing.assert_array_equal(seen[0].new, [1, 1])


def test_choosing_an_example_in_python_moves_the_way_back(codes):
    explorer = LatentExplorer(dense_decoder(), codes)
    explorer.example = 9
    np.testing.assert_allclose(explorer._home, codes[9], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("z", [1, 2, 3], r"z must have shape \(2,\), got \(3,\)"),
        ("z", [1, np.nan], "z must be finite"),
        ("a", [np.inf, 0], "a must be finite"),
        ("b", 3, r"b must have shape \(2,\), got \(\)"),
        ("units", [0, 0], "units must be 2 different units of 0 to 1"),
        ("units", [0, 2], "units must be 2 different units of 0 to 1"),
        ("example", 50, "example must be a row of codes, 0 to 49"),
    ],
)
def test_bad_state_is_refused_and_leaves_no_trace(codes, name, value, message):
    explorer = LatentExplorer(dense_decoder(), codes)
    before = getattr(explorer, name)
    with pytest.raises((ValueError, TraitError), match=rf"{message}.*\.$"):
        setattr(explorer, name, value)
    np.testing.assert_array_equal(getattr(explorer, name), before)


# Bad input


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"codes": np.zeros((5, 3))}, ValueError, r"codes must have shape \(n, 2\)"),
        ({"codes": np.zeros(5)}, ValueError, "codes"),
        ({"codes": np.zeros((0, 2))}, ValueError, "codes"),
        ({"codes": np.full((5, 2), np.nan)}, ValueError, "codes must be finite"),
        ({"codes": np.array([["a", "b"]])}, TypeError, "codes must hold real numbers"),
        ({"labels": np.zeros(4)}, ValueError, r"labels needs codes"),
        (
            {"codes": np.zeros((5, 2)), "labels": np.zeros(4)},
            ValueError,
            r"labels must have shape \(5,\), got shape \(4,\)",
        ),
        (
            {"codes": np.zeros((20, 2)), "labels": np.arange(20)},
            ValueError,
            "labels may name at most 10 classes, got 20",
        ),
        ({"image_shape": (28, 27)}, ValueError, r"image_shape .* \(784,\), got \(28, 27\)"),
        ({"image_shape": (28, 14, 2)}, ValueError, "image_shape"),
        ({"limits": (1, 1)}, ValueError, "limits must be finite numbers"),
        ({"limits": (0, np.inf)}, ValueError, "limits must be finite numbers"),
        ({"limits": (-1, 1), "codes": np.full((5, 2), 2)}, ValueError, "limits must hold all"),
        ({"codes": np.zeros((5, 2)), "example": 5}, ValueError, "example must be a row"),
        ({"codes": np.zeros((5, 2)), "example": 1.0}, ValueError, "example must be a row"),
        ({"evaluate": "gpu"}, ValueError, "evaluate must be one of"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=rf"{message}.*\.$"):
        LatentExplorer(dense_decoder(), **arguments)


@pytest.mark.parametrize(
    ("decoder", "error", "message"),
    [
        (lambda x: x, TypeError, "model must be a Keras model, got function"),
        (two_headed(inputs=2), ValueError, "one input and one output, got 2 inputs"),
        (two_headed(outputs=2), ValueError, "one input and one output, got 1 inputs and 2 out"),
        (
            keras.Sequential([keras.Input((4, 4)), layers.Flatten()]),
            ValueError,
            r"model must take codes of shape \(n, m\), got \(None, 4, 4\)",
        ),
        (keras.Sequential([layers.Dense(4)]), ValueError, "model must be built"),
        (dense_decoder(pixels=783), ValueError, "image_shape"),
    ],
)
def test_bad_decoders_are_refused(decoder, error, message):
    with pytest.raises(error, match=rf"{message}.*\.$"):
        LatentExplorer(decoder)


@pytest.mark.parametrize("evaluate", ["browser", "grid", "kernel"])
def test_weights_that_are_not_finite_are_refused_by_name(evaluate):
    decoder = dense_decoder(name="wild")
    kernel, bias = decoder.get_layer("wild").get_weights()
    kernel[0, 0] = np.nan
    decoder.get_layer("wild").set_weights([kernel, bias])
    with pytest.raises(ValueError, match=r"finite weights, got others in '.*wild/kernel'\."):
        LatentExplorer(decoder, evaluate=evaluate)


@pytest.mark.parametrize(
    ("output", "given", "expected"),
    [
        ((784,), None, (28, 28)),
        ((784,), (14, 56), (14, 56)),
        ((6, 5), None, (6, 5)),
        ((6, 5, 1), None, (6, 5)),
        ((6, 5, 3), None, (6, 5, 3)),
        ((90,), (6, 5, 3), (6, 5, 3)),
    ],
)
def test_image_shapes(output, given, expected):
    decoder = keras.Sequential(
        [keras.Input((2,)), layers.Dense(math.prod(output)), layers.Reshape(output)]
    )
    assert LatentExplorer(decoder, image_shape=given).image.shape == expected


# Who evaluates


def test_a_convolutional_decoder_is_shown_from_a_grid_and_the_widget_names_the_layer(codes):
    decoder = convolutional_decoder()
    explorer = LatentExplorer(decoder, codes)
    assert explorer.evaluation == "grid"
    assert "Conv2DTranspose 'widen'" in explorer.notice
    side = int(re.search(r"grid of (\d+) ×", explorer.notice)[1])
    grid = np.frombuffer(explorer._grid, "uint8").reshape(side, side, 28, 28)
    first, second = (np.linspace(*pair, side) for pair in explorer._limits)
    for row, column in [(0, 0), (3, 17), (side - 1, 5)]:
        explorer.z = first[column], second[row]
        expected = 255 * np.clip(explorer.image, 0, 1)
        np.testing.assert_allclose(grid[row, column], expected, atol=0.5001)


def test_a_grid_does_not_reach_beyond_its_limits(codes):
    explorer = LatentExplorer(convolutional_decoder(), codes)
    with pytest.raises(ValueError, match=r"z must lie within the grid's limits .*\.$"):
        explorer.z = (100, 0)


def test_a_convolutional_decoder_of_many_units_asks_the_kernel():
    explorer = LatentExplorer(convolutional_decoder(3))
    assert explorer.evaluation == "kernel"
    assert "kernel" in explorer.notice
    answers = []
    explorer.send = lambda content, buffers: answers.append((content, buffers))
    explorer._handle_custom_msg({"view": 0.5, "input": [1.0, 2.0, 3.0]}, [])
    [(content, [buffer])] = answers
    assert content == {"view": 0.5}
    explorer.z = [1, 2, 3]
    np.testing.assert_array_equal(np.frombuffer(buffer, "<f4").reshape(28, 28), explorer.image)


def test_large_images_are_left_to_the_kernel():
    decoder = keras.Sequential(
        [keras.Input((2,)), layers.Dense(3), layers.Reshape((1, 1, 3)), layers.UpSampling2D(200)]
    )
    assert LatentExplorer(decoder).evaluation == "kernel"
    with pytest.raises(ValueError, match=r'evaluate="grid" needs .*\.$'):
        LatentExplorer(decoder, evaluate="grid")


def test_a_grid_is_refused_for_three_units():
    with pytest.raises(ValueError, match='evaluate="grid" needs 2-D codes'):
        LatentExplorer(dense_decoder(3), evaluate="grid")


def test_a_subclassed_model_is_evaluated_whole():
    class Decoder(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(4)

        def call(self, z):
            return 2 * self.dense(z)

    decoder = Decoder()
    with pytest.raises(ValueError, match="model must be built"):
        LatentExplorer(decoder)
    decoder(np.zeros((1, 2), "float32"))  # which tells the size of a code
    explorer = LatentExplorer(decoder)
    assert explorer.evaluation == "grid"
    assert "Decoder" in explorer.notice


# A saved notebook, a static page


def test_without_a_kernel_the_notebook_says_what_to_do():
    bundle = LatentExplorer(dense_decoder())._repr_mimebundle_()
    bundle = bundle[0] if isinstance(bundle, tuple) else bundle
    assert bundle["text/plain"] == "LatentExplorer: run this cell to move it."


def test_the_page_holds_everything(tmp_path, codes):
    labels = np.array(["</script><b>", "plain"])[np.arange(50) % 2]
    explorer = LatentExplorer(dense_decoder(), codes, labels)
    path = export_html(explorer, tmp_path / "page.html", title="Ones & <fives>")
    page = path.read_text(encoding="utf-8")
    assert "<title>Ones &amp; &lt;fives&gt;</title>" in page
    assert page.count("</script>") == 1
    assert not re.search(r"""(src|href)=|import\s|https?://(?!www\.w3\.org/2000/svg)""", page)


def test_a_file_is_overwritten_only_on_request(tmp_path):
    explorer = LatentExplorer(dense_decoder())
    path = tmp_path / "page.html"
    path.write_text("precious")
    with pytest.raises(FileExistsError):
        export_html(explorer, path)
    assert path.read_text() == "precious"
    export_html(explorer, path, overwrite=True)
    assert "precious" not in path.read_text(encoding="utf-8")


def test_a_widget_that_needs_the_kernel_is_not_exported(tmp_path):
    explorer = LatentExplorer(dense_decoder(), evaluate="kernel")
    with pytest.raises(ValueError, match=r"asks the kernel for its images, .*\.$"):
        export_html(explorer, tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


def test_only_widgets_are_exported(tmp_path):
    with pytest.raises(TypeError, match=r"got int\.$"):
        export_html(3, tmp_path / "page.html")


def test_the_kernel_answers_also_where_the_decoder_fails(monkeypatch):
    code = keras.Input((1,))
    decoder = keras.Model(code, keras.ops.log(keras.layers.Concatenate()([code, code, code, code])))
    explorer = LatentExplorer(decoder, limits=(0.5, 2))
    assert explorer.needs_kernel
    sent = []
    monkeypatch.setattr(explorer, "send", lambda content, buffers=(): sent.append(content))
    explorer._answer(None, {"view": 7, "input": [-1.0]}, [])
    explorer._answer(None, {"view": 7, "input": [None]}, [])
    explorer._answer(None, {"view": 7, "input": [1.0]}, [])
    assert sent == [{"view": 7, "error": "model must give finite images, got NaN or infinity."},
                    {"view": 7, "error": "z must hold real numbers, got dtype object."},
                    {"view": 7}]  # fmt: skip
