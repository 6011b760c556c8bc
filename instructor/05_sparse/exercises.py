"""Assignment 05, the sparse autoencoder: solutions, and the mistakes that they are told from."""

import numpy as np
from keras import ops
from scipy import special

from grader.exercises import Exercise, Wrong, clothes


def images(rng, n):
    return clothes(rng, n)[0]


def weights(rng, m, scale=0.1):
    return rng.normal(0, scale, (196, m)).astype("float32")


def hidden(rng, n, m):
    """What m units get of n images; in double precision, lest it depend on the processor."""
    return images(rng, n).astype("float64") @ weights(rng, m)


def sigmoid(a):
    return special.expit(a)


def kl(rho, rho_hat):
    return rho * np.log(rho / rho_hat) + (1 - rho) * np.log((1 - rho) / (1 - rho_hat))


# 1. The KL penalty of pre-activations, finite for a silent unit


def kl_from_logits(a, rho):
    log_rho_hat = special.logsumexp(-np.logaddexp(0, -a), axis=0) - np.log(len(a))
    log_rest = special.logsumexp(-np.logaddexp(0, a), axis=0) - np.log(len(a))
    return np.sum(rho * (np.log(rho) - log_rho_hat) + (1 - rho) * (np.log(1 - rho) - log_rest))


def kl_inputs(rng):
    ordinary = hidden(rng, 40, 12) + rng.normal(-1, 0.5, 12)
    with_silent = hidden(rng, 7, 30) + rng.normal(-1, 0.5, 30)
    with_silent[:, rng.integers(30)] -= 1000
    return (ordinary.astype("float32"), 0.1), (with_silent.astype("float32"), 0.05)


def kl_by_softplus(a, rho):
    a = ops.convert_to_tensor(a)
    n = a.shape[0]
    on = ops.log(float(n)) - ops.logsumexp(-ops.softplus(-a), axis=0)
    off = ops.log(float(n)) - ops.logsumexp(-ops.softplus(a), axis=0)
    return ops.sum(rho * on + (1 - rho) * off) + a.shape[1] * (
        rho * np.log(rho) + (1 - rho) * np.log(1 - rho)
    )


def kl_unit_by_unit(a, rho):
    total = 0.0
    for j in range(a.shape[1]):
        silent = ops.log_sigmoid(-a[:, j])
        spoken = ops.log_sigmoid(a[:, j])
        largest = ops.max(spoken)
        log_on = largest + ops.log(ops.mean(ops.exp(spoken - largest)))
        largest = ops.max(silent)
        log_off = largest + ops.log(ops.mean(ops.exp(silent - largest)))
        total = total + rho * (np.log(rho) - log_on) + (1 - rho) * (np.log(1 - rho) - log_off)
    return total


def kl_in_double(a, rho):
    a = ops.cast(a, "float64")
    log_n = ops.log(ops.cast(ops.shape(a)[0], "float64"))
    both = ops.stack([ops.log_sigmoid(a), ops.log_sigmoid(-a)])
    logs = ops.logsumexp(both, axis=1) - log_n
    target = np.array([[rho], [1 - rho]])
    return ops.sum(target * (np.log(target) - logs))


KL_FROM_LOGITS = Exercise(
    name="kl_from_logits",
    points=4,
    reference=kl_from_logits,
    inputs=kl_inputs,
    differentiable="a",
    alternatives=(kl_by_softplus, kl_unit_by_unit, kl_in_double),
    wrong=(
        Wrong(
            "takes the mean over the units; every unit pays its own divergence, so add them up.",
            lambda a, rho: kl_from_logits(a, rho) / a.shape[1],
        ),
        Wrong(
            "averages over the units of each image; rho_hat belongs to a unit, and is its mean "
            "over the images of the batch.",
            lambda a, rho: kl_from_logits(a.T, rho),
        ),
        Wrong(
            "computes KL(rho_hat || rho); the divergence is not symmetric, and here the target rho "
            "comes first.",
            lambda a, rho: np.sum(kl(sigmoid(a).mean(axis=0), rho)),
        ),
        Wrong(
            "has only the term of the unit being on; the one of its being off, with 1 - rho, is "
            "missing.",
            lambda a, rho: np.sum(
                rho
                * (np.log(rho) + np.log(len(a)) - special.logsumexp(-np.logaddexp(0, -a), axis=0))
            ),
        ),
        Wrong(
            "averages the pre-activations before the sigmoid; the mean activation is the mean of "
            "the sigmoids.",
            lambda a, rho: kl_from_logits(a.mean(axis=0, keepdims=True), rho),
        ),
        Wrong(
            "averages the logarithms; the logarithm is wanted of the mean over the images.",
            lambda a, rho: np.sum(
                rho * (np.log(rho) + np.logaddexp(0, -a).mean(axis=0))
                + (1 - rho) * (np.log(1 - rho) + np.logaddexp(0, a).mean(axis=0))
            ),
        ),
        Wrong(
            "is infinite for a silent unit: its sigmoid underflows to 0 before the logarithm is "
            "taken. Stay with logarithms from the start.",
            lambda a, rho: np.sum(kl(rho, sigmoid(a).mean(axis=0))),
        ),
        Wrong(
            "holds rho_hat away from 0, as ck.regularizers.kl_sparsity does, so that a silent unit "
            "pays too little; compute log rho_hat without ever forming rho_hat.",
            lambda a, rho: np.sum(kl(rho, np.clip(sigmoid(a).mean(axis=0), 1e-7, 1 - 1e-7))),
        ),
    ),
)


