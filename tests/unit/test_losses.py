import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops
from scipy import stats

from coursekit.losses import bernoulli_log_likelihood, gaussian_kl, gaussian_log_likelihood

rng = np.random.default_rng(0)


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def test_bernoulli_is_scipys_for_black_and_white_pixels():
    x = rng.integers(2, size=(20, 30)).astype("float32")
    logits = rng.normal(0, 3, size=(20, 30)).astype("float32")
    expected = stats.bernoulli.logpmf(x, 1 / (1 + np.exp(-logits.astype("float64")))).sum(axis=1)
    np.testing.assert_allclose(numpy(bernoulli_log_likelihood(x, logits)), expected, rtol=1e-5)


def test_bernoulli_of_gray_pixels_is_the_formula():
    x = rng.random((20, 30), dtype="float32")
    logits = rng.normal(0, 3, size=(20, 30)).astype("float32")
    p = 1 / (1 + np.exp(-logits.astype("float64")))
    expected = (x * np.log(p) + (1 - x) * np.log(1 - p)).sum(axis=1)
    np.testing.assert_allclose(numpy(bernoulli_log_likelihood(x, logits)), expected, rtol=1e-5)


def test_bernoulli_stays_finite_where_the_sigmoid_is_0_or_1():
    x = np.array([[1.0, 0.0], [0.0, 1.0]])
    logits = np.array([[200.0, -200.0], [200.0, -200.0]])
    np.testing.assert_allclose(numpy(bernoulli_log_likelihood(x, logits)), [0, -400], atol=1e-6)


@pytest.mark.parametrize("variance", [0.3, rng.uniform(0.1, 2, 30), rng.uniform(0.1, 2, (20, 30))])
def test_gaussian_is_scipys(variance):
    x, mean = rng.normal(size=(2, 20, 30))
    expected = stats.norm.logpdf(x, mean, np.sqrt(variance)).sum(axis=1)
    ours = numpy(gaussian_log_likelihood(x, mean, variance))
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-4)


moments = st.tuples(st.floats(-2, 2), st.floats(-2, 2))


@settings(max_examples=25, deadline=None)
@given(q=st.lists(moments, min_size=3, max_size=3), p=st.lists(moments, min_size=3, max_size=3))
def test_kl_is_its_monte_carlo_estimate(q, p):
    """E_q[log q - log p] over 100,000 draws, within five of its own standard errors."""
    (mean, log_var), (prior_mean, prior_log_var) = np.array(q).T, np.array(p).T
    z = mean + np.exp(log_var / 2) * rng.standard_normal((100_000, 3))
    log_q = stats.norm.logpdf(z, mean, np.exp(log_var / 2)).sum(axis=1)
    log_p = stats.norm.logpdf(z, prior_mean, np.exp(prior_log_var / 2)).sum(axis=1)
    log_normal = stats.norm.logpdf(z).sum(axis=1)
    general = gaussian_kl(mean[None], log_var[None], prior_mean, prior_log_var)
    to_prior = gaussian_kl(mean[None], log_var[None])
    for kl, log_ratio in ((general, log_q - log_p), (to_prior, log_q - log_normal)):
        error = log_ratio.std() / np.sqrt(len(z))
        assert abs(numpy(kl)[0] - log_ratio.mean()) <= 5 * error + 1e-5


def test_kl_to_the_prior_is_the_papers_formula():
    z_mean, z_log_var = rng.normal(size=(2, 20, 5))
    expected = -0.5 * (1 + z_log_var - z_mean**2 - np.exp(z_log_var)).sum(axis=1)
    np.testing.assert_allclose(numpy(gaussian_kl(z_mean, z_log_var)), expected, rtol=1e-5)


def test_kl_of_equal_gaussians_is_0_and_of_nearly_equal_ones_keeps_its_digits():
    z_mean, z_log_var = rng.normal(size=(2, 20, 5))
    np.testing.assert_array_equal(numpy(gaussian_kl(z_mean, z_log_var, z_mean, z_log_var)), 0)
    d = np.full((1, 2), 1e-3, dtype="float32")  # exp(d) - 1 - d = d^2 / 2 + d^3 / 6
    expected = d[0, 0].astype("float64") ** 2 / 2 + 1e-9 / 6
    assert numpy(gaussian_kl(0 * d, d))[0] == pytest.approx(expected, rel=1e-3)


def test_one_number_per_image_whatever_the_shape():
    x = rng.random((4, 7, 7, 1), dtype="float32")
    for values in (
        bernoulli_log_likelihood(x, x),
        gaussian_log_likelihood(x, 1 - x),
        gaussian_kl(x, x),
    ):
        flat = numpy(values)
        assert flat.shape == (4,)
    np.testing.assert_allclose(
        flat, numpy(gaussian_kl(x.reshape(4, 49), x.reshape(4, 49))), rtol=1e-5
    )


def test_half_precision_is_summed_in_single():
    x = rng.random((4, 784)).astype("float16")
    for values in (
        bernoulli_log_likelihood(x, x),
        gaussian_log_likelihood(x, 1 - x),
        gaussian_kl(x, x),
    ):
        assert keras.backend.standardize_dtype(values.dtype) == "float32"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: bernoulli_log_likelihood(np.full((2, 3), 2.0), np.zeros((2, 3))), ValueError,
         r"x must lie in \[0, 1\], got 2 to 2"),
        (lambda: bernoulli_log_likelihood(np.full((2, 3), np.nan), np.zeros((2, 3))), ValueError,
         "x must lie in"),
        (lambda: bernoulli_log_likelihood(np.zeros((2, 3)), np.zeros((2, 1))), ValueError,
         r"x and logits must have one shape \(batch, \.\.\.\), got \(2, 3\) and \(2, 1\)"),
        (lambda: gaussian_log_likelihood(np.zeros(3), np.zeros(3)), ValueError, "x and mean must"),
        (lambda: gaussian_log_likelihood(np.zeros((2, 3)), np.zeros((2, 3)), 0), ValueError,
         "variance must be a finite number above 0, got 0"),
        (lambda: gaussian_kl(np.zeros((2, 3)), np.zeros((2, 3, 1))), ValueError,
         "z_mean and z_log_var must have one shape"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
