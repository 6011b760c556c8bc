"""Assignment 03, linear autoencoders and PCA: solutions, and the mistakes they are told from."""

import numpy as np
from keras import ops

from grader.exercises import Exercise, Wrong, clothes


def images(rng, n, side=7):
    return clothes(rng, n, side, dtype="float64")[0]


def single(values, decimals=4):
    """To float32, without the digits in which processors may differ."""
    return np.round(values, decimals).astype("float32")


def principal(x):
    """Variances, the largest first, and components as columns, each with a positive sum."""
    variances, Q = np.linalg.eigh(np.cov(x, rowvar=False, bias=True))
    return variances[::-1], (Q * np.sign(Q.sum(axis=0)))[:, ::-1]


# 1. PCA with a whitened code, as the weights of two dense layers


def whitening_layers(mean, Q, variances):
    spread = np.sqrt(variances)
    W = Q / spread
    return W, -mean @ W, (Q * spread).T, mean


def layers_inputs(rng):
    cases = []
    for side, k in ((7, 6), (14, 4)):
        x = images(rng, 300, side)
        variances, Q = principal(x)
        cases.append((single(x.mean(axis=0)), single(Q[:, :k]), single(variances[:k])))
    return cases


WHITENING_LAYERS = Exercise(
    name="whitening_layers",
    points=4,
    reference=whitening_layers,
    inputs=layers_inputs,
    atol=1e-4,
    wrong=(
        Wrong(
            "is PCA without the whitening: the code has the variances of the components in place "
            "of 1.",
            lambda mean, Q, variances: (Q, -mean @ Q, Q.T, mean),
        ),
        Wrong(
            "divides by the variances; a unit's variance becomes 1 when it is divided by its "
            "standard deviation.",
            lambda mean, Q, variances: whitening_layers(mean, Q, variances**2),
        ),
        Wrong(
            "multiplies in the encoder and divides in the decoder; it is the other way round.",
            lambda mean, Q, variances: whitening_layers(mean, Q, 1 / variances),
        ),
        Wrong(
            "divides in the decoder too; what the encoder divides by, the decoder must multiply "
            "with.",
            lambda mean, Q, variances: (
                *whitening_layers(mean, Q, variances)[:2],
                (Q / np.sqrt(variances)).T,
                mean,
            ),
        ),
        Wrong(
            "does not undo the whitening in the decoder.",
            lambda mean, Q, variances: (*whitening_layers(mean, Q, variances)[:2], Q.T, mean),
        ),
        Wrong(
            "has an encoder that does not center: b is what the mean image must be moved by to get "
            "the code 0.",
            lambda mean, Q, variances: (
                Q / np.sqrt(variances),
                np.zeros(Q.shape[1]),
                (Q * np.sqrt(variances)).T,
                mean,
            ),
        ),
        Wrong(
            "has b with the opposite sign; the code of the mean image must be 0.",
            lambda mean, Q, variances: (
                Q / np.sqrt(variances),
                mean @ Q / np.sqrt(variances),
                (Q * np.sqrt(variances)).T,
                mean,
            ),
        ),
        Wrong(
            "leaves the whitening out of b; the mean is subtracted from x, and passes through W "
            "like x.",
            lambda mean, Q, variances: (
                Q / np.sqrt(variances),
                -mean @ Q,
                (Q * np.sqrt(variances)).T,
                mean,
            ),
        ),
        Wrong(
            "has a decoder that does not put the mean image back.",
            lambda mean, Q, variances: (
                *whitening_layers(mean, Q, variances)[:3],
                np.zeros_like(mean),
            ),
        ),
    ),
)


# 2. The gradient from the covariance alone


def covariance_gradient(covariance, W, W_dec):
    d_P = -2 * covariance @ rest(W, W_dec)
    return d_P @ W_dec.T, W.T @ d_P


def rest(W, W_dec):
    return np.eye(len(W)) - W @ W_dec


def gradient_inputs(rng):
    cases = []
    for side, m in ((7, 5), (4, 3)):
        x = images(rng, 200, side)
        n = side**2
        W = rng.normal(0, 0.4, (n, m))
        # Not far from what a training would find, but no transpose of one another.
        W_dec = np.linalg.pinv(W) + rng.normal(0, 0.1, (m, n))
        covariance = np.cov(x, rowvar=False, bias=True)
        cases.append((single(covariance, 7), single(W), single(W_dec)))
    return cases