# 2. The gradient of the KL penalty for a tanh code, by hand


def tanh_kl_gradient(x, W, b, rho):
    return tanh_gradient(x, W, b, rho)


def tanh_gradient(x, W, b, rho, *, half=0.5, n=None, slope=lambda h: 1 - h**2, mean=None):
    h = np.tanh(x @ W + b)
    rho_hat = (1 + h).mean(axis=0) / 2 if mean is None else mean(h)
    d_h = half * ((1 - rho) / (1 - rho_hat) - rho / rho_hat) / (n or len(x))
    d_a = d_h * slope(h)
    return x.T @ d_a, d_a.sum(axis=0)


def gradient_inputs(rng):
    return [
        (images(rng, n), weights(rng, m), rng.normal(-0.5, 0.3, m).astype("float32"), rho)
        for n, m, rho in ((16, 6, 0.1), (5, 9, 0.05))
    ]


def gradient_in_loops(x, W, b, rho):
    n, m = len(x), W.shape[1]
    d_W, d_b = np.zeros_like(W), np.zeros_like(b)
    for j in range(m):
        h = [np.tanh(np.dot(image, W[:, j]) + b[j]) for image in x]
        rho_hat = sum((1 + value) / 2 for value in h) / n
        outer = (1 - rho) / (1 - rho_hat) - rho / rho_hat
        for image, value in zip(x, h, strict=True):
            d_W[:, j] += outer * (1 - value**2) / (2 * n) * image
            d_b[j] += outer * (1 - value**2) / (2 * n)
    return d_W, d_b


def gradient_with_ops(x, W, b, rho):
    p = ops.sigmoid(2 * (ops.matmul(x, W) + b))  # (1 + tanh a) / 2
    rho_hat = ops.mean(p, axis=0)
    d_a = 2 * p * (1 - p) * (rho_hat - rho) / (rho_hat * (1 - rho_hat)) / p.shape[0]
    return ops.einsum("ni,nj->ij", x, d_a), ops.sum(d_a, axis=0)


def gradient_in_double(x, W, b, rho):
    with_one = np.hstack([x, np.ones((len(x), 1))]).astype("float64")
    h = np.tanh(with_one @ np.vstack([W, b]))
    rho_hat = 0.5 + 0.5 * np.mean(h, axis=0, keepdims=True)
    outer = np.diag(((rho_hat - rho) / (rho_hat * (1 - rho_hat)))[0])
    both = with_one.T @ ((1 - h) * (1 + h)) @ outer / (2 * len(x))
    return both[:-1], both[-1]


TANH_KL_GRADIENT = Exercise(
    name="tanh_kl_gradient",
    points=5,
    reference=tanh_kl_gradient,
    inputs=gradient_inputs,
    alternatives=(gradient_in_loops, gradient_with_ops, gradient_in_double),
    wrong=(
        Wrong(
            "adds over the images without dividing by their number; rho_hat is a mean over the "
            "batch, and its derivative by one activation is 1/N.",
            lambda x, W, b, rho: tanh_gradient(x, W, b, rho, n=1),
        ),
        Wrong(
            "misses the inner derivative of (1 + h)/2, a factor of one half.",
            lambda x, W, b, rho: tanh_gradient(x, W, b, rho, half=1),
        ),
        Wrong(
            "uses the slope of the sigmoid, h(1 - h); this code is a tanh, with another slope.",
            lambda x, W, b, rho: tanh_gradient(x, W, b, rho, slope=lambda h: h * (1 - h)),
        ),
        Wrong(
            "takes the slope of the activation for 1, as if the code were linear.",
            lambda x, W, b, rho: tanh_gradient(x, W, b, rho, slope=np.ones_like),
        ),
        Wrong(
            "takes the mean of h itself for rho_hat; a tanh lies between -1 and 1, so map it to "
            "a probability first.",
            lambda x, W, b, rho: tanh_gradient(x, W, b, rho, mean=lambda h: h.mean(axis=0)),
        ),
        Wrong(
            "has the opposite sign: this is the direction in which the penalty falls, the gradient "
            "is the one in which it rises.",
            lambda x, W, b, rho: tuple(-d for d in tanh_gradient(x, W, b, rho)),
        ),
        Wrong(
            "averages d_b over the images once more; d_b is the sum of the same numbers that d_W "
            "weights with x, and 1/N is among them already.",
            lambda x, W, b, rho: (
                tanh_gradient(x, W, b, rho)[0],
                tanh_gradient(x, W, b, rho)[1] / len(x),
            ),
        ),
        Wrong(
            "returns d_W transposed; it has W's own shape, so that it can be subtracted from W.",
            lambda x, W, b, rho: (
                tanh_gradient(x, W, b, rho)[0].T,
                tanh_gradient(x, W, b, rho)[1],
            ),
        ),
    ),
)


