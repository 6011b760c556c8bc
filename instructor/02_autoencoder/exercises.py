"""Assignment 02, the autoencoder: solutions, and the mistakes that they are told from."""

import numpy as np
from keras import ops
from scipy import special

from grader.exercises import Exercise, Wrong, clothes

# 1. The cross-entropy above its least value


def cross_entropy_excess(x, a):
    return np.sum(np.logaddexp(0, a) - x * a - entropy(x), axis=1)


def entropy(x):
    return -special.xlogy(x, x) - special.xlog1py(1 - x, -x)


def naive_excess(x, p):
    """From probabilities, as it stands in the lecture."""
    return np.sum(-x * np.log(p) - (1 - x) * np.log(1 - p) - entropy(x), axis=1)


def excess_inputs(rng):
    cases = []
    for n, sure in ((8, False), (13, True)):
        x, _ = clothes(rng, n)
        a = special.logit(0.9 * x + 0.05) + rng.normal(0, 0.7, x.shape)
        if sure:
            # White paper taken for black and a few bright pixels missed, both for certain.
            a[(x == 0) & (rng.uniform(size=x.shape) < 0.5)] = -1000
            a[np.arange(n), x.argmax(axis=1)] = -1000
            x[:, 0], a[:, 0] = 1, 1000
        cases.append((x, a.astype("float32")))
    return cases


def excess_by_log_sigmoid(x, a):
    x = np.asarray(x, dtype="float64")
    black_or_white = (x == 0) | (x == 1)
    safe = np.where(black_or_white, 0.5, x)
    least = np.where(black_or_white, 0, -safe * np.log(safe) - (1 - safe) * np.log(1 - safe))
    cross = -x * ops.cast(ops.log_sigmoid(a), "float64")
    cross = cross - (1 - x) * ops.cast(ops.log_sigmoid(-ops.convert_to_tensor(a)), "float64")
    return ops.sum(cross, axis=-1) - least.sum(axis=-1)


def excess_image_by_image(x, a):
    rows = []
    for i in range(len(x)):
        gray = (x[i] > 0) & (x[i] < 1)
        lowest = sum(-p * np.log(p) - (1 - p) * np.log(1 - p) for p in x[i][gray])
        loss = ops.sum(ops.relu(a[i]) + ops.log1p(ops.exp(-ops.abs(a[i]))) - x[i] * a[i])
        rows.append(loss - float(lowest))
    return ops.stack(rows)


def excess_with_keras(x, a):
    x = ops.convert_to_tensor(x)
    loss = ops.binary_crossentropy(x, a, from_logits=True)
    tiny = 1e-30  # x log(x + tiny) is 0 at x = 0
    least = x * ops.log(x + tiny) + (1 - x) * ops.log(1 - x + tiny)
    return x.shape[1] * ops.mean(loss + least, axis=1)


CROSS_ENTROPY_EXCESS = Exercise(
    name="cross_entropy_excess",
    points=4,
    reference=cross_entropy_excess,
    inputs=excess_inputs,
    differentiable="a",
    atol=1e-3,
    alternatives=(excess_by_log_sigmoid, excess_image_by_image, excess_with_keras),
    wrong=(
        Wrong(
            "is the cross-entropy itself; its least value, the entropy of the image, has to be "
            "taken off.",
            lambda x, a: cross_entropy_excess(x, a) + entropy(x).sum(axis=1),
        ),
        Wrong(
            "adds the image's entropy, where it has to be taken off; mind the minus sign in front "
            "of the entropy.",
            lambda x, a: cross_entropy_excess(x, a) + 2 * entropy(x).sum(axis=1),
        ),
        Wrong(
            "takes the mean over the pixels; add them up.",
            lambda x, a: cross_entropy_excess(x, a) / x.shape[1],
        ),
        Wrong(
            "adds up all images; one number per image is wanted.",
            lambda x, a: cross_entropy_excess(x, a).sum(),
        ),
        Wrong(
            "leaves the dark half out of the cross-entropy, the term with 1 - x.",
            lambda x, a: np.sum(x * np.logaddexp(0, -a) - entropy(x), axis=1),
        ),
        Wrong(
            "is NaN for images with pixels that are exactly 0 or 1: the computer takes 0 times "
            "log 0 for NaN, and here it is 0.",
            lambda x, a: cross_entropy_excess(x, a) + np.sum(x * np.log(x), axis=1),
        ),
        Wrong(
            "fails where the decoder is sure of itself: its sigmoid rounds to 0 or 1 before the "
            "logarithm is taken. Go from a to the logarithm without the sigmoid.",
            lambda x, a: naive_excess(x, special.expit(a)),
        ),
        Wrong(
            "holds the probabilities away from 0 and 1, so that a sure mistake costs 16 per pixel "
            "instead of 1000; compute with a, without the sigmoid.",
            lambda x, a: naive_excess(x, np.clip(special.expit(a), 1e-7, 1 - 1e-7)),
        ),
        Wrong(
            "is infinite where a is large: exp(a) overflows. Take a function that knows log(1 + "
            "exp(a)) as a whole.",
            lambda x, a: np.sum(np.log(1 + np.exp(a)) - x * a - entropy(x), axis=1),
        ),
    ),
)


