"""Assignment 11, the adversarial game: solutions, and the mistakes that they are told from."""

import numpy as np
from keras import ops
from scipy import special
from scipy.spatial.distance import cdist

from grader.exercises import Exercise, Wrong, clothes


def images(rng, n, size=14, classes=range(10)):
    return clothes(rng, n, size, classes=classes)[0]


def apart(variants, gap):
    """Whether any two of several tuples of numbers differ by `gap` or more in one of them."""
    return all(
        np.abs(np.subtract(one, other)).max() >= gap
        for i, one in enumerate(variants)
        for other in variants[:i]
    )


# 1. The hinge game


def hinge_losses(real_logits, fake_logits):
    return hinge(1 - real_logits) + hinge(1 + fake_logits), -fake_logits.mean()


def hinge(a):
    return np.maximum(a, 0).mean()


def hinge_inputs(rng):
    cases = []
    for n, m in ((24, 15), (10, 18)):
        real = rng.normal(1.2, 1.5, (n, 1))
        fake = rng.normal(-0.8, 1.5, (m, 1))
        real += 0.2 * (np.abs(real - 1) < 0.1)  # away from the kink
        fake += 0.2 * (np.abs(fake + 1) < 0.1)
        cases.append((real.astype("float32"), fake.astype("float32")))
    return cases


HINGE_LOSSES = Exercise(
    name="hinge_losses",
    points=3,
    reference=hinge_losses,
    inputs=hinge_inputs,
    differentiable="real_logits",
    wrong=(
        Wrong(
            "gives the generator a margin as well; its loss is linear, there is nothing at which "
            "it may stop.",
            lambda real, fake: (hinge_losses(real, fake)[0], hinge(1 - fake)),
        ),
        Wrong(
            "exchanges the roles: real images are to get logits above 1, generated ones below -1.",
            lambda real, fake: hinge_losses(fake, real)[:1] + hinge_losses(real, fake)[1:],
        ),
        Wrong(
            "has no margin: it is content as soon as the sign is right.",
            lambda real, fake: (hinge(-real) + hinge(fake), -fake.mean()),
        ),
        Wrong(
            "adds up over the batch; means are wanted, so that the batch size does not matter.",
            lambda real, fake: (
                np.maximum(1 - real, 0).sum() + np.maximum(1 + fake, 0).sum(),
                -fake.sum(),
            ),
        ),
        Wrong(
            "never stops: without the maximum with 0 it is the loss of a Wasserstein critic, and "
            "images beyond the margin pull on.",
            lambda real, fake: ((1 - real).mean() + (1 + fake).mean(), -fake.mean()),
        ),
        Wrong(
            "has the wrong sign in the generator's loss: it wants its images taken for real, that "
            "is, with large logits.",
            lambda real, fake: (hinge_losses(real, fake)[0], fake.mean()),
        ),
        Wrong(
            "takes minus the discriminator's loss for the generator; this game is not zero-sum.",
            lambda real, fake: (hinge_losses(real, fake)[0], -hinge_losses(real, fake)[0]),
        ),
        Wrong(
            "is the lecture's cross-entropy; this game has hinges, not logarithms.",
            lambda real, fake: (
                np.logaddexp(0, -real).mean() + np.logaddexp(0, fake).mean(),
                np.logaddexp(0, -fake).mean(),
            ),
        ),
        Wrong(
            "averages over both batches together; each has a mean of its own, and they may differ "
            "in size.",
            lambda real, fake: (
                np.maximum(np.concatenate([1 - real, 1 + fake]), 0).mean(),
                -fake.mean(),
            ),
        ),
    ),
)


# 2. What the generator learns from one step, by hand


def generator_gradient(z, W, b, v, c):
    return generated_gradient(z, W, b, v, c)


def generated_gradient(
    z, W, b, v, c, *, by_logit=lambda D: D - 1, slope=lambda g: g * (1 - g), n=None
):
    g = special.expit(z @ W + b)
    D = special.expit(g @ v + c)
    d_a = by_logit(D)[:, None] * v * slope(g) / (n or len(z))
    return z.T @ d_a, d_a.sum(axis=0)


