"""Assignment 09, the variational autoencoder: solutions, and the mistakes they are told from."""

import numpy as np
from keras import ops
from scipy import special, stats

from grader.exercises import Exercise, Wrong


def single(*arrays):
    return tuple(array.astype("float32") for array in arrays)


# 1. The KL divergence of a Gaussian with correlations


def full_gaussian_kl(mu, L):
    return kl_from_parts(mu, traces(L), log_dets(L))


def kl_from_parts(mu, trace, log_det):
    return 0.5 * (np.square(mu).sum(axis=1) + trace - mu.shape[1] - log_det)


def traces(L):
    """Of the covariances L L^T."""
    return (L**2).sum(axis=(1, 2))


def log_dets(L):
    return 2 * np.log(diagonals(L)).sum(axis=1)


def diagonals(L):
    return np.diagonal(L, axis1=1, axis2=2)


def reversed_kl(mu, L):
    precision = np.linalg.inv(L @ L.swapaxes(1, 2))
    quadratic = np.einsum("ij,ijk,ik->i", mu, precision, mu)
    trace = np.trace(precision, axis1=1, axis2=2)
    return 0.5 * (trace + quadratic - mu.shape[1] + log_dets(L))


def full_kl_inputs(rng):
    cases = []
    for n, m in ((12, 5), (5, 8)):
        L = np.tril(rng.normal(0, 0.4, (n, m, m)), -1)
        L[:, range(m), range(m)] = np.exp(rng.normal(-0.7, 0.4, (n, m)))
        cases.append(single(rng.normal(size=(n, m)), L))
    return cases


FULL_GAUSSIAN_KL = Exercise(
    name="full_gaussian_kl",
    points=4,
    reference=full_gaussian_kl,
    inputs=full_kl_inputs,
    differentiable="mu",
    wrong=(
        Wrong(
            "sums the squares of L's diagonal alone; the trace of L L^T is the sum of the squares "
            "of all its entries.",
            lambda mu, L: kl_from_parts(mu, (diagonals(L) ** 2).sum(axis=1), log_dets(L)),
        ),
        Wrong(
            "has log det L where log det(L L^T) belongs, which is twice as much.",
            lambda mu, L: kl_from_parts(mu, traces(L), log_dets(L) / 2),
        ),
        Wrong(
            "takes L itself for the covariance; the covariance is L L^T.",
            lambda mu, L: kl_from_parts(mu, diagonals(L).sum(axis=1), log_dets(L) / 2),
        ),
        Wrong(
            "adds the logarithm of the determinant; a narrow q is far from the prior, so a small "
            "determinant must make the divergence large.",
            lambda mu, L: kl_from_parts(mu, traces(L), -log_dets(L)),
        ),
        Wrong(
            "leaves out the constant -m, so that it is not 0 where q is the prior.",
            lambda mu, L: full_gaussian_kl(mu, L) + mu.shape[1] / 2,
        ),
        Wrong(
            "misses the factor one half.",
            lambda mu, L: 2 * full_gaussian_kl(mu, L),
        ),
        Wrong(
            "takes the mean over the units of the code; they add up.",
            lambda mu, L: full_gaussian_kl(mu, L) / mu.shape[1],
        ),
        Wrong(
            "computes KL(p || q), from the prior to q; here q comes first.",
            reversed_kl,
        ),
        Wrong(
            "returns one number for the batch; one per image is wanted.",
            lambda mu, L: full_gaussian_kl(mu, L).mean(),
        ),
    ),
)


# 2. A draw from the Laplace distribution that lets gradients through


def draw_laplace(mu, log_b, u):
    return laplace(mu, np.exp(log_b), u)


def laplace(mu, b, u):
    return mu - b * np.sign(u - 0.5) * np.log1p(-2 * np.abs(u - 0.5))


def laplace_inputs(rng):
    return [
        single(
            rng.normal(size=(n, m)),
            rng.normal(-0.5, 0.5, size=(n, m)),
            rng.uniform(0.02, 0.98, size=(n, m)),
        )
        for n, m in ((10, 6), (4, 9))
    ]


def laplace_by_halves(mu, log_b, u):
    left, right = ops.log(2 * u), -ops.log(2 * (1 - u))
    return mu + ops.exp(log_b) * ops.where(u < 0.5, left, right)


