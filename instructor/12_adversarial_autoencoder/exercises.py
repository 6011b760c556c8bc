"""Assignment 12, codes that follow a prior: solutions, and the mistakes that they are told from."""

import functools

import numpy as np
from keras import ops
from scipy import special
from scipy.spatial.distance import cdist

import coursekit as ck
from grader.exercises import Exercise, Wrong


@functools.cache
def plane():
    """Codes of a thousand images of clothes: three principal components, with variance 1."""
    x = ck.datasets.fashion_mnist().train.x[:1000].astype("float64")  # the same on all processors
    x = x.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4))
    x = x.reshape(-1, 196) - x.reshape(-1, 196).mean(axis=0)
    h = x @ np.linalg.svd(x, full_matrices=False)[2][:3].T
    return (h / h.std(axis=0)).astype("float32")


def codes(rng, n, m=2):
    """Codes of n images of clothes, (n, m)."""
    return plane()[rng.choice(len(plane()), n, replace=False), :m]


# 1. A pie for a prior


def pie_prior(y, u, v, shares, radius):
    return sector(y, u, radius * np.sqrt(v), shares)


def sector(y, u, r, shares, start=lambda shares: np.cumsum(shares) - shares):
    angle = 2 * np.pi * (start(shares)[y] + u * shares[y])
    return polar(r, angle)


def polar(r, angle):
    return np.stack([r * np.cos(angle), r * np.sin(angle)], axis=1)


def pie_inputs(rng):
    cases = []
    for n, parts, radius in ((20, 4, 3.0), (13, 6, 2.0)):
        while True:
            shares = rng.dirichlet(np.full(parts, 3.0))
            y = rng.choice(parts, n, p=shares)
            if shares.min() > 0.04 and np.ptp(shares) > 0.15 and len(np.unique(y)) == parts:
                break
        u, v = rng.uniform(0.02, 0.98, (2, n)).astype("float32")
        cases.append((y, u, v, shares.astype("float32"), radius))
    return cases


PIE_PRIOR = Exercise(
    name="pie_prior",
    points=4,
    reference=pie_prior,
    inputs=pie_inputs,
    wrong=(
        Wrong(
            "takes the distance from the center for uniform, so that the middle is crowded; the "
            "area within a distance grows with its square.",
            lambda y, u, v, shares, radius: sector(y, u, radius * v, shares),
        ),
        Wrong(
            "squares v where its root belongs, and crowds the middle even more.",
            lambda y, u, v, shares, radius: sector(y, u, radius * v**2, shares),
        ),
        Wrong(
            "makes all sectors equally wide; each is as wide as the share of its class.",
            lambda y, u, v, shares, radius: polar(
                radius * np.sqrt(v), 2 * np.pi * (y + u) / len(shares)
            ),
        ),
        Wrong(
            "begins each sector where it should end: class 0 begins at the angle 0.",
            lambda y, u, v, shares, radius: sector(y, u, radius * np.sqrt(v), shares, np.cumsum),
        ),
        Wrong(
            "begins every sector at the angle 0, so that they overlap; a sector begins where the "
            "one before it ends.",
            lambda y, u, v, shares, radius: sector(
                y, u, radius * np.sqrt(v), shares, np.zeros_like
            ),
        ),
        Wrong(
            "puts all points of a class on one line, the middle of its sector; u spreads them over "
            "the sector.",
            lambda y, u, v, shares, radius: sector(y, 0 * u + 0.5, radius * np.sqrt(v), shares),
        ),
        Wrong(
            "spreads the points of a class around the line where its sector begins; they lie "
            "between that line and the next.",
            lambda y, u, v, shares, radius: sector(y, u - 0.5, radius * np.sqrt(v), shares),
        ),
        Wrong(
            "exchanges u and v: u is for the angle, v for the distance.",
            lambda y, u, v, shares, radius: sector(y, v, radius * np.sqrt(u), shares),
        ),
        Wrong(
            "exchanges sine and cosine: the angle is counted from the first axis.",
            lambda y, u, v, shares, radius: pie_prior(y, u, v, shares, radius)[:, ::-1],
        ),
        Wrong(
            "draws everybody's angle from the whole disk, whatever the label.",
            lambda y, u, v, shares, radius: polar(radius * np.sqrt(v), 2 * np.pi * u),
        ),
        Wrong(
            "multiplies the angle with pi; once around is two of them.",
            lambda y, u, v, shares, radius: polar(
                radius * np.sqrt(v),
                np.pi * ((np.cumsum(shares) - shares)[y] + u * shares[y]),
            ),
        ),
    ),
)