def generator_inputs(rng):
    cases = []
    for n, k, size in ((12, 5, 7), (7, 3, 14)):
        z = rng.normal(0, 1, (n, k))
        W = rng.normal(0, 0.5, (k, size**2))
        x = images(rng, 20, size).mean(axis=0)
        b = special.logit(np.clip(x, 0.05, 0.95)) + rng.normal(0, 0.5, size**2)
        g = special.expit(z @ W + b)
        v = rng.normal(0, 3 / size, size**2)
        c = rng.uniform(-1, -0.5) - (g @ v).mean()
        cases.append((*(part.astype("float32") for part in (z, W, b, v)), float(c)))
    return cases


def generator_gradient_in_loops(z, W, b, v, c):
    d_W, d_b = np.zeros_like(W), np.zeros_like(b)
    for i in range(z.shape[0]):
        image = 1 / (1 + np.exp(-(z[i] @ W + b)))
        doubt = 1 / (1 + np.exp(image @ v + c))  # 1 - D
        for j in range(len(b)):
            share = -doubt * v[j] * image[j] * (1 - image[j]) / z.shape[0]
            d_W[:, j] += share * z[i]
            d_b[j] += share
    return d_W, d_b


def generator_gradient_with_ops(z, W, b, v, c):
    g = ops.sigmoid(ops.matmul(z, W) + b)
    push = ops.sigmoid(-(ops.sum(g * v, axis=1, keepdims=True) + c)) / -g.shape[0]
    d_a = push * (g - ops.square(g)) * v
    return ops.einsum("nk,np->kp", z, d_a), ops.sum(d_a, axis=0)


def generator_gradient_in_double(z, W, b, v, c):
    with_one = np.column_stack([z, np.ones(len(z))]).astype("float64")
    g = special.expit(with_one @ np.vstack([W, b]))
    weight = -special.expit(-(g @ v + c)) / len(z)
    both = (with_one * weight[:, None]).T @ (g * (1 - g)) @ np.diag(v)
    return both[:-1], both[-1]


GENERATOR_GRADIENT = Exercise(
    name="generator_gradient",
    points=5,
    reference=generator_gradient,
    inputs=generator_inputs,
    atol=1e-6,
    alternatives=(
        generator_gradient_in_loops,
        generator_gradient_with_ops,
        generator_gradient_in_double,
    ),
    wrong=(
        Wrong(
            "is the gradient of the minimax loss, which vanishes where D is sure; the "
            "non-saturating loss is wanted.",
            lambda z, W, b, v, c: generated_gradient(z, W, b, v, c, by_logit=lambda D: -D),
        ),
        Wrong(
            "pushes with D, as the discriminator's own loss does: descending it makes the images "
            "look more generated.",
            lambda z, W, b, v, c: generated_gradient(z, W, b, v, c, by_logit=lambda D: D),
        ),
        Wrong(
            "has the opposite sign: this is the direction in which the loss falls, the gradient is "
            "the one in which it rises.",
            lambda z, W, b, v, c: generated_gradient(z, W, b, v, c, by_logit=lambda D: 1 - D),
        ),
        Wrong(
            "goes from the loss to D, but not on to the logit: the slope of the discriminator's "
            "sigmoid is missing.",
            lambda z, W, b, v, c: generated_gradient(z, W, b, v, c, by_logit=lambda D: -1 / D),
        ),
        Wrong(
            "adds over the batch without dividing by its size; the loss is a mean.",
            lambda z, W, b, v, c: generated_gradient(z, W, b, v, c, n=1),
        ),
        Wrong(
            "takes the slope of the generator's sigmoid for 1, as if its pixels were linear.",
            lambda z, W, b, v, c: generated_gradient(z, W, b, v, c, slope=np.ones_like),
        ),
        Wrong(
            "uses the slope of a tanh for the pixels; they are sigmoids.",
            lambda z, W, b, v, c: generated_gradient(z, W, b, v, c, slope=lambda g: 1 - g**2),
        ),
        Wrong(
            "averages d_b over the batch once more; d_b is the sum of the same numbers that d_W "
            "weights with z, and 1/N is among them already.",
            lambda z, W, b, v, c: (
                generated_gradient(z, W, b, v, c)[0],
                generated_gradient(z, W, b, v, c)[1] / len(z),
            ),
        ),
        Wrong(
            "returns d_W transposed; it has W's own shape, so that it can be subtracted from W.",
            lambda z, W, b, v, c: (
                generated_gradient(z, W, b, v, c)[0].T,
                generated_gradient(z, W, b, v, c)[1],
            ),
        ),
    ),
)