# 3. Winner-take-all over the batch


def winner_take_all(h, fraction):
    return winners(h, int(np.ceil(fraction * len(h))))


def winners(h, k, score=lambda h: h):
    """Keep what is among the k highest scores of its column."""
    rank = (-score(h)).argsort(axis=0).argsort(axis=0)
    return np.where(rank < k, h, 0)


def winner_inputs(rng):
    return [
        ((hidden(rng, n, m)).astype("float32"), fraction)
        for n, m, fraction in ((20, 31, 0.1), (9, 20, 0.25))
    ]


def winners_by_top_k(h, fraction):
    k = int(np.ceil(fraction * h.shape[0]))
    columns = ops.transpose(h)
    smallest = ops.top_k(columns, k)[0][:, -1:]
    return ops.transpose(ops.where(columns >= smallest, columns, ops.zeros_like(columns)))


def winners_in_double(h, fraction):
    h = ops.cast(h, "float64")
    n = h.shape[0]
    loser = ops.sort(h, axis=0)[n - int(np.ceil(fraction * n)) - 1]
    return ops.relu(ops.sign(h - loser)) * h


def winners_by_rank(h, fraction):
    louder = ops.sum(ops.cast(h[None] > h[:, None], "float32"), axis=1)
    return h * ops.cast(louder < fraction * h.shape[0], h.dtype)


WINNER_TAKE_ALL = Exercise(
    name="winner_take_all",
    points=4,
    reference=winner_take_all,
    inputs=winner_inputs,
    differentiable="h",
    alternatives=(winners_by_top_k, winners_in_double, winners_by_rank),
    wrong=(
        Wrong(
            "lets the units of one image compete; here the images of the batch compete, for each "
            "unit separately.",
            lambda h, fraction: winners(h.T, int(np.ceil(fraction * h.shape[1]))).T,
        ),
        Wrong(
            "lets the units of one image compete, and takes the number of winners from the batch; "
            "the images of the batch compete, for each unit separately.",
            lambda h, fraction: winners(h.T, int(np.ceil(fraction * len(h)))).T,
        ),
        Wrong(
            "judges by magnitude, so that large negative activations win; the largest are wanted.",
            lambda h, fraction: winners(h, int(np.ceil(fraction * len(h))), np.abs),
        ),
        Wrong(
            "returns 1 for the winners; they keep their activation.",
            lambda h, fraction: (winners(h, int(np.ceil(fraction * len(h)))) != 0) * 1.0,
        ),
        Wrong(
            "rounds the number of winners down or to the nearest; it is rounded up, so that every "
            "unit has at least one.",
            lambda h, fraction: winners(h, int(fraction * len(h))),
        ),
        Wrong(
            "keeps one winner too few: the last of them is lost in the comparison.",
            lambda h, fraction: winners(h, int(np.ceil(fraction * len(h))) - 1),
        ),
        Wrong(
            "keeps the smallest activations.",
            lambda h, fraction: winners(h, int(np.ceil(fraction * len(h))), np.negative),
        ),
        Wrong(
            "lets all activations of the batch compete together, so that quiet units never win; "
            "every unit has its own winners.",
            lambda h, fraction: np.where(
                h >= np.sort(h, axis=None)[-int(np.ceil(fraction * len(h))) * h.shape[1]], h, 0
            ),
        ),
    ),
)


# 4. Hoyer's sparsity of each code


def hoyer_sparsity(h):
    root = np.sqrt(h.shape[1])
    return (root - ratio(h)) / (root - 1)


def ratio(h, axis=1):
    return np.abs(h).sum(axis=axis) / np.sqrt((h**2).sum(axis=axis))


def hoyer_inputs(rng):
    return [(np.tanh(hidden(rng, n, m)).astype("float32"),) for n, m in ((12, 25), (5, 40))]


