"""Assignment 10, the conditional VAE: solutions, and the mistakes that they are told from."""

import numpy as np
from keras import ops
from scipy import special

from grader.exercises import Exercise, Wrong, clothes

# 1. Folding a time series


def fold(t, v, period, epoch):
    return folded(cycles(t, period, epoch) % 1, v)


def cycles(t, period, epoch):
    return (t - epoch[:, None]) / period[:, None]


def folded(phase, v):
    order = np.argsort(phase, axis=1)
    return np.take_along_axis(phase, order, axis=1), np.take_along_axis(v, order, axis=1)


def fold_inputs(rng):
    cases = []
    for n, points in ((6, 15), (9, 8)):
        period, epoch = rng.uniform(2, 6, n), rng.uniform(10, 40, n)
        # No phase near another or near 0: single precision must not change their order.
        phase = (np.arange(points) + rng.uniform(0.25, 0.75, (n, points))) / points
        t = (epoch + period * (rng.integers(-15, 15, (points, n)) + phase.T)).T
        v = 30 * np.sin(2 * np.pi * phase) + rng.normal(0, 3, phase.shape)
        order = np.argsort(t, axis=1)  # as they were observed
        t, v = np.take_along_axis(t, order, axis=1), np.take_along_axis(v, order, axis=1)
        cases.append(tuple(a.astype("float32") for a in (t, v, period, epoch)))
    return cases


FOLD = Exercise(
    name="fold",
    points=3,
    reference=fold,
    inputs=fold_inputs,
    wrong=(
        Wrong(
            "leaves the observations in the order of time; sort them by phase.",
            lambda t, v, period, epoch: (cycles(t, period, epoch) % 1, v),
        ),
        Wrong(
            "sorts the phases but not the velocities with them, so that they no longer belong "
            "together.",
            lambda t, v, period, epoch: (np.sort(cycles(t, period, epoch) % 1, axis=1), v),
        ),
        Wrong(
            "sorts phases and velocities each for itself; a velocity must stay with its phase.",
            lambda t, v, period, epoch: (
                np.sort(cycles(t, period, epoch) % 1, axis=1),
                np.sort(v, axis=1),
            ),
        ),
        Wrong(
            "does not count from the epoch.",
            lambda t, v, period, epoch: folded(t / period[:, None] % 1, v),
        ),
        Wrong(
            "gives negative phases before the epoch: the fraction is cut off towards 0. Every "
            "phase lies in [0, 1).",
            lambda t, v, period, epoch: folded(np.fmod(cycles(t, period, epoch), 1), v),
        ),
        Wrong(
            "makes the phases before the epoch positive by their magnitude, which runs through "
            "them backwards.",
            lambda t, v, period, epoch: folded(np.abs(cycles(t, period, epoch)) % 1, v),
        ),
        Wrong(
            "gives the days since the last beginning of a cycle; divide by the period, so that a "
            "phase is a share of the cycle.",
            lambda t, v, period, epoch: folded((t - epoch[:, None]) % period[:, None], v),
        ),
        Wrong(
            "adds the epoch; phase 0 is at t = epoch.",
            lambda t, v, period, epoch: folded(cycles(t, period, -epoch) % 1, v),
        ),
        Wrong(
            "sorts from the largest phase to the smallest.",
            lambda t, v, period, epoch: tuple(a[:, ::-1] for a in fold(t, v, period, epoch)),
        ),
    ),
)


# 2. The negative log-likelihood of sequences of unequal length


HALF_LOG_2_PI = 0.5 * np.log(2 * np.pi)


def masked_nll(x, mean, s, mask):
    return (terms(x, mean, s, mask) * mask).sum(axis=1)


def terms(x, mean, s, mask, *, square=0.5, log=1.0, constant=HALF_LOG_2_PI):
    s = np.where(mask, s, 1)
    return square * np.square((x - mean) / s) + log * np.log(s) + constant


