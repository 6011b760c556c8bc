"""The course's figures: pure functions, data in, `matplotlib.figure.Figure` out.

Grays run from 0 (black) to 1 (white), the same in every picture; what leaves [0, 1], as
reconstructions may and their inputs may not, is drawn as black or white.
"""

import functools
import itertools
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import matplotlib.style
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from coursekit import _validate

__all__ = ["PALETTE", "hourglass", "image_grid", "image_rows", "interpolation_strip",
           "latent_manifold", "latent_scatter", "loss_curves", "reconstructions",
           "scatter_panels"]  # fmt: skip

_BARE = {"xticks": [], "yticks": [], "frame_on": False}

with matplotlib.style.context("coursekit.course"):
    #: Ten colors, one per label; a label keeps its color in every figure and widget.
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
def hourglass(units: Sequence, *, names: dict | None = None, code: int | None = None) -> Figure:
    """The layers of an autoencoder as bars whose height is the logarithm of their units.

    `units` are those of each layer from input to reconstruction, such as (784, 2, 784). `names` is
    a dict from a layer's index to a name, by default x, h and x̂; `code` the code layer's index, by
    default the narrowest.
    """
    if len(units) < 3 or min(units) < 1:
        raise ValueError(f"units must be at least three positive layer sizes, got {units}.")
    if code is not None and code not in range(1, len(units) - 1):
        raise ValueError(f"code must be the index of a hidden layer, got {code!r}.")
    middle = int(np.argmin(units)) if code is None else code
    usual = {0: "input $x$", middle: "code $h$", len(units) - 1: r"reconstruction $\hat{x}$"}
    names = usual | (names or {})
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
def image_grid(images: ArrayLike, *, columns: int = 10, titles: Sequence | None = None) -> Figure:
    """Images (n, 784), (n, height, width) or (n, height, width, 1 or 3) in rows of `columns`.

    Above each stands its title, such as its label, where there are n `titles`.
    """
    images = _validate.images("images", images)
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"titles must be {len(images)}, one per image, got {len(titles)}.")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    size = 0.95 * columns, (1.0 if titles is None else 1.3) * rows
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, subplot_kw=_BARE)
    _fill(axes.flat, images, titles)
    return figure


