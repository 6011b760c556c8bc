"""Drawn faces whose smile, head pose, … are known. Lecture 09."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from coursekit import _validate
from coursekit.datasets._images import Split, in_shape

# Name, lowest and highest value, and the value that is taken where it does not vary.
_PARAMETERS = {
    "smile": (-1, 1, 0),
    "yaw": (-30, 30, 0),
    "pitch": (-20, 20, 0),
    "eyes": (0.2, 1, 1),
    "light": (-60, 60, 0),
}
FACE_PARAMETERS = tuple(_PARAMETERS)
_HALF_AXES = np.array([0.68, 0.88, 0.75], dtype="float32")  # of the head: width, height, depth


def faces(
    n: int = 2000, *, vary: Sequence[str] = ("smile", "yaw"), seed: int = 0, shape: str = "flat"
) -> Split:
    """Faces of 28 by 28 pixels, drawn from parameters that vary independently and uniformly.

    Few continuous causes behind many pixels: a code can be scored against the causes. A pose moves
    every feature of the face and hides some, so pixels depend on it in no linear way.

    Returns a `Split` of float32: x in [0, 1] and y (n, 5), a column for each of `FACE_PARAMETERS`
    in their units. Raises a TypeError or ValueError for an unknown name or shape, or a bad `n`.

    Args:
        n: number of faces, from 1.
        vary: names out of `FACE_PARAMETERS`; the others keep a neutral value: "smile" from -1
            (corners of the mouth down) to 1 (up); "yaw", the head turned by -30 to 30 degrees,
            positive to the viewer's right; "pitch", raised by -20 to 20 degrees; "eyes", open from
            0.2 to 1; "light", coming from -60 to 60 degrees, positive from the viewer's right.
        seed: one seed gives a parameter the same values, whatever else varies.
        shape: "flat" for (n, 784), "image" for (n, 28, 28, 1).
    """
    n, vary = _validate.whole("n", n), _validate.some_of("vary", vary, FACE_PARAMETERS)
    low, high, neutral = np.array([*_PARAMETERS.values()]).T
    uniform = np.random.default_rng(seed).random((len(FACE_PARAMETERS), n)).T
    y = np.where(np.isin(FACE_PARAMETERS, vary), low + (high - low) * uniform, neutral)
    return Split(draw_faces(y, shape=shape), y.astype("float32"))


def draw_faces(y: ArrayLike, *, shape: str = "flat") -> np.ndarray:
    """Images in [0, 1] of faces with given parameters, (n, 784) or (n, 28, 28, 1), as float32.

    The head is an ellipsoid, seen from afar and lit from one side (Lambert's law); hair, brows,
    eyes and mouth are painted on it and turn with it, and the nose stands out.

    y is (n, 5), a column for each of `FACE_PARAMETERS`, in the ranges that `faces` tells; shape is
    "flat" or "image". Raises a ValueError otherwise.
    """
    y = _validate.codes("y", y, len(FACE_PARAMETERS)).astype("float32")
    for values, (name, (low, high, _)) in zip(y.T, _PARAMETERS.items(), strict=True):
        # float32 rounds the ends of a range.
        if values.min() < low - 1e-4 or values.max() > high + 1e-4:
            raise ValueError(
                f"{name} must lie in [{low}, {high}], got {values.min():.4g} to {values.max():.4g}."
            )
    x = np.concatenate([_draw(y[start : start + 500]) for start in range(0, len(y), 500)])
    return in_shape(x, shape)


def _draw(y):
    """Images (n, 784) of the parameters (n, 5)."""
    smile, yaw, pitch, eyes, light = y.T[:, :, None]
    yaw, pitch, light = (np.deg2rad(angle) for angle in (yaw, pitch, light))
    axis = np.linspace(-1, 1, 28, dtype="float32")
    right, up = (pixels.ravel()[None] for pixels in np.meshgrid(axis, -axis))

    # Where the line of sight through a pixel meets the head, in the head's own coordinates scaled
    # to a unit sphere: origin + depth * direction, with the larger solution of a quadratic.
    origin = _turned(right, up, 0 * right, yaw, pitch) / _HALF_AXES[:, None, None]
    direction = _turned(0, 0, 1, yaw, pitch) / _HALF_AXES[:, None, None]
    a, b = (direction**2).sum(axis=0), (origin * direction).sum(axis=0)
    discriminant = b**2 - a * ((origin**2).sum(axis=0) - 1)
    depth = (np.sqrt(np.maximum(discriminant, 0)) - b) / a
    X, Y, Z = point = origin + depth * direction
    inside = np.clip(0.5 + 4 * discriminant, 0, 1)  # a soft edge, about a pixel wide

    # Darkness painted on the skin, from 0 to 1.
    front = _step(Z, 0.1)
    side = np.abs(X)
    eye = _blob((side - 0.36) / 0.15, (Y - 0.12) / (0.13 * eyes))
    brow = _blob((side - 0.36) / 0.2, (Y - 0.36) / 0.05)
    mouth_at = -0.48 + 0.22 * smile * ((X / 0.4) ** 2 - 0.4)
    mouth = _blob((Y - mouth_at) / 0.075, (X / 0.42) ** 3)
    hair = np.maximum(_step(Y - 0.25 * X**2, 0.55), 1 - _step(Z, -0.1))
    skin = (1 - 0.9 * front * np.maximum(eye, mouth)) * (1 - 0.6 * front * brow)

    # A sphere's normal, stretched as the head is; the light comes from above the viewer.
    normal = point / _HALF_AXES[:, None, None]
    normal /= np.linalg.norm(normal, axis=0)
    toward = _turned(np.sin(light) * 0.9, 0.45, np.cos(light) * 0.9, yaw, pitch)
    lit = 0.35 + 0.65 * np.clip((normal * toward).sum(axis=0), 0, 1)
    brightness = lit * skin * (1 - 0.6 * hair)

    # The nose stands out, so that turning the head moves it more than the cheeks behind it.
    nose_up, near = _rotated(-0.12, 0.95, -pitch)
    nose_right, _ = _rotated(0, near, -yaw)
    nose = _blob((right - nose_right) / 0.09, (up - nose_up) / 0.13)
    return (inside * brightness * (1 - 0.45 * nose)).astype("float32")


def _turned(right, up, near, yaw, pitch):
    """Coordinates seen by the viewer as coordinates in a head with that pose, (3, n, ...)."""
    right, near = _rotated(right, near, yaw)
    up, near = _rotated(up, near, pitch)
    return np.stack(np.broadcast_arrays(right, up, near))


def _rotated(a, b, angle):
    return a * np.cos(angle) - b * np.sin(angle), a * np.sin(angle) + b * np.cos(angle)


def _blob(across, along):
    """A soft ellipse: 1 at its center, about 0 from one and a half half-axes on."""
    return np.exp(-((across**2 + along**2) ** 2))


def _step(values, at):
    """A soft step from 0 to 1."""
    return np.clip(0.5 + 5 * (values - at), 0, 1)
