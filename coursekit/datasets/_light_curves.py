"""Light curves of periodic variable stars, from their physical parameters. Lecture 10."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from coursekit import _validate

# Periods in days and amplitudes in magnitudes that `light_curves` draws from.
_RANGES = {
    "RRab": ((0.45, 0.75), (0.4, 1.2)),
    "RRc": ((0.25, 0.42), (0.25, 0.55)),
    "Cepheid": ((3.0, 30.0), (0.4, 1.2)),
    "eclipsing": ((0.6, 3.0), (0.15, 0.6)),
}
STAR_CLASSES = tuple(_RANGES)
_RISEN = 0.687  # where a Cepheid's curve without the bump is brightest
_GRID = np.arange(512) / 512  # phases on which a curve's brightest and faintest point are found


class LightCurves(NamedTuple):
    """Light curves of n stars with the same number of observations, in the order of their phases.

    time: (n, points) in days, float64: folding needs the digits.
    phase: (n, points), (time / period) mod 1, in [0, 1), ascending; 0 is maximum light (of
        a Cepheid that without its bump), for an eclipsing binary the middle of the deeper eclipse.
    magnitude: (n, points), above that at maximum light: larger is fainter.
    label: (n,), the place of the star's class in `STAR_CLASSES`.
    period, amplitude: (n,) in days; in magnitudes, from the brightest to the faintest phase.
    hidden: (n,), what else shapes the curve, in [-1, 1]; 0 unless asked for.
    """

    time: np.ndarray
    phase: np.ndarray
    magnitude: np.ndarray
    label: np.ndarray
    period: np.ndarray
    amplitude: np.ndarray
    hidden: np.ndarray


def light_curves(
    n: int = 2000,
    *,
    classes: Sequence[str] = STAR_CLASSES,
    points: int = 100,
    noise: float = 0.02,
    hidden: float = 0.0,
    even: bool = False,
    seed: int = 0,
) -> LightCurves:
    """Observations of periodic variable stars, each a `light_curve` folded with its period.

    The classes are equally likely; periods are drawn uniformly in their logarithm and amplitudes
    uniformly, independently (in the sky they are correlated, and some classes are more frequent):

    - RRab: RR Lyrae star in its fundamental mode; 0.45 to 0.75 days, 0.4 to 1.2 magnitudes
    - RRc: RR Lyrae star in its first overtone; 0.25 to 0.42 days, 0.25 to 0.55 magnitudes
    - Cepheid: classical Cepheid in its fundamental mode; 3 to 30 days, 0.4 to 1.2 magnitudes
    - eclipsing: two stars that eclipse each other; 0.6 to 3 days, 0.15 to 0.6 magnitudes

    Each observation falls on a random night of three seasons of 240 days, a year apart, at a random
    time within four hours of midnight. An unknown class, or a number outside its
    range, raises a TypeError or ValueError.

    Args:
        n, points: number of stars, and of observations of each, from 1.
        classes: names out of `STAR_CLASSES`.
        noise: standard deviation of the Gaussian error of each magnitude, from 0.
        hidden: how far `hidden` varies around 0, uniformly, from 0 to 1.
        even: all stars have the same phases instead, the middles of `points` equal parts.
        seed: of the random numbers.
    """
    n, points = _validate.whole("n", n), _validate.whole("points", points)
    classes = _validate.some_of("classes", classes, STAR_CLASSES, at_least=1)
    noise = _validate.real("noise", noise, at_least=0)
    spread = _validate.real("hidden", hidden, at_least=0, at_most=1)
    rng = np.random.default_rng(seed)
    label = rng.choice([STAR_CLASSES.index(name) for name in classes], n)
    (shortest, smallest), (longest, largest) = np.array([*_RANGES.values()])[label].T
    period = shortest * (longest / shortest) ** rng.random(n)
    amplitude = smallest + (largest - smallest) * rng.random(n)
    hidden = spread * rng.uniform(-1, 1, n)
    if even:
        time = (np.arange(points) + 0.5) / points * period[:, None]
    else:
        night = 365 * rng.integers(3, size=(n, points)) + rng.integers(240, size=(n, points))
        time = night + rng.uniform(-1 / 6, 1 / 6, size=(n, points))
    time = np.take_along_axis(time, np.argsort(time / period[:, None] % 1, axis=1), axis=1)
    # The largest number below 1 in float32: rounding must not make a phase 1.
    phase = np.minimum(time / period[:, None] % 1, 1 - 2**-24)
    magnitude = noise * rng.standard_normal(phase.shape)
    causes = np.array([period, amplitude, hidden])
    for number, curve in enumerate(_CURVES.values()):
        star = label == number
        magnitude[star] += curve(*causes[:, star, None], phase[star])
    phase, magnitude, causes = (a.astype("float32") for a in (phase, magnitude, causes))
    return LightCurves(time, phase, magnitude, label.astype("uint8"), *causes)


def light_curve(
    name: str, period: float, amplitude: float, phase: ArrayLike, *, hidden: float = 0.0
) -> np.ndarray:
    """Magnitudes of one star above its maximum light, from 0 to `amplitude`, without noise.

    An unknown class, or a number outside its range, raises a TypeError or ValueError.

    - RRab and RRc: a Fourier series with the amplitude ratios and phase differences that are
      typical in the V band (Simon and Lee 1981 introduced them). For RRab the difference phi_31
      follows from the period and the metallicity, [Fe/H] = -5.038 - 5.394 period + 1.345 phi_31
      (Jurcsik and Kovács 1996).
    - Cepheid: a fast rise and a slow fall with a bump that moves with the period, from the falling
      branch (about 6 days) over the maximum (10 days) to the rising branch (16 days): the
      Hertzsprung progression, here in a simple form.
    - eclipsing: two spheres on a circular orbit, each a disk of uniform brightness; the primary
      has the Sun's mass and radius, the secondary the same mass, 0.8 of the radius and half of the
      brightness per area. Kepler's third law gives the distance, so that long periods have short
      eclipses; the amplitude is the depth of the deeper eclipse and sets the inclination.

    Args:
        name: one of `STAR_CLASSES`.
        period, amplitude: in days and in magnitudes, in the class's range (see `light_curves`).
        phase: of any shape, which the result has too; `LightCurves` tells where it is 0.
        hidden: in [-1, 1]. It changes [Fe/H] = -1.5 + 0.7 hidden (RRab), the second harmonic's
            ratio 0.15 + 0.1 hidden (RRc), the bump's height by the factor 1 + hidden / 2
            (Cepheid), or the secondary's brightness per area 0.5 + 0.2 hidden (eclipsing).
    """
    if name not in STAR_CLASSES:
        raise ValueError(f"name must be among {', '.join(STAR_CLASSES)}, got {name!r}.")
    (shortest, longest), (smallest, largest) = _RANGES[name]
    period = _validate.real("period", period, at_least=shortest, at_most=longest)
    amplitude = _validate.real("amplitude", amplitude, at_least=smallest, at_most=largest)
    hidden = _validate.real("hidden", hidden, at_least=-1, at_most=1)
    phase = _validate.finite_array("phase", phase)
    causes = np.array([period, amplitude, hidden])[:, None, None]  # as columns, of one star
    return _CURVES[name](*causes, phase.reshape(1, -1)).reshape(phase.shape)


def _pulsating(shape, period, amplitude, hidden, phase, zero=None):
    """Magnitudes from a curve `shape`(period, hidden, phase) of any zero and any scale.

    Periods, amplitudes and hidden causes are columns (n, 1). The curve's phase `zero`, by default
    that of its maximum light, becomes phase 0.
    """
    on_grid = shape(period, hidden, _GRID)
    if zero is None:  # by a parabola through the lowest point on the grid and its neighbors
        i = on_grid.argmin(axis=1)[:, None]
        left, middle, right = (
            np.take_along_axis(on_grid, (i + step) % len(_GRID), axis=1) for step in (-1, 0, 1)
        )
        zero = (i + (left - right) / (left - 2 * middle + right) / 2) / len(_GRID)
    low, high = on_grid.min(axis=1)[:, None], on_grid.max(axis=1)[:, None]
    scaled = (shape(period, hidden, phase + zero) - low) / (high - low)
    return amplitude * np.clip(scaled, 0, 1)  # the grid's extremes miss the curve's by a hair


def _harmonics(ratios, phases, phase):
    """Sum of ratio_i sin(2 pi i phase + phi_i1), as the fundamental's own phase is 0."""
    return sum(
        ratio * np.sin(2 * np.pi * i * phase + difference)
        for i, (ratio, difference) in enumerate(zip(ratios, phases, strict=True), start=1)
    )


