import ast
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

import coursekit as ck

x = np.random.default_rng(0).random((12, 784), dtype="float32")
codes = np.random.default_rng(1).normal(size=(12, 2))
labels = np.arange(12) % 10
y = np.linspace(0, 1, 12)


def drawn(figure, axis=0):
    """The array that an axis of `figure` shows."""
    return figure.axes[axis].images[0].get_array()


def figures():
    return {
        "hourglass": ck.plots.hourglass([784, 30, 2, 30, 784]),
        "image_grid": ck.plots.image_grid(x, titles=labels),
        "image_rows": ck.plots.image_rows({"a": x, "b": x}),
        "reconstructions": ck.plots.reconstructions(x, x + 0.5),
        "interpolation_strip": ck.plots.interpolation_strip({"pixels": x}, np.linspace(0, 1, 12)),
        "latent_scatter": ck.plots.latent_scatter(codes, labels, marks={"here": (0, 0)}),
        "latent_manifold": ck.plots.latent_manifold(lambda z: z @ np.ones((2, 9)), (0, 1), (0, 1)),
        "loss_curves": ck.plots.loss_curves({"a": {"loss": [2, 1], "val_loss": [2, 1.5]}}),
        "scatter_panels": ck.plots.scatter_panels({"flat": codes, "space": x[:, :3]}, y, label="s"),
    }


def test_every_plot_is_a_readable_figure_that_pyplot_does_not_show_again():
    for name, figure in figures().items():
        assert isinstance(figure, Figure), name
        figure.canvas.draw()
        texts = [t for t in figure.findobj(plt.Text) if t.get_text().strip() and t.get_visible()]
        assert min((t.get_fontsize() for t in texts), default=12) >= 12, name
    assert plt.get_fignums() == []


def test_plots_know_no_model_and_no_backend():
    tree = ast.parse(Path(ck.plots.__file__).read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import)
                for alias in node.names}  # fmt: skip
    imported |= {f"{node.module}.{alias.name}" for node in ast.walk(tree)
                 if isinstance(node, ast.ImportFrom) for alias in node.names}  # fmt: skip
    own = {name for name in imported if name.startswith("coursekit")}
    assert own == {"coursekit._validate"}
    assert not {name.split(".")[0] for name in imported} & {"keras", "tensorflow", "jax", "torch"}


def test_plots_leave_the_callers_style_alone():
    before = dict(plt.rcParams)
    figures()
    assert dict(plt.rcParams) == before


def test_gray_is_not_inverted_or_rescaled():
    figure = ck.plots.image_grid(x * 0.5)
    image = figure.axes[0].images[0]
    np.testing.assert_array_equal(image.get_array(), (x[0] * 0.5).reshape(28, 28))
    assert image.get_clim() == (0, 1)
    black, white = image.cmap([0.0, 1.0])[:, :3]
    assert (black == 0).all()
    assert (white == 1).all()


def test_manifold_draws_each_image_where_its_code_lies():
    """A decoder that paints its own code tells where the plot has put it."""

    def decode(z):
        return np.broadcast_to(z[:, :1, None] + 10 * z[:, 1:, None], (len(z), 2, 2))

    canvas = drawn(ck.plots.latent_manifold(decode, (0, 4), (-1, 1), n=5))
    assert canvas.shape == (15, 15)  # two pixels and a line per image
    assert canvas[0, 0] == pytest.approx(0 + 10 * 1)  # top left: smallest h1, largest h2
    assert canvas[-2, -2] == pytest.approx(4 + 10 * -1)
    assert canvas[0, -2] == pytest.approx(4 + 10 * 1)


def painter(z):
    """A decoder that anyone can compute: four pixels of the first number, five of the second."""
    return np.repeat(z, (4, 5), axis=1)


def keras_painter():
    layer = keras.layers.Dense(9, use_bias=False)
    decoder = keras.Sequential([keras.Input((2,)), layer])
    layer.set_weights([painter(np.eye(2))])
    return decoder


class Painter:
    """A model that decodes, of a class the course has never heard of, and predicts otherwise."""

    decode = staticmethod(painter)

    def predict(self, z):
        raise AssertionError("a model with decode is asked to decode")


@pytest.mark.parametrize("kind", [lambda: painter, Painter, keras_painter])
def test_manifold_takes_a_model_a_bare_decoder_or_a_function(kind, capsys):
    figure = ck.plots.latent_manifold(kind(), (0, 1), (-1, 1), n=3)
    wanted = ck.plots.latent_manifold(painter, (0, 1), (-1, 1), n=3)
    np.testing.assert_allclose(drawn(figure), drawn(wanted), atol=1e-6)
    assert drawn(wanted)[0, 0] == 0
    assert capsys.readouterr().out == ""  # no bar of Keras' own