def laplace_without_a_case(mu, log_b, u):
    distance = ops.log(ops.minimum(2 * u, 1.0)) - ops.log(ops.minimum(2 - 2 * u, 1.0))
    return ops.exp(log_b + ops.log(ops.abs(distance))) * ops.sign(distance) + mu


def laplace_in_double(mu, log_b, u):
    v = ops.cast(u, "float64") - 0.5
    scale = ops.exp(ops.cast(log_b, "float64"))
    return ops.cast(mu, "float64") - scale * ops.sign(v) * ops.log1p(-2 * ops.abs(v))


DRAW_LAPLACE = Exercise(
    name="draw_laplace",
    points=4,
    reference=draw_laplace,
    inputs=laplace_inputs,
    differentiable="log_b",
    alternatives=(laplace_by_halves, laplace_without_a_case, laplace_in_double),
    wrong=(
        Wrong(
            "uses log_b as the scale; the network gives its logarithm.",
            lambda mu, log_b, u: laplace(mu, log_b, u),
        ),
        Wrong(
            "halves log_b as if it were the logarithm of a variance; b itself is the scale.",
            lambda mu, log_b, u: laplace(mu, np.exp(log_b / 2), u),
        ),
        Wrong(
            "never draws below mu; where u is below one half, z is.",
            lambda mu, log_b, u: mu - np.exp(log_b) * np.log1p(-2 * np.abs(u - 0.5)),
        ),
        Wrong(
            "is mirrored: a larger u must give a larger z, as F rises.",
            lambda mu, log_b, u: laplace(mu, np.exp(log_b), 1 - u),
        ),
        Wrong(
            "solves for u without the factor one half in F, so that 2 is missing under the "
            "logarithm.",
            lambda mu, log_b, u: mu - np.exp(log_b) * np.sign(u - 0.5) * np.log1p(-np.abs(u - 0.5)),
        ),
        Wrong(
            "draws from the exponential distribution, as if only the right half of F were there.",
            lambda mu, log_b, u: mu - np.exp(log_b) * np.log(1 - u),
        ),
        Wrong(
            "inverts the sigmoid, log u - log(1 - u); that draws from the logistic distribution.",
            lambda mu, log_b, u: mu + np.exp(log_b) * special.logit(u),
        ),
        Wrong(
            "draws from a normal distribution; invert the F of the task.",
            lambda mu, log_b, u: mu + np.exp(log_b) * stats.norm.ppf(u),
        ),
        Wrong(
            "multiplies mu by the scale too; mu shifts the draw and is not stretched.",
            lambda mu, log_b, u: np.exp(log_b) * laplace(mu, 1, u),
        ),
    ),
)


# 3. The score function's gradient, with the other draws as a baseline


def leave_one_out_gradient(f, z, mu, sigma):
    others = (f.sum(axis=0) - f) / (len(f) - 1)
    return score_gradient(f - others, z, mu, sigma)


def score_gradient(signal, z, mu, sigma, power=2):
    return (signal[..., None] * (z - mu) / sigma**power).mean(axis=0)


def score_inputs(rng):
    cases = []
    for K, n, m in ((8, 6, 4), (5, 9, 7)):
        mu, sigma = rng.normal(size=(n, m)), np.exp(rng.normal(-0.4, 0.3, (n, m)))
        z = mu + sigma * rng.normal(size=(K, n, m))
        f = rng.uniform(-160, -80, n) - 5 * ((z - rng.normal(size=m)) ** 2).sum(axis=2)
        cases.append(single(f, z, mu, sigma))
    return cases


def by_sigma(f, z, mu, sigma):
    others = (f.sum(axis=0) - f) / (len(f) - 1)
    return ((f - others)[..., None] * (((z - mu) / sigma) ** 2 - 1) / sigma).mean(axis=0)


def leave_one_out_in_loops(f, z, mu, sigma):
    K, gradient = len(f), np.zeros(mu.shape)
    for k in range(K):
        for i in range(mu.shape[0]):
            baseline = np.mean([f[j, i] for j in range(K) if j != k])
            gradient[i] += (f[k, i] - baseline) * (z[k, i] - mu[i]) / sigma[i] ** 2 / K
    return gradient


def leave_one_out_as_covariance(f, z, mu, sigma):
    score = (z - mu) / ops.square(sigma)
    centered = f - ops.mean(f, axis=0, keepdims=True)
    return ops.einsum("ki,kij->ij", centered, score) / (f.shape[0] - 1)


