"""The course's figures: pure functions, data in, `matplotlib.figure.Figure` out.

Grays run from 0 (black) to 1 (white), the same in every picture. Reconstructions may leave [0, 1]
and are then drawn as black or white; the inputs beside them may not (`reconstructions`).
"""

import functools
import itertools
from collections.abc import Mapping

import matplotlib.pyplot as plt
import matplotlib.style
import numpy as np

from coursekit import _validate

with matplotlib.style.context("coursekit.course"):
    #: Ten colours, one per label; a label keeps its colour in every figure and widget.
    PALETTE = tuple(plt.rcParams["axes.prop_cycle"].by_key()["color"])


def _in_course_style(draw):
    """Draw in the course's style, and leave showing the figure to the notebook (once)."""

    @functools.wraps(draw)
    def styled(*args, **kwargs):
        open_before = plt.get_fignums()
        try:
            with matplotlib.style.context("coursekit.course"):
                return draw(*args, **kwargs)
        finally:
            # A figure that pyplot still knows would be shown once more at the end of the cell.
            for number in set(plt.get_fignums()).difference(open_before):
                plt.close(number)

    return styled


@_in_course_style
def hourglass(units, *, names=None, code=None):
    """The layers of an autoencoder as bars whose height is the logarithm of their units.

    Args:
        units: units of each layer from input to reconstruction, such as (784, 2, 784).
        names: dict from a layer's index to a name, by default x, h (the code) and x̂.
        code: the code layer's index; by default the narrowest.
    """
    if len(units) < 3 or min(units) < 1:
        raise ValueError(f"units must be at least three positive layer sizes, got {units}.")
    if code is not None and code not in range(1, len(units) - 1):
        raise ValueError(f"code must be the index of a hidden layer, got {code!r}.")
    middle = int(np.argmin(units)) if code is None else code
    names = {0: "input $x$", middle: "code $h$", len(units) - 1: r"reconstruction $\hat{x}$"} | (
        names or {}
    )
    heights = np.log2(np.asarray(units)) + 1
    figure, ax = plt.subplots(figsize=(9, 3.4))
    for i, (left, right) in enumerate(itertools.pairwise(heights)):
        ax.fill_between([i, i + 1], [left, right], [-left, -right], color="C0" if i < middle
                        else "C1", alpha=0.18, linewidth=0)  # fmt: skip
    for i, (count, height) in enumerate(zip(units, heights, strict=True)):
        color = "C6" if i == middle else "0.25"
        ax.bar(i, 2 * height, bottom=-height, width=0.12, color=color)
        ax.text(i, height + 0.7, f"{count:,}", ha="center", va="bottom")
        ax.text(i, -heights.max() - 1.2, names.get(i, ""), ha="center", va="top", color=color)
    for at, text in ((middle / 2, "encoder $f$"), ((middle + len(units) - 1) / 2, "decoder $g$")):
        ax.text(at, 0, text, ha="center", va="center", fontsize=15,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8})  # fmt: skip
    ax.set(xlim=(-0.7, len(units) - 0.3), ylim=(-heights.max() - 3.4, heights.max() + 2.6))
    ax.axis("off")
    return figure


@_in_course_style
def image_grid(images, *, columns=10, titles=None):
    """Images in rows of `columns`, each with its title (such as its label) above.

    Args:
        images: (n, 784), (n, height, width) or (n, height, width, 1 or 3).
        titles: n of them, or None.
    """
    images = _validate.images("images", images)
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"titles must be {len(images)}, one per image, got {len(titles)}.")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    height = 1.0 if titles is None else 1.3
    figure, axes = plt.subplots(
        rows, columns, figsize=(0.95 * columns, height * rows), squeeze=False
    )
    for ax in axes.flat:
        ax.axis("off")
    for i, (ax, image) in enumerate(zip(axes.flat, images, strict=False)):
        _gray(ax, image)
        if titles is not None:
            ax.set_title(titles[i], fontsize=12)
    return figure


