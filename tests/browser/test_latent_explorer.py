"""LatentExplorer in Chromium: its numbers, its hand, its keyboard, on every kind of page.

The truth for a picture is the Keras decoder itself, asked in the kernel or in this process.
"""

import base64
import functools
import json
from pathlib import Path

import keras
import nbformat
import numpy as np
import pytest
from static_pages import gray, levels, static_page

from coursekit.layers import MaskingCorruption
from coursekit.models import Autoencoder
from coursekit.widgets import LatentExplorer
from coursekit.widgets._base import read_sources
from coursekit.widgets._dense import read_dense

layers = keras.layers
LECTURE = Path(__file__).resolve().parents[2] / "notebooks" / "02_basic_autoencoder.ipynb"

SETUP = """
import coursekit as ck
import keras, numpy as np
from coursekit.widgets import LatentExplorer
ck.setup(seed=0)
def decoder(size, *last):
    return keras.Sequential([
        keras.Input((size,)), keras.layers.Dense(30, "tanh"),
        *(last or [keras.layers.Dense(784, "sigmoid", kernel_initializer="normal")]),
    ])
rng = np.random.default_rng(0)
heard = []
"""
PLANE = """
explorer = LatentExplorer(decoder(2), rng.normal(size=(200, 2)), np.arange(200) % 3)
explorer.observe(heard.append, "z")
explorer
"""
SLIDERS = """
explorer = LatentExplorer(decoder(5), rng.normal(size=(200, 5)) * [1, 4, 2, 1, 3])
explorer.observe(heard.append, "z")
explorer
"""
KERNEL = """
last = keras.layers.Reshape((3, 10, 1)), keras.layers.Conv2D(1, 3, activation="sigmoid")
explorer = LatentExplorer(decoder(3, *last))
explorer
"""
# What the canvas must hold where `explorer` is: gray levels as the screen rounds them.
LEVELS = "np.rint(255 * np.clip(explorer.image, 0, 1)).astype(int).ravel().tolist()"


def place(page, across, up):
    """Screen position at a share of the plane's axes, 0 to 1 each."""
    page.locator(".ck-plane").hover()  # scrolls, and waits until nothing moves or covers it
    frame = page.locator(".ck-axes rect").bounding_box()
    return frame["x"] + across * frame["width"], frame["y"] + (1 - up) * frame["height"]


def drag(page, start, end, steps=12):
    start, end = place(page, *start), place(page, *end)
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=steps)
    page.mouse.up()


def at_share(explorer, across, up):
    return [
        low + s * (high - low)
        for (low, high), s in zip(explorer._limits, (across, up), strict=True)
    ]


# The numbers


def dense(activation):
    return [layers.Dense(20, activation, bias_initializer="normal"), layers.Dense(36)]


def trained_batch_normalization(*shape):
    layer = layers.BatchNormalization()
    layer.build((None, *shape))
    layer.set_weights(list(np.random.default_rng(1).uniform(0.5, 2.0, (4, 20))))
    return layer


DECODERS = {
    **{name: dense(name) for name in ("linear", "tanh", "relu", "leaky_relu", "sigmoid")},
    **{name: dense(name) for name in ("gelu", "softplus")},
    "approximate gelu": dense(functools.partial(keras.activations.gelu, approximate=True)),
    "leaky relu of slope 0.05": dense(layers.LeakyReLU(0.05)),
    "ReLU layer": [layers.Dense(20), layers.ReLU(negative_slope=0.1), layers.Dense(36)],
    "LeakyReLU layer": [layers.Dense(20), layers.LeakyReLU(), layers.Dense(36)],
    "Activation layer": [layers.Dense(20), layers.Activation("tanh"), layers.Dense(36)],
    "no bias": [layers.Dense(36, use_bias=False)],
    "Flatten and Reshape": [
        layers.Dense(20),
        layers.Reshape((4, 5)),
        layers.Flatten(),
        layers.Dense(36),
        layers.Reshape((3, 4, 3)),
    ],
    "Dropout and GaussianNoise": [
        layers.Dense(20),
        layers.Dropout(0.5),
        layers.GaussianNoise(1.0),
        layers.Dense(36),
    ],
    "Identity and GaussianDropout": [
        layers.Identity(),
        layers.Dense(20, "tanh"),
        layers.GaussianDropout(0.5),
        layers.Identity(),
        layers.Dense(36),
    ],
    "nested models": [
        keras.Sequential(
            [keras.Input((2,)), keras.Sequential([keras.Input((2,)), *dense("gelu")])]
        ),
        layers.Dropout(0.5),
        keras.Sequential([keras.Input((36,)), layers.Dense(9, "sigmoid")]),
    ],
    "image decoder of a model with logits": [
        keras.Sequential([keras.Input((2,)), *dense("softplus")]),
        layers.Activation("sigmoid", dtype="float32"),
    ],
    "autoencoder of the course": [
        Autoencoder(
            keras.Sequential([keras.Input((2,)), MaskingCorruption(0.1), *dense("tanh")]),
            keras.Sequential([keras.Input((36,)), layers.Dense(2, "sigmoid")]),
        )
    ],
    "BatchNormalization": [layers.Dense(20), trained_batch_normalization(20), layers.Dense(36)],
    "BatchNormalization over channels": [
        layers.Dense(40),
        layers.Reshape((2, 20)),
        trained_batch_normalization(2, 20),
        layers.Flatten(),
        layers.Dense(36),
    ],
    "the lecture's": [
        layers.Dense(300, "tanh"),
        layers.Dense(500, "tanh"),
        layers.Dense(784, "sigmoid"),
    ],
}