# 2. What share of the error a model removes, class by class


def share_removed(x, x_hat, y, mean_image):
    left, before = squared(x - x_hat), squared(x - mean_image)
    return np.array([1 - left[y == c].sum() / before[y == c].sum() for c in np.unique(y)])


def squared(rows):
    return np.sum(rows**2, axis=1)


def by_class(function, y, classes=None):
    """`function` of each class's mask, as an array."""
    return np.array([function(y == c) for c in (np.unique(y) if classes is None else classes)])


def share_inputs(rng):
    cases = []
    for n, known in ((30, 6), (18, 4)):
        labels = np.sort(rng.choice(10, known, replace=False))
        x, y = clothes(rng, 400)
        # Unequal classes, the largest label first, every label at least twice.
        wanted = [labels[-1], *labels, *labels, *rng.choice(labels[:2], n - 2 * known - 1)]
        of_label = {c: list(np.flatnonzero(y == c)) for c in labels}
        rows = [of_label[c].pop() for c in wanted]  # no image twice
        quality = rng.uniform(0.3, 0.9, 10)[y[rows], None] + rng.uniform(-0.2, 0.1, (n, 1))
        mean_image = x.mean(axis=0)
        x_hat = quality * x[rows] + (1 - quality) * mean_image + rng.normal(0, 0.05, (n, 196))
        cases.append((x[rows], x_hat.astype("float32"), y[rows].astype("int32"), mean_image))
    return cases


SHARE_REMOVED = Exercise(
    name="share_removed",
    points=3,
    reference=share_removed,
    inputs=share_inputs,
    rtol=2e-4,
    wrong=(
        Wrong(
            "returns the share of the error that is left; the share that is removed is wanted.",
            lambda x, x_hat, y, mean_image: 1 - share_removed(x, x_hat, y, mean_image),
        ),
        Wrong(
            "takes the mean of the images' shares; a class's share compares two sums over its "
            "images.",
            lambda x, x_hat, y, mean_image: by_class(
                lambda c: (1 - squared(x - x_hat)[c] / squared(x - mean_image)[c]).mean(), y
            ),
        ),
        Wrong(
            "compares with the mean of the images at hand; the mean image is given, and comes from "
            "the training images.",
            lambda x, x_hat, y, mean_image: share_removed(x, x_hat, y, x.mean(axis=0)),
        ),
        Wrong(
            "compares with the mean of each class, which nobody knows who does not know the "
            "label; compare with the one mean image.",
            lambda x, x_hat, y, mean_image: by_class(
                lambda c: 1 - squared(x - x_hat)[c].sum() / squared(x - x[c].mean(axis=0))[c].sum(),
                y,
            ),
        ),
        Wrong(
            "divides by the mean image's error on all images; divide by its error on the images of "
            "the class.",
            lambda x, x_hat, y, mean_image: by_class(
                lambda c: 1 - squared(x - x_hat)[c].sum() / squared(x - mean_image).sum(), y
            ),
        ),
        Wrong(
            "returns one number for all images; one per class is wanted.",
            lambda x, x_hat, y, mean_image: share_removed(x, x_hat, 0 * y, mean_image)[0],
        ),
        Wrong(
            "takes the root of the errors; the share is one of squared errors.",
            lambda x, x_hat, y, mean_image: 1 - np.sqrt(1 - share_removed(x, x_hat, y, mean_image)),
        ),
        Wrong(
            "has the classes in the order in which they occur; sort the labels.",
            lambda x, x_hat, y, mean_image: by_class(
                lambda c: 1 - squared(x - x_hat)[c].sum() / squared(x - mean_image)[c].sum(),
                y,
                list(dict.fromkeys(y.tolist())),
            ),
        ),
        Wrong(
            "has a row for each of ten labels, NaN for those that do not occur; only the labels in "
            "y are wanted.",
            lambda x, x_hat, y, mean_image: by_class(
                lambda c: 1 - squared(x - x_hat)[c].sum() / squared(x - mean_image)[c].sum(),
                y,
                range(10),
            ),
        ),
    ),
)


# 3. From code to code along a great circle


def great_circle(h, h_end, alphas):
    return path(h, h_end, alphas)