# 3. The gradient penalty of a small critic


def gradient_penalty(x, fake, u, W, b, v):
    return penalty(u * x + (1 - u) * fake, W, b, v)


def penalty(point, W, b, v, size=lambda g: np.linalg.norm(g, axis=1)):
    return np.mean((size(critic_slope(point, W, b, v)) - 1) ** 2)


def critic_slope(point, W, b, v, slope=lambda h: 1 - h**2):
    return (slope(np.tanh(point @ W + b)) * v) @ W.T


def penalty_inputs(rng):
    cases = []
    for n, m, size in ((10, 6, 7), (6, 9, 14)):
        x, fake = images(rng, n, size), images(rng, n, size)[:, ::-1] * 0.8
        u = rng.uniform(0.1, 0.9, (n, 1))
        W = rng.normal(0, 2.5 / size, (size**2, m))
        b = -(0.5 * (x + fake) @ W).mean(axis=0) + rng.normal(0, 0.5, m)
        v = rng.normal(0, 1, m)
        # Norms on both sides of 1.
        v /= np.median(np.linalg.norm(critic_slope(u * x + (1 - u) * fake, W, b, v), axis=1))
        cases.append(tuple(part.astype("float32") for part in (x, fake, u, W, b, v)))
    return cases


def penalty_in_loops(x, fake, u, W, b, v):
    total = 0.0
    for i in range(x.shape[0]):
        point = u[i, 0] * x[i] + (1 - u[i, 0]) * fake[i]
        direction = 0.0
        for j in range(v.shape[0]):
            h = ops.tanh(ops.sum(W[:, j] * point) + b[j])
            direction = direction + v[j] * (1 - h * h) * W[:, j]
        total = total + (ops.sqrt(ops.sum(direction * direction)) - 1) ** 2
    return total / x.shape[0]


def penalty_by_gram_matrix(x, fake, u, W, b, v):
    W = ops.cast(W, "float64")
    point = ops.cast(fake + u * (x - fake), "float64")
    h = ops.tanh(ops.matmul(point, W) + ops.cast(b, "float64"))
    s = (1 - h) * (1 + h) * ops.cast(v, "float64")
    squares = ops.sum(ops.matmul(s, ops.matmul(ops.transpose(W), W)) * s, axis=1)
    return ops.mean(squares - 2 * ops.sqrt(squares) + 1)


def penalty_by_einsum(x, fake, u, W, b, v):
    a = u * ops.matmul(x, W) + (1 - u) * ops.matmul(fake, W) + b  # the first layer is linear
    slope = 4 * ops.sigmoid(2 * a) * ops.sigmoid(-2 * a)
    g = ops.einsum("nm,m,pm->np", slope, v, W)
    return ops.mean(ops.square(ops.norm(g, axis=-1) - 1))


