import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, signal

from coursekit.datasets import STAR_CLASSES, LightCurves, light_curve, light_curves

RANGES = {
    "RRab": ((0.45, 0.75), (0.4, 1.2)),
    "RRc": ((0.25, 0.42), (0.25, 0.55)),
    "Cepheid": ((3, 30), (0.4, 1.2)),
    "eclipsing": ((0.6, 3), (0.15, 0.6)),
}
every_class = pytest.mark.parametrize("name", STAR_CLASSES)


@settings(max_examples=20, deadline=None)
@given(
    n=st.integers(1, 20),
    points=st.integers(1, 30),
    classes=st.lists(st.sampled_from(STAR_CLASSES), min_size=1, unique=True),
    hidden=st.floats(0, 1),
    even=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_is_promised_of_every_draw(n, points, classes, hidden, even, seed):
    options = {
        "classes": classes, "points": points, "noise": 0.0, "hidden": hidden, "even": even,
    }  # fmt: skip
    stars = light_curves(n, seed=seed, **options)
    again = light_curves(n, seed=seed, **options)
    for name, values, same in zip(LightCurves._fields, stars, again, strict=True):
        np.testing.assert_array_equal(values, same)
        wide = name in ("time", "phase", "magnitude")
        assert values.shape == ((n, points) if wide else (n,))
        assert values.dtype == {"time": "float64", "label": "uint8"}.get(name, "float32")
    assert (stars.phase >= 0).all()
    assert (stars.phase < 1).all()
    assert (np.diff(stars.phase, axis=1) >= 0).all()
    cycles = stars.time / stars.period[:, None].astype("float64") - stars.phase
    np.testing.assert_allclose(cycles, np.round(cycles), atol=1e-3)
    for i in range(n):
        name = STAR_CLASSES[stars.label[i]]
        assert name in classes
        for value, (low, high) in zip(
            (stars.period[i], stars.amplitude[i]), RANGES[name], strict=True
        ):
            assert low * (1 - 1e-6) <= value <= high * (1 + 1e-6)
        assert abs(stars.hidden[i]) <= hidden
        assert (
            -1e-6
            <= stars.magnitude[i].min()
            <= stars.magnitude[i].max()
            <= stars.amplitude[i] + 1e-6
        )
        low, high = np.array(RANGES[name]).T
        period, amplitude = np.clip([stars.period[i], stars.amplitude[i]], low, high)
        truth = light_curve(
            name, period, amplitude, stars.phase[i].astype("float64"), hidden=float(stars.hidden[i])
        )
        np.testing.assert_allclose(stars.magnitude[i], truth, atol=1e-3)


@every_class
@pytest.mark.parametrize("hidden", [-1, 0, 1])
def test_amplitude_is_what_the_curve_spans(name, hidden):
    phase = np.arange(20_000) / 20_000
    (shortest, longest), (smallest, largest) = RANGES[name]
    for period in np.linspace(shortest, longest, 5):
        for amplitude in (smallest, largest):
            curve = light_curve(name, period, amplitude, phase, hidden=hidden)
            assert np.ptp(curve) == pytest.approx(amplitude, rel=1e-3)
            assert curve.min() == pytest.approx(0, abs=1e-3)
            if name in ("RRab", "RRc"):
                assert curve[0] == pytest.approx(0, abs=1e-3 * amplitude)
            if name == "eclipsing":
                assert curve[0] == pytest.approx(amplitude, rel=1e-3)


@every_class
def test_curves_are_continuous_in_phase_and_parameters(name):
    """Steps of a thousandth of each range change the curve by a hair: nothing jumps."""
    phase = np.linspace(0, 1, 501)
    (shortest, longest), (smallest, _) = RANGES[name]
    curves = np.array([
        light_curve(name, period, smallest, phase)
        for period in np.geomspace(shortest, longest, 1001)
    ])  # fmt: skip
    assert np.abs(np.diff(curves, axis=0)).max() < 0.01 * smallest
    np.testing.assert_allclose(curves[:, 0], curves[:, -1], atol=1e-9)
    other = [
        light_curve(name, shortest, smallest, phase, hidden=h) for h in np.linspace(-1, 1, 501)
    ]
    assert np.abs(np.diff(other, axis=0)).max() < 0.01 * smallest


def test_noise_has_its_standard_deviation():
    clean, noisy = (light_curves(300, noise=noise, seed=1) for noise in (0.0, 0.05))
    np.testing.assert_array_equal(clean.phase, noisy.phase)
    error = noisy.magnitude - clean.magnitude
    assert error.std() == pytest.approx(0.05, rel=0.02)
    assert abs(error.mean()) < 5 * 0.05 / np.sqrt(error.size)


def test_observations_fall_on_nights_of_three_seasons():
    time_ = light_curves(200, seed=2).time
    night = np.round(time_)
    assert np.abs(time_ - night).max() <= 1 / 6
    assert set(np.unique(night // 365)) == {0, 1, 2}
    assert (night % 365).max() == 239


def test_even_phases_are_those_of_every_star():
    stars = light_curves(5, points=4, even=True)
    np.testing.assert_allclose(stars.phase, [[0.125, 0.375, 0.625, 0.875]] * 5, atol=1e-6)


def test_periods_can_be_found_from_the_times_alone():
    """The highest peak of a Lomb-Scargle periodogram, for stars whose curve is nearly a sine."""
    stars = light_curves(8, classes=["RRc"], seed=3)
    frequency = np.arange(2.2, 4.2, 2e-4)  # a fifth of a peak's width
    found = [
        frequency[signal.lombscargle(t, m - m.mean(), 2 * np.pi * frequency).argmax()]
        for t, m in zip(stars.time, stars.magnitude, strict=True)
    ]
    right = np.abs(found - 1 / stars.period) < 1e-3
    assert right.all()


@pytest.mark.parametrize("period", [0.45, 0.6, 0.75])
@pytest.mark.parametrize("hidden", [-1, 0, 0.5])
def test_metallicity_can_be_read_off_an_rr_lyrae_star(period, hidden):
    """Least squares for the Fourier coefficients, then Jurcsik and Kovács' relation."""
    phase = np.random.default_rng(4).random(200)
    m = light_curve("RRab", period, 0.9, phase, hidden=hidden)
    angles = 2 * np.pi * np.arange(1, 6) * phase[:, None]
    design = np.hstack([np.ones((200, 1)), np.sin(angles), np.cos(angles)])
    coefficients = np.linalg.lstsq(design, m, rcond=None)[0]
    phi = np.arctan2(coefficients[6:], coefficients[1:6])  # of A sin(angle + phi)
    phi_31 = (phi[2] - 3 * phi[0]) % (2 * np.pi)
    metallicity = -5.038 - 5.394 * period + 1.345 * phi_31
    assert metallicity == pytest.approx(-1.5 + 0.7 * hidden, abs=0.02)


@pytest.mark.parametrize(
    ("period", "low", "high"), [(6, 0.1, 0.4), (10, -0.05, 0.05), (16, -0.35, -0.1)]
)
def test_the_bump_of_a_cepheid_moves_from_the_falling_to_the_rising_branch(period, low, high):
    phase = np.linspace(-0.5, 0.5, 1001)
    less, more = (light_curve("Cepheid", period, 1.0, phase % 1, hidden=h) for h in (-0.2, 0.2))
    if period != 10:  # where the bump is at the maximum, it is the rest of the curve that moves
        assert low < phase[(less - more).argmax()] < high
    else:
        assert low < phase[(less + more).argmin()] < high


def shared_area(separation, radius):
    """Area shared by disks of radius 1 and `radius`: a sum over horizontal chords."""
    y = np.linspace(-radius, radius, 20_001)
    half, other = np.sqrt(1 - y**2), np.sqrt(np.maximum(radius**2 - y**2, 0))
    chord = np.minimum(half, separation + other) - np.maximum(-half, separation - other)
    return np.trapezoid(np.maximum(chord, 0), y)


@pytest.mark.parametrize("period", [0.6, 1.5, 3.0])
@pytest.mark.parametrize("amplitude", [0.15, 0.4, 0.6])
def test_eclipses_obey_kepler(period, amplitude):
    """From depth and duration back to the orbit: two solar masses, radii 1 and 0.8 of the Sun's."""
    phase = np.linspace(0, 0.25, 100_001)
    curve = light_curve("eclipsing", period, amplitude, phase)
    lost = (1 - 10 ** (-0.4 * amplitude)) * (np.pi + 0.5 * np.pi * 0.8**2)
    nearest = optimize.brentq(lambda d: shared_area(d, 0.8) - lost, 0.2, 1.8)
    angle = 2 * np.pi * phase[(curve > 1e-9).argmin()]  # the last contact: 1.8 radii apart
    distance = np.sqrt(1.8**2 - (np.cos(angle) * nearest) ** 2) / np.sin(angle)
    sun = 1.32712e20 / 6.957e8**3  # G M / R^3, in 1 / s^2
    kepler = (2 * sun * (period * 86400) ** 2 / (4 * np.pi**2)) ** (1 / 3)
    assert distance == pytest.approx(kepler, rel=5e-3)


def test_the_second_eclipse_is_half_a_cycle_later_and_shallower():
    phase = np.linspace(0, 1, 2001)
    for hidden, brightness in ((-1, 0.3), (0, 0.5), (1, 0.7)):
        curve = light_curve("eclipsing", 1.0, 0.5, phase, hidden=hidden)
        lost = 1 - 10 ** (-0.4 * curve)  # the same area of a fainter disk
        assert lost[1000] == pytest.approx(brightness * lost[0], rel=1e-3)
        outside = (np.abs(phase - 0.25) < 0.1) | (np.abs(phase - 0.75) < 0.1)
        assert (curve[outside] == 0).all()


def test_ten_thousand_are_made_in_seconds():
    started = time.process_time()
    assert len(light_curves(10_000, hidden=1).period) == 10_000
    assert time.process_time() - started < 10


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: light_curves(0), ValueError, "n must be at least 1, got 0"),
        (lambda: light_curves(2, points=1.5), TypeError, "points must be a whole number"),
        (lambda: light_curves(2, classes="RRab"), ValueError, "classes must be a sequence"),
        (lambda: light_curves(2, classes=()), ValueError, "classes must be a sequence"),
        (lambda: light_curves(2, classes=["Mira"]), ValueError, "'Mira'"),
        (lambda: light_curves(2, noise=-1), ValueError, "noise must be a finite number from 0"),
        (lambda: light_curves(2, noise=np.inf), ValueError, "noise must be a finite number"),
        (
            lambda: light_curves(2, hidden=2),
            ValueError,
            "hidden must be a finite number from 0 to 1",
        ),
        (lambda: light_curve("Mira", 1, 1, [0]), ValueError, "name must be among RRab, RRc"),
        (
            lambda: light_curve("RRc", 1, 0.3, [0]),
            ValueError,
            "period must be a .* from 0.25 to 0.42",
        ),
        (lambda: light_curve("RRc", 0.3, 1, [0]), ValueError, "amplitude must be .* from 0.25 to"),
        (
            lambda: light_curve("RRc", 0.3, 0.3, [0], hidden=-2),
            ValueError,
            "hidden must be .* from -1 to 1",
        ),
        (lambda: light_curve("RRc", "0.3", 0.3, [0]), TypeError, "period must be a number"),
        (lambda: light_curve("RRc", 0.3, 0.3, [np.nan]), ValueError, "phase must be finite"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