def gradient_from_stand_ins(covariance, W, W_dec):
    """By the chain rule from rows R with R^T R = covariance, as if they were images."""
    variances, axes = np.linalg.eigh(covariance.astype("float64"))
    R = np.sqrt(np.maximum(variances, 0))[:, None] * axes.T
    h = R @ W
    d_x_hat = 2 * (h @ W_dec - R)
    return R.T @ (d_x_hat @ W_dec.T), h.T @ d_x_hat


def gradient_term_by_term(covariance, W, W_dec):
    """From tr S - 2 tr(P S) + tr(P^T S P)."""
    S_W = ops.matmul(covariance, W)
    S_W_dec = ops.matmul(covariance, ops.transpose(W_dec))
    d_W = 2 * ops.matmul(S_W, ops.matmul(W_dec, ops.transpose(W_dec))) - 2 * S_W_dec
    d_W_dec = 2 * ops.matmul(ops.matmul(ops.transpose(W), S_W), W_dec) - 2 * ops.transpose(S_W)
    return d_W, d_W_dec


def gradient_entry_by_entry(covariance, W, W_dec):
    n, m = W.shape
    P = W @ W_dec
    d_P = np.empty((n, n), "float32")
    for i in range(n):
        for j in range(n):
            d_P[i, j] = 2 * (np.dot(covariance[i], P[:, j]) - covariance[i, j])
    d_W, d_W_dec = np.zeros((n, m)), np.zeros((m, n))
    for k in range(m):
        d_W[:, k] = d_P @ W_dec[k]
        d_W_dec[k] = W[:, k] @ d_P
    return d_W, d_W_dec


COVARIANCE_GRADIENT = Exercise(
    name="covariance_gradient",
    points=5,
    reference=covariance_gradient,
    inputs=gradient_inputs,
    atol=1e-4,
    alternatives=(gradient_from_stand_ins, gradient_term_by_term, gradient_entry_by_entry),
    wrong=(
        Wrong(
            "has the opposite sign: this is the direction in which the error falls, the gradient "
            "is the one in which it rises.",
            lambda covariance, W, W_dec: covariance_gradient(-covariance, W, W_dec),
        ),
        Wrong(
            "misses a factor of 2: the error is quadratic in I - P, which stands in it twice.",
            lambda covariance, W, W_dec: covariance_gradient(covariance / 2, W, W_dec),
        ),
        Wrong(
            "has the covariance on the wrong side of I - P: x multiplies from the left.",
            lambda covariance, W, W_dec: (
                -2 * rest(W, W_dec) @ covariance @ W_dec.T,
                -2 * W.T @ rest(W, W_dec) @ covariance,
            ),
        ),
        Wrong(
            "derives the mixed term of the square alone; P^T Sigma P, quadratic in P, has a "
            "derivative too.",
            lambda covariance, W, W_dec: (-2 * covariance @ W_dec.T, -2 * W.T @ covariance),
        ),
        Wrong(
            "has I - P transposed; in rows x - xP = x(I - P), and no transpose appears.",
            lambda covariance, W, W_dec: (
                -2 * covariance @ rest(W, W_dec).T @ W_dec.T,
                -2 * W.T @ covariance @ rest(W, W_dec).T,
            ),
        ),
        Wrong(
            "takes W_dec for the transpose of W, as if the weights were tied.",
            lambda covariance, W, W_dec: (
                -2 * covariance @ rest(W, W_dec) @ W,
                -2 * W_dec @ covariance @ rest(W, W_dec),
            ),
        ),
        Wrong(
            "is the gradient of Keras' MSE, a mean over the pixels; the error per image is a sum.",
            lambda covariance, W, W_dec: covariance_gradient(covariance / len(W), W, W_dec),
        ),
        Wrong(
            "returns both gradients transposed; each has the shape of its weights.",
            lambda covariance, W, W_dec: tuple(
                d.T for d in covariance_gradient(covariance, W, W_dec)
            ),
        ),
        Wrong(
            "returns the two gradients in exchanged order; that of W comes first.",
            lambda covariance, W, W_dec: covariance_gradient(covariance, W, W_dec)[::-1],
        ),
    ),
)


