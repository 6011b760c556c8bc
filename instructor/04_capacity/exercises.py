"""Assignment 04, capacity and penalties: solutions, and the mistakes that they are told from."""

import itertools

import numpy as np
from keras import ops
from scipy import special

from grader.exercises import Exercise, Wrong, clothes


def images(rng, n):
    return clothes(rng, n, dtype="float64")[0]


def single(*arrays):
    """To float32, without the digits in which processors may differ."""
    return tuple(np.round(array, 4).astype("float32") for array in arrays)


# 1. The gradient of tied weights, for a tanh code and cross-entropy


def tied_gradient(x, W, b, c):
    return tied(x, W, b, c)


def tied(x, W, b, c, *, slope=lambda h: 1 - h**2, error=np.subtract, n=None, uses=(1, 1)):
    h = np.tanh(x @ W + b)
    delta_out = error(special.expit(h @ W.T + c), x) / (n or len(x))
    delta_in = delta_out @ W * slope(h)
    as_encoder, as_decoder = uses
    d_W = as_encoder * x.T @ delta_in + as_decoder * delta_out.T @ h
    return d_W, delta_in.sum(axis=0), delta_out.sum(axis=0)


def squared_error_slope(x_hat, x):
    return 2 * (x_hat - x) * x_hat * (1 - x_hat)


def tied_inputs(rng):
    cases = []
    for n, m in ((8, 4), (5, 6)):
        x = images(rng, n)
        W, b = rng.normal(0, 0.15, (196, m)), rng.normal(0, 0.3, m)
        c = special.logit(0.9 * x.mean(axis=0) + 0.05) / 2
        cases.append(single(x, W, b, c))
    return cases


def tied_image_by_image(x, W, b, c):
    n, m = W.shape
    d_W, d_b, d_c = np.zeros((n, m)), np.zeros(m), np.zeros(n)
    for image in x:
        h = np.tanh(image @ W + b)
        delta_out = 1 / (1 + np.exp(-(W @ h + c))) - image
        for j in range(m):
            delta_in = (delta_out @ W[:, j]) * (1 - h[j] ** 2)
            d_W[:, j] += delta_in * image + delta_out * h[j]
            d_b[j] += delta_in
        d_c += delta_out
    return d_W / len(x), d_b / len(x), d_c / len(x)


def tied_with_ops(x, W, b, c):
    h = ops.tanh(ops.matmul(x, W) + b)
    delta_out = (ops.sigmoid(ops.matmul(h, ops.transpose(W)) + c) - x) / x.shape[0]
    delta_in = ops.matmul(delta_out, W) * (1 - ops.square(h))
    d_W = ops.einsum("ni,nj->ij", x, delta_in) + ops.einsum("ni,nj->ij", delta_out, h)
    return d_W, ops.sum(delta_in, axis=0), ops.sum(delta_out, axis=0)


def tied_as_two_kernels(x, W, b, c):
    """Encoder and decoder as separate weights; then the two gradients are brought together."""
    x, W, b, c = (part.astype("float64") for part in (x, W, b, c))
    W_dec = W.T.copy()
    h = np.tanh(np.column_stack([x, np.ones(len(x))]) @ np.vstack([W, b]))
    x_hat = special.expit(h @ W_dec + c)
    d_W_dec = np.mean(h[:, :, None] * (x_hat - x)[:, None, :], axis=0)
    d_a = ((x_hat - x) @ W_dec.T) / np.cosh(x @ W + b) ** 2
    d_W_enc = np.mean(x[:, :, None] * d_a[:, None, :], axis=0)
    return d_W_enc + d_W_dec.T, d_a.mean(axis=0), (x_hat - x).mean(axis=0)