@pytest.mark.parametrize("name", DECODERS)
def test_the_browser_computes_what_keras_computes(page, name):
    keras.utils.set_random_seed(0)
    decoder = keras.Sequential([keras.Input((2,)), *DECODERS[name]])
    codes = np.random.default_rng(0).normal(size=(200, 2)).astype("float32") * 3
    steps, weights = read_dense(decoder)
    images = page.evaluate(
        f"""([steps, weights, codes]) => {{
          {read_sources("dense.js")}
          const bytes = Uint8Array.from(atob(weights), (letter) => letter.charCodeAt(0));
          const decode = denseModel(steps, new Float32Array(bytes.buffer));
          return JSON.stringify(codes.map((z) => Array.from(decode(z))));
        }}""",
        [steps, base64.b64encode(weights.tobytes()).decode(), codes.tolist()],
    )
    expected = keras.ops.convert_to_numpy(decoder(codes, training=False)).reshape(200, -1)
    assert np.ptp(expected) > 0.1
    largest = max(1, np.abs(expected).max())  # Keras itself computes in single precision
    np.testing.assert_allclose(json.loads(images), expected, rtol=0, atol=1e-6 * largest)


# A static page, the network cut off


@pytest.fixture
def explorer():
    keras.utils.set_random_seed(0)
    decoder = keras.Sequential([keras.Input((2,)), *dense("tanh")])
    codes = np.random.default_rng(0).normal(size=(200, 2))
    return LatentExplorer(decoder, codes, np.arange(200) % 3)


def test_a_static_page_moves_without_kernel_or_network(page, tmp_path, pixels, explorer):
    static_page(page, tmp_path / "page.html", explorer)
    np.testing.assert_array_equal(gray(pixels(page)), levels(explorer.image))
    before = pixels(page)
    drag(page, (0.5, 0.5), (0.8, 0.3))
    explorer.z = at_share(explorer, 0.8, 0.3)
    assert pixels(page) != before
    np.testing.assert_allclose(gray(pixels(page)), levels(explorer.image), atol=1)


def test_a_drag_beyond_the_plane_ends_at_its_edge(page, tmp_path, pixels, explorer):
    static_page(page, tmp_path / "page.html", explorer)
    drag(page, (0.5, 0.5), (1.4, 1.01))
    explorer.z = at_share(explorer, 1, 1)
    np.testing.assert_array_equal(gray(pixels(page)), levels(explorer.image))


def test_touch_drags_the_code(chromium, tmp_path, pixels, explorer):
    context = chromium.new_context(has_touch=True, viewport={"width": 400, "height": 900})
    page = context.new_page()
    static_page(page, tmp_path / "page.html", explorer)
    touch = context.new_cdp_session(page)

    def send(kind, *points):
        points = [dict(zip("xy", point, strict=True)) for point in points]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    send("touchStart", place(page, 0.5, 0.5))
    for share in (0.6, 0.7, 0.9):  # a page that scrolled instead would cancel the touch
        send("touchMove", place(page, 0.5, share))
    send("touchEnd")
    explorer.z = at_share(explorer, 0.5, 0.9)
    np.testing.assert_allclose(gray(pixels(page)), levels(explorer.image), atol=1)
    context.close()


def test_buttons(page, tmp_path, pixels, explorer):
    static_page(page, tmp_path / "page.html", explorer)
    start = pixels(page)
    play = page.get_by_role("button", name="Play A → B")
    assert play.is_disabled()
    page.get_by_role("button", name="Pin A").click()
    page.get_by_role("button", name="Random code").click()
    assert pixels(page) != start
    page.get_by_role("button", name="Pin B").click()
    end = pixels(page)
    page.get_by_role("button", name="Back to example 0").click()
    assert pixels(page) == start
    play.click()
    page.wait_for_timeout(600)
    assert pixels(page) not in (start, end)
    page.get_by_role("button", name="Stop").wait_for(state="detached")
    assert pixels(page) == end