def length(h):
    return np.linalg.norm(h, axis=-1, keepdims=True)


def weighted(u, u_end, angle, alphas, divisor=np.sin):
    """Shoemake's combination; angle (N,), -> (N, k, m)."""
    angle, at = angle[:, None, None], alphas[None, :, None]
    ends = np.sin((1 - at) * angle) * u[:, None] + np.sin(at * angle) * u_end[:, None]
    return ends / divisor(angle)


def lengths(h, h_end, alphas):
    at = alphas[None, :, None]
    return (1 - at) * length(h)[:, None] + at * length(h_end)[:, None]


def angles(u, u_end):
    return np.arccos(np.sum(u * u_end, axis=-1))


def path(h, h_end, alphas, *, convert=lambda angle: angle, size=lengths, divisor=np.sin):
    u, u_end = h / length(h), h_end / length(h_end)
    directions = weighted(u, u_end, convert(angles(u, u_end)), alphas, divisor)
    return size(h, h_end, alphas) * directions


def straight(h, h_end, alphas):
    at = alphas[None, :, None]
    return (1 - at) * h[:, None] + at * h_end[:, None]


def path_inputs(rng):
    cases = []
    for n, m, k in ((4, 12, 5), (7, 20, 3)):
        h, h_end = rng.normal(size=(2, n, m))
        # Of very different lengths, and all products of two codes beyond 1.
        h *= rng.uniform(1, 2, (n, 1)) / length(h) * 5
        h_end *= rng.uniform(3, 4, (n, 1)) / length(h_end) * 5
        h_end += rng.choice([-1, 1], (n, 1)) * 3 * h / length(h)
        alphas = np.sort(rng.uniform(0.1, 0.9, k)) if n == 7 else np.array([0, 0.2, 0.5, 0.9, 1])
        cases.append(tuple(part.astype("float32") for part in (h, h_end, alphas)))
    return cases


def path_by_tangent(h, h_end, alphas):
    """Turns in the plane of the two codes, from u towards v, which is at right angles to it."""
    h, h_end, alphas = (np.asarray(part, dtype="float64") for part in (h, h_end, alphas))
    result = np.empty((len(h), len(alphas), h.shape[1]))
    for i, (start, end) in enumerate(zip(h, h_end, strict=True)):
        u = start / np.sqrt(start @ start)
        v = end - (end @ u) * u
        angle = np.arctan2(np.sqrt(v @ v), end @ u)
        v /= np.sqrt(v @ v)
        for j, alpha in enumerate(alphas):
            turned = np.cos(alpha * angle) * u + np.sin(alpha * angle) * v
            far = np.sqrt(start @ start) * (1 - alpha) + np.sqrt(end @ end) * alpha
            result[i, j] = far * turned
    return result


def path_with_ops(h, h_end, alphas):
    u, u_end = ops.normalize(h, axis=1), ops.normalize(h_end, axis=1)
    angle = ops.arccos(ops.sum(u * u_end, axis=1))
    first = ops.sin(ops.outer(angle, 1 - alphas)) / ops.sin(angle)[:, None]
    last = ops.sin(ops.outer(angle, alphas)) / ops.sin(angle)[:, None]
    directions = ops.einsum("nk,nm->nkm", first, u) + ops.einsum("nk,nm->nkm", last, u_end)
    far = ops.outer(ops.norm(h, axis=1), 1 - alphas) + ops.outer(ops.norm(h_end, axis=1), alphas)
    return far[:, :, None] * directions


def path_one_alpha_at_a_time(h, h_end, alphas):
    size, size_end = np.linalg.norm(h, axis=1), np.linalg.norm(h_end, axis=1)
    angle = np.arccos(np.einsum("nm,nm->n", h, h_end) / (size * size_end))
    points = []
    for alpha in alphas:
        far = (1 - alpha) * size + alpha * size_end
        first = far * np.sin((1 - alpha) * angle) / np.sin(angle) / size
        last = far * np.sin(alpha * angle) / np.sin(angle) / size_end
        points.append(first[:, None] * h + last[:, None] * h_end)
    return np.stack(points, axis=1)