TIED_GRADIENT = Exercise(
    name="tied_gradient",
    points=5,
    reference=tied_gradient,
    inputs=tied_inputs,
    atol=1e-4,
    alternatives=(tied_image_by_image, tied_with_ops, tied_as_two_kernels),
    wrong=(
        Wrong(
            "has in d_W the encoder's use of W only; the decoder uses it too, and both terms add.",
            lambda x, W, b, c: tied(x, W, b, c, uses=(1, 0)),
        ),
        Wrong(
            "has in d_W the decoder's use of W only; the encoder uses it too, and both terms add.",
            lambda x, W, b, c: tied(x, W, b, c, uses=(0, 1)),
        ),
        Wrong(
            "takes the mean of the two uses of W; the chain rule adds them.",
            lambda x, W, b, c: tied(x, W, b, c, uses=(0.5, 0.5)),
        ),
        Wrong(
            "subtracts one use of W from the other; the chain rule adds them.",
            lambda x, W, b, c: tied(x, W, b, c, uses=(1, -1)),
        ),
        Wrong(
            "uses the slope of the sigmoid, h(1 - h), on the code; this code is a tanh.",
            lambda x, W, b, c: tied(x, W, b, c, slope=lambda h: h * (1 - h)),
        ),
        Wrong(
            "takes the slope of the code's activation for 1, as if the code were linear.",
            lambda x, W, b, c: tied(x, W, b, c, slope=np.ones_like),
        ),
        Wrong(
            "is the gradient of the squared error; the error here is the cross-entropy.",
            lambda x, W, b, c: tied(x, W, b, c, error=squared_error_slope),
        ),
        Wrong(
            "has the sigmoid's slope left over at the output: the derivative of the cross-entropy "
            "by the reconstruction has the same product below the line, and both cancel.",
            lambda x, W, b, c: tied(
                x, W, b, c, error=lambda x_hat, x: (x_hat - x) * x_hat * (1 - x_hat)
            ),
        ),
        Wrong(
            "adds over the images; the error is their mean.",
            lambda x, W, b, c: tied(x, W, b, c, n=1),
        ),
        Wrong(
            "has the opposite sign: at the output it begins with the reconstruction minus the "
            "input.",
            lambda x, W, b, c: tied(x, W, b, c, error=lambda x_hat, x: x - x_hat),
        ),
    ),
)


# 2. What dropout costs on average: no draw, but a formula


def expected_dropout_error(x, h, W_dec, p):
    return squared(x - h @ W_dec) + p / (1 - p) * (h**2 @ squared(W_dec))


def squared(rows):
    return np.sum(rows**2, axis=1)


def dropout_inputs(rng):
    cases = []
    for n, m, p in ((8, 9, 0.3), (11, 7, 0.6)):
        x, W_dec = images(rng, n), rng.normal(0, 0.3, (m, 196))
        # The codes that go with these rows, roughly, and not all of one sign.
        h = np.linalg.lstsq(W_dec.T, x.T, rcond=None)[0].T + rng.normal(0, 0.3, (n, m))
        cases.append((*single(x, h, W_dec), p))
    return cases


def dropout_unit_by_unit(x, h, W_dec, p):
    expected = np.zeros(len(x))
    for i in range(len(x)):
        mean, variance = np.zeros(x.shape[1]), np.zeros(x.shape[1])
        for j in range(h.shape[1]):
            mean += h[i, j] * W_dec[j]
            # 0 with probability p, otherwise h / (1 - p)
            second_moment = (1 - p) * (h[i, j] * W_dec[j] / (1 - p)) ** 2
            variance += second_moment - (h[i, j] * W_dec[j]) ** 2
        expected[i] = np.sum((x[i] - mean) ** 2 + variance)
    return expected


def dropout_over_all_masks(x, h, W_dec, p):
    """Every way to drop units, with its probability."""
    x, h, W_dec = (part.astype("float64") for part in (x, h, W_dec))
    expected, m = 0, len(W_dec)
    for keep in itertools.product((0, 1), repeat=m):
        chance = (1 - p) ** sum(keep) * p ** (m - sum(keep))
        expected = expected + chance * squared(x - (h * keep / (1 - p)) @ W_dec)
    return expected