@_in_course_style
def image_rows(rows, *, column_titles=None):
    """One labelled row of images under another, to be compared column by column.

    Args:
        rows: dict from a row's label to its images; all rows equally long.
        column_titles: one per column, or None.
    """
    if not isinstance(rows, Mapping) or not rows:
        raise TypeError("rows must be a dict from a row's label to its images, and not empty.")
    rows = {label: _validate.images(label, images) for label, images in rows.items()}
    lengths = {label: len(images) for label, images in rows.items()}
    columns = next(iter(lengths.values()))
    if set(lengths.values()) != {columns}:
        raise ValueError(f"rows must be equally long, got {lengths}.")
    if column_titles is not None and len(column_titles) != columns:
        raise ValueError(f"column_titles must be {columns}, got {len(column_titles)}.")
    figure, axes = plt.subplots(
        len(rows), columns, figsize=(0.85 * columns + 1.6, 0.95 * len(rows) + 0.3), squeeze=False
    )
    for line, (label, images) in zip(axes, rows.items(), strict=True):
        for ax, image in zip(line, images, strict=True):
            _gray(ax, image)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
        line[0].set_ylabel(label, rotation=0, ha="right", va="center")
    if column_titles is not None:
        for ax, title in zip(axes[0], column_titles, strict=True):
            ax.set_title(title, fontsize=12)
    return figure


def reconstructions(x, x_hat, *, n=10):
    """The first `n` inputs above their reconstructions.

    Raises:
        ValueError: an input lies outside [0, 1], or there are fewer reconstructions than inputs.
    """
    x = _validate.images("x", x, unit_range=True)
    x_hat = _validate.images("x_hat", x_hat)
    if x.shape != x_hat.shape:
        raise ValueError(f"x and x_hat must have one shape, got {x.shape} and {x_hat.shape}.")
    return image_rows({"input x": x[:n], "reconstruction x̂": x_hat[:n]})


def interpolation_strip(rows, alphas):
    """Rows of images on the way from one input (alpha 0) to another (alpha 1).

    Args:
        rows: dict from a row's label to its images, one image per alpha.
        alphas: the mixing weights, in [0, 1].
    """
    alphas = _validate.finite_array("alphas", alphas, ndim=1)
    if alphas.min() < 0 or alphas.max() > 1:
        raise ValueError(
            f"alphas must lie in [0, 1], got {alphas.min():.3g} to {alphas.max():.3g}."
        )
    return image_rows(
        rows, column_titles=[f"α = {a:.2g}" if i == 0 else f"{a:.2g}" for i, a in enumerate(alphas)]
    )


@_in_course_style
def latent_scatter(codes, labels, *, names=None, marks=None, symbol="h"):
    """Two-dimensional codes, coloured by label.

    Args:
        codes: (n, 2).
        labels: n whole numbers from 0 to 9; a label keeps its colour in every figure.
        names: dict or sequence from label to the name in the legend; the label itself by default.
        marks: dict from a name to one code (2,), drawn as a black cross with that name.
        symbol: the axes' letter: "h", or "z" where the code is a random variable.
    """
    codes = _validate.codes("codes", codes, 2)
    labels = _validate.finite_array("labels", labels, ndim=1)
    if len(labels) != len(codes):
        raise ValueError(f"labels must be {len(codes)}, one per code, got {len(labels)}.")
    if labels.dtype.kind not in "iub" or labels.min() < 0 or labels.max() > 9:
        raise ValueError("labels must be whole numbers from 0 to 9.")
    figure, ax = plt.subplots(figsize=(7, 5.2))
    for label in np.unique(labels):
        at = codes[labels == label]
        name = str(label) if names is None else names[label]
        ax.scatter(*at.T, s=14, color=f"C{label}", alpha=0.75, linewidths=0, label=name)
    for name, (z1, z2) in (marks or {}).items():
        ax.plot(z1, z2, "kx", markersize=12, markeredgewidth=3)
        ax.annotate(name, (z1, z2), xytext=(8, 8), textcoords="offset points", weight="bold")
    ax.set(xlabel=f"${symbol}_1$", ylabel=f"${symbol}_2$")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), markerscale=2.5, title="label")
    return figure


