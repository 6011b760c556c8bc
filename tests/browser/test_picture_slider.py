"""PictureSlider in Chromium: on a static page and in JupyterLab, by hand and by keyboard."""

import numpy as np
from static_pages import static_page

from coursekit.widgets import PictureSlider

NOTEBOOK = """
import coursekit as ck, matplotlib.pyplot as plt
figures = []
for power in range(5):
    figure, ax = plt.subplots(figsize=(5, 3))
    ax.plot([0, 1, 2], [0, 1, 2**power])
    figures.append(figure)
slider = ck.widgets.PictureSlider(figures, label="power", alt="A curve.")
heard = []
slider.observe(heard.append, "index")
slider
"""
SHOWN = """([picture]) => {
  const canvas = new OffscreenCanvas(picture.naturalWidth, picture.naturalHeight);
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  return Array.from(context.getImageData(0, 0, canvas.width, canvas.height).data);
}"""


def test_every_stop_shows_its_picture_value_and_sentence(page, tmp_path):
    pictures = np.random.default_rng(0).uniform(size=(4, 6, 5))
    captions = ["none", "weak", "right", "too strong"]
    widget = PictureSlider(
        pictures, label="λ", values=[0, 1e-5, 1e-4, "all"], start=1, captions=captions
    )
    static_page(page, tmp_path / "page.html", widget)
    slider = page.get_by_role("slider", name="λ")
    shown = page.locator("img.ck-shown")
    height = page.locator(".ck").bounding_box()["height"]
    for key, stop, text in [(None, 1, "1e−5"), ("ArrowRight", 2, "0.0001"), ("End", 3, "all"),
                            ("ArrowRight", 3, "all"), ("Home", 0, "0")]:  # fmt: skip
        if key:
            slider.press(key)
        assert slider.get_attribute("aria-valuetext") == text
        assert page.locator(".ck-value").inner_text() == text
        assert page.locator(".ck-caption .ck-shown").inner_text() == captions[stop]
        gray = np.array(shown.evaluate_all(SHOWN)).reshape(6, 5, 4)[..., 0]
        np.testing.assert_array_equal(gray, np.rint(255 * pictures[stop]))
        assert page.get_by_role("img").count() == 1  # a reader that cannot see meets one picture
        assert page.locator(".ck").bounding_box()["height"] == height
    assert shown.bounding_box()["width"] == 340


def test_in_jupyterlab_the_keyboard_moves_the_slider_and_python_hears(jupyter, page):
    jupyter.run(page, NOTEBOOK, "1 + 1")
    assert page.locator(".jp-OutputArea-output img").count() == 5  # and no figure of their own
    slider = page.get_by_role("slider", name="power")
    slider.focus()
    active = "jupyterapp.shell.currentWidget.content.activeCellIndex"
    before = page.evaluate(active)
    heard = []
    for key, index in (("ArrowRight", 1), ("ArrowDown", 0), ("End", 4)):
        slider.press(key)
        heard.append(index)  # what changes while the kernel is busy, it hears as one change
        assert jupyter.hears(page, "print([change.new for change in heard])", str(heard))
    assert page.evaluate(active) == before
    box = slider.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 4, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=8)
    page.mouse.up()
    assert jupyter.hears(page, "print(heard[-1].new, len(heard))", "2 4")
    jupyter.execute(page, "slider.index = 3")
    page.get_by_role("img", name="A curve. power: 3").wait_for()
    assert slider.get_attribute("aria-valuetext") == "3"
