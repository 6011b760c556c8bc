"""Curved sheets and curves whose true coordinates are known. Lecture 03."""

import numbers
from collections.abc import Sequence

import numpy as np
from sklearn.datasets import make_s_curve, make_swiss_roll

from coursekit.datasets._images import Split

__all__ = ["circles", "s_curve", "swiss_roll"]


def swiss_roll(n: int = 2000, *, noise: float = 0.0, seed: int = 0) -> Split:
    """A sheet of 90 by 21 rolled up in three dimensions, one and a half turns of a spiral.

    scikit-learn's roll (its angle t is uniform, so it is denser inside); what this adds is the
    arc length, the coordinate that unrolling must find: t itself is not in proportion to it.

    Returns a `Split` of float32: x (n, 3) and y (n, 2), the arc length along the spiral from its
    inner end and the height on the roll, both in the unit of x. `noise` is the standard deviation
    of Gaussian noise on each coordinate, from 0; another `seed` gives other points of the same
    roll. Raises a ValueError unless `n` is a whole number from 1 and `noise` fits.
    """

    def length(t):  # of the spiral (t cos t, t sin t): the integral of sqrt(1 + t^2)
        return (t * np.sqrt(1 + t**2) + np.arcsinh(t)) / 2

    return _sheet(make_swiss_roll, lambda t: length(t) - length(1.5 * np.pi), 1, n, noise, seed)


def s_curve(n: int = 2000, *, height: float = 2.0, noise: float = 0.0, seed: int = 0) -> Split:
    """A sheet of 3 pi by `height` bent to an S in three dimensions (scikit-learn's, of height 2).

    All else as for `swiss_roll`; y holds the arc length along the S and the height.
    """
    if isinstance(height, bool) or not isinstance(height, numbers.Real) or not 0 < height < np.inf:
        raise ValueError(f"height must be a positive number, got {height!r}.")
    return _sheet(make_s_curve, lambda t: t + 1.5 * np.pi, height / 2, n, noise, seed)


def circles(
    n: int = 2000, *, radii: Sequence[float] = (0.5, 1.0), noise: float = 0.0, seed: int = 0
) -> Split:
    """Points on concentric circles in the plane, equally many on each, evenly dense along each.

    All else as for `swiss_roll`, with a positive number per circle in `radii`; x is
    (n, 2), and y holds the angle in [0, 2 pi) and the circle's number from 0.
    """
    _validate_options(n, noise)
    radii = np.asarray(radii, dtype="float64")
    if radii.ndim != 1 or not radii.size or not (np.isfinite(radii) & (radii > 0)).all():
        raise ValueError(f"radii must be positive numbers, one per circle, got {radii.tolist()}.")
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, n)
    which = rng.permutation(n) % len(radii)
    x = radii[which, np.newaxis] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return _split(x, angle, which, noise, rng)


def _sheet(make, length, stretch, n, noise, seed):
    """Points of a sheet made by scikit-learn, whose second axis is the height."""
    _validate_options(n, noise)
    x, t = make(n, random_state=seed)
    x[:, 1] *= stretch
    t = np.atleast_1d(t)  # scikit-learn makes a single one a scalar
    return _split(x, length(t), x[:, 1], noise, np.random.default_rng([seed, 1]))


def _split(x, first, second, noise, rng):
    noisy = x + noise * rng.normal(size=x.shape)
    return Split(noisy.astype("float32"), np.stack([first, second], axis=1).astype("float32"))


def _validate_options(n, noise):
    if isinstance(n, bool) or not isinstance(n, numbers.Integral) or n < 1:
        raise ValueError(f"n must be a whole number of points from 1, got {n!r}.")
    if isinstance(noise, bool) or not isinstance(noise, numbers.Real) or not 0 <= noise < np.inf:
        raise ValueError(f"noise must be a standard deviation from 0, got {noise!r}.")