HOYER_SPARSITY = Exercise(
    name="hoyer_sparsity",
    points=3,
    reference=hoyer_sparsity,
    inputs=hoyer_inputs,
    wrong=(
        Wrong(
            "measures every unit over the images; measure every image over its units.",
            lambda h: (np.sqrt(len(h)) - ratio(h, 0)) / (np.sqrt(len(h)) - 1),
        ),
        Wrong(
            "adds the activations with their signs; the 1-norm adds their magnitudes.",
            lambda h: (
                (np.sqrt(h.shape[1]) - h.sum(axis=1) / np.sqrt((h**2).sum(axis=1)))
                / (np.sqrt(h.shape[1]) - 1)
            ),
        ),
        Wrong(
            "divides by the squared 2-norm; the root is missing, and with it the measure depends "
            "on the scale of h.",
            lambda h: (
                (np.sqrt(h.shape[1]) - np.abs(h).sum(axis=1) / (h**2).sum(axis=1))
                / (np.sqrt(h.shape[1]) - 1)
            ),
        ),
        Wrong(
            "has m where its root belongs.",
            lambda h: (h.shape[1] - ratio(h)) / (h.shape[1] - 1),
        ),
        Wrong(
            "does not divide by sqrt(m) - 1, so that it does not end at 1.",
            lambda h: np.sqrt(h.shape[1]) - ratio(h),
        ),
        Wrong(
            "grows where the code gets dense: 0 and 1 are exchanged.",
            lambda h: 1 - hoyer_sparsity(h),
        ),
        Wrong(
            "is the measure of Treves and Rolls, which compares squares; Hoyer's compares the "
            "norms themselves.",
            lambda h: (
                (1 - np.abs(h).mean(axis=1) ** 2 / (h**2).mean(axis=1)) / (1 - 1 / h.shape[1])
            ),
        ),
        Wrong(
            "returns the mean over the images; one number per image is wanted.",
            lambda h: hoyer_sparsity(h).mean(),
        ),
    ),
)


# 5. One step towards a sparse code: descend, then shrink


def shrinkage_step(h, x, W_dec, lam, step):
    return shrunk(descended(h, x, W_dec, step), step * lam)


def descended(h, x, W_dec, step):
    return h - step * (h @ W_dec - x) @ W_dec.T


def shrunk(u, threshold):
    return np.sign(u) * np.maximum(np.abs(u) - threshold, 0)


def step_inputs(rng):
    cases = []
    for n, m, lam, step in ((8, 25, 0.5, 0.1), (3, 12, 1.5, 0.05)):
        W_dec = images(rng, m)
        W_dec /= np.linalg.norm(W_dec, axis=1, keepdims=True)
        h = rng.normal(0, 0.5, (n, m)) * (rng.uniform(size=(n, m)) < 0.5)
        cases.append((h.astype("float32"), images(rng, n), W_dec, lam, step))
    return cases


SHRINKAGE_STEP = Exercise(
    name="shrinkage_step",
    points=4,
    reference=shrinkage_step,
    inputs=step_inputs,
    atol=1e-4,
    wrong=(
        Wrong(
            "shrinks by lam; one step shrinks by step * lam.",
            lambda h, x, W_dec, lam, step: shrunk(descended(h, x, W_dec, step), lam),
        ),
        Wrong(
            "goes uphill: the gradient has to be subtracted.",
            lambda h, x, W_dec, lam, step: shrunk(descended(h, x, W_dec, -step), step * lam),
        ),
        Wrong(
            "silences what is small and leaves the rest as it is; the rest moves towards 0 too.",
            lambda h, x, W_dec, lam, step: (
                descended(h, x, W_dec, step) * (np.abs(descended(h, x, W_dec, step)) > step * lam)
            ),
        ),
        Wrong(
            "silences all negative activations; they shrink towards 0 like positive ones.",
            lambda h, x, W_dec, lam, step: np.maximum(descended(h, x, W_dec, step) - step * lam, 0),
        ),
        Wrong(
            "subtracts the sign of h, the derivative of the penalty, and so steps over 0 instead "
            "of stopping there; shrink after the step, and stop at 0.",
            lambda h, x, W_dec, lam, step: descended(h, x, W_dec, step) - step * lam * np.sign(h),
        ),
        Wrong(
            "shrinks first and descends then, so that the result has no exact zeros; descend, then "
            "shrink.",
            lambda h, x, W_dec, lam, step: descended(shrunk(h, step * lam), x, W_dec, step),
        ),
        Wrong(
            "does not shrink at all; the penalty is missing.",
            lambda h, x, W_dec, lam, step: descended(h, x, W_dec, step),
        ),
        Wrong(
            "descends twice as far; with the factor 1/2 in the error its derivative has no 2.",
            lambda h, x, W_dec, lam, step: shrunk(descended(h, x, W_dec, 2 * step), step * lam),
        ),
    ),
)

EXERCISES = (KL_FROM_LOGITS, TANH_KL_GRADIENT, WINNER_TAKE_ALL, HOYER_SPARSITY, SHRINKAGE_STEP)