def nll_inputs(rng):
    cases = []
    for n, points in ((8, 12), (5, 20)):
        mask = np.arange(points) < rng.integers(points // 3, points, n)[:, None]
        s = rng.uniform(0.3, 3, (n, points))
        mean = 2 * rng.normal(size=(n, points))
        x = mean + s * rng.normal(size=(n, points))
        arrays = (np.where(mask, x, 0), mean, np.where(mask, s, 0))
        cases.append((*(a.astype("float32") for a in arrays), mask))
    return cases


def nll_by_multiplying(x, mean, s, mask):
    keep = ops.cast(mask, "float32")
    precision = keep / (s + (1 - keep))
    errors = ops.sum(ops.square((x - mean) * precision), axis=1)
    log_s = ops.sum(ops.log(s + (1 - keep)), axis=1)
    return errors / 2 + log_s + np.log(2 * np.pi) / 2 * ops.sum(keep, axis=1)


def nll_row_by_row(x, mean, s, mask):
    rows = []
    for i in range(mask.shape[0]):
        last = int(np.sum(mask[i]))
        z = (x[i, :last] - mean[i, :last]) / s[i, :last]
        density = ops.exp(-(z**2) / 2) / (s[i, :last] * np.sqrt(2 * np.pi))
        rows.append(-ops.sum(ops.log(density)))
    return ops.stack(rows)


def nll_in_double(x, mean, s, mask):
    x, mean, s = (ops.cast(a, "float64") for a in (x, mean, s))
    variance = ops.where(mask, s, ops.ones_like(s)) ** 2
    difference = ops.where(mask, x - mean, ops.zeros_like(x))
    constant = 2 * np.pi * mask + ~mask  # 1, whose logarithm is 0, in the padding
    return 0.5 * ops.sum(difference**2 / variance + ops.log(variance) + np.log(constant), axis=-1)


MASKED_NLL = Exercise(
    name="masked_nll",
    points=5,
    reference=masked_nll,
    inputs=nll_inputs,
    differentiable="mean",
    alternatives=(nll_by_multiplying, nll_row_by_row, nll_in_double),
    wrong=(
        Wrong(
            "lets the padding in: log 0 and a division by 0 make it NaN, and 0 times NaN is NaN. "
            "Give the padding a harmless error bar before you compute.",
            lambda x, mean, s, mask: np.full(len(x), np.nan),
        ),
        Wrong(
            "counts the padding, with a harmless error bar, as if it had been observed.",
            lambda x, mean, s, mask: terms(x, mean, s, mask).sum(axis=1),
        ),
        Wrong(
            "counts the constant for the padding too; it belongs to the real observations alone.",
            lambda x, mean, s, mask: (
                masked_nll(x, mean, s, mask) + HALF_LOG_2_PI * (~mask).sum(axis=1)
            ),
        ),
        Wrong(
            "takes the mean over a sequence's observations; they add up to log p(x).",
            lambda x, mean, s, mask: masked_nll(x, mean, s, mask) / mask.sum(axis=1),
        ),
        Wrong(
            "takes the mean over all places of the sequence, padding included; add up.",
            lambda x, mean, s, mask: masked_nll(x, mean, s, mask) / mask.shape[1],
        ),
        Wrong(
            "has only the squared errors; without log s the density does not integrate to 1, and "
            "with unequal error bars it matters.",
            lambda x, mean, s, mask: np.sum(
                mask * terms(x, mean, s, mask, log=0, constant=0), axis=1
            ),
        ),
        Wrong(
            "leaves out the constant with 2 pi.",
            lambda x, mean, s, mask: (mask * terms(x, mean, s, mask, constant=0)).sum(axis=1),
        ),
        Wrong(
            "misses the factor one half of the squared errors.",
            lambda x, mean, s, mask: (mask * terms(x, mean, s, mask, square=1)).sum(axis=1),
        ),
        Wrong(
            "halves log s; half the logarithm belongs to the variance, which is the square of s.",
            lambda x, mean, s, mask: (mask * terms(x, mean, s, mask, log=0.5)).sum(axis=1),
        ),
        Wrong(
            "takes s for a variance; it is a standard deviation.",
            lambda x, mean, s, mask: masked_nll(x, mean, np.sqrt(s), mask),
        ),
        Wrong(
            "has the opposite sign; the negative log-likelihood is wanted.",
            lambda x, mean, s, mask: -masked_nll(x, mean, s, mask),
        ),
    ),
)


# 3. Every image in all labels


def in_all_labels(x, y, W, b, V, c):
    return decoded(encoded(x, y, W, b), np.eye(y.shape[1]), V, c)


def encoded(x, y, W, b):
    return np.concatenate([x, y], axis=1) @ W + b


def decoded(z, labels, V, c, *, squash=special.expit):
    """Every code (row of z) with every label: (N, K, n)."""
    m = z.shape[1]
    return squash((z @ V[:m])[:, None] + (labels @ V[m:])[None] + c)


def label_inputs(rng):
    cases = []
    for n, classes, m in ((7, 4, 3), (5, 6, 2)):
        x, _ = clothes(rng, n, 7)
        y = np.eye(classes)[rng.integers(classes, size=n)]
        W, V = rng.normal(0, 0.3, (49 + classes, m)), rng.normal(0, 0.7, (m + classes, 49))
        W[49:] *= 4
        arrays = (x, y, W, rng.normal(0, 0.5, m), V, rng.normal(0, 0.5, 49))
        cases.append(tuple(a.astype("float32") for a in arrays))
    return cases


def encoded_with_every_label(x, y, W, b, V, c):
    labels, m = np.eye(y.shape[1]), W.shape[1]
    z = (x @ W[:49])[:, None] + (labels @ W[49:])[None] + b
    return special.expit(z @ V[:m] + (labels @ V[m:])[None] + c)


def without_label_in_encoder(x, y, W, b, V, c):
    return in_all_labels(x, 0 * y, W, b, V, c)


def exchanged_in_decoder(x, y, W, b, V, c):
    classes = y.shape[1]
    turned = np.concatenate([V[classes:], V[:classes]])
    return in_all_labels(x, y, W, b, turned, c)


def exchanged_in_encoder(x, y, W, b, V, c):
    return decoded(np.concatenate([y, x], axis=1) @ W + b, np.eye(y.shape[1]), V, c)


IN_ALL_LABELS = Exercise(
    name="in_all_labels",
    points=4,
    reference=in_all_labels,
    inputs=label_inputs,
    atol=1e-4,
    wrong=(
        Wrong(
            "tells the encoder the label that is asked for; the code is found with the image's own "
            "label.",
            encoded_with_every_label,
        ),
        Wrong(
            "decodes with the image's own label every time, which is the reconstruction.",
            lambda x, y, W, b, V, c: np.repeat(
                decoded(encoded(x, y, W, b), y, V, c)[range(len(x)), range(len(x))][:, None],
                y.shape[1],
                axis=1,
            ),
        ),
        Wrong(
            "does not tell the encoder any label; its second input is missing.",
            without_label_in_encoder,
        ),
        Wrong(
            "does not tell the decoder any label, so that all columns are alike.",
            lambda x, y, W, b, V, c: decoded(
                encoded(x, y, W, b), np.zeros((y.shape[1],) * 2), V, c
            ),
        ),
        Wrong(
            "gives the label first and the image second to the encoder; the rows of W are in the "
            "other order.",
            exchanged_in_encoder,
        ),
        Wrong(
            "gives the label first and the code second to the decoder; the rows of V are in the "
            "other order.",
            exchanged_in_decoder,
        ),
        Wrong(
            "returns logits; the probabilities of white are wanted.",
            lambda x, y, W, b, V, c: decoded(
                encoded(x, y, W, b), np.eye(y.shape[1]), V, c, squash=lambda a: a
            ),
        ),
        Wrong(
            "leaves out the bias of the encoder.",
            lambda x, y, W, b, V, c: in_all_labels(x, y, W, 0, V, c),
        ),
        Wrong(
            "leaves out the bias of the decoder.",
            lambda x, y, W, b, V, c: in_all_labels(x, y, W, b, V, 0),
        ),
        Wrong(
            "has the labels as its first axis; first the images, then the labels.",
            lambda x, y, W, b, V, c: in_all_labels(x, y, W, b, V, c).swapaxes(0, 1),
        ),
    ),
)


# 4. How much of the code the label tells: the correlation ratio


def correlation_ratio(z, y):
    return between(z, y) / ((z - z.mean(axis=0)) ** 2).sum(axis=0)


def between(z, y, *, sizes=True, center=None):
    center = z.mean(axis=0) if center is None else center
    return sum(
        (np.sum(y == k) if sizes else 1) * (z[y == k].mean(axis=0) - center) ** 2
        for k in np.unique(y)
    )


def within(z, y):
    return sum(((z[y == k] - z[y == k].mean(axis=0)) ** 2).sum(axis=0) for k in np.unique(y))


def mean_of_variances(z, y):
    present = [z[y == k].var(axis=0) for k in np.unique(y)]
    return 1 - np.mean(present, axis=0) / z.var(axis=0)


def ratio_inputs(rng):
    cases = []
    for n, m in ((40, 5), (25, 7)):
        # Very unequal classes, of which some are missing; the first of them always there.
        present = rng.permutation(10)[:4]
        y = np.concatenate([present, rng.choice(present, n - 4, p=(0.6, 0.2, 0.1, 0.1))])
        share = rng.permutation(np.linspace(0.3, 1.5, m))
        z = share * rng.normal(size=(10, m))[y] + rng.normal(size=(n, m)) + 1
        cases.append((z.astype("float32"), y.astype("int32")))
    return cases


def ratio_by_one_hot(z, y):
    is_in = ops.one_hot(y, 10)
    n_k = ops.sum(is_in, axis=0)[:, None]
    centered = z - ops.mean(z, axis=0)
    sums = ops.matmul(ops.transpose(is_in), centered)
    between = ops.sum(sums**2 / ops.maximum(n_k, 1), axis=0)
    return between / ops.sum(centered**2, axis=0)


def ratio_of_predictions(z, y):
    predicted = np.array([z[y == label].mean(axis=0) for label in y])
    return predicted.var(axis=0) / z.var(axis=0)


def ratio_in_loops(z, y):
    z = z.astype("float64")
    found = []
    for unit in range(z.shape[1]):
        values = [float(value) for value in z[:, unit]]
        mean = sum(values) / len(values)
        rest = 0.0
        for k in range(10):
            members = [value for value, label in zip(values, y, strict=True) if label == k]
            rest += sum((value - sum(members) / len(members)) ** 2 for value in members)
        found.append(1 - rest / sum((value - mean) ** 2 for value in values))
    return np.array(found)


CORRELATION_RATIO = Exercise(
    name="correlation_ratio",
    points=4,
    reference=correlation_ratio,
    inputs=ratio_inputs,
    atol=1e-4,
    alternatives=(ratio_by_one_hot, ratio_of_predictions, ratio_in_loops),
    wrong=(
        Wrong(
            "counts every class once; a class counts as often as it has images.",
            lambda z, y: between(z, y, sizes=False) / len(np.unique(y)) / z.var(axis=0),
        ),
        Wrong(
            "averages the variances of the classes without their sizes; every image counts the "
            "same.",
            mean_of_variances,
        ),
        Wrong(
            "returns the share that the label does not tell, the variance within the classes.",
            lambda z, y: 1 - correlation_ratio(z, y),
        ),
        Wrong(
            "takes the root; the share of the variance is wanted.",
            lambda z, y: np.sqrt(correlation_ratio(z, y)),
        ),
        Wrong(
            "divides the variance between the classes by that within them, as the F test does; "
            "divide by the whole.",
            lambda z, y: between(z, y) / within(z, y),
        ),
        Wrong(
            "is not a share: the sum over the images is divided by a mean over them.",
            lambda z, y: between(z, y) / z.var(axis=0),
        ),
        Wrong(
            "measures the class means from 0; measure them from the mean of all images.",
            lambda z, y: between(z, y, center=0) / ((z - z.mean(axis=0)) ** 2).sum(axis=0),
        ),
        Wrong(
            "divides by the sum of the squares of z; a variance is about the mean.",
            lambda z, y: between(z, y) / (z**2).sum(axis=0),
        ),
        Wrong(
            "is NaN where a class has no image in the batch: the mean of nothing. Take only the "
            "classes that occur.",
            lambda z, y: np.full(z.shape[1], np.nan),
        ),
        Wrong(
            "squares the correlation with the number of the class; classes have no order, and "
            "their numbers mean nothing.",
            lambda z, y: np.array([np.corrcoef(unit, y)[0, 1] ** 2 for unit in z.T]),
        ),
        Wrong(
            "returns one number for the whole code; one for each unit is wanted.",
            lambda z, y: between(z, y).sum() / ((z - z.mean(axis=0)) ** 2).sum(),
        ),
    ),
)


# 5. A model of images as a classifier


def label_posterior(elbo, prior):
    joint = elbo + np.log(prior)
    return special.softmax(joint, axis=1), special.logsumexp(joint, axis=1)


def in_the_plain(elbo, prior):
    joint = np.exp(elbo) * prior
    with np.errstate(divide="ignore", invalid="ignore"):
        return joint / joint.sum(axis=1, keepdims=True), np.log(joint.sum(axis=1))


def elbo_inputs(rng):
    cases = []
    for n, classes, level in ((9, 5, -30), (6, 10, -1400)):
        elbo = level + rng.normal(0, 8, (n, 1)) + rng.normal(0, 1.2, (n, classes))
        prior = rng.dirichlet(np.full(classes, 2)) + 0.02
        cases.append((elbo.astype("float32"), (prior / prior.sum()).astype("float32")))
    return cases


LABEL_POSTERIOR = Exercise(
    name="label_posterior",
    points=4,
    reference=label_posterior,
    inputs=elbo_inputs,
    rtol=1e-6,  # of numbers near -1400, where the mistakes are a few tenths of a nat
    atol=5e-3,
    wrong=(
        Wrong(
            "underflows: the exponential of -1400 is 0 in the computer's numbers, and 0/0 is NaN. "
            "Take out the largest before the exponential.",
            in_the_plain,
        ),
        Wrong(
            "leaves out p(y), as if all labels were equally likely.",
            lambda elbo, prior: (special.softmax(elbo, axis=1), special.logsumexp(elbo, axis=1)),
        ),
        Wrong(
            "takes the labels for equally likely, 1/K each; they are as likely as the prior says.",
            lambda elbo, prior: label_posterior(elbo, np.full(len(prior), 1 / len(prior))),
        ),
        Wrong(
            "adds p(y) itself to log p(x | y); add its logarithm.",
            lambda elbo, prior: (
                special.softmax(elbo + prior, axis=1),
                special.logsumexp(elbo + prior, axis=1),
            ),
        ),
        Wrong(
            "divides by p(y): a rare label must become less likely.",
            lambda elbo, prior: label_posterior(elbo, 1 / prior),
        ),
        Wrong(
            "normalizes first and multiplies with p(y) then, so that the probabilities do not sum "
            "to 1.",
            lambda elbo, prior: (
                special.softmax(elbo, axis=1) * prior,
                special.logsumexp(elbo + np.log(prior), axis=1),
            ),
        ),
        Wrong(
            "normalizes over the images; for every image the labels' probabilities sum to 1.",
            lambda elbo, prior: (
                special.softmax(elbo + np.log(prior), axis=0),
                special.logsumexp(elbo + np.log(prior), axis=1),
            ),
        ),
        Wrong(
            "takes the ELBO for a loss: the label with the smallest wins. A larger ELBO is a "
            "better explanation.",
            lambda elbo, prior: (
                special.softmax(np.log(prior) - elbo, axis=1),
                special.logsumexp(np.log(prior) - elbo, axis=1),
            ),
        ),
        Wrong(
            "returns the logarithms of the probabilities.",
            lambda elbo, prior: (
                special.log_softmax(elbo + np.log(prior), axis=1),
                special.logsumexp(elbo + np.log(prior), axis=1),
            ),
        ),
        Wrong(
            "gives the average of the ELBOs, weighted with p(y), for log p(x); average inside the "
            "logarithm.",
            lambda elbo, prior: (label_posterior(elbo, prior)[0], elbo @ prior),
        ),
        Wrong(
            "gives the best label's log p(x, y) for log p(x); the other labels count too.",
            lambda elbo, prior: (
                label_posterior(elbo, prior)[0],
                (elbo + np.log(prior)).max(axis=1),
            ),
        ),
    ),
)

EXERCISES = (FOLD, MASKED_NLL, IN_ALL_LABELS, CORRELATION_RATIO, LABEL_POSTERIOR)
