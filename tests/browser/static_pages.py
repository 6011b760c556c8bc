"""A widget on a static page, the network cut off, and what its canvas must hold."""

import numpy as np

from coursekit.widgets import export_html


def static_page(page, path, widget):
    page.context.set_offline(True)
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(export_html(widget, path).as_uri())
    page.locator(".ck").wait_for()
    assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]


def gray(pixels):
    red, green, blue, alpha = np.array(pixels).reshape(-1, 4).T
    assert (red == green).all()
    assert (red == blue).all()
    assert (alpha == 255).all()
    return red


def levels(image):
    return np.rint(255 * np.clip(image, 0, 1)).ravel()