# 2. What the discriminator tells each code, by hand


def code_gradient(h, W, b, v, c, beta):
    return pull(h, W, b, v, c, beta)


def pull(h, W, b, v, c, beta, *, by_logit=lambda D: D - 1, slope=lambda a: 1 - a**2, n=None):
    a = np.tanh(h @ W + b)
    D = special.expit(a @ v + c)
    return beta * ((by_logit(D) / (n or len(h)))[:, None] * v * slope(a)) @ W.T


def gradient_inputs(rng):
    cases = []
    for n, m, units, beta in ((18, 2, 7, 10.0), (9, 3, 5, 3.0)):
        h = codes(rng, n, m)
        W, b = rng.normal(0, 1, (m, units)), rng.normal(0, 0.5, units)
        v = rng.normal(0, 1.5, units)
        c = round(-0.7 - float((np.tanh(h @ W + b) @ v).mean()), 4)
        cases.append((*(part.astype("float32") for part in (h, W, b, v)), c, beta))
    return cases


def code_gradient_in_loops(h, W, b, v, c, beta):
    gradient = np.zeros_like(h)
    for i in range(len(h)):
        a = np.tanh(h[i] @ W + b)
        doubt = 1 / (1 + np.exp(a @ v + c))  # 1 - D
        for j in range(len(v)):
            gradient[i] -= beta / len(h) * doubt * v[j] * (1 - a[j] ** 2) * W[:, j]
    return gradient


def code_gradient_with_ops(h, W, b, v, c, beta):
    a = ops.tanh(ops.matmul(h, W) + b)
    share = -beta * ops.sigmoid(-(ops.matmul(a, v) + c)) / a.shape[0]
    return ops.einsum("n,nu,u,mu->nm", share, 1 - ops.square(a), v, W)


def code_gradient_in_double(h, W, b, v, c, beta):
    h, W = h.astype("float64"), W.astype("float64")
    a = np.tanh(h @ W + b)
    D = special.expit(np.dot(a, v) + c)
    toward = (1 / np.cosh(np.arctanh(a)) ** 2) @ np.diag(v) @ W.T
    return np.diag((D - 1) * beta / len(h)) @ toward


CODE_GRADIENT = Exercise(
    name="code_gradient",
    points=4,
    reference=code_gradient,
    inputs=gradient_inputs,
    alternatives=(code_gradient_in_loops, code_gradient_with_ops, code_gradient_in_double),
    wrong=(
        Wrong(
            "has the opposite sign: this is where the codes go, the gradient points the other way.",
            lambda h, W, b, v, c, beta: -pull(h, W, b, v, c, beta),
        ),
        Wrong(
            "pushes with D, as the discriminator's own loss does: descending it would make the "
            "codes easier to tell.",
            lambda h, W, b, v, c, beta: pull(h, W, b, v, c, beta, by_logit=lambda D: D),
        ),
        Wrong(
            "is the gradient of the minimax loss, log(1 - D); the encoder's is -log D.",
            lambda h, W, b, v, c, beta: pull(h, W, b, v, c, beta, by_logit=lambda D: -D),
        ),
        Wrong(
            "goes from the loss to D, but not on to the logit: the slope of the sigmoid is "
            "missing.",
            lambda h, W, b, v, c, beta: pull(h, W, b, v, c, beta, by_logit=lambda D: -1 / D),
        ),
        Wrong(
            "does not divide by the number of codes; the loss is their mean.",
            lambda h, W, b, v, c, beta: pull(h, W, b, v, c, beta, n=1),
        ),
        Wrong(
            "forgets beta, the weight of this loss beside the reconstruction.",
            lambda h, W, b, v, c, beta: pull(h, W, b, v, c, 1),
        ),
        Wrong(
            "takes the hidden units for linear: the slope of their tanh is missing.",
            lambda h, W, b, v, c, beta: pull(h, W, b, v, c, beta, slope=np.ones_like),
        ),
        Wrong(
            "uses the slope of a sigmoid for the hidden units; they are tanh.",
            lambda h, W, b, v, c, beta: pull(h, W, b, v, c, beta, slope=lambda a: a * (1 - a)),
        ),
        Wrong(
            "adds up over the codes; every code has a gradient of its own, one row each.",
            lambda h, W, b, v, c, beta: pull(h, W, b, v, c, beta).sum(axis=0),
        ),
    ),
)