# 3. The best decoder of a given encoder


def best_decoder(x, W):
    h = x @ W
    W_dec = np.linalg.lstsq(h - h.mean(axis=0), x - x.mean(axis=0), rcond=None)[0]
    return W_dec, x.mean(axis=0) - h.mean(axis=0) @ W_dec


def decoder_of(x, h, W_dec):
    """With the bias that goes with these weights."""
    return W_dec, x.mean(axis=0) - h.mean(axis=0) @ W_dec


def decoder_inputs(rng):
    cases = []
    for n, side, m in ((60, 7, 4), (35, 6, 3)):
        x = images(rng, n, 7)[:, : side * 7]
        # Not at right angles, and of unequal size.
        W = rng.normal(0, 0.3, (side * 7, m)) * rng.uniform(0.5, 2, m)
        cases.append((single(x), single(W)))
    return cases


def decoder_with_constant(x, W):
    """One regression, with a column of ones beside the codes."""
    with_one = np.hstack([x @ W, np.ones((len(x), 1), x.dtype)])
    both = np.linalg.pinv(with_one) @ x
    return both[:-1], both[-1]


def decoder_by_normal_equations(x, W):
    x, W = np.float64(x), np.float64(W)
    covariance = np.cov(x.T)
    W_dec = np.linalg.solve(W.T @ covariance @ W, W.T @ covariance)
    return W_dec, x.mean(0) @ (np.eye(len(W)) - W @ W_dec)


def decoder_with_ops(x, W):
    x_mean = ops.mean(x, axis=0, keepdims=True)
    h = ops.matmul(x - x_mean, W)
    gram = ops.matmul(ops.transpose(h), h)
    W_dec = ops.matmul(ops.inv(gram), ops.matmul(ops.transpose(h), x - x_mean))
    return W_dec, x_mean[0] - ops.matmul(ops.matmul(x_mean, W), W_dec)[0]


BEST_DECODER = Exercise(
    name="best_decoder",
    points=4,
    reference=best_decoder,
    inputs=decoder_inputs,
    atol=1e-4,
    alternatives=(decoder_with_constant, decoder_by_normal_equations, decoder_with_ops),
    wrong=(
        Wrong(
            "ties the decoder to the encoder; the transpose is best only for orthonormal weights "
            "along the principal components.",
            lambda x, W: decoder_of(x, x @ W, W.T),
        ),
        Wrong(
            "takes the pseudo-inverse of W, which asks W alone; which decoder is best, the images "
            "decide.",
            lambda x, W: decoder_of(x, x @ W, np.linalg.pinv(W)),
        ),
        Wrong(
            "has no bias: center codes and images first, or let a constant take part.",
            lambda x, W: (
                np.linalg.lstsq(x @ W, x, rcond=None)[0],
                np.zeros(x.shape[1]),
            ),
        ),
        Wrong(
            "takes the mean image for the bias; it has to make up for the codes' mean too.",
            lambda x, W: (best_decoder(x, W)[0], x.mean(axis=0)),
        ),
        Wrong(
            "adds what the mean code contributes to the bias; it has to be subtracted.",
            lambda x, W: (
                best_decoder(x, W)[0],
                x.mean(axis=0) + (x @ W).mean(axis=0) @ best_decoder(x, W)[0],
            ),
        ),
        Wrong(
            "centers the images, but not the codes.",
            lambda x, W: decoder_of(
                x, x @ W, np.linalg.lstsq(x @ W, x - x.mean(axis=0), rcond=None)[0]
            ),
        ),
        Wrong(
            "does not divide by the covariance of the codes: their covariance with the pixels "
            "alone is no regression.",
            lambda x, W: decoder_of(x, x @ W, W.T @ np.cov(x, rowvar=False, bias=True)),
        ),
        Wrong(
            "divides by the variance of each unit, as if the units had no correlation.",
            lambda x, W: decoder_of(
                x,
                x @ W,
                W.T @ np.cov(x, rowvar=False, bias=True) / (x @ W).var(axis=0)[:, None],
            ),
        ),
    ),
)