@pytest.mark.parametrize("symbol", ["h", "z"])
def test_axes_of_a_plane_of_codes_bear_its_symbol(symbol):
    scatter = ck.plots.latent_scatter(np.eye(2), [0, 1], symbol=symbol)
    manifold = ck.plots.latent_manifold(
        lambda z: z @ np.ones((2, 4)), (0, 1), (0, 1), n=2, symbol=symbol
    )
    for figure in (scatter, manifold):
        ax = figure.axes[0]
        assert (ax.get_xlabel(), ax.get_ylabel()) == (f"${symbol}_1$", f"${symbol}_2$")


def test_a_label_keeps_its_color():
    def color_of_6(codes, labels):
        figure = ck.plots.latent_scatter(codes, labels)
        handles, names = figure.axes[0].get_legend_handles_labels()
        return handles[names.index("6")].get_facecolor().tolist()

    assert color_of_6(codes, labels) == color_of_6(codes[:2], np.array([6, 1]))


def test_the_hourglass_marks_the_code_that_is_named():
    def units_of_the_code(figure):
        (ax,) = figure.axes
        marked = next(t for t in ax.texts if t.get_text().startswith("code"))
        at = marked.get_position()[0]
        counts = {t.get_position()[0]: t.get_text() for t in ax.texts if t.get_text().isdigit()}
        return counts[at]

    assert units_of_the_code(ck.plots.hourglass([196, 30, 2, 256, 196])) == "2"
    assert units_of_the_code(ck.plots.hourglass([196, 256, 190], code=1)) == "256"


def test_panels_show_the_same_points_in_the_same_colors():
    figure = ck.plots.scatter_panels({"a": codes, "b": codes[:, ::-1]}, y, label="arc length")
    left, right = (ax.collections[0] for ax in figure.axes[:2])
    np.testing.assert_array_equal(left.get_offsets(), codes)
    np.testing.assert_array_equal(right.get_offsets(), codes[:, ::-1])
    for drawn_points in (left, right):
        np.testing.assert_array_equal(drawn_points.get_array(), y)
    assert figure.axes[-1].get_ylabel() == "arc length"


def test_an_image_keeps_its_own_colors():
    color = np.random.default_rng(0).random((2, 5, 7, 3))
    np.testing.assert_array_equal(drawn(ck.plots.image_grid(color)), color[0])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ck.plots.image_grid(np.zeros((2, 783))), ValueError, "images must be a batch"),
        (lambda: ck.plots.image_grid(np.zeros(784)), ValueError, "images must be a batch"),
        (lambda: ck.plots.image_grid(x * np.nan), ValueError, "images must be finite"),
        (lambda: ck.plots.image_grid(x, titles=[1]), ValueError, "titles must be 12"),
        (lambda: ck.plots.reconstructions(x * 255, x), ValueError, r"x must lie in \[0, 1\]"),
        (lambda: ck.plots.reconstructions(x, x[:5]), ValueError, "must have one shape"),
        (lambda: ck.plots.image_rows({"a": x, "b": x[:3]}), ValueError, "equally long"),
        (lambda: ck.plots.image_rows([x]), TypeError, "rows must be a dict"),
        (lambda: ck.plots.interpolation_strip({"a": x}, [0, 2]), ValueError, "alphas must lie"),
        (lambda: ck.plots.latent_scatter(codes[:, :1], labels), ValueError, r"shape \(n, 2\)"),
        (lambda: ck.plots.latent_scatter(codes, labels[:3]), ValueError, "labels must be 12"),
        (lambda: ck.plots.latent_scatter(codes, labels + 5), ValueError, "from 0 to 9"),
        (lambda: ck.plots.latent_manifold(lambda z: z, (1, 0), (0, 1)), ValueError, "h1 must be"),
        (lambda: ck.plots.latent_manifold(lambda z: z, (0, 1, 2), (0, 1)), ValueError, "h1 must"),
        (lambda: ck.plots.latent_manifold(lambda z: z, (0, 1), (0, 1), n=1), ValueError, "n must"),
        (lambda: ck.plots.latent_manifold(x, (0, 1), (0, 1)), TypeError, "model must be one that"),
        (lambda: ck.plots.loss_curves({"a": {"acc": [1]}}), ValueError, "no logged 'loss'"),
        (lambda: ck.plots.hourglass([784, 2]), ValueError, "at least three"),
        (lambda: ck.plots.hourglass([9, 2, 9], code=2), ValueError, "code must be the index"),
        (lambda: ck.plots.scatter_panels({}, y, label="s"), TypeError, "panels must be a dict"),
        (lambda: ck.plots.scatter_panels({"a": x}, y, label="s"), ValueError, r"\(12, 2 or 3\)"),
        (lambda: ck.plots.scatter_panels({"a": codes}, y[:5], label="s"), ValueError, "a must"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
    assert plt.get_fignums() == []  # no empty figure is left for the notebook to show
