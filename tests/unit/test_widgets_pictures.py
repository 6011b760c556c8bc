"""PictureSlider without a browser: what it accepts, refuses, sends and writes."""

import base64
import io
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image
from traitlets import TraitError

from coursekit.widgets import PictureSlider, export_html
from coursekit.widgets.picture_slider import FIGURE_DPI

RAMPS = np.linspace(0, 1, 4 * 6 * 5).reshape(4, 6, 5)


def sent(slider):
    """The pictures as the browser gets them."""
    for url in slider._pictures:
        head, data = url.split(",")
        assert head == "data:image/png;base64"
        image = Image.open(io.BytesIO(base64.b64decode(data)))
        yield np.asarray(image.convert("RGB") if image.mode == "P" else image)


def curves(n=3, size=(6, 4)):
    figures = []
    for i in range(n):
        figure, ax = plt.subplots(figsize=size)
        ax.plot(np.random.default_rng(i).normal(size=(50, 4)).cumsum(axis=0))
        figures.append(figure)
    return figures


@pytest.mark.parametrize("color", [False, True])
def test_arrays_are_sent_as_they_are(color):
    pictures = np.stack([RAMPS, RAMPS**2, 1 - RAMPS], axis=-1) if color else RAMPS
    slider = PictureSlider(list(pictures), label="ramp")
    np.testing.assert_array_equal(list(sent(slider)), np.rint(255 * pictures))
    assert slider._width == 5 * 68  # a whole multiple, so that no pixel is wider than its neighbor


def test_figures_are_rendered_at_one_size_and_closed():
    figures = curves()
    slider = PictureSlider(figures, label="run")
    assert {image.shape[:2] for image in sent(slider)} == {(4 * FIGURE_DPI, 6 * FIGURE_DPI)}
    assert not set(plt.get_fignums()) & {figure.number for figure in figures}


def test_a_drawing_keeps_its_white_and_a_photograph_its_colors():
    photograph = np.random.default_rng(0).uniform(size=(200, 300, 3))
    figure = plt.figure(figsize=(3, 2), layout=None)
    figure.figimage(photograph)
    drawing, curve = (next(iter(sent(PictureSlider([f], label="")))) for f in (figure, *curves(1)))
    np.testing.assert_allclose(drawing, 255 * photograph, atol=1)
    assert (curve[0] == 255).all()


@pytest.mark.medium
def test_twenty_figures_stay_under_a_megabyte():
    slider = PictureSlider(curves(20, (8, 4.5)), label="run")
    assert sum(map(len, slider._pictures)) < 1_000_000


def test_values_read_well():
    values = [0, 1e-5, 2.5e-4, -3, 1e12, np.float32(0.5), "none"]
    slider = PictureSlider([RAMPS[0]] * 7, label="λ", values=values)
    assert slider._values == ["0", "1e−5", "0.00025", "−3", "1e12", "0.5", "none"]
    assert PictureSlider(RAMPS, label="λ")._values == ["0", "1", "2", "3"]


def test_the_stop_can_be_set_and_is_checked():
    slider = PictureSlider(RAMPS, label="λ", start=2)
    assert slider.index == 2
    slider.index = 3
    for bad in (4, -1, 1.5):
        with pytest.raises((ValueError, TraitError), match="index"):
            slider.index = bad
        assert slider.index == 3


@pytest.mark.parametrize(
    ("pictures", "arguments", "error", "message"),
    [
        ([], {}, ValueError, "pictures is empty"),
        ([RAMPS[0], RAMPS[0][:, :4]], {}, ValueError, r"of one size, got \(6, 4\), \(6, 5\)"),
        (RAMPS, {"values": [1, 2]}, ValueError, "values must be 4, one per picture, got 2"),
        (RAMPS, {"values": [1, 2, 3, None]}, TypeError, "values must be numbers or strings"),
        (RAMPS, {"captions": ["a"]}, ValueError, "captions must be 4, one per picture, got 1"),
        (RAMPS, {"captions": [1, 2, 3, 4]}, TypeError, "captions must be strings"),
        (RAMPS, {"start": 4}, ValueError, "start must be a stop, 0 to 3, got 4"),
        (RAMPS, {"start": 1.0}, ValueError, "start must be a stop, 0 to 3, got 1.0"),
        (RAMPS, {"label": 3}, TypeError, "label must be a string, got 3"),
        (RAMPS, {"alt": ["a"]}, TypeError, "alt must be a string"),
        (255 * RAMPS, {}, ValueError, r"pictures must lie in \[0, 1\]"),
        (np.full((2, 6, 5), np.nan), {}, ValueError, "pictures must be finite"),
        (np.zeros((2, 6, 5, 2)), {}, ValueError, "pictures must be a batch of images"),
    ],
)
def test_bad_arguments_are_refused(pictures, arguments, error, message):
    with pytest.raises(error, match=rf"{message}.*\.$"):
        PictureSlider(pictures, **{"label": "λ", **arguments})


def test_figures_of_several_sizes_or_mixed_with_arrays_are_refused():
    figures = [*curves(1), *curves(1, (5, 4))]
    with pytest.raises(ValueError, match=r"of one size, got \(5.0, 4.0\), \(6.0, 4.0\)\.$"):
        PictureSlider(figures, label="λ")
    with pytest.raises(TypeError, match=r"all Figures or all image arrays, got both\.$"):
        PictureSlider([figures[0], RAMPS[0]], label="λ")
    for figure in figures:  # a call that failed leaves them to their owner
        assert plt.fignum_exists(figure.number)
        plt.close(figure)


def test_the_page_holds_everything(tmp_path):
    slider = PictureSlider(RAMPS, label="λ", captions=["a</script>", *"bcd"])
    page = export_html(slider, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<title>Picture slider</title>" in page
    assert page.count("</script>") == 1
    assert all(url in page for url in slider._pictures)
    assert not re.search(r"""(src|href)=|import\s|https?://(?!www\.w3\.org/2000/svg)""", page)