def leave_one_out_by_pairs(f, z, mu, sigma):
    f, z = f.astype("float64"), z.astype("float64")
    pairs = (f[:, None] - f[None])[..., None] * (z[:, None] - z[None]) / sigma**2
    return pairs.sum(axis=(0, 1)) / (2 * len(f) * (len(f) - 1))


LEAVE_ONE_OUT_GRADIENT = Exercise(
    name="leave_one_out_gradient",
    points=5,
    reference=leave_one_out_gradient,
    inputs=score_inputs,
    atol=1e-3,
    alternatives=(
        leave_one_out_in_loops,
        leave_one_out_as_covariance,
        leave_one_out_by_pairs,
    ),
    wrong=(
        Wrong(
            "subtracts no baseline.",
            lambda f, z, mu, sigma: score_gradient(f, z, mu, sigma),
        ),
        Wrong(
            "lets every draw into its own baseline; that one depends on the draw, and makes the "
            "gradient too small on average.",
            lambda f, z, mu, sigma: score_gradient(f - f.mean(axis=0), z, mu, sigma),
        ),
        Wrong(
            "leaves the draw out of the sum, but still divides the baseline by K.",
            lambda f, z, mu, sigma: score_gradient(f - (f.sum(axis=0) - f) / len(f), z, mu, sigma),
        ),
        Wrong(
            "adds the draws' gradients; average over the K draws.",
            lambda f, z, mu, sigma: len(f) * leave_one_out_gradient(f, z, mu, sigma),
        ),
        Wrong(
            "takes the baseline from the draws of all images; images differ in f by many nats, so "
            "each needs its own.",
            lambda f, z, mu, sigma: score_gradient(f - (f.sum() - f) / (f.size - 1), z, mu, sigma),
        ),
        Wrong(
            "divides by sigma; the derivative of log q by mu has its square.",
            lambda f, z, mu, sigma: score_gradient(
                f - (f.sum(axis=0) - f) / (len(f) - 1), z, mu, sigma, power=1
            ),
        ),
        Wrong(
            "has the opposite sign: where large f lies at large z, mu must grow.",
            lambda f, z, mu, sigma: -leave_one_out_gradient(f, z, mu, sigma),
        ),
        Wrong(
            "differentiates log q by sigma; the gradient by mu is wanted.",
            by_sigma,
        ),
    ),
)


# 4. Free bits


def free_bits(z_mean, z_log_var, lam):
    return np.maximum(kl_of_units(z_mean, z_log_var), lam).sum()


def kl_of_each(z_mean, z_log_var):
    return 0.5 * (z_mean**2 + np.exp(z_log_var) - 1 - z_log_var)


def kl_of_units(z_mean, z_log_var):
    return kl_of_each(z_mean, z_log_var).mean(axis=0)


def free_bits_inputs(rng):
    cases = []
    for n, m, lam in ((25, 12, 0.2), (8, 20, 0.4)):
        # From silent units to talkative ones; some of either kind in every draw.
        spread = rng.permutation(np.geomspace(0.05, 1.8, m))
        z_mean = spread * rng.normal(size=(n, m))
        z_log_var = np.log(1 / (1 + spread**2)) + 0.1 * rng.normal(size=(n, m))
        cases.append((*single(z_mean, z_log_var), lam))
    return cases


