"""Assignment 01, backpropagation and likelihood: solutions, and the mistakes told from them."""

import numpy as np
from keras import ops
from scipy import special

from grader.exercises import Exercise, Wrong, clothes


def single(*values):
    return tuple(v.astype("float32") if isinstance(v, np.ndarray) else v for v in values)


# 1. Backwards through a residual block


def residual_backward(d_h, x, W, b):
    return backward(d_h, x, W, b)


def backward(d_h, x, W, b, slope=lambda t, x: 1 - t**2):
    d_a = d_h * slope(np.tanh(x @ W + b), x)
    return d_h + d_a @ W.T, x.T @ d_a, d_a.sum(axis=0)


def block_inputs(rng):
    cases = []
    for n, features in ((9, 16), (5, 10)):
        x = clothes(rng, n, 4)[0][:, :features]
        W = rng.normal(0, 0.5, (features, features))
        d_h = rng.normal(size=(n, features))
        cases.append(single(d_h, x, W, rng.normal(0, 0.3, features)))
    return cases


def backward_in_loops(d_h, x, W, b):
    d_x, d_W, d_b = d_h.copy(), np.zeros_like(W), np.zeros_like(b)
    for i in range(len(x)):
        for j in range(len(b)):
            d_a = d_h[i, j] / np.cosh(np.dot(x[i], W[:, j]) + b[j]) ** 2
            d_b[j] += d_a
            d_W[:, j] += d_a * x[i]
            d_x[i] += d_a * W[:, j]
    return d_x, d_W, d_b


def backward_with_ops(d_h, x, W, b):
    t = ops.tanh(ops.matmul(x, W) + b)
    d_a = d_h - d_h * t * t
    d_x = ops.einsum("ij,kj->ik", d_a, W) + d_h
    return d_x, ops.einsum("ik,ij->kj", x, d_a), ops.sum(d_a, axis=0)


def backward_in_double(d_h, x, W, b):
    with_one = np.hstack([x, np.ones((len(x), 1))]).astype("float64")
    both = np.vstack([W, b])
    d_a = d_h / np.cosh(with_one @ both) ** 2
    d_both = with_one.T @ d_a
    return (d_h + d_a @ both.T[:, :-1]), d_both[:-1], d_both[-1]


def with_other(position, change):
    """The right gradients, of which one is changed."""

    def function(d_h, x, W, b):
        gradients = list(backward(d_h, x, W, b))
        gradients[position] = change(gradients[position], d_h, x, W, b)
        return tuple(gradients)

    return function


def d_preactivation(d_h, x, W, b):
    return d_h * (1 - np.tanh(x @ W + b) ** 2)


RESIDUAL_BACKWARD = Exercise(
    name="residual_backward",
    points=5,
    reference=residual_backward,
    inputs=block_inputs,
    atol=1e-4,
    alternatives=(backward_in_loops, backward_with_ops, backward_in_double),
    wrong=(
        Wrong(
            "forgets that x reaches h directly too: what comes back on both ways adds up in d_x.",
            with_other(0, lambda d_x, d_h, x, W, b: d_x - d_h),
        ),
        Wrong(
            "sends d_x on its direct way through the slope of the tanh; nothing stands there.",
            with_other(0, lambda d_x, d_h, x, W, b: d_x - d_h + d_preactivation(d_h, x, W, b)),
        ),
        Wrong(
            "has W in d_x where its transpose belongs; the shapes fit only because W is square.",
            with_other(0, lambda d_x, d_h, x, W, b: d_h + d_preactivation(d_h, x, W, b) @ W),
        ),
        Wrong(
            "returns d_W transposed; it fits only because W is square.",
            with_other(1, lambda d_W, *_: d_W.T),
        ),
        Wrong(
            "takes the slope from the block's output h; it is that of the tanh, to which x has not "
            "been added yet.",
            lambda d_h, x, W, b: backward(d_h, x, W, b, slope=lambda t, x: 1 - (x + t) ** 2),
        ),
        Wrong(
            "has the slope of a sigmoid, t(1 - t); that of a tanh is another.",
            lambda d_h, x, W, b: backward(d_h, x, W, b, slope=lambda t, x: t * (1 - t)),
        ),
        Wrong(
            "has no slope of the tanh, as if the block were linear.",
            lambda d_h, x, W, b: backward(d_h, x, W, b, slope=lambda t, x: 1),
        ),
        Wrong(
            "averages d_b over the samples; it is a sum, like d_W.",
            with_other(2, lambda d_b, d_h, *_: d_b / len(d_h)),
        ),
        Wrong(
            "does not add up d_b over the samples; it has b's own shape.",
            with_other(2, lambda d_b, *given: d_preactivation(*given)),
        ),
        Wrong(
            "divides the weights' gradients by the number of samples; if the loss is a mean, d_h "
            "holds the 1/N already.",
            lambda d_h, x, W, b: (
                backward(d_h, x, W, b)[0],
                *(d / len(x) for d in backward(d_h, x, W, b)[1:]),
            ),
        ),
    ),
)