# 3. The MMD as a loss, with heavier tails


def imq_mmd(a, b, C):
    return unbiased(lambda square: C / (C + square), a, b)


def unbiased(k, a, b):
    return within(k, a) + within(k, b) - 2 * k(cdist(a, b) ** 2).mean()


def within(k, a):
    K = k(cdist(a, a) ** 2)
    return (K.sum() - np.trace(K)) / (len(a) * (len(a) - 1))


def two_samples(rng, n, m, units):
    # Draws of the prior beside codes that are too narrow and off.
    h = (0.6 * codes(rng, n, units) + rng.uniform(0.5, 1, units)).astype("float32")
    return h, rng.normal(0, 1, (m, units)).astype("float32")


def mmd_inputs(rng):
    return [
        (*two_samples(rng, n, m, units), C)
        for n, m, units, C in ((16, 11, 2, 4.0), (9, 14, 3, 1.5))
    ]


def imq_mmd_by_differences(a, b, C):
    def kernel(p, q):
        return C / (C + ops.sum(ops.square(p[:, None] - q[None]), axis=-1))

    n, m = a.shape[0], b.shape[0]
    same_a = ops.sum(kernel(a, a) * (1 - ops.eye(n))) / (n * (n - 1))
    same_b = ops.sum(kernel(b, b) * (1 - ops.eye(m))) / (m * (m - 1))
    return same_a + same_b - 2 * ops.mean(kernel(a, b))


def imq_mmd_in_loops(a, b, C):
    def mean_kernel(p, q, same):
        total = 0.0
        for i in range(p.shape[0]):
            k = 1 / (1 + ops.sum((p[i] - q) ** 2, axis=1) / C)
            total = total + ops.sum(k) - (1.0 if same else 0.0)
        return total / (p.shape[0] * (q.shape[0] - (1 if same else 0)))

    return mean_kernel(a, a, True) + mean_kernel(b, b, True) - 2 * mean_kernel(a, b, False)


def imq_mmd_in_double(a, b, C):
    # One Gram matrix of both samples, and one matrix of weights.
    n, m = a.shape[0], b.shape[0]
    both = ops.cast(ops.concatenate([a, b]), "float64")
    gram = ops.matmul(both, ops.transpose(both))
    square = ops.diagonal(gram)[:, None] + ops.diagonal(gram)[None] - 2 * gram
    weight = np.full((n + m, n + m), -1 / (n * m))
    weight[:n, :n], weight[n:, n:] = 1 / (n * (n - 1)), 1 / (m * (m - 1))
    np.fill_diagonal(weight, 0)
    return ops.sum(weight * C / (C + square))


