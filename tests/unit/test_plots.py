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


@pytest.mark.parametrize("symbol", ["h", "z"])
def test_axes_of_a_plane_of_codes_bear_its_symbol(symbol):
    scatter = ck.plots.latent_scatter(np.eye(2), [0, 1], symbol=symbol)
    manifold = ck.plots.latent_manifold(
        lambda z: z @ np.ones((2, 4)), (0, 1), (0, 1), n=2, symbol=symbol
    )
    for figure in (scatter, manifold):
        ax = figure.axes[0]
        assert (ax.get_xlabel(), ax.get_ylabel()) == (f"${symbol}_1$", f"${symbol}_2$")


def test_a_label_keeps_its_colour():
    def colour_of_6(codes, labels):
        figure = ck.plots.latent_scatter(codes, labels)
        handles, names = figure.axes[0].get_legend_handles_labels()
        return handles[names.index("6")].get_facecolor().tolist()

    assert colour_of_6(codes, labels) == colour_of_6(codes[:2], np.array([6, 1]))


def test_the_hourglass_marks_the_code_that_is_named():
    def units_of_the_code(figure):
        (ax,) = figure.axes
        marked = next(t for t in ax.texts if t.get_text().startswith("code"))
        at = marked.get_position()[0]
        counts = {t.get_position()[0]: t.get_text() for t in ax.texts if t.get_text().isdigit()}
        return counts[at]

    assert units_of_the_code(ck.plots.hourglass([196, 30, 2, 256, 196])) == "2"
    assert units_of_the_code(ck.plots.hourglass([196, 256, 190], code=1)) == "256"


def test_panels_show_the_same_points_in_the_same_colours():
    figure = ck.plots.scatter_panels({"a": codes, "b": codes[:, ::-1]}, y, label="arc length")
    left, right = (ax.collections[0] for ax in figure.axes[:2])
    np.testing.assert_array_equal(left.get_offsets(), codes)
    np.testing.assert_array_equal(right.get_offsets(), codes[:, ::-1])
    for drawn_points in (left, right):
        np.testing.assert_array_equal(drawn_points.get_array(), y)
    assert figure.axes[-1].get_ylabel() == "arc length"


def test_an_image_keeps_its_own_colours():
    colour = np.random.default_rng(0).random((2, 5, 7, 3))
    np.testing.assert_array_equal(drawn(ck.plots.image_grid(colour)), colour[0])


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


def trained_with(film, epochs=3, **options):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", loss="mse", jit_compile=False, **options)
    model.fit(np.ones((8, 2)), np.ones((8, 1)), batch_size=2, epochs=epochs, verbose=0,
              callbacks=[film])  # fmt: skip
    return film


def test_film_strip_draws_when_it_should_and_what_was_there():
    calls = []
    film = ck.callbacks.FilmStrip(lambda: calls.append(0) or x[len(calls) - 1][None], [0, 1, 6])
    assert film.figure is None
    trained_with(film)
    assert list(film.rows) == [0, 1, 6, 12]  # the last one is the end of training
    assert [ax.get_ylabel() for ax in film.figure.axes] == ["step 0", "step 1", "step 6", "step 12"]
    for i, (ax, row) in enumerate(zip(film.figure.axes, film.rows.values(), strict=True)):
        np.testing.assert_array_equal(ax.images[0].get_array(), x[i].reshape(28, 28))
        np.testing.assert_array_equal(row, x[i : i + 1])
    assert list(trained_with(film, epochs=1).rows) == [0, 1, 4]  # begins anew


def test_film_strip_waits_for_the_end_of_an_execution():
    film = ck.callbacks.FilmStrip(lambda: x[:2], [0, 1, 2, 7])
    assert list(trained_with(film, steps_per_execution=4).rows) == [0, 4, 8, 12]


def test_film_strip_in_a_notebook_leaves_one_figure(monkeypatch):
    shown = []

    class Handle:
        def update(self, data, raw):
            assert raw
            shown.append(data)

    monkeypatch.setattr(ck.callbacks._display, "display_handle", Handle)
    trained_with(ck.callbacks.FilmStrip(lambda: x[:2], [0, 3]))
    assert len(shown) == 3  # updates of one output
    assert shown[-1]["image/png"].startswith(b"\x89PNG")
    assert plt.get_fignums() == []


@pytest.mark.parametrize("steps", [[3, 2], [-1], [0.5]])
def test_film_strip_names_bad_arguments(steps):
    with pytest.raises((TypeError, ValueError), match="steps must"):
        ck.callbacks.FilmStrip(lambda: x, steps)
    with pytest.raises(TypeError, match="draw must be a function"):
        ck.callbacks.FilmStrip(x, [0])
