"""NoiseExplorer in Chromium: the noise it draws and what the denoiser makes of it.

The truth is the corruption layers' unit for the noise, and Keras itself for the denoiser.
"""

import base64
import json

import keras
import numpy as np
import pytest
from static_pages import gray, levels, static_page

from coursekit.layers import GaussianCorruption, MaskingCorruption, SaltAndPepperCorruption
from coursekit.models import Autoencoder
from coursekit.widgets import NoiseExplorer
from coursekit.widgets._base import read_sources

SOURCES = read_sources("parts.js", "dense.js", "noise.js")
STRENGTH = 0.03
NOTEBOOK = """
import coursekit as ck, keras, numpy as np
ck.setup(seed=0)
images = np.random.default_rng(0).uniform(size=(20, 6, 6, 1)).astype("float32")
mask = ck.layers.MaskingCorruption(0.2)
mask.adapt(images)
smooth = keras.Sequential([keras.Input((6, 6, 1)), keras.layers.AveragePooling2D(3, 1, "same")])
explorer = ck.widgets.NoiseExplorer(smooth, images, [mask])
heard = []
explorer.observe(heard.append, "strength")
explorer
"""


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(size=(20, 36)).astype("float32") ** 2


@pytest.fixture(scope="module")
def explorer(images):
    keras.utils.set_random_seed(0)
    kinds = GaussianCorruption, MaskingCorruption, SaltAndPepperCorruption
    corruptions = [kind(STRENGTH) for kind in kinds]
    for layer in corruptions:
        layer.adapt(images)
    encoder = [keras.Input((36,)), corruptions[0], keras.layers.Dense(20, "gelu")]
    decoder = [keras.Input((20,)), keras.layers.Dense(36, "sigmoid", kernel_initializer="normal")]
    denoiser = Autoencoder(keras.Sequential(encoder), keras.Sequential(decoder))
    return NoiseExplorer(denoiser, images, corruptions)


def corrupted(page, explorer, seeds):
    """x_tilde as the browser draws it for every image and seed: (seeds, n, pixels)."""
    drawn = page.evaluate(
        f"""([noise, images, seeds, kind, strength]) => {{
          {SOURCES}
          const at = atStrength(noise, strength);
          return JSON.stringify(seeds.map((seed) =>
            images.map((x, i) => Array.from(corrupt(kind, at, x, seed + 1000 * i)))));
        }}""",
        [
            explorer._corruptions[explorer.kind],
            explorer.images.tolist(),
            list(seeds),
            explorer.kind,
            explorer.strength,
        ],
    )
    return np.array(json.loads(drawn))


def test_each_noise_changes_a_pixel_as_much_as_its_strength_says(page, explorer, images):
    for kind in explorer._corruptions:
        explorer.kind = kind
        x_tilde = corrupted(page, explorer, range(100))
        squared = np.square(x_tilde - images).mean(axis=-1)  # one per seed and image
        assert squared.std() > 0
        error = squared.std(axis=0) / np.sqrt(len(squared))  # of each image's mean over the seeds
        error = np.sqrt(np.square(error).sum()) / len(images)
        assert abs(squared.mean() - STRENGTH) < 4 * error
        assert error < 0.02 * STRENGTH
        changed = x_tilde != images
        if kind == "gaussian":
            assert changed.mean() > 0.99
            normal = (x_tilde - images).ravel() / np.sqrt(STRENGTH)
            assert abs(np.mean(normal)) < 4 / np.sqrt(normal.size)
            assert np.mean(normal**4) == pytest.approx(3, abs=0.1)
        else:
            values = {"masking": {0.0}, "salt and pepper": {0.0, 1.0}}[kind]
            assert set(np.unique(x_tilde[changed])) == values
        if kind == "salt and pepper":
            assert np.mean(x_tilde[changed]) == pytest.approx(0.5, abs=0.02)
    explorer.kind = "gaussian"


def test_what_is_shown_is_what_keras_makes_of_the_noise_drawn(page, tmp_path, pixels, explorer):
    static_page(page, tmp_path / "page.html", explorer)
    x = explorer.images[0]

    def shows(kind, strength=STRENGTH):
        explorer.kind, explorer.strength = kind, strength
        (x_tilde,) = corrupted(page, explorer, [0])[:, 0]
        (x_hat,) = explorer._evaluate(x_tilde[None])
        for nth, image in enumerate((x, x_tilde, x_hat)):
            np.testing.assert_allclose(gray(pixels(page, nth)), levels(image), atol=1)
        said = page.locator("figcaption output").all_inner_texts()
        decibels = [-10 * np.log10(np.mean((x - image) ** 2)) for image in (x_tilde, x_hat)]
        assert said == ["", *(f"PSNR {value:.1f} dB" for value in decibels)]
        return x_tilde, x_hat

    x_tilde, x_hat = shows("gaussian")
    weights = base64.b64encode(explorer._weights).decode()
    computed = page.evaluate(
        f"""([steps, weights, x]) => {{
          {SOURCES}
          const bytes = Uint8Array.from(atob(weights), (letter) => letter.charCodeAt(0));
          return Array.from(denseModel(steps, new Float32Array(bytes.buffer))(x));
        }}""",
        [explorer._steps, weights, x_tilde.tolist()],
    )
    np.testing.assert_allclose(computed, x_hat, rtol=0, atol=1e-6)

    for name in ("Masking", "Salt and pepper"):
        page.get_by_role("button", name=name, exact=True).click()
        pressed = page.locator("button[aria-pressed=true]").all_inner_texts()
        assert pressed == [name]
        shows(name.lower())
    slider = page.get_by_role("slider", name="Strength")
    slider.press("Home")
    assert slider.get_attribute("aria-valuetext") == "0.000 (0 % of the pixels black or white)"
    assert page.locator("figcaption output").nth(1).inner_text() == "equal to x"
    slider.press("End")
    shows("salt and pepper", explorer._strongest)
    before = pixels(page, 1)
    page.get_by_role("button", name="Fresh draw").click()
    assert pixels(page, 1) != before
    page.get_by_role("button", name="Next image").click()
    np.testing.assert_array_equal(gray(pixels(page)), levels(explorer.images[1]))
    explorer.kind, explorer.strength = "gaussian", STRENGTH


def test_in_jupyterlab_the_kernel_denoises_what_the_browser_cannot(jupyter, page, pixels):
    jupyter.run(page, NOTEBOOK)
    page.locator(".ck-notice").get_by_text("Denoised by the kernel").wait_for()
    slider = page.get_by_role("slider", name="Strength")
    box = slider.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2, steps=10)
    page.mouse.up()
    assert jupyter.hears(page, "print(len(heard))", "1")
    slider.press("Home")  # no noise: x_tilde is x, which the kernel can smooth for itself
    assert jupyter.hears(page, "print(len(heard), heard[-1].new)", "2 0.0")
    levels_of_x_hat = "np.rint(255 * explorer._evaluate(images[:1])).astype(int).ravel().tolist()"
    expected = json.loads(jupyter.execute(page, f"print({levels_of_x_hat})"))
    page.wait_for_timeout(300)
    np.testing.assert_allclose(gray(pixels(page, 2)), expected, atol=1)
    jupyter.execute(page, "explorer.strength = 0.2; explorer.example = 3")
    page.get_by_text("0.200").wait_for()
    expected = json.loads(jupyter.execute(page, "print(np.rint(255 * images[3]).ravel().tolist())"))
    np.testing.assert_array_equal(gray(pixels(page)), expected)