def test_the_nearest_example_becomes_the_chosen_one(page, tmp_path, pixels, explorer):
    static_page(page, tmp_path / "page.html", explorer)
    page.mouse.click(*place(page, 0.7, 0.6))
    page.get_by_role("button", name="Nearest example").click()
    distances = np.linalg.norm(explorer.codes - at_share(explorer, 0.7, 0.6), axis=1)
    nearest = int(distances.argmin())
    explorer.z = explorer.codes[nearest]
    np.testing.assert_array_equal(gray(pixels(page)), levels(explorer.image))
    page.mouse.click(*place(page, 0.1, 0.1))
    page.get_by_role("button", name=f"Back to example {nearest}").click()
    np.testing.assert_array_equal(gray(pixels(page)), levels(explorer.image))


def test_interpolation_is_straight(page, tmp_path, pixels, explorer):
    explorer.a, explorer.b = explorer.codes[:2]
    static_page(page, tmp_path / "page.html", explorer)
    page.get_by_role("button", name="Play A → B").click()
    page.wait_for_timeout(800)
    page.get_by_role("button", name="Stop").click()
    text = page.locator(".ck-position").inner_text().replace("−", "-")
    z = np.array(json.loads(text.removeprefix("z = ").replace("(", "[").replace(")", "]")))
    along = explorer.b - explorer.a
    share = (z - explorer.a) @ along / (along @ along)
    assert 0 < share < 1
    np.testing.assert_allclose(z, explorer.a + share * along, atol=0.02)


def test_a_grid_shows_the_decoder_between_its_nodes_too(page, tmp_path, pixels):
    keras.utils.set_random_seed(0)
    decoder = keras.Sequential(
        [
            keras.Input((2,)),
            layers.Dense(49, "tanh"),
            layers.Reshape((7, 7, 1)),
            layers.Conv2DTranspose(1, 3, strides=2, padding="same", activation="sigmoid"),
        ]
    )
    explorer = LatentExplorer(decoder, limits=(-2, 2))
    static_page(page, tmp_path / "page.html", explorer)
    assert "Interpolated from a grid" in page.locator(".ck-notice").inner_text()
    for across, up in [(0.313, 0.777), (0.9, 0.05), (0, 1)]:
        page.mouse.click(*place(page, across, up))
        explorer.z = at_share(explorer, across, up)
        np.testing.assert_allclose(gray(pixels(page)), levels(explorer.image), atol=2)


def test_color_images(page, tmp_path, pixels):
    decoder = keras.Sequential([keras.Input((1,)), *dense("tanh"), layers.Reshape((3, 4, 3))])
    explorer = LatentExplorer(decoder)
    static_page(page, tmp_path / "page.html", explorer)
    shown = np.array(pixels(page)).reshape(3, 4, 4)[..., :3]
    np.testing.assert_array_equal(shown.ravel(), levels(explorer.image))
    assert page.locator(".ck-plane").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_readers_theme(chromium, tmp_path, scheme, explorer):
    context = chromium.new_context(color_scheme=scheme)
    page = context.new_page()
    static_page(page, tmp_path / "page.html", explorer)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    ink = page.evaluate("getComputedStyle(document.querySelector('.ck')).color")
    brightness = [sum(map(int, text[4:-1].split(","))) / 765 for text in (ground, ink)]
    assert abs(brightness[0] - brightness[1]) > 0.7
    assert (brightness[0] > brightness[1]) == (scheme == "light")
    context.close()


# Jupyter


@pytest.mark.parametrize("app", ["lab/tree", "notebooks"])
def test_a_drag_follows_and_python_hears_of_it_once(jupyter, page, pixels, app):
    jupyter.run(page, SETUP, PLANE, app=app)
    page.locator(".ck-image").wait_for()
    drag(page, (0.5, 0.5), (0.2, 0.9))
    shown = gray(pixels(page))
    assert jupyter.hears(page, "print(len(heard))", "1")
    assert shown.tolist() == json.loads(jupyter.execute(page, f"print({LEVELS})"))
    low_high = json.loads(jupyter.execute(page, "print(explorer._limits)"))
    z = json.loads(jupyter.execute(page, "print(explorer.z.tolist())"))
    shares = [(value - low) / (high - low) for value, (low, high) in zip(z, low_high, strict=True)]
    np.testing.assert_allclose(shares, [0.2, 0.9], atol=0.005)


