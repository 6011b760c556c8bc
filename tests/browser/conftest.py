"""A real Jupyter server and a headless Chromium for the browser tests."""

import shutil

import pytest
from jupyter_pages import SWITCHES, Jupyter

PIXELS = """(canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return Array.from(data);
}"""


@pytest.fixture(scope="session")
def chromium_path():
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no chromium found: `apt-get install chromium` (Debian, Ubuntu) provides it")
    return path


@pytest.fixture(scope="module")
def chromium(chromium_path):
    """The browser; not for the whole session, since its event loop would block other tests."""
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="no playwright found: `pip install playwright` provides it"
    )
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture
def context(chromium):
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    yield context
    context.close()


@pytest.fixture
def page(context):
    """A page on which an error in the widget's own script fails the test."""
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(error))  # playwright wants a function
    yield page
    # Jupyter's scripts, which raise errors of their own, come from the server; the widget's do not.
    assert not [error for error in errors if "blob:" in error.stack or "file:" in error.stack]


@pytest.fixture(scope="session")
def jupyter(chromium_path, tmp_path_factory):
    server = Jupyter(tmp_path_factory.mktemp("jupyter"))
    yield server
    server.stop()


@pytest.fixture
def pixels():
    """What stands on one of the page's image canvases: R, G, B, A of every pixel."""
    return lambda page, nth=0: page.locator(".ck-image").nth(nth).evaluate(PIXELS)
