"""Metrics of samples: Fréchet distance, coverage, discrepancy, sharpness; and the classifier."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from scipy.ndimage import gaussian_filter
from sklearn.metrics.pairwise import rbf_kernel

import coursekit as ck
from coursekit.digits import digit_coverage, digit_features
from coursekit.metrics import (
    frechet_distance,
    maximum_mean_discrepancy,
    sharpness,
)

rng = np.random.default_rng(0)


def gaussian(n, k, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, k)) @ rng.normal(size=(k, k)) + rng.normal(size=k)


@settings(max_examples=25, deadline=None)
@given(k=st.integers(1, 8), seed=st.integers(0, 2**32 - 2))
def test_frechet_is_the_formula_with_scipys_root(k, seed):
    a, b = gaussian(50, k, seed), gaussian(40, k, seed + 1)
    C_a, C_b = (np.cov(rows.T).reshape(k, k) for rows in (a, b))
    wanted = np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2)
    wanted += np.trace(C_a + C_b - 2 * sqrtm(C_a @ C_b).real)
    assert frechet_distance(a, b) == pytest.approx(wanted, rel=1e-5, abs=1e-6)
    assert frechet_distance(b, a) == pytest.approx(wanted, rel=1e-5, abs=1e-6)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)


def test_frechet_in_one_dimension_is_the_difference_of_means_and_of_deviations():
    a, b = rng.normal(1, 2, size=(500, 1)), rng.normal(-1, 0.5, size=(400, 1))
    wanted = (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2
    assert frechet_distance(a, b) == pytest.approx(wanted)


def test_frechet_of_features_that_are_constant_is_finite():
    a, b = np.zeros((9, 4)), np.ones((9, 4))
    assert frechet_distance(a, b) == pytest.approx(4)


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(2, 12), m=st.integers(2, 12), bandwidth=st.floats(0.1, 10),
    seed=st.integers(0, 2**32 - 2),
)  # fmt: skip
def test_discrepancy_is_the_sum_over_pairs(n, m, bandwidth, seed):
    a, b = gaussian(n, 3, seed), gaussian(m, 3, seed + 1)
    within_a, within_b, between = (
        rbf_kernel(u, v, 1 / (2 * bandwidth**2)) for u, v in ((a, a), (b, b), (a, b))
    )
    wanted = (
        within_a[~np.eye(n, dtype=bool)].mean()
        + within_b[~np.eye(m, dtype=bool)].mean()
        - 2 * between.mean()
    )
    ours = maximum_mean_discrepancy(a, b, bandwidth=bandwidth)
    assert ours == pytest.approx(wanted, abs=1e-9)


def test_discrepancy_of_two_gaussians_is_the_closed_form():
    """E k(u, v) = (s / (s + t))^(k/2) exp(-d^2 / (2 (s + t))), s and t the squared bandwidth and
    the sum of the two variances."""
    k, s, shift, deviation, n = 2, 1.5**2, 1.0, 0.6, 2500  # more than one chunk of rows

    def mean_kernel(t, d2):
        return (s / (s + t)) ** (k / 2) * np.exp(-d2 / (2 * (s + t)))

    wanted = (
        mean_kernel(2.0, 0)
        + mean_kernel(2 * deviation**2, 0)
        - 2 * mean_kernel(1 + deviation**2, k * shift**2)
    )
    values = []
    for _ in range(5):
        a, b = rng.normal(size=(n, k)), shift + deviation * rng.normal(size=(n, k))
        values.append(maximum_mean_discrepancy(a, b, bandwidth=1.5))
    assert np.mean(values) == pytest.approx(wanted, abs=4 * np.std(values) / np.sqrt(4))
    assert np.std(values) < 0.1 * wanted


def test_discrepancy_of_one_distribution_is_0_on_average():
    values = [
        maximum_mean_discrepancy(*rng.normal(size=(2, 100, 2)), bandwidth=1.0) for _ in range(200)
    ]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(200)
    assert min(values) < 0


def test_sharpness_is_the_variance_of_the_laplacian():
    images = rng.random((3, 8, 9))
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)), mode="symmetric")
    neighbors = (
        padded[:, :-2, 1:-1] + padded[:, 2:, 1:-1] + padded[:, 1:-1, :-2] + padded[:, 1:-1, 2:]
    )
    np.testing.assert_allclose(sharpness(images), (neighbors - 4 * images).var(axis=(1, 2)))


def test_a_blur_lowers_sharpness():
    x = ck.datasets.mnist().test.x[:20].reshape(-1, 28, 28)
    blurred = gaussian_filter(x, 0.7, axes=(1, 2))
    assert (sharpness(blurred) < 0.5 * sharpness(x)).all()
    np.testing.assert_allclose(sharpness(x.reshape(-1, 784)), sharpness(x))
    assert sharpness(np.full((2, 28, 28), 0.3)).max() == pytest.approx(0, abs=1e-12)


# The digit classifier


@pytest.mark.slow
def test_the_classifier_reads_what_is_promised():
    """The promise is in the docstring: 99.4 %."""
    x, y = ck.datasets.mnist(shape="image").test
    features, logits = ck.digits.digit_classifier().predict(x, batch_size=1000, verbose=0)
    assert np.mean(logits.argmax(axis=1) == y) >= 0.994
    assert features.shape == (10000, 64)


def test_the_classifier_is_small_and_fixed():
    assert (ck.datasets.data_folder() / "digit_classifier.npz").stat().st_size < 1_000_000
    assert ck.digits.digit_classifier().trainable_weights == []


def test_an_altered_classifier_is_refused(tmp_path, monkeypatch):
    content = bytearray((ck.datasets.data_folder() / "digit_classifier.npz").read_bytes())
    content[5000] ^= 1
    (tmp_path / "digit_classifier.npz").write_bytes(content)
    monkeypatch.setenv("COURSEKIT_DATA", str(tmp_path))
    with pytest.raises(ck.datasets.DataFileError, match=r"digit_classifier\.npz is truncated or"):
        ck.digits.digit_classifier()


def test_coverage_counts_digits():
    x, y = ck.datasets.mnist().test
    few = np.concatenate([x[y == 3][:30], x[y == 7][:10]])
    coverage = digit_coverage(few)
    assert coverage.sum() == pytest.approx(1)
    np.testing.assert_allclose(coverage[[3, 7]], [0.75, 0.25], atol=0.05)


def test_every_layout_of_the_images_is_read_alike():
    x = ck.datasets.mnist().test.x[:5]
    for shape in ((5, 28, 28), (5, 28, 28, 1)):
        np.testing.assert_array_equal(digit_features(x.reshape(shape)), digit_features(x))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: frechet_distance(np.zeros((5, 2)), np.zeros((5, 3))), "features_a and features_b"),
        (lambda: frechet_distance(np.zeros((1, 2)), np.zeros((5, 2))), "at least two rows"),
        (lambda: frechet_distance(np.zeros((5, 2)), np.full((5, 2), np.nan)), "features_b must be"),
        (lambda: maximum_mean_discrepancy(np.zeros((5, 2)), np.zeros((5, 3)), bandwidth=1),
         "a and b must have equally many columns"),
        (lambda: maximum_mean_discrepancy(np.zeros((5, 2)), np.zeros((5, 2)), bandwidth=0),
         "bandwidth must be"),
        (lambda: sharpness(np.full((2, 784), 2.0)), r"x must lie in \[0, 1\]"),
        (lambda: sharpness(np.zeros((2, 8, 8, 3))), "x must hold gray images"),
        (lambda: digit_features(np.zeros((2, 16, 16))), "28 by 28 pixels"),
        (lambda: digit_coverage(np.full((2, 784), -1.0)), r"x must lie in \[0, 1\]"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