def test_python_moves_the_code(jupyter, page, pixels):
    jupyter.run(page, SETUP, PLANE)
    page.locator(".ck-image").wait_for()
    expected = json.loads(jupyter.execute(page, f"explorer.z = (-1, 7.5); print({LEVELS})"))
    page.get_by_text("z = (−1.00, 7.50)").wait_for()
    np.testing.assert_array_equal(gray(pixels(page)), expected)


@pytest.mark.parametrize("app", ["lab/tree", "notebooks"])
def test_arrow_keys_move_the_code_and_not_the_notebook(jupyter, page, pixels, app):
    jupyter.run(page, SETUP, PLANE, "1 + 1", app=app)
    plane = page.get_by_role("slider", name="Plane of codes")
    plane.focus()
    active = "jupyterapp.shell.currentWidget.content.activeCellIndex"
    before = page.evaluate(active)
    place_before = json.loads(jupyter.execute(page, "print(explorer.z.tolist())"))
    limits = np.array(json.loads(jupyter.execute(page, "print(explorer._limits)")))
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowUp"):
        plane.press(key)
    shown = gray(pixels(page))
    z = (place_before + np.ptp(limits, axis=1) * [0.02, 0.1]).tolist()
    arrived = f"print(np.allclose(explorer.z, {z}, rtol=0, atol=1e-8))"
    assert jupyter.hears(page, arrived, "True")
    assert shown.tolist() == json.loads(jupyter.execute(page, f"print({LEVELS})"))
    assert page.evaluate(active) == before
    assert f"{z[0]:.2f}".replace("-", "−") in plane.get_attribute("aria-valuetext")


def test_sliders_move_one_unit_each(jupyter, page, pixels):
    jupyter.run(page, SETUP, SLIDERS)
    sliders = page.locator(".ck-slider input")
    names = [sliders.nth(i).get_attribute("aria-label") for i in range(5)]
    assert names[:3] == ["z₂", "z₅", "z₃"]
    before = json.loads(jupyter.execute(page, "print(explorer.z.tolist())"))
    sliders.nth(1).scroll_into_view_if_needed()
    box = sliders.nth(1).bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] / 2, steps=8)
    page.mouse.up()
    shown = gray(pixels(page))
    assert jupyter.hears(page, "print(len(heard))", "1")
    assert shown.tolist() == json.loads(jupyter.execute(page, f"print({LEVELS})"))
    after = json.loads(jupyter.execute(page, "print(explorer.z.tolist())"))
    assert [old == new for old, new in zip(before, after, strict=True)] == [True] * 4 + [False]


def test_any_two_units_span_the_plane(jupyter, page):
    jupyter.run(page, SETUP, SLIDERS)
    page.get_by_label("Horizontal axis").select_option("z₁")
    assert jupyter.hears(page, "print(explorer.units)", "[0, 4]")
    drag(page, (0.5, 0.5), (0.25, 0.75))
    before, after = (
        np.array(json.loads(jupyter.execute(page, f"print(list({code}))")))
        for code in ("explorer.codes[0].tolist()", "explorer.z.tolist()")
    )
    assert (np.abs(before - after) > 1e-6).tolist() == [True, False, False, False, True]
    page.get_by_label("Vertical axis").select_option("z₁")
    assert jupyter.hears(page, "print(explorer.units)", "[4, 0]")


def test_the_kernel_decodes_what_the_browser_cannot(jupyter, page, pixels):
    jupyter.run(page, SETUP, KERNEL)
    page.locator(".ck-notice").get_by_text("Decoded by the kernel").wait_for()
    drag(page, (0.5, 0.5), (0.9, 0.1), steps=30)
    jupyter.execute(page, "pass")  # the kernel answers in turn: the last image has been sent
    expected = json.loads(jupyter.execute(page, f"print({LEVELS})"))
    page.wait_for_timeout(500)
    np.testing.assert_array_equal(gray(pixels(page)), expected)


@pytest.mark.slow
@pytest.mark.skipif(not LECTURE.exists(), reason="lecture 02 is not there")
def test_lecture_02_moves(jupyter, page, pixels):
    lecture = nbformat.read(LECTURE, 4)
    (last,) = (i for i, cell in enumerate(lecture.cells) if "LatentExplorer(" in cell.source)
    del lecture.cells[last + 1 :]  # which `make notebooks` executes
    nbformat.write(lecture, jupyter.folder / LECTURE.name)
    jupyter.run_all(page, LECTURE.name, minutes=6)
    page.locator(".ck-plane").first.wait_for()
    before = pixels(page)
    drag(page, (0.5, 0.5), (0.3, 0.7))
    assert pixels(page) != before
    shown = gray(pixels(page))
    assert shown.tolist() == json.loads(
        jupyter.execute(page, f"import numpy as np\nprint({LEVELS})")
    )