GRADIENT_PENALTY = Exercise(
    name="gradient_penalty",
    points=5,
    reference=gradient_penalty,
    inputs=penalty_inputs,
    differentiable="W",
    alternatives=(penalty_in_loops, penalty_by_gram_matrix, penalty_by_einsum),
    wrong=(
        Wrong(
            "compares the squared norm with 1; take the root first.",
            lambda x, fake, u, W, b, v: penalty(
                u * x + (1 - u) * fake, W, b, v, lambda g: (g**2).sum(axis=1)
            ),
        ),
        Wrong(
            "drives the slope to 0, like the penalty R1 of the lecture's game; here it is to be 1.",
            lambda x, fake, u, W, b, v: np.mean(
                (critic_slope(u * x + (1 - u) * fake, W, b, v) ** 2).sum(axis=1)
            ),
        ),
        Wrong(
            "gives u to the generated image and 1 - u to the real one.",
            lambda x, fake, u, W, b, v: penalty((1 - u) * x + u * fake, W, b, v),
        ),
        Wrong(
            "looks at the real images alone; the points lie between real and generated ones.",
            lambda x, fake, u, W, b, v: penalty(x, W, b, v),
        ),
        Wrong(
            "uses the same u for all pairs; every pair has its own.",
            lambda x, fake, u, W, b, v: penalty(u[0] * x + (1 - u[0]) * fake, W, b, v),
        ),
        Wrong(
            "takes the critic for linear: the slope of its tanh is missing.",
            lambda x, fake, u, W, b, v: np.mean((np.linalg.norm(W @ v) - 1) ** 2),
        ),
        Wrong(
            "multiplies with h itself where the slope of the tanh belongs.",
            lambda x, fake, u, W, b, v: np.mean(
                (
                    np.linalg.norm(
                        critic_slope(u * x + (1 - u) * fake, W, b, v, slope=lambda h: h), axis=1
                    )
                    - 1
                )
                ** 2
            ),
        ),
        Wrong(
            "takes norms over the images; every image has a gradient with one entry per pixel, and "
            "that has the norm.",
            lambda x, fake, u, W, b, v: penalty(
                u * x + (1 - u) * fake, W, b, v, lambda g: np.linalg.norm(g, axis=0)
            ),
        ),
        Wrong(
            "takes the mean over the pixels inside the norm; a norm is the root of a sum.",
            lambda x, fake, u, W, b, v: penalty(
                u * x + (1 - u) * fake, W, b, v, lambda g: np.sqrt((g**2).mean(axis=1))
            ),
        ),
        Wrong(
            "punishes slopes above 1 only; here those below 1 pay as well.",
            lambda x, fake, u, W, b, v: penalty(
                u * x + (1 - u) * fake, W, b, v, lambda g: np.maximum(np.linalg.norm(g, axis=1), 1)
            ),
        ),
        Wrong(
            "averages the norms before they are compared with 1, so that steep and flat places "
            "cancel; every pair pays for itself.",
            lambda x, fake, u, W, b, v: penalty(
                u * x + (1 - u) * fake, W, b, v, lambda g: np.linalg.norm(g, axis=1).mean()
            ),
        ),
        Wrong(
            "adds up over the pairs; the mean over them is wanted.",
            lambda x, fake, u, W, b, v: len(x) * gradient_penalty(x, fake, u, W, b, v),
        ),
    ),
)


# 4. The best discriminator of two histograms


def best_for_counts(real_counts, fake_counts):
    p, q = real_counts / real_counts.sum(), fake_counts / fake_counts.sum()
    return optimum(p, q), jensen_shannon(p, q)


def optimum(p, q, empty=0.5):
    return np.where(p + q > 0, p / np.where(p + q > 0, p + q, 1), empty)


def jensen_shannon(p, q):
    m = (p + q) / 2
    return (special.rel_entr(p, m).sum() + special.rel_entr(q, m).sum()) / 2


