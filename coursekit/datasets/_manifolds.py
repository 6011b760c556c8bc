"""Curved sheets and curves whose true coordinates are known. Lecture 03."""

import numbers

import numpy as np
from sklearn.datasets import make_s_curve, make_swiss_roll

from coursekit.datasets._images import Split


def swiss_roll(n=2000, *, noise=0.0, seed=0):
    """A sheet of 90 by 21 rolled up in three dimensions, one and a half turns of a spiral.

    scikit-learn's roll (its angle t is uniform, so it is denser inside); what this adds is the
    arc length, the coordinate that unrolling must find: t itself is not in proportion to it.

    Args:
        n: number of points.
        noise: standard deviation of Gaussian noise on each of the three coordinates.
        seed: of the random numbers; another seed gives other points of the same roll.

    Returns:
        `Split`: x (n, 3) and y (n, 2), the arc length along the spiral from its inner end and the
        height on the roll, both in the unit of x, as float32.

    Raises:
        ValueError: `n` is no whole number from 1, or `noise` is negative or not finite.
    """
    _validate_options(n, noise)
    x, t = make_swiss_roll(n, random_state=seed)
    t = np.atleast_1d(t)  # scikit-learn makes a single one a scalar
    y = x[:, 1].copy()
    x += noise * np.random.default_rng([seed, 1]).normal(size=x.shape)
    return _split(x, _spiral_length(t) - _spiral_length(1.5 * np.pi), y)


def s_curve(n=2000, *, height=2.0, noise=0.0, seed=0):
    """A sheet of 3 pi by `height` bent to an S in three dimensions (scikit-learn's, of height 2).

    Args, returns and raises as for `swiss_roll`; y holds the arc length along the S and the height.
    """
    _validate_options(n, noise)
    if isinstance(height, bool) or not isinstance(height, numbers.Real) or not 0 < height < np.inf:
        raise ValueError(f"height must be a positive number, got {height!r}.")
    x, t = make_s_curve(n, random_state=seed)
    t = np.atleast_1d(t)
    x[:, 1] *= height / 2
    y = x[:, 1].copy()
    x += noise * np.random.default_rng([seed, 1]).normal(size=x.shape)
    return _split(x, t + 1.5 * np.pi, y)


def circles(n=2000, *, radii=(0.5, 1.0), noise=0.0, seed=0):
    """Points on concentric circles in the plane, equally many on each, evenly dense along each.

    Args:
        n, noise, seed: as for `swiss_roll`.
        radii: one positive number per circle.

    Returns:
        `Split`: x (n, 2) and y (n, 2), the angle in [0, 2 pi) and the circle's number from 0.

    Raises:
        ValueError: as `swiss_roll`, or a radius is not positive.
    """
    _validate_options(n, noise)
    radii = np.asarray(radii, dtype="float64")
    if radii.ndim != 1 or not radii.size or not (np.isfinite(radii) & (radii > 0)).all():
        raise ValueError(f"radii must be positive numbers, one per circle, got {radii.tolist()}.")
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, n)
    which = rng.permutation(n) % len(radii)
    x = radii[which, np.newaxis] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return _split(x + noise * rng.normal(size=x.shape), angle, which)


def _spiral_length(t):
    """Length of the spiral (t cos t, t sin t) from 0 to t: the integral of sqrt(1 + t^2)."""
    return (t * np.sqrt(1 + t**2) + np.arcsinh(t)) / 2


def _split(x, *coordinates):
    return Split(x.astype("float32"), np.stack(coordinates, axis=1).astype("float32"))


def _validate_options(n, noise):
    if isinstance(n, bool) or not isinstance(n, numbers.Integral) or n < 1:
        raise ValueError(f"n must be a whole number of points from 1, got {n!r}.")
    if isinstance(noise, bool) or not isinstance(noise, numbers.Real) or not 0 <= noise < np.inf:
        raise ValueError(f"noise must be a standard deviation from 0, got {noise!r}.")