@_in_course_style
def image_rows(rows: Mapping, *, column_titles: Sequence | None = None) -> Figure:
    """One labeled row of images under another, to be compared column by column.

    `rows` is a dict from a row's label to its images, all rows as long as the `column_titles`.
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
    size = 0.85 * columns + 1.6, 0.95 * len(rows) + 0.3
    figure, axes = plt.subplots(len(rows), columns, figsize=size, squeeze=False, subplot_kw=_BARE)
    for k, (label, images) in enumerate(rows.items()):
        _fill(axes[k], images, None if k else column_titles)
        axes[k, 0].set_ylabel(label, rotation=0, ha="right", va="center")
    return figure


def _fill(axes, images, titles):
    titles = [""] * len(images) if titles is None else titles
    for ax, image, title in zip(axes, images, titles, strict=False):
        ax.imshow(image if image.ndim == 2 else np.clip(image, 0, 1), vmin=0, vmax=1)
        ax.set_title(title, fontsize=12)


def reconstructions(x: ArrayLike, x_hat: ArrayLike, *, n: int = 10) -> Figure:
    """The first `n` inputs, in [0, 1], above as many reconstructions."""
    x, x_hat = _validate.image_pair(x, x_hat)
    return image_rows({"input x": x[:n], "reconstruction x̂": x_hat[:n]})


def interpolation_strip(rows: Mapping, alphas: ArrayLike) -> Figure:
    """`image_rows` on the way from one input (alpha 0) to another (alpha 1), an image per alpha."""
    alphas = _validate.finite_array("alphas", alphas, ndim=1)
    low, high = alphas.min(), alphas.max()
    if low < 0 or high > 1:
        raise ValueError(f"alphas must lie in [0, 1], got {low:.3g} to {high:.3g}.")
    titles = [f"{'' if i else 'α = '}{alpha:.2g}" for i, alpha in enumerate(alphas)]
    return image_rows(rows, column_titles=titles)


@_in_course_style
def latent_scatter(
    codes: ArrayLike, labels: ArrayLike, *, names: Mapping | Sequence | None = None,
    marks: Mapping | None = None, symbol: str = "h",
) -> Figure:  # fmt: skip
    """Two-dimensional codes (n, 2), colored by label, n whole numbers from 0 to 9.

    `names` leads from a label to its name in the legend; `marks` from a name to one code (2,),
    drawn as a black cross with that name. `symbol` is the axes' letter: "h", or "z" where the code
    is a random variable.
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
def latent_manifold(
    model: object, h1: ArrayLike, h2: ArrayLike, *, n: int = 15, symbol: str = "h"
) -> Figure:
    """What a decoder draws on an n-by-n grid of codes, each image where its code lies.

    `model` has `decode`, or is a Keras decoder or a function, from codes (n * n, 2) to images. h1
    and h2 are pairs (low, high), the ranges of the two code units; n is from 2.
    """
    decode = getattr(model, "decode", model)
    if decode is model and hasattr(model, "predict"):  # a bare Keras decoder
        decode = functools.partial(model.predict, verbose=0)
    if not callable(decode):
        raise TypeError(f"model must be one that decodes, or a function, got {model!r}.")
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
    # A gray line between neighbors shows where one code's image ends.
    images = np.pad(images, ((0, 0), (0, 1), (0, 1)), constant_values=0.3)
    height, width = images.shape[1:]
    canvas = images.reshape(n, n, height, width).swapaxes(1, 2).reshape(n * height, n * width)
    # The outermost images are centered on the ends of the ranges, so the edges lie half a step out.
    half1, half2 = np.ptp(h1) / (n - 1) / 2, np.ptp(h2) / (n - 1) / 2
    edges = h1[0] - half1, h1[1] + half1, h2[0] - half2, h2[1] + half2
    figure, ax = plt.subplots(figsize=(7.2, 7))
    ax.imshow(canvas, vmin=0, vmax=1, aspect="auto", extent=edges)
    ax.set(xlabel=f"${symbol}_1$", ylabel=f"${symbol}_2$")
    return figure


@_in_course_style
def loss_curves(
    histories: Mapping, *, loss: str = "loss", xlabel: str = "epoch",
    ylabel: str = "loss", baselines: dict | None = None, log: bool = False,
) -> Figure:  # fmt: skip
    """Training loss (solid) and validation loss (dashed) by epoch, one color per model.

    `histories` is a dict from a model's name to what its `fit` returned, or its ``.history``;
    `loss` the logged quantity to draw, with and without ``"val_"`` before it; `baselines` a dict
    from a name to a value drawn as a horizontal line; `log` makes the vertical axis logarithmic.
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
def scatter_panels(panels: Mapping, values: ArrayLike, *, label: str) -> Figure:
    """The same points in several views side by side, colored by one value per point.

    `panels` is a dict from a view's title to its points, (n, 2) or (n, 3); `values` are (n,), such
    as a true coordinate, and `label` says what, beside the color bar.
    """
    if not isinstance(panels, Mapping) or not panels:
        raise TypeError("panels must be a dict from a title to its points, and not empty.")
    values = _validate.finite_array("values", values, ndim=1)
    figure = plt.figure(figsize=(3.6 * len(panels) + 0.9, 3.7))
    for i, (title, points) in enumerate(panels.items()):
        points = _validate.finite_array(title, points, ndim=2)
        if len(points) != len(values) or points.shape[1] not in (2, 3):
            wanted = f"shape ({len(values)}, 2 or 3), one row per value"
            raise ValueError(f"{title} must have {wanted}, got {points.shape}.")
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
    figure.colorbar(drawn, ax=figure.axes, label=label, fraction=0.03)
    return figure