IMQ_MMD = Exercise(
    name="imq_mmd",
    points=5,
    reference=imq_mmd,
    inputs=mmd_inputs,
    differentiable="a",
    alternatives=(imq_mmd_by_differences, imq_mmd_in_loops, imq_mmd_in_double),
    wrong=(
        Wrong(
            "compares every point with itself too, and so is never 0 on average; leave those pairs "
            "out of the sum and of the number of pairs.",
            lambda a, b, C: (
                (C / (C + cdist(a, a) ** 2)).mean()
                + (C / (C + cdist(b, b) ** 2)).mean()
                - 2 * (C / (C + cdist(a, b) ** 2)).mean()
            ),
        ),
        Wrong(
            "leaves out the pairs of a point with itself, but divides as if they were there.",
            lambda a, b, C: (
                within(lambda s: C / (C + s), a) * (1 - 1 / len(a))
                + within(lambda s: C / (C + s), b) * (1 - 1 / len(b))
                - 2 * (C / (C + cdist(a, b) ** 2)).mean()
            ),
        ),
        Wrong(
            "uses the lecture's Gaussian kernel; this one falls off more slowly.",
            lambda a, b, C: unbiased(lambda square: np.exp(-square / (2 * C)), a, b),
        ),
        Wrong(
            "puts the distance into the kernel where its square is wanted.",
            lambda a, b, C: unbiased(lambda square: C / (C + np.sqrt(square)), a, b),
        ),
        Wrong(
            "lacks the factor C in the numerator; a point's kernel with itself is 1.",
            lambda a, b, C: unbiased(lambda square: 1 / (C + square), a, b),
        ),
        Wrong(
            "has a root in the kernel; this multiquadric has none.",
            lambda a, b, C: unbiased(lambda square: np.sqrt(C / (C + square)), a, b),
        ),
        Wrong(
            "squares C in the kernel; it is meant as it is, on the scale of a squared distance.",
            lambda a, b, C: unbiased(lambda square: C**2 / (C**2 + square), a, b),
        ),
        Wrong(
            "subtracts the mean over pairs of both samples once; it counts twice.",
            lambda a, b, C: imq_mmd(a, b, C) + (C / (C + cdist(a, b) ** 2)).mean(),
        ),
        Wrong(
            "has the opposite sign: pairs within a sample count positive, pairs of both negative.",
            lambda a, b, C: -imq_mmd(a, b, C),
        ),
        Wrong(
            "takes the root at the end; the square itself is wanted, which may be negative.",
            lambda a, b, C: np.sqrt(imq_mmd(a, b, C)),
        ),
    ),
)


# 4. The sliced Wasserstein distance


def sliced_wasserstein(a, b, directions):
    return np.mean((shadow(a, directions) - shadow(b, directions)) ** 2)


def shadow(a, directions):
    return np.sort(a @ directions.T, axis=0)


def sliced_inputs(rng):
    cases = []
    for n, units, count in ((14, 2, 5), (9, 3, 8)):
        directions = rng.normal(0, 1, (count, units))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        cases.append((*two_samples(rng, n, n, units), directions.astype("float32")))
    return cases


SLICED_WASSERSTEIN = Exercise(
    name="sliced_wasserstein",
    points=3,
    reference=sliced_wasserstein,
    inputs=sliced_inputs,
    differentiable="a",
    wrong=(
        Wrong(
            "pairs the points as they come; on a line the cheapest way pairs the smallest with the "
            "smallest, and so on.",
            lambda a, b, directions: np.mean((a @ directions.T - b @ directions.T) ** 2),
        ),
        Wrong(
            "sorts the coordinates before it projects; the shadows on each direction have to be "
            "sorted.",
            lambda a, b, directions: np.mean(
                ((np.sort(a, axis=0) - np.sort(b, axis=0)) @ directions.T) ** 2
            ),
        ),
        Wrong(
            "sorts over the directions; for each direction the points have to be sorted.",
            lambda a, b, directions: np.mean(
                (np.sort(a @ directions.T, axis=1) - np.sort(b @ directions.T, axis=1)) ** 2
            ),
        ),
        Wrong(
            "takes absolute differences, the distance of order 1; squares are wanted.",
            lambda a, b, directions: np.mean(np.abs(shadow(a, directions) - shadow(b, directions))),
        ),
        Wrong(
            "takes the root at the end; the square itself is wanted.",
            lambda a, b, directions: np.sqrt(sliced_wasserstein(a, b, directions)),
        ),
        Wrong(
            "adds up over the points; the mean over them is wanted.",
            lambda a, b, directions: len(a) * sliced_wasserstein(a, b, directions),
        ),
        Wrong(
            "adds up over the directions; the mean over them is wanted.",
            lambda a, b, directions: len(directions) * sliced_wasserstein(a, b, directions),
        ),
        Wrong(
            "takes the direction in which the two differ most; the mean over all is wanted.",
            lambda a, b, directions: np.max(
                ((shadow(a, directions) - shadow(b, directions)) ** 2).mean(axis=0)
            ),
        ),
        Wrong(
            "compares the means of the shadows only; samples with one mean would then look alike.",
            lambda a, b, directions: np.mean(
                (shadow(a, directions).mean(axis=0) - shadow(b, directions).mean(axis=0)) ** 2
            ),
        ),
        Wrong(
            "sorts one of the two downwards, which is the dearest way to pair them.",
            lambda a, b, directions: np.mean(
                (shadow(a, directions) - shadow(b, directions)[::-1]) ** 2
            ),
        ),
    ),
)