# 2. Softmax and cross-entropy with smoothed labels


def smoothed_cross_entropy(f, y, eps):
    return cross_entropy(f, smoothed(f, y, eps))


def cross_entropy(f, t):
    log_p = special.log_softmax(f, axis=1)
    return -(t * log_p).sum(axis=1).mean(), (np.exp(log_p) - t) / len(f)


def smoothed(f, y, eps):
    K = f.shape[1]
    return (1 - eps) * np.eye(K)[y] + eps / K


def smoothed_over_others(f, y, eps):
    K = f.shape[1]
    return np.where(np.eye(K)[y] == 1, 1 - eps, eps / (K - 1))


def logit_inputs(rng):
    cases = []
    for n, K, shift, eps in ((9, 5, 0, 0.15), (6, 8, 1500, 0.3)):
        f = rng.normal(0, 3, (n, K))
        f[: n // 2, rng.integers(K)] += shift  # beyond what an exponential bears
        cases.append((f.astype("float32"), rng.integers(K, size=n).astype("int32"), eps))
    return cases


def from_rounded(f, y, eps):
    """The logarithm is taken of probabilities that have become 0."""
    p = special.softmax(f, axis=1)
    with np.errstate(divide="ignore"):
        loss = -(smoothed(f, y, eps) * np.log(p)).sum(axis=1).mean()
    return loss, cross_entropy(f, smoothed(f, y, eps))[1]


def from_exponentials(f, y, eps):
    with np.errstate(all="ignore"):
        p = np.exp(f) / np.exp(f).sum(axis=1, keepdims=True)
        t = smoothed(f, y, eps)
        return -(t * np.log(p)).sum(axis=1).mean(), (p - t) / len(f)


SMOOTHED_CROSS_ENTROPY = Exercise(
    name="smoothed_cross_entropy",
    points=4,
    reference=smoothed_cross_entropy,
    inputs=logit_inputs,
    wrong=(
        Wrong(
            "shares eps among the K - 1 wrong classes; here all K classes get their share, the "
            "true one too.",
            lambda f, y, eps: cross_entropy(f, smoothed_over_others(f, y, eps)),
        ),
        Wrong(
            "leaves the true class its whole 1 and adds eps/K, so that the targets sum to more "
            "than 1.",
            lambda f, y, eps: cross_entropy(f, np.eye(f.shape[1])[y] + eps / f.shape[1]),
        ),
        Wrong(
            "does not smooth at all: this is the lecture's loss with its gradient.",
            lambda f, y, eps: smoothed_cross_entropy(f, y, 0),
        ),
        Wrong(
            "smooths the loss, but gives the gradient for hard labels.",
            lambda f, y, eps: (
                smoothed_cross_entropy(f, y, eps)[0],
                smoothed_cross_entropy(f, y, 0)[1],
            ),
        ),
        Wrong(
            "smooths the gradient, but gives the loss for hard labels.",
            lambda f, y, eps: (
                smoothed_cross_entropy(f, y, 0)[0],
                smoothed_cross_entropy(f, y, eps)[1],
            ),
        ),
        Wrong(
            "gives the gradient of the sum over the samples; the loss is their mean.",
            lambda f, y, eps: (
                smoothed_cross_entropy(f, y, eps)[0],
                len(f) * smoothed_cross_entropy(f, y, eps)[1],
            ),
        ),
        Wrong(
            "adds up over the samples; take their mean.",
            lambda f, y, eps: tuple(len(f) * r for r in smoothed_cross_entropy(f, y, eps)),
        ),
        Wrong(
            "takes the mean over the classes as well; they add up.",
            lambda f, y, eps: tuple(r / f.shape[1] for r in smoothed_cross_entropy(f, y, eps)),
        ),
        Wrong(
            "overflows: an exponential of 1500 is infinite. Take the largest output of each "
            "sample away first.",
            from_exponentials,
        ),
        Wrong(
            "takes the logarithm of a probability that was rounded to 0; simplify log p on paper, "
            "so that no exponential stands alone under the logarithm.",
            from_rounded,
        ),
        Wrong(
            "has the gradient's sign turned round: it points to where the loss falls.",
            lambda f, y, eps: (
                smoothed_cross_entropy(f, y, eps)[0],
                -smoothed_cross_entropy(f, y, eps)[1],
            ),
        ),
    ),
)


# 3. A gradient without any derivation


def central_difference(W, x, step):
    return difference(W, x, step)


def mirror_loss(W, x):
    h = x + np.tanh(x @ W)
    return 0.5 * np.sum((h - x[:, ::-1]) ** 2)


def difference(W, x, step, *, forward=1, backward=1, width=2, move=None):
    d_W = np.zeros(W.shape)
    for at in np.ndindex(W.shape):
        by = np.zeros(W.shape)
        by[move(at) if move else at] = step
        up, down = mirror_loss(W + forward * by, x), mirror_loss(W - backward * by, x)
        d_W[at] = (up - down) / (width * step)
    return d_W


def without_return(W, x, step):
    moved, d_W = W.astype("float64"), np.zeros(W.shape)
    for at in np.ndindex(W.shape):
        moved[at] += step
        up = mirror_loss(moved, x)
        moved[at] -= 2 * step
        d_W[at] = (up - mirror_loss(moved, x)) / (2 * step)
    return d_W


def forgets_the_first(W, x, step):
    moved, d_W = W.astype("float64"), np.zeros(W.shape)
    for at in np.ndindex(W.shape):
        moved[at] += step
        up = mirror_loss(moved, x)
        moved[at] -= step
        d_W[at] = (up - mirror_loss(moved, x)) / (2 * step)
    return d_W


def mirror_inputs(rng):
    cases = []
    for n, features, step in ((6, 9, 0.1), (9, 6, 0.2)):
        x = clothes(rng, n, 4)[0][:, :features] + 0.3
        cases.append((*single(rng.normal(0, 0.4, (features, features)), x), step))
    return cases


CENTRAL_DIFFERENCE = Exercise(
    name="central_difference",
    points=4,
    reference=central_difference,
    inputs=mirror_inputs,
    atol=3e-4,
    wrong=(
        Wrong(
            "is the one-sided difference, of the loss a step further and the loss here; go a step "
            "to either side.",
            lambda W, x, step: difference(W, x, step, backward=0, width=1),
        ),
        Wrong(
            "is the one-sided difference backwards, of the loss here and the loss a step before; "
            "go a step to either side.",
            lambda W, x, step: difference(W, x, step, forward=0, width=1),
        ),
        Wrong(
            "divides by one step; the two points are two steps apart.",
            lambda W, x, step: difference(W, x, step, width=1),
        ),
        Wrong(
            "goes back one step instead of two, so that it compares with the loss at W itself but "
            "divides by two steps.",
            forgets_the_first,
        ),
        Wrong(
            "does not put an entry back before it moves the next; only one entry at a time may "
            "differ from W.",
            without_return,
        ),
        Wrong(
            "moves all entries of W at once; each partial derivative needs a W in which one entry "
            "is moved.",
            lambda W, x, step: difference(W, x, step, move=lambda at: ...),
        ),
        Wrong(
            "moves a whole row of W at once; move a single entry.",
            lambda W, x, step: difference(W, x, step, move=lambda at: at[0]),
        ),
        Wrong(
            "moves the entry of the transposed place.",
            lambda W, x, step: difference(W, x, step).T,
        ),
        Wrong(
            "has the opposite sign: the loss in front minus the loss behind.",
            lambda W, x, step: -difference(W, x, step),
        ),
    ),
)


# 4. The Laplace distribution of largest likelihood


def fit_laplace(y):
    location = np.median(y, axis=0)
    return laplace_fit(y, location, np.abs(y - location).mean(axis=0))


def laplace_fit(y, location, b):
    """With the negative log-likelihood that these parameters really have."""
    nll = (np.abs(y - location) / b + np.log(2 * b)).sum(axis=0)
    return location, b, nll


def measurements(rng):
    # Skewed, so that mean and median differ; an odd number, so that there is one median.
    return [
        (
            (rng.normal(0, 3, d) + rng.uniform(0.5, 4, d) * rng.exponential(size=(n, d))).astype(
                "float32"
            ),
        )
        for n, d in ((15, 6), (9, 4))
    ]


def laplace_variant(nll):
    def function(y):
        location, b, _ = fit_laplace(y)
        return location, b, nll(len(y), b)

    return function


FIT_LAPLACE = Exercise(
    name="fit_laplace",
    points=4,
    reference=fit_laplace,
    inputs=measurements,
    wrong=(
        Wrong(
            "takes the mean for the location, the best under a Gaussian; find the value at which "
            "the sum of the absolute deviations is smallest.",
            lambda y: laplace_fit(y, y.mean(axis=0), np.abs(y - y.mean(axis=0)).mean(axis=0)),
        ),
        Wrong(
            "measures the deviations for the scale from the mean, not from the location that was "
            "found.",
            lambda y: laplace_fit(y, np.median(y, axis=0), np.abs(y - y.mean(axis=0)).mean(axis=0)),
        ),
        Wrong(
            "takes the standard deviation for the scale; set the derivative by b to zero.",
            lambda y: laplace_fit(y, np.median(y, axis=0), y.std(axis=0)),
        ),
        Wrong(
            "takes the median of the absolute deviations for the scale; set the derivative by b "
            "to zero.",
            lambda y: laplace_fit(
                y, np.median(y, axis=0), np.median(np.abs(y - np.median(y, axis=0)), axis=0)
            ),
        ),
        Wrong(
            "takes the mean of the squared deviations for the scale; the exponent has their "
            "magnitude.",
            lambda y: laplace_fit(
                y, np.median(y, axis=0), ((y - np.median(y, axis=0)) ** 2).mean(axis=0)
            ),
        ),
        Wrong(
            "adds up the deviations for the scale; divide by their number.",
            lambda y: laplace_fit(
                y, np.median(y, axis=0), np.abs(y - np.median(y, axis=0)).sum(axis=0)
            ),
        ),
        Wrong(
            "has log b in the negative log-likelihood; the density divides by 2b.",
            laplace_variant(lambda n, b: n * (np.log(b) + 1)),
        ),
        Wrong(
            "averages the negative log-likelihood over the measurements; their logarithms add up.",
            laplace_variant(lambda n, b: np.log(2 * b) + 1),
        ),
        Wrong(
            "has only the logarithms in the negative log-likelihood; the deviations are missing.",
            laplace_variant(lambda n, b: n * np.log(2 * b)),
        ),
        Wrong(
            "has the deviations, but not the logarithms of 2b in the negative log-likelihood; "
            "without them a larger scale would always be better.",
            laplace_variant(lambda n, b: np.full(b.shape, n)),
        ),
        Wrong(
            "gives the log-likelihood; its negative is wanted.",
            laplace_variant(lambda n, b: -n * (np.log(2 * b) + 1)),
        ),
        Wrong(
            "fits the rows; the measurements of one quantity are a column.",
            lambda y: fit_laplace(y.T),
        ),
    ),
)


# 5. Nesterov's momentum


def nesterov_step(theta, v, curvature, rate, beta):
    return nesterov(theta, v, curvature, rate, beta)


def nesterov(theta, v, curvature, rate, beta, *, ahead=None):
    ahead = beta if ahead is None else ahead
    v_new = beta * v - rate * curvature * (theta + ahead * v)
    return theta + v_new, v_new


def valley_inputs(rng):
    cases = []
    for n, d, rate, beta in ((7, 3, 0.06, 0.8), (4, 6, 0.03, 0.6)):
        theta, v = rng.normal(size=(2, n, d)) * ([[[2]], [[0.8]]])
        cases.append((*single(theta, v, rng.uniform(1, 9, d)), rate, beta))
    return cases


NESTEROV_STEP = Exercise(
    name="nesterov_step",
    points=3,
    reference=nesterov_step,
    inputs=valley_inputs,
    atol=1e-4,
    wrong=(
        Wrong(
            "takes the gradient at theta, which is ordinary momentum; look ahead first.",
            lambda theta, v, curvature, rate, beta: nesterov(
                theta, v, curvature, rate, beta, ahead=0
            ),
        ),
        Wrong(
            "looks ahead by v; friction leaves only beta * v of it.",
            lambda theta, v, curvature, rate, beta: nesterov(
                theta, v, curvature, rate, beta, ahead=1
            ),
        ),
        Wrong(
            "looks back instead of ahead.",
            lambda theta, v, curvature, rate, beta: nesterov(
                theta, v, curvature, rate, beta, ahead=-beta
            ),
        ),
        Wrong(
            "keeps the whole velocity; friction leaves a share beta of it.",
            lambda theta, v, curvature, rate, beta: nesterov(
                theta, v, curvature, rate, 1, ahead=beta
            ),
        ),
        Wrong(
            "adds the gradient to the velocity, uphill.",
            lambda theta, v, curvature, rate, beta: nesterov(theta, v, curvature, -rate, beta),
        ),
        Wrong(
            "moves theta by the old velocity; it moves by the new one.",
            lambda theta, v, curvature, rate, beta: (
                theta + v,
                nesterov(theta, v, curvature, rate, beta)[1],
            ),
        ),
        Wrong(
            "moves from the point ahead; that is only where the gradient is taken, and the step "
            "begins at theta.",
            lambda theta, v, curvature, rate, beta: (
                theta + beta * v + nesterov(theta, v, curvature, rate, beta)[1],
                nesterov(theta, v, curvature, rate, beta)[1],
            ),
        ),
        Wrong(
            "applies the rate when theta moves, to the old velocity too; it belongs to the "
            "gradient alone.",
            lambda theta, v, curvature, rate, beta: (
                theta + rate * nesterov(theta, v, curvature, 1, beta)[1],
                nesterov(theta, v, curvature, 1, beta)[1],
            ),
        ),
        Wrong(
            "uses the loss's slope without the curvature, as if the valley were round.",
            lambda theta, v, curvature, rate, beta: nesterov(theta, v, 1, rate, beta),
        ),
        Wrong(
            "returns the velocity first; theta comes first.",
            lambda theta, v, curvature, rate, beta: nesterov(theta, v, curvature, rate, beta)[::-1],
        ),
    ),
)

EXERCISES = (
    RESIDUAL_BACKWARD,
    SMOOTHED_CROSS_ENTROPY,
    CENTRAL_DIFFERENCE,
    FIT_LAPLACE,
    NESTEROV_STEP,
)