def dropout_with_ops(x, h, W_dec, p):
    residual = ops.sum(ops.square(x - ops.matmul(h, W_dec)), axis=-1)
    loudness = ops.square(h) * ops.sum(ops.square(W_dec), axis=-1)
    return residual + ops.sum(loudness, axis=-1) * (p / (1 - p))


EXPECTED_DROPOUT_ERROR = Exercise(
    name="expected_dropout_error",
    points=4,
    reference=expected_dropout_error,
    inputs=dropout_inputs,
    alternatives=(dropout_unit_by_unit, dropout_over_all_masks, dropout_with_ops),
    wrong=(
        Wrong(
            "is the error without dropout: the mean of the reconstruction stays, but it scatters, "
            "and scatter costs.",
            lambda x, h, W_dec, p: squared(x - h @ W_dec),
        ),
        Wrong(
            "is the scatter alone; the error of the mean reconstruction is missing.",
            lambda x, h, W_dec, p: p / (1 - p) * (h**2 @ squared(W_dec)),
        ),
        Wrong(
            "has p(1 - p) for the variance of a mask, which is right for masks of 0 and 1; these "
            "are 0 and 1/(1 - p).",
            lambda x, h, W_dec, p: squared(x - h @ W_dec) + p * (1 - p) * (h**2 @ squared(W_dec)),
        ),
        Wrong(
            "has the second moment of a mask in place of its variance; the square of the mean is "
            "in the first term already.",
            lambda x, h, W_dec, p: squared(x - h @ W_dec) + (h**2 @ squared(W_dec)) / (1 - p),
        ),
        Wrong(
            "does not enlarge the units that stay, so that the mean reconstruction is too dark.",
            lambda x, h, W_dec, p: (
                squared(x - (1 - p) * h @ W_dec) + p * (1 - p) * (h**2 @ squared(W_dec))
            ),
        ),
        Wrong(
            "takes p for the probability to stay.",
            lambda x, h, W_dec, p: expected_dropout_error(x, h, W_dec, 1 - p),
        ),
        Wrong(
            "lets all units fall together: the scatter of a sum of independent parts is the sum of "
            "their variances, not the square of their sum.",
            lambda x, h, W_dec, p: squared(x - h @ W_dec) + p / (1 - p) * squared(h @ W_dec),
        ),
        Wrong(
            "multiplies the size of the whole code with that of all of W_dec; each unit's square "
            "belongs to its own row.",
            lambda x, h, W_dec, p: (
                squared(x - h @ W_dec) + p / (1 - p) * squared(h) * squared(W_dec).sum()
            ),
        ),
        Wrong(
            "takes the mean over the pixels; the error per image is a sum.",
            lambda x, h, W_dec, p: expected_dropout_error(x, h, W_dec, p) / x.shape[1],
        ),
        Wrong(
            "returns the mean over the images; one number per image is wanted.",
            lambda x, h, W_dec, p: expected_dropout_error(x, h, W_dec, p).mean(),
        ),
    ),
)


# 3. Weight decay twice: inside the gradient, and beside it


def two_decays(W, g, v, rate, lam):
    pull = 2 * lam * W
    return scaled_step(W, g + pull, v, rate), scaled_step(W, g, v, rate) - rate * pull


def scaled_step(W, g, v, rate, scale=None):
    """A step along g, over the root of the mean square of the gradients `scale`, or of g."""
    scale = g if scale is None else scale
    return W - rate * g / np.sqrt(0.9 * v + 0.1 * scale**2)


def decay_inputs(rng):
    cases = []
    for n, m, rate, lam in ((12, 8, 0.02, 0.3), (7, 10, 0.05, 0.1)):
        # Of very different size from weight to weight, as gradients are.
        size = 10 ** rng.uniform(-1.5, 0.3, (n, m))
        W, g = rng.normal(0, 0.5, (n, m)), size * rng.normal(size=(n, m))
        v = size**2 * rng.uniform(0.5, 2, (n, m)) + 0.001
        cases.append((*single(W, g, v), rate, lam))
    return cases