@_in_course_style
def latent_manifold(decode, h1, h2, *, n=15, symbol="h"):
    """What the decoder draws on an n-by-n grid of codes, each image where its code lies.

    Args:
        decode: function from codes (n * n, 2) to images, such as `Autoencoder.decode`.
        h1, h2: pairs (low, high), the ranges of the two code units.
        n: images a side, at least 2.
        symbol: the axes' letter: "h", or "z" where the code is a random variable.
    """
    for name, pair in (("h1", h1), ("h2", h2)):
        pair = _validate.finite_array(name, pair, ndim=1)
        if len(pair) != 2 or not pair[0] < pair[1]:
            raise ValueError(f"{name} must be a pair (low, high) with low < high, got {pair}.")
    if n < 2:
        raise ValueError(f"n must be at least 2 images a side, got {n}.")
    # Rows run downwards in an image, but h2 upwards in the plane.
    across, upwards = np.meshgrid(np.linspace(*h1, n), np.linspace(*h2, n)[::-1])
    codes = np.stack([across.ravel(), upwards.ravel()], axis=1).astype("float32")
    images = _validate.images("decode(codes)", decode(codes))
    if images.shape[0] != n * n or images.ndim != 3:
        raise ValueError(f"decode must give {n * n} gray images, got shape {images.shape}.")
    # A gray line between neighbours shows where one code's image ends.
    images = np.pad(images, ((0, 0), (0, 1), (0, 1)), constant_values=0.3)
    height, width = images.shape[1:]
    canvas = images.reshape(n, n, height, width).swapaxes(1, 2).reshape(n * height, n * width)
    # The outermost images are centred on the ends of the ranges, so the edges lie half a step out.
    half1, half2 = np.ptp(h1) / (n - 1) / 2, np.ptp(h2) / (n - 1) / 2
    figure, ax = plt.subplots(figsize=(7.2, 7))
    ax.imshow(
        canvas, vmin=0, vmax=1, aspect="auto",
        extent=(h1[0] - half1, h1[1] + half1, h2[0] - half2, h2[1] + half2),
    )  # fmt: skip
    ax.set(xlabel=f"${symbol}_1$", ylabel=f"${symbol}_2$")
    return figure


@_in_course_style
def loss_curves(
    histories, *, loss="loss", xlabel="epoch", ylabel="loss", baselines=None, log=False
):
    """Training loss (solid) and validation loss (dashed) by epoch, one colour per model.

    Args:
        histories: dict from a model's name to what its `fit` returned, or to that one's
            ``.history`` dict; the validation curve is ``"val_" + loss``, where it is there.
        loss: which logged quantity to draw.
        baselines: dict from a name to a value drawn as a horizontal line.
        log: logarithmic vertical axis.
    """
    if not isinstance(histories, Mapping) or not histories:
        raise TypeError("histories must be a dict from a model's name to what its fit returned.")
    figure, ax = plt.subplots(figsize=(8.5, 4.5))
    for i, (name, history) in enumerate(histories.items()):
        logs = getattr(history, "history", history)
        if loss not in logs:
            raise ValueError(f"{name} has no logged {loss!r}; it has {sorted(logs)}.")
        epochs = np.arange(1, len(logs[loss]) + 1)
        ax.plot(epochs, logs[loss], color=f"C{i}", label=f"{name}, training")
        if f"val_{loss}" in logs:
            ax.plot(epochs, logs[f"val_{loss}"], "--", color=f"C{i}", label=f"{name}, validation")
    for j, (name, value) in enumerate((baselines or {}).items()):
        ax.axhline(value, color="0.35", linestyle=(":", "-.", (0, (8, 3)))[j % 3], label=name)
    ax.set(xlabel=xlabel, ylabel=ylabel, yscale="log" if log else "linear")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


@_in_course_style
def scatter_panels(panels, values, *, label):
    """The same points in several views side by side, coloured by one value per point.

    Args:
        panels: dict from a view's title to its points, (n, 2) or (n, 3).
        values: (n,), such as a true coordinate of the points.
        label: what `values` are, written beside the colour bar.
    """
    if not isinstance(panels, Mapping) or not panels:
        raise TypeError("panels must be a dict from a title to its points, and not empty.")
    values = _validate.finite_array("values", values, ndim=1)
    figure = plt.figure(figsize=(3.6 * len(panels) + 0.9, 3.7))
    axes = []
    for i, (title, points) in enumerate(panels.items()):
        points = _validate.finite_array(title, points, ndim=2)
        if len(points) != len(values) or points.shape[1] not in (2, 3):
            raise ValueError(
                f"{title} must have shape ({len(values)}, 2 or 3), one row per value, "
                f"got {points.shape}."
            )
        space = points.shape[1] == 3
        ax = figure.add_subplot(1, len(panels), i + 1, projection="3d" if space else None)
        drawn = ax.scatter(*points.T, c=values, s=9, cmap="viridis", linewidths=0)
        if space:
            ax.view_init(elev=12, azim=-75)
            ax.set(xticklabels=[], yticklabels=[], zticklabels=[])
        else:
            ax.set(xlabel="$h_1$", ylabel="$h_2$")
            ax.set_aspect("equal", adjustable="datalim")
        ax.set_title(title)
        axes.append(ax)
    figure.colorbar(drawn, ax=axes, label=label, fraction=0.03)
    return figure


def _gray(ax, image):
    ax.imshow(image if image.ndim == 2 else np.clip(image, 0, 1), vmin=0, vmax=1)