def counts_inputs(rng):
    cases = []
    for bins, n, m in ((16, 300, 120), (24, 150, 400)):
        while True:
            samples = [images(rng, size, 1, [rng.integers(10)]) for size in (n, m)]
            real, fake = (np.histogram(s, bins, (0, 1))[0] for s in samples)
            only_one = ((real > 0) != (fake > 0)).sum()
            both = ((real > 0) & (fake > 0)).sum()
            # Some bins with one of them, some with both, some with none, and a divergence between.
            if only_one >= 2 and both >= 4 and ((real + fake) == 0).any():
                p, q = real / n, fake / m
                divergence = jensen_shannon(p, q)
                one_half = special.rel_entr(p, (p + q) / 2).sum()
                if 0.05 < divergence < 0.5 and abs(one_half - divergence) > 0.03:
                    break
        cases.append((real, fake))
    return cases


BEST_FOR_COUNTS = Exercise(
    name="best_for_counts",
    points=3,
    reference=best_for_counts,
    inputs=counts_inputs,
    wrong=(
        Wrong(
            "compares the counts themselves; there are not equally many images of both kinds, so "
            "turn counts into shares first.",
            lambda real, fake: (
                optimum(real, fake),
                jensen_shannon(real / real.sum(), fake / fake.sum()),
            ),
        ),
        Wrong(
            "gives the probability of being generated; D says how likely an image is real.",
            lambda real, fake: (best_for_counts(fake, real)[0], best_for_counts(fake, real)[1]),
        ),
        Wrong(
            "measures the divergence in bits; nats are wanted, the natural logarithm.",
            lambda real, fake: (
                best_for_counts(real, fake)[0],
                best_for_counts(real, fake)[1] / np.log(2),
            ),
        ),
        Wrong(
            "adds both KL divergences in full; each counts one half.",
            lambda real, fake: (
                best_for_counts(real, fake)[0],
                2 * best_for_counts(real, fake)[1],
            ),
        ),
        Wrong(
            "returns the root of the divergence, which is called the Jensen-Shannon distance.",
            lambda real, fake: (
                best_for_counts(real, fake)[0],
                np.sqrt(best_for_counts(real, fake)[1]),
            ),
        ),
        Wrong(
            "returns KL(p || q), which is infinite where the generator has nothing; compare both "
            "with their mixture.",
            lambda real, fake: (
                best_for_counts(real, fake)[0],
                special.rel_entr(real / real.sum(), fake / fake.sum()).sum(),
            ),
        ),
        Wrong(
            "compares only the real shares with the mixture; the generated ones have a term too.",
            lambda real, fake: (
                best_for_counts(real, fake)[0],
                special.rel_entr(
                    real / real.sum(), (real / real.sum() + fake / fake.sum()) / 2
                ).sum(),
            ),
        ),
        Wrong(
            "has NaN where a bin is empty: 0 times the logarithm of 0 counts as 0, and where both "
            "have nothing D is 1/2.",
            lambda real, fake: (
                optimum(real / real.sum(), fake / fake.sum(), empty=np.nan),
                np.nan,
            ),
        ),
        Wrong(
            "says 0 where both bins are empty; D cannot know there, so it says 1/2.",
            lambda real, fake: (
                optimum(real / real.sum(), fake / fake.sum(), empty=0),
                best_for_counts(real, fake)[1],
            ),
        ),
        Wrong(
            "returns the loss that the best discriminator reaches; the divergence is wanted, which "
            "can be computed from it.",
            lambda real, fake: (
                best_for_counts(real, fake)[0],
                2 * np.log(2) - 2 * best_for_counts(real, fake)[1],
            ),
        ),
        Wrong(
            "adds 1 to every count to get rid of the zeros, and so makes both more alike than they "
            "are; empty bins need a rule, not invented images.",
            lambda real, fake: best_for_counts(real + 1, fake + 1),
        ),
    ),
)


# 5. Precision and recall of a generator


def precision_recall(real, fake, k):
    return inside(fake, real, k), inside(real, fake, k)


def radii(points, k):
    return np.sort(cdist(points, points), axis=1)[:, k]


def inside(points, others, k):
    """The share of points within the k-th neighbor's distance of one of the others."""
    return (cdist(points, others) <= radii(others, k)).any(axis=1).mean()