TWO_DECAYS = Exercise(
    name="two_decays",
    points=4,
    reference=two_decays,
    inputs=decay_inputs,
    rtol=2e-4,
    wrong=(
        Wrong(
            "decouples both: in the first way the penalty's gradient is part of the gradient, in "
            "the step and in its scale.",
            lambda W, g, v, rate, lam: (two_decays(W, g, v, rate, lam)[1],) * 2,
        ),
        Wrong(
            "has the penalty inside the gradient both times; the second way shrinks W beside the "
            "step.",
            lambda W, g, v, rate, lam: (two_decays(W, g, v, rate, lam)[0],) * 2,
        ),
        Wrong(
            "leaves the penalty out of the scale in the first way; there the penalty is a part of "
            "the gradient everywhere.",
            lambda W, g, v, rate, lam: (
                scaled_step(W, g + 2 * lam * W, v, rate, scale=g),
                two_decays(W, g, v, rate, lam)[1],
            ),
        ),
        Wrong(
            "divides the decay by the root in the second way too; it stands beside the step, "
            "unscaled.",
            lambda W, g, v, rate, lam: (
                two_decays(W, g, v, rate, lam)[0],
                scaled_step(W, g + 2 * lam * W, v, rate, scale=g),
            ),
        ),
        Wrong(
            "forgets that the derivative of a square has a factor of 2.",
            lambda W, g, v, rate, lam: two_decays(W, g, v, rate, lam / 2),
        ),
        Wrong(
            "does not multiply the decay by the learning rate in the second way.",
            lambda W, g, v, rate, lam: (
                two_decays(W, g, v, rate, lam)[0],
                scaled_step(W, g, v, rate) - 2 * lam * W,
            ),
        ),
        Wrong(
            "lets the weights grow: the pull is towards 0.",
            lambda W, g, v, rate, lam: two_decays(W, g, v, rate, -lam),
        ),
        Wrong(
            "scales with the old v; the mean square takes in the new gradient first.",
            lambda W, g, v, rate, lam: (
                W - rate * (g + 2 * lam * W) / np.sqrt(v),
                W - rate * g / np.sqrt(v) - 2 * rate * lam * W,
            ),
        ),
        Wrong(
            "divides by the mean square; by its root.",
            lambda W, g, v, rate, lam: (
                W - rate * (g + 2 * lam * W) / (0.9 * v + 0.1 * (g + 2 * lam * W) ** 2),
                W - rate * g / (0.9 * v + 0.1 * g**2) - 2 * rate * lam * W,
            ),
        ),
        Wrong(
            "returns the two in exchanged order; the penalty inside the gradient comes first.",
            lambda W, g, v, rate, lam: two_decays(W, g, v, rate, lam)[::-1],
        ),
    ),
)


# 4. The favorite input among images that can be printed


def favorite_image(W):
    bright = np.maximum(W, 0)
    return (bright / np.linalg.norm(bright, axis=0)).T


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def favorite_inputs(rng):
    return [
        single(rng.normal(0, 0.2, (n, m)) + rng.normal(0, 0.05, m)) for n, m in ((49, 6), (36, 11))
    ]