def _rrab(period, hidden, phase):
    metallicity = -1.5 + 0.7 * hidden
    phi_31 = (metallicity + 5.038 + 5.394 * period) / 1.345
    return _harmonics((1, 0.47, 0.33, 0.2), (0, 2.4, phi_31, 1.4), phase)


def _rrc(period, hidden, phase):
    return _harmonics((1, 0.15 + 0.1 * hidden, 0.06), (0, 3.1, 6.0), phase)


def _cepheid(period, hidden, phase):
    log_period = np.log10(period)
    sawtooth = _harmonics((1, 0.4, 0.15), (0, 2.5, 5.0), phase)
    at = _RISEN + 1.2 * (1 - log_period)
    strength = (1 + 0.5 * hidden) * np.exp(-(((log_period - 1) / 0.25) ** 2))
    distance = (phase - at + 0.5) % 1 - 0.5
    return sawtooth - 0.5 * strength * np.exp(-((distance / 0.06) ** 2))


def _eclipsing(period, amplitude, hidden, phase):
    radius, brightness = 0.8, 0.5 + 0.2 * hidden  # the secondary's, with the primary's as unit
    light = 1 + brightness * radius**2
    # Kepler: a^3 = G (M_1 + M_2) P^2 / (4 pi^2); 4.21 solar radii for one solar mass and a day.
    distance = 4.21 * (2 * period**2) ** (1 / 3)
    # The inclination at which the eclipse takes away the light that the amplitude says.
    separations = np.linspace(0, 1 + radius, 2000)
    covered = light * (1 - 10 ** (-0.4 * amplitude))
    cos_i = np.interp(-covered, -_overlap(separations, radius), separations) / distance
    angle = 2 * np.pi * phase
    separation = distance * np.sqrt(np.sin(angle) ** 2 + (np.cos(angle) * cos_i) ** 2)
    # In the half cycle around phase 0 the secondary is the nearer one.
    behind = np.where(np.cos(angle) > 0, 1, brightness)
    return -2.5 * np.log10(1 - behind * _overlap(separation, radius) / light)


def _overlap(separation, radius):
    """Area shared by disks of radius 1 and `radius` < 1, in units of the larger one's."""
    d = np.clip(separation, 1 - radius, 1 + radius)
    d2, r2 = d**2, radius**2
    cos_1, cos_2 = (d2 + 1 - r2) / (2 * d), (d2 + r2 - 1) / (2 * d * radius)
    kite = np.sqrt(np.maximum(4 * d2 - (d2 + 1 - r2) ** 2, 0)) / 2
    angles = np.arccos(np.clip(cos_1, -1, 1)) + r2 * np.arccos(np.clip(cos_2, -1, 1))
    return (angles - kite) / np.pi


_CURVES = {
    "RRab": partial(_pulsating, _rrab),
    "RRc": partial(_pulsating, _rrc),
    "Cepheid": partial(_pulsating, _cepheid, zero=_RISEN),
    "eclipsing": _eclipsing,
}