FREE_BITS = Exercise(
    name="free_bits",
    points=4,
    reference=free_bits,
    inputs=free_bits_inputs,
    rtol=3e-4,
    differentiable="z_mean",
    wrong=(
        Wrong(
            "applies the floor to every image; average over the batch first, so that a unit may be "
            "silent for some images.",
            lambda z_mean, z_log_var, lam: (
                np.maximum(kl_of_each(z_mean, z_log_var), lam).mean(axis=0).sum()
            ),
        ),
        Wrong(
            "is the plain KL: a floor under the total changes nothing here; every unit has a floor "
            "of its own.",
            lambda z_mean, z_log_var, lam: kl_of_units(z_mean, z_log_var).sum(),
        ),
        Wrong(
            "takes the smaller of the two, a ceiling; a floor is wanted.",
            lambda z_mean, z_log_var, lam: np.minimum(kl_of_units(z_mean, z_log_var), lam).sum(),
        ),
        Wrong(
            "counts only what exceeds lam; a unit above the floor pays its whole KL.",
            lambda z_mean, z_log_var, lam: np.maximum(
                kl_of_units(z_mean, z_log_var) - lam, 0
            ).sum(),
        ),
        Wrong(
            "lets units below the floor pay nothing; they pay lam.",
            lambda z_mean, z_log_var, lam: np.sum(
                kl_of_units(z_mean, z_log_var) * (kl_of_units(z_mean, z_log_var) > lam)
            ),
        ),
        Wrong(
            "adds lam to every unit's KL; a constant has no effect on training.",
            lambda z_mean, z_log_var, lam: (kl_of_units(z_mean, z_log_var) + lam).sum(),
        ),
        Wrong(
            "takes the mean over the units; their KL terms add up.",
            lambda z_mean, z_log_var, lam: np.maximum(kl_of_units(z_mean, z_log_var), lam).mean(),
        ),
        Wrong(
            "adds up the images before it looks at the floor; lam is compared with a unit's mean "
            "over the batch.",
            lambda z_mean, z_log_var, lam: np.maximum(
                kl_of_each(z_mean, z_log_var).sum(axis=0), lam
            ).sum(),
        ),
        Wrong(
            "averages over the units of each image; the floor belongs to a unit, whose KL is "
            "averaged over the images.",
            lambda z_mean, z_log_var, lam: np.maximum(
                kl_of_each(z_mean, z_log_var).mean(axis=1), lam
            ).sum(),
        ),
        Wrong(
            "returns one number for each unit; add them up.",
            lambda z_mean, z_log_var, lam: np.maximum(kl_of_units(z_mean, z_log_var), lam),
        ),
    ),
)


# 5. The importance-weighted bound, for every number of draws


def running_bound(log_w):
    return np.logaddexp.accumulate(log_w, axis=0) - log_counts(log_w)


def log_counts(log_w):
    return np.log(np.arange(1, len(log_w) + 1))[:, None]


def underflowing_bound(log_w):
    with np.errstate(divide="ignore"):
        return np.log(np.cumsum(np.exp(log_w), axis=0)) - log_counts(log_w)


def log_w_inputs(rng):
    return [
        ((level + rng.normal(0, 2, n) + rng.normal(0, 1.5, (K, n))).astype("float32"),)
        for K, n, level in ((12, 7, -30), (20, 4, -1500))
    ]


RUNNING_BOUND = Exercise(
    name="running_bound",
    points=3,
    reference=running_bound,
    inputs=log_w_inputs,
    rtol=1e-6,  # of numbers near -1500, where the mistakes are a few tenths of a nat
    atol=5e-3,
    wrong=(
        Wrong(
            "adds the weights up without dividing by their number; the mean of the first k weights "
            "is wanted.",
            lambda log_w: np.logaddexp.accumulate(log_w, axis=0),
        ),
        Wrong(
            "divides every sum by K; the first k draws are divided by k.",
            lambda log_w: np.logaddexp.accumulate(log_w, axis=0) - np.log(len(log_w)),
        ),
        Wrong(
            "averages the logarithms, which gives the ELBO with k draws; average inside the "
            "logarithm.",
            lambda log_w: np.cumsum(log_w, axis=0) / np.exp(log_counts(log_w)),
        ),
        Wrong(
            "keeps only the largest weight; the others count too.",
            lambda log_w: np.maximum.accumulate(log_w, axis=0) - log_counts(log_w),
        ),
        Wrong(
            "underflows: the exponential of -1500 is 0 in the computer's numbers, and its "
            "logarithm infinite. Stay with logarithms, or take out the largest first.",
            underflowing_bound,
        ),
        Wrong(
            "adds up over the images; the draws are the rows.",
            lambda log_w: (
                np.logaddexp.accumulate(log_w, axis=1) - np.log(np.arange(1, log_w.shape[1] + 1))
            ),
        ),
        Wrong(
            "has the opposite sign; a lower bound on log p(x) is wanted, not its negative.",
            lambda log_w: -running_bound(log_w),
        ),
        Wrong(
            "returns the bound with all K draws alone; a row for every k from 1 to K is wanted.",
            lambda log_w: running_bound(log_w)[-1],
        ),
    ),
)

EXERCISES = (
    FULL_GAUSSIAN_KL,
    DRAW_LAPLACE,
    LEAVE_ONE_OUT_GRADIENT,
    FREE_BITS,
    RUNNING_BOUND,
)