FAVORITE_IMAGE = Exercise(
    name="favorite_image",
    points=3,
    reference=favorite_image,
    inputs=favorite_inputs,
    wrong=(
        Wrong(
            "is the lecture's answer, with negative pixels; an image has none.",
            lambda W: unit(W.T),
        ),
        Wrong(
            "is cut off at 0 after it was given the norm 1, and has lost the norm with that.",
            lambda W: np.maximum(unit(W.T), 0),
        ),
        Wrong(
            "turns negative weights into bright pixels; ink where the unit dislikes it lowers its "
            "activation.",
            lambda W: unit(np.abs(W.T)),
        ),
        Wrong(
            "is shifted until no pixel is negative; then every pixel is bright that the unit does "
            "not dislike most.",
            lambda W: unit(W.T - W.T.min(axis=1, keepdims=True)),
        ),
        Wrong(
            "makes all pixels with a positive weight equally bright; that would be best if every "
            "pixel could be 1, but here the norm is limited.",
            lambda W: unit(np.where(W.T > 0, 1.0, 0.0)),
        ),
        Wrong(
            "puts everything into the brightest pixel; under a limit of the norm it pays to share.",
            lambda W: np.eye(len(W))[W.argmax(axis=0)],
        ),
        Wrong(
            "has a largest pixel of 1 in place of a norm of 1.",
            lambda W: np.maximum(W.T, 0) / W.T.max(axis=1, keepdims=True),
        ),
        Wrong(
            "divides by the norm of each pixel over the units; each unit's image has norm 1.",
            lambda W: unit(np.maximum(W, 0)).T,
        ),
        Wrong(
            "has one image per column; one per row is wanted.",
            lambda W: favorite_image(W).T,
        ),
    ),
)


# 5. What becomes of pure noise, without any noise


def noise_shares(W, W_dec):
    P = W @ W_dec
    return np.sum(P**2) / len(P), np.sum((np.eye(len(P)) - P) ** 2) / len(P)


def noise_inputs(rng):
    cases = []
    for n, m in ((49, 8), (36, 50)):
        W = rng.normal(0, 0.3, (n, m))
        W_dec = np.linalg.pinv(W) + rng.normal(0, 0.1, (m, n))
        cases.append(single(W, W_dec))
    return cases


NOISE_SHARES = Exercise(
    name="noise_shares",
    points=4,
    reference=noise_shares,
    inputs=noise_inputs,
    wrong=(
        Wrong(
            "takes the trace of P, which agrees for projections only; squares have to be added.",
            lambda W, W_dec: (np.trace(W @ W_dec) / len(W), 1 - np.trace(W @ W_dec) / len(W)),
        ),
        Wrong(
            "takes for lost what is not passed; the two add up to 1 for projections only.",
            lambda W, W_dec: (noise_shares(W, W_dec)[0], 1 - noise_shares(W, W_dec)[0]),
        ),
        Wrong(
            "compares lengths; the shares are those of squares.",
            lambda W, W_dec: tuple(np.sqrt(share) for share in noise_shares(W, W_dec)),
        ),
        Wrong(
            "does not divide by what goes in: the noise has variance 1 in each of n pixels.",
            lambda W, W_dec: tuple(share * len(W) for share in noise_shares(W, W_dec)),
        ),
        Wrong(
            "divides by n twice, as if P had to be averaged.",
            lambda W, W_dec: tuple(share / len(W) for share in noise_shares(W, W_dec)),
        ),
        Wrong(
            "divides by the number of code units; the noise that goes in has n pixels.",
            lambda W, W_dec: tuple(share * len(W) / len(W_dec) for share in noise_shares(W, W_dec)),
        ),
        Wrong(
            "multiplies the squared size of W with that of W_dec; only their product is applied "
            "to the noise.",
            lambda W, W_dec: (
                np.sum(W**2) * np.sum(W_dec**2) / len(W),
                noise_shares(W, W_dec)[1],
            ),
        ),
        Wrong(
            "is the worst case, the noise that is enlarged most; the mean is wanted.",
            lambda W, W_dec: (
                np.linalg.norm(W @ W_dec, 2) ** 2,
                np.linalg.norm(np.eye(len(W)) - W @ W_dec, 2) ** 2,
            ),
        ),
        Wrong(
            "returns the two shares in exchanged order.",
            lambda W, W_dec: noise_shares(W, W_dec)[::-1],
        ),
    ),
)

EXERCISES = (
    TIED_GRADIENT,
    EXPECTED_DROPOUT_ERROR,
    TWO_DECAYS,
    FAVORITE_IMAGE,
    NOISE_SHARES,
)