# 4. How much variance a decoder can reach


def reachable_variance(x, W_dec):
    return projected_share(x - x.mean(axis=0), np.linalg.qr(W_dec.T)[0])


def projected_share(x, Q):
    return np.sum((x @ Q) ** 2) / np.sum(x**2)


def reachable_inputs(rng):
    cases = []
    for n, side, m in ((50, 7, 5), (30, 6, 3)):
        x = images(rng, 300)[:, : side * 7]
        _, Q = principal(x)
        # Mixed from the first components, with others among them: neither orthogonal nor of norm 1.
        mixing = np.eye(m) + rng.normal(0, 0.5, (m, m))
        W_dec = 1.3 * mixing @ (Q[:, :m] + 0.4 * Q[:, m : 2 * m]).T
        cases.append((single(x[:n]), single(W_dec)))
    return cases


def reachable_by_regression(x, W_dec):
    """The best codes of every image by least squares."""
    centered = x - x.mean(axis=0)
    h = np.linalg.lstsq(W_dec.T, centered.T, rcond=None)[0]
    return 1 - ((centered.T - W_dec.T @ h) ** 2).sum() / (centered**2).sum()


def reachable_by_covariance(x, W_dec):
    covariance = np.cov(np.float64(x).T)
    gram = W_dec.astype("float64") @ W_dec.T
    return np.trace(np.linalg.inv(gram) @ W_dec @ covariance @ W_dec.T) / np.trace(covariance)


def reachable_with_ops(x, W_dec):
    x = x - ops.mean(x, axis=0)
    directions = []
    for row in W_dec:  # Gram and Schmidt
        row = ops.convert_to_tensor(row)
        for direction in directions:
            row = row - ops.sum(row * direction) * direction
        directions.append(row / ops.norm(row))
    return sum(ops.sum(ops.matmul(x, q) ** 2) for q in directions) / ops.sum(x**2)


def normalized(W_dec):
    return W_dec / np.linalg.norm(W_dec, axis=1, keepdims=True)


REACHABLE_VARIANCE = Exercise(
    name="reachable_variance",
    points=4,
    reference=reachable_variance,
    inputs=reachable_inputs,
    rtol=5e-4,
    alternatives=(reachable_by_regression, reachable_by_covariance, reachable_with_ops),
    wrong=(
        Wrong(
            "takes the rows of W_dec as they are for orthonormal directions; find an orthonormal "
            "basis of what they span first.",
            lambda x, W_dec: projected_share(x - x.mean(axis=0), W_dec.T),
        ),
        Wrong(
            "gives every row the length 1, but leaves them oblique: what they share counts twice.",
            lambda x, W_dec: projected_share(x - x.mean(axis=0), normalized(W_dec).T),
        ),
        Wrong(
            "measures from 0 and not from the mean image; variance is measured from the mean.",
            lambda x, W_dec: projected_share(x, np.linalg.qr(W_dec.T)[0]),
        ),
        Wrong(
            "returns the share that is lost.",
            lambda x, W_dec: 1 - reachable_variance(x, W_dec),
        ),
        Wrong(
            "returns the variance in the subspace, not its share of the whole.",
            lambda x, W_dec: reachable_variance(x, W_dec) * x.var(axis=0).sum(),
        ),
        Wrong(
            "compares standard deviations; the share is one of variances, that is of squares.",
            lambda x, W_dec: np.sqrt(reachable_variance(x, W_dec)),
        ),
        Wrong(
            "encodes with the transpose of W_dec, which is the best encoder for orthonormal rows "
            "only, and measures the error of that.",
            lambda x, W_dec: (
                1
                - np.sum(((x - x.mean(axis=0)) @ (np.eye(x.shape[1]) - W_dec.T @ W_dec)) ** 2)
                / np.sum((x - x.mean(axis=0)) ** 2)
            ),
        ),
        Wrong(
            "returns what PCA reaches with as many units; the question is what these rows reach.",
            lambda x, W_dec: principal(x)[0][: len(W_dec)].sum() / x.var(axis=0).sum(),
        ),
    ),
)

EXERCISES = (WHITENING_LAYERS, COVARIANCE_GRADIENT, BEST_DECODER, REACHABLE_VARIANCE)