def own_balls(points, others, k):
    return (cdist(points, others).min(axis=1) <= radii(points, k)).mean()


def nearest_ball(points, others, k):
    distance = cdist(points, others)
    return (distance.min(axis=1) <= radii(others, k)[distance.argmin(axis=1)]).mean()


def crowd(points, others, k):
    return (cdist(points, others) <= radii(others, k)).sum(axis=1).mean() / k


def common_ball(points, others, k):
    return (cdist(points, others) <= radii(others, k).mean()).any(axis=1).mean()


def foreign_balls(points, others, k):
    radius = np.sort(cdist(others, points), axis=1)[:, k - 1]
    return (cdist(points, others) <= radius).any(axis=1).mean()


def both_ways(share):
    return lambda real, fake, k: (share(fake, real, k), share(real, fake, k))


PRECISION_RECALL = Exercise(
    name="precision_recall",
    points=4,
    reference=precision_recall,
    inputs=lambda rng: neighbor_inputs(rng),
    wrong=(
        Wrong(
            "exchanges precision and recall: precision is about the generated images, recall about "
            "the real ones.",
            lambda real, fake, k: precision_recall(real, fake, k)[::-1],
        ),
        Wrong(
            "counts every image as its own first neighbor, so that the balls are too small.",
            both_ways(lambda points, others, k: inside(points, others, k - 1)),
        ),
        Wrong(
            "takes one neighbor too many, so that the balls are too large.",
            both_ways(lambda points, others, k: inside(points, others, k + 1)),
        ),
        Wrong(
            "asks whether an image's own ball holds one of the other kind; the balls are drawn "
            "around the images of the other kind.",
            both_ways(own_balls),
        ),
        Wrong(
            "looks only at the ball of the nearest image of the other kind; any of the balls will "
            "do, and one of a lonely image is large.",
            both_ways(nearest_ball),
        ),
        Wrong(
            "counts how many balls an image lies in; one is enough, and more make it no better.",
            both_ways(crowd),
        ),
        Wrong(
            "gives all balls one radius; each has its own, large where images are rare.",
            both_ways(common_ball),
        ),
        Wrong(
            "takes for a radius the distance to the k-th image of the other kind; neighbors are "
            "of the same kind.",
            both_ways(foreign_balls),
        ),
        Wrong(
            "returns numbers of images; shares of them are wanted.",
            lambda real, fake, k: (
                inside(fake, real, k) * len(fake),
                inside(real, fake, k) * len(real),
            ),
        ),
    ),
)


def neighbor_inputs(rng):
    """Features of real images, and those of a generator that has lost some and invents others.

    Drawn again until every mistake shows and no image lies on the edge of a ball.
    """
    while True:
        cases = [features(rng, *sizes) for sizes in ((40, 28, 3), (30, 45, 2))]
        functions = [precision_recall, *(wrong.function for wrong in PRECISION_RECALL.wrong)]
        found = [np.ravel([f(*case) for case in cases]) for f in functions]
        if apart(found, 0.02) and not any(on_the_edge(*case) for case in cases):
            return cases


def features(rng, n, m, k):
    real = images(rng, n, 7)
    kept = images(rng, m, 7, classes=rng.choice(10, 6, replace=False))
    strange = rng.normal(0, 0.1, kept.shape) + images(rng, m, 7).mean(axis=0)
    share = np.where(rng.uniform(size=(m, 1)) < 0.6, 0.05, rng.uniform(0.3, 0.8, (m, 1)))
    return real, ((1 - share) * kept + share * strange).astype("float32"), k


def on_the_edge(real, fake, k):
    relative = [cdist(a, b) / radii(b, k) for a, b in ((real, fake), (fake, real))]
    return any((np.abs(distance - 1) < 1e-4).any() for distance in relative)


EXERCISES = (
    HINGE_LOSSES,
    GENERATOR_GRADIENT,
    GRADIENT_PENALTY,
    BEST_FOR_COUNTS,
    PRECISION_RECALL,
)