# 5. Is it more than chance?


def energy_test(distances, n, orders):
    return by_permutation(energy, distances, n, orders)


def p_value(others, found):
    return (1 + (others >= found).sum()) / (1 + len(others))


def by_permutation(statistic, distances, n, orders, count=p_value):
    found = statistic(distances, n)
    by_chance = np.array([statistic(distances[np.ix_(i, i)], n) for i in orders])
    return found, count(by_chance, found)


def energy(distances, n, between=2.0, mean=np.mean):
    return between * distances[:n, n:].mean() - mean(distances[:n, :n]) - mean(distances[n:, n:])


def without_self(block):
    return block.sum() / (len(block) * (len(block) - 1))


def energy_inputs(rng):
    """Drawn again until every mistake shows and no two statistics are nearly equal."""
    cases = []
    for n, m, count in ((12, 9, 19), (8, 15, 24)):
        case = energy_case(rng, n, m, count)
        while not telling(*case):
            case = energy_case(rng, n, m, count)
        cases.append(case)
    return cases


def energy_case(rng, n, m, count):
    h = codes(rng, n) + rng.uniform(0, 0.5, 2)
    both = np.concatenate([h, rng.normal(0, 1, (m, 2))])
    orders = np.array([rng.permutation(n + m) for _ in range(count)])
    return cdist(both, both).astype("float32"), n, orders


def telling(distances, n, orders):
    found, p = energy_test(distances, n, orders)
    others = [energy(distances[np.ix_(i, i)], n) for i in orders]
    mistakes = [wrong.function(distances, n, orders) for wrong in ENERGY_TEST.wrong]
    return (
        np.abs(np.subtract(others, found)).min() > 1e-4
        and np.abs(np.subtract(mistakes, (found, p))).max(axis=1).min() > 0.012
    )


ENERGY_TEST = Exercise(
    name="energy_test",
    points=4,
    reference=energy_test,
    inputs=energy_inputs,
    wrong=(
        Wrong(
            "counts the distances between the samples once; they count twice.",
            lambda d, n, orders: by_permutation(lambda d, n: energy(d, n, between=1), d, n, orders),
        ),
        Wrong(
            "has the opposite sign: distances between the samples count positive, distances "
            "within negative.",
            lambda d, n, orders: by_permutation(lambda d, n: -energy(d, n), d, n, orders),
        ),
        Wrong(
            "leaves the distances of points to themselves out of the means; here they are in.",
            lambda d, n, orders: by_permutation(
                lambda d, n: energy(d, n, mean=without_self), d, n, orders
            ),
        ),
        Wrong(
            "does not count the observed order itself, so that p could be 0.",
            lambda d, n, orders: by_permutation(
                energy, d, n, orders, lambda others, found: (others >= found).mean()
            ),
        ),
        Wrong(
            "adds 1 above the fraction, but not below it; the observed order is one more order.",
            lambda d, n, orders: by_permutation(
                energy,
                d,
                n,
                orders,
                lambda others, found: (1 + (others >= found).sum()) / len(others),
            ),
        ),
        Wrong(
            "counts the orders that give less than what was observed; those that give as much or "
            "more are wanted.",
            lambda d, n, orders: by_permutation(
                energy,
                d,
                n,
                orders,
                lambda others, found: (1 + (others <= found).sum()) / (1 + len(others)),
            ),
        ),
        Wrong(
            "reorders the rows of the matrix alone; a point takes its row and its column along.",
            lambda d, n, orders: (
                energy(d, n),
                (1 + sum(energy(d[i], n) >= energy(d, n) for i in orders)) / (1 + len(orders)),
            ),
        ),
        Wrong(
            "returns the number of orders; p is a share of them.",
            lambda d, n, orders: by_permutation(
                energy, d, n, orders, lambda others, found: 1 + (others >= found).sum()
            ),
        ),
        Wrong(
            "squares the distances; the energy distance takes them as they are.",
            lambda d, n, orders: by_permutation(energy, d**2, n, orders),
        ),
    ),
)

EXERCISES = (PIE_PRIOR, CODE_GRADIENT, IMQ_MMD, SLICED_WASSERSTEIN, ENERGY_TEST)