GREAT_CIRCLE = Exercise(
    name="great_circle",
    points=4,
    reference=great_circle,
    inputs=path_inputs,
    atol=1e-4,
    alternatives=(path_by_tangent, path_with_ops, path_one_alpha_at_a_time),
    wrong=(
        Wrong(
            "mixes the codes as the lecture does, along the straight line.",
            straight,
        ),
        Wrong(
            "goes from h_end to h; alpha 0 is h.",
            lambda h, h_end, alphas: path(h_end, h, alphas),
        ),
        Wrong(
            "puts the straight line's points on the circle, so that they do not turn uniformly: "
            "they hurry in the middle.",
            lambda h, h_end, alphas: (
                lengths(h, h_end, alphas)
                * (line := straight(h / length(h), h_end / length(h_end), alphas))
                / length(line)
            ),
        ),
        Wrong(
            "combines the codes themselves in place of their directions, so that the length does "
            "not change linearly.",
            lambda h, h_end, alphas: weighted(
                h, h_end, angles(h / length(h), h_end / length(h_end)), alphas
            ),
        ),
        Wrong(
            "takes the product of the codes for the cosine of their angle; it is the product of "
            "two vectors of length 1.",
            lambda h, h_end, alphas: (
                lengths(h, h_end, alphas)
                * weighted(h / length(h), h_end / length(h_end), angles(h, h_end), alphas)
            ),
        ),
        Wrong(
            "returns vectors of length 1; give each point its length.",
            lambda h, h_end, alphas: path(h, h_end, alphas, size=lambda *_: 1),
        ),
        Wrong(
            "keeps the length of h all the way; it changes to that of h_end.",
            lambda h, h_end, alphas: path(
                h, h_end, alphas, size=lambda h, h_end, alphas: length(h)[:, None]
            ),
        ),
        Wrong(
            "does not divide by the sine of the whole angle.",
            lambda h, h_end, alphas: path(h, h_end, alphas, divisor=np.ones_like),
        ),
        Wrong(
            "takes the product of the two directions for the angle; that is its cosine.",
            lambda h, h_end, alphas: path(h, h_end, alphas, convert=np.cos),
        ),
        Wrong(
            "has the alphas along the first axis and the pairs along the second; exchange them.",
            lambda h, h_end, alphas: path(h, h_end, alphas).swapaxes(0, 1),
        ),
    ),
)


# 4. Draws from a Gaussian with the codes' full covariance


def draw_codes(h, eps):
    return h.mean(axis=0) + eps @ np.linalg.cholesky(covariance(h)).T


def covariance(h):
    return np.cov(h, rowvar=False, bias=True)


def symmetric_root(C):
    variances, axes = np.linalg.eigh(C)
    return axes * np.sqrt(variances) @ axes.T


def draw_inputs(rng):
    cases = []
    for n, m, k in ((12, 4, 9), (9, 3, 14)):
        # Units that go together, of unequal spread, far from 0.
        mixing = rng.normal(size=(m, m)) + np.eye(m)
        h = rng.normal(size=(n, m)) @ (mixing * rng.uniform(0.5, 3, m)) + rng.normal(0, 4, m)
        cases.append((h.astype("float32"), rng.normal(size=(k, m)).astype("float32")))
    return cases


DRAW_CODES = Exercise(
    name="draw_codes",
    points=4,
    reference=draw_codes,
    inputs=draw_inputs,
    atol=1e-4,
    wrong=(
        Wrong(
            "is the lecture's diagonal Gaussian: every unit is drawn by itself, and what they have "
            "in common is lost.",
            lambda h, eps: h.mean(axis=0) + eps * h.std(axis=0),
        ),
        Wrong(
            "multiplies with L where its transpose belongs: eps stands on the left, as a row, so "
            "work out the covariance of eps L once more.",
            lambda h, eps: h.mean(axis=0) + eps @ np.linalg.cholesky(covariance(h)),
        ),
        Wrong(
            "multiplies with the covariance in place of its root.",
            lambda h, eps: h.mean(axis=0) + eps @ covariance(h),
        ),
        Wrong(
            "draws around 0; the codes' mean is missing.",
            lambda h, eps: eps @ np.linalg.cholesky(covariance(h)).T,
        ),
        Wrong(
            "divides by N - 1 in the covariance; by N here.",
            lambda h, eps: h.mean(axis=0) + eps @ np.linalg.cholesky(np.cov(h, rowvar=False)).T,
        ),
        Wrong(
            "does not subtract the mean before it computes the covariance.",
            lambda h, eps: h.mean(axis=0) + eps @ np.linalg.cholesky(h.T @ h / len(h)).T,
        ),
        Wrong(
            "takes the symmetric root, which gives the right distribution but other draws; take "
            "the Cholesky factor.",
            lambda h, eps: h.mean(axis=0) + eps @ symmetric_root(covariance(h)),
        ),
        Wrong(
            "uses the correlations, so that every unit has variance 1; take the covariance.",
            lambda h, eps: (
                h.mean(axis=0) + eps @ np.linalg.cholesky(np.corrcoef(h, rowvar=False)).T
            ),
        ),
    ),
)

EXERCISES = (CROSS_ENTROPY_EXCESS, SHARE_REMOVED, GREAT_CIRCLE, DRAW_CODES)
