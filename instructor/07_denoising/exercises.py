"""Assignment 07, the denoising autoencoder: solutions, and the mistakes they are told from."""

import numpy as np
from keras import ops
from scipy import special

from grader.exercises import Exercise, Wrong, clothes


def images(rng, n, side=14):
    return clothes(rng, n, side)[0]


def normal(rng, shape, scale=1.0):
    return rng.normal(0, scale, shape).astype("float32")


# 1. Speckle of a given strength


def speckle(x, noise, strength):
    return x + np.sqrt(strength / np.mean(x**2)) * x * noise


def speckle_inputs(rng):
    cases = []
    for n, side, strength in ((5, 14, 0.03), (9, 7, 0.1)):
        x = images(rng, n, side)
        cases.append((x, normal(rng, x.shape), strength))
    return cases


SPECKLE = Exercise(
    name="speckle",
    points=3,
    reference=speckle,
    inputs=speckle_inputs,
    wrong=(
        Wrong(
            "takes the square root of the strength for tau; by how much a pixel changes depends on "
            "how bright it is, so the images have to be measured.",
            lambda x, noise, strength: x * (1 + np.sqrt(strength) * noise),
        ),
        Wrong(
            "forgets a root: strength / E x^2 is the square of tau.",
            lambda x, noise, strength: x * (1 + strength / np.mean(x**2) * noise),
        ),
        Wrong(
            "divides by the mean pixel; the mean of the squares is another number than the square "
            "of the mean.",
            lambda x, noise, strength: x * (1 + np.sqrt(strength) / np.mean(x) * noise),
        ),
        Wrong(
            "divides by the variance of the pixels; their mean square is not measured from their "
            "mean, but from 0.",
            lambda x, noise, strength: x * (1 + np.sqrt(strength / np.var(x)) * noise),
        ),
        Wrong(
            "gives every image a tau of its own; the strength is a mean over all images, and one "
            "tau serves them all.",
            lambda x, noise, strength: (
                x * (1 + np.sqrt(strength / np.mean(x**2, axis=1, keepdims=True)) * noise)
            ),
        ),
        Wrong(
            "adds the same noise to dark and to bright pixels; speckle is proportional to the "
            "pixel, and leaves black black.",
            lambda x, noise, strength: x + np.sqrt(strength) * noise,
        ),
        Wrong(
            "has the right tau, but adds the noise without multiplying it by the pixel.",
            lambda x, noise, strength: x + np.sqrt(strength / np.mean(x**2)) * noise,
        ),
        Wrong(
            "clips the result to [0, 1], which lessens the strength; nothing is clipped here.",
            lambda x, noise, strength: np.clip(speckle(x, noise, strength), 0, 1),
        ),
        Wrong(
            "returns the noise alone; the image has to be added.",
            lambda x, noise, strength: speckle(x, noise, strength) - x,
        ),
    ),
)


# 2. The emphasized loss


def emphasized_loss(x, logits, hit, alpha, beta):
    return np.sum(cross_entropy(x, logits) * np.where(hit, alpha, beta)) / len(x)


def cross_entropy(x, logits):
    return np.logaddexp(0, logits) - x * logits


def clipped_cross_entropy(x, logits):
    p = np.clip(special.expit(logits), 1e-7, 1 - 1e-7)
    return -x * np.log(p) - (1 - x) * np.log(1 - p)


def naive_cross_entropy(x, logits):
    p = special.expit(logits)
    with np.errstate(all="ignore"):  # infinite on purpose
        return -x * np.log(p) - (1 - x) * np.log(1 - p)


def grouped(x, logits, hit, alpha, beta):
    """The mean within the pixels that were hit, and within the rest, of each image."""
    losses = cross_entropy(x, logits)
    inside = (losses * hit).sum(axis=1) / hit.sum(axis=1)
    outside = (losses * ~hit).sum(axis=1) / (~hit).sum(axis=1)
    return np.mean(alpha * inside + beta * outside)


def loss_inputs(rng):
    ordinary = images(rng, 8), normal(rng, (8, 196), 2), rng.uniform(size=(8, 196)) < 0.3
    x, logits, hit = images(rng, 5), normal(rng, (5, 196), 2), rng.uniform(size=(5, 196)) < 0.2
    for image in range(5):  # the network is sure of some white pixels, and once wrongly
        sure = rng.choice(196, 2, replace=False)
        x[image, sure] = 1
        logits[image, sure] = 300, -300
    return (*ordinary, 1.0, 0.25), (x, logits, hit, 2.0, 0.5)


def loss_by_softplus(x, logits, hit, alpha, beta):
    losses = x * ops.softplus(-logits) + (1 - x) * ops.softplus(logits)
    hit = ops.cast(hit, losses.dtype)
    return ops.mean(ops.sum((alpha * hit + beta * (1 - hit)) * losses, axis=-1))


def loss_image_by_image(x, logits, hit, alpha, beta):
    total = 0.0
    for i in range(len(x)):
        losses = ops.relu(logits[i]) - logits[i] * x[i] + ops.log1p(ops.exp(-ops.abs(logits[i])))
        total = total + beta * ops.sum(losses) + (alpha - beta) * ops.sum(losses * hit[i])
    return total / len(x)


def loss_in_double(x, logits, hit, alpha, beta):
    logits, x = ops.cast(logits, "float64"), ops.cast(x, "float64")
    likelihood = x * ops.log_sigmoid(logits) + (1 - x) * ops.log_sigmoid(-logits)
    return -ops.sum(ops.where(hit, alpha * likelihood, beta * likelihood)) / x.shape[0]


EMPHASIZED_LOSS = Exercise(
    name="emphasized_loss",
    points=4,
    reference=emphasized_loss,
    inputs=loss_inputs,
    differentiable="logits",
    alternatives=(loss_by_softplus, loss_image_by_image, loss_in_double),
    wrong=(
        Wrong(
            "exchanges alpha and beta: alpha weights the pixels that were hit.",
            lambda x, logits, hit, alpha, beta: emphasized_loss(x, logits, hit, beta, alpha),
        ),
        Wrong(
            "averages over the pixels; add them up, and average over the images only.",
            lambda x, logits, hit, alpha, beta: (
                emphasized_loss(x, logits, hit, alpha, beta) / x.shape[1]
            ),
        ),
        Wrong(
            "averages within the pixels that were hit and within the rest, so that the weight of a "
            "pixel depends on how many there are; add them up.",
            grouped,
        ),
        Wrong(
            "adds up the images; their mean is wanted.",
            lambda x, logits, hit, alpha, beta: (
                emphasized_loss(x, logits, hit, alpha, beta) * len(x)
            ),
        ),
        Wrong(
            "has only the term with x; the one with 1 - x, for black pixels, is missing.",
            lambda x, logits, hit, alpha, beta: (
                np.sum(x * np.logaddexp(0, -logits) * np.where(hit, alpha, beta)) / len(x)
            ),
        ),
        Wrong(
            "is a squared error; the cross-entropy is wanted.",
            lambda x, logits, hit, alpha, beta: (
                np.sum((x - special.expit(logits)) ** 2 * np.where(hit, alpha, beta)) / len(x)
            ),
        ),
        Wrong(
            "is NaN or infinite where the network is sure: its sigmoid is rounded to 0 or 1 before "
            "the logarithm is taken. Compute with the logits.",
            lambda x, logits, hit, alpha, beta: (
                np.sum(naive_cross_entropy(x, logits) * np.where(hit, alpha, beta)) / len(x)
            ),
        ),
        Wrong(
            "holds the probabilities away from 0 and 1, so that a pixel that is surely wrong pays "
            "16 and no more; compute with the logits.",
            lambda x, logits, hit, alpha, beta: (
                np.sum(clipped_cross_entropy(x, logits) * np.where(hit, alpha, beta)) / len(x)
            ),
        ),
        Wrong(
            "counts the pixels that were hit twice, with alpha and with beta too.",
            lambda x, logits, hit, alpha, beta: emphasized_loss(x, logits, hit, alpha + beta, beta),
        ),
        Wrong(
            "leaves out the pixels that were not hit; they count with the weight beta.",
            lambda x, logits, hit, alpha, beta: emphasized_loss(x, logits, hit, alpha, 0),
        ),
    ),
)


# 3. The linear denoiser of infinitely many draws


def marginalized_denoiser(x, p, ridge):
    S = x.T @ x / len(x)
    return solved(S, p, ridge, diagonal=1 - p)


def solved(S, p, ridge, *, diagonal, cross=None):
    """Solve (E x_tilde^T x_tilde + ridge I) A = E x_tilde^T x."""
    Q = (1 - p) ** 2 * S
    np.fill_diagonal(Q, diagonal * np.diag(S))
    return np.linalg.solve(Q + ridge * np.eye(len(S)), (1 - p) * S if cross is None else cross(S))


def correlation(x):
    return x.T @ x / len(x)


def denoiser_inputs(rng):
    without_edges = images(rng, 40, side=7)[:, 7:42]
    return (without_edges, 0.4, 0.05), (images(rng, 15, side=4), 0.7, 0.02)


def denoiser_pixel_by_pixel(x, p, ridge):
    N, n = x.shape
    Q, P = np.empty((n, n)), np.empty((n, n))
    for i in range(n):
        for j in range(n):
            P[i, j] = (1 - p) * np.dot(x[:, i], x[:, j]) / N
            Q[i, j] = P[i, j] * (1 if i == j else 1 - p) + (ridge if i == j else 0)
    return np.linalg.inv(Q) @ P


def denoiser_with_ops(x, p, ridge):
    S = ops.matmul(ops.transpose(x), x) / x.shape[0]
    keep = 1 - p
    Q = keep**2 * S + keep * p * S * ops.eye(x.shape[1]) + ridge * ops.eye(x.shape[1])
    return ops.solve(Q, keep * S)


def denoiser_by_least_squares(x, p, ridge):
    """As least squares with rows that stand for the variance of the mask, and for the ridge."""
    x = np.float64(x) / np.sqrt(len(x))
    extra = np.diag(np.sqrt(p * (1 - p) * np.square(x).sum(axis=0) + ridge))
    targets = np.vstack([x, np.zeros_like(extra)])
    return np.linalg.lstsq(np.vstack([(1 - p) * x, extra]), targets, rcond=None)[0]


MARGINALIZED_DENOISER = Exercise(
    name="marginalized_denoiser",
    points=5,
    reference=marginalized_denoiser,
    inputs=denoiser_inputs,
    atol=1e-4,
    alternatives=(denoiser_pixel_by_pixel, denoiser_with_ops, denoiser_by_least_squares),
    wrong=(
        Wrong(
            "treats the diagonal like the rest; a pixel times itself survives with 1 - p, since "
            "there is but one draw.",
            lambda x, p, ridge: solved(correlation(x), p, ridge, diagonal=(1 - p) ** 2),
        ),
        Wrong(
            "lets two pixels survive with 1 - p; both must be spared, and the draws are "
            "independent.",
            lambda x, p, ridge: np.linalg.solve(
                (1 - p) * correlation(x) + ridge * np.eye(x.shape[1]), (1 - p) * correlation(x)
            ),
        ),
        Wrong(
            "correlates the clean images with themselves on the right; on one side stands the "
            "masked image, and survives with 1 - p.",
            lambda x, p, ridge: solved(correlation(x), p, ridge, diagonal=1 - p, cross=lambda S: S),
        ),
        Wrong(
            "exchanges p and 1 - p: a pixel is masked with the probability p.",
            lambda x, p, ridge: marginalized_denoiser(x, 1 - p, ridge),
        ),
        Wrong(
            "centers the images; here no mean is taken away, since the masked image has another.",
            lambda x, p, ridge: marginalized_denoiser(x - x.mean(axis=0), p, ridge),
        ),
        Wrong(
            "adds up the images where their mean is wanted, which makes the ridge too weak.",
            lambda x, p, ridge: marginalized_denoiser(x, p, ridge / len(x)),
        ),
        Wrong(
            "returns A transposed: images are rows here, and A stands on their right.",
            lambda x, p, ridge: marginalized_denoiser(x, p, ridge).T,
        ),
        Wrong(
            "predicts the masked image from itself; the target is the clean one.",
            lambda x, p, ridge: solved(
                correlation(x),
                p,
                ridge,
                diagonal=1 - p,
                cross=lambda S: (1 - p) ** 2 * S + p * (1 - p) * np.diag(np.diag(S)),
            ),
        ),
        Wrong(
            "enlarges the surviving pixels by 1/(1 - p) as Dropout does; masking does not.",
            lambda x, p, ridge: solved(
                correlation(x) / (1 - p) ** 2,
                p,
                ridge,
                diagonal=1 - p,
                cross=lambda S: (1 - p) ** 2 * S,
            ),
        ),
    ),
)


# 4. The best denoiser there is, for binary images under salt and pepper


def exact_repair(x_tilde, images, p):
    return posterior(distances(x_tilde, images), p) @ images


def distances(x_tilde, images):
    return np.sum(x_tilde[:, None] != images, axis=2)


def posterior(d, p):
    return special.softmax(-d * np.log((1 - p / 2) / (p / 2)), axis=1)


def pixel_by_pixel(x_tilde, images, p):
    q = images.mean(axis=0)
    white = q * np.where(x_tilde == 1, 1 - p / 2, p / 2)
    black = (1 - q) * np.where(x_tilde == 0, 1 - p / 2, p / 2)
    return white / (white + black)


def repair_inputs(rng):
    cases = []
    for n, m, side, p in ((7, 25, 7, 0.8), (4, 16, 14, 0.1)):
        clean = (images(rng, n + m, side) > 0.4).astype("float32")
        x_tilde, known = clean[:n].copy(), clean[n:]
        x_tilde[0] = known[0]
        hit = rng.uniform(size=x_tilde.shape) < p
        x_tilde[hit] = rng.integers(0, 2, hit.sum())
        cases.append((x_tilde, known, p))
    return cases


def repair_image_by_image(x_tilde, images, p):
    result = []
    for noisy in x_tilde:
        logs = []
        for image in images:
            same = int(np.sum(noisy == image))
            logs.append(same * np.log(1 - p / 2) + (len(image) - same) * np.log(p / 2))
        weights = np.exp(np.array(logs) - max(logs))
        result.append(sum(w * image for w, image in zip(weights, images, strict=True)))
        result[-1] = result[-1] / weights.sum()
    return np.array(result)


def repair_with_ops(x_tilde, images, p):
    squares = ops.sum(ops.square(x_tilde), axis=1, keepdims=True) + ops.sum(images, axis=1)
    d = squares - 2 * ops.matmul(x_tilde, ops.transpose(images))
    return ops.matmul(ops.softmax(d * (np.log(p) - np.log(2 - p)), axis=-1), images)


def repair_by_products(x_tilde, images, p):
    agrees = x_tilde[:, None, :] == images[None]
    likelihood = np.where(agrees, 1 - p / 2, p / 2).astype("longdouble").prod(axis=-1)
    joint = np.einsum("nm,mi->ni", likelihood, images)
    return (joint / likelihood.sum(axis=1, keepdims=True)).astype("float64")


EXACT_REPAIR = Exercise(
    name="exact_repair",
    points=5,
    reference=exact_repair,
    inputs=repair_inputs,
    atol=1e-4,
    alternatives=(repair_image_by_image, repair_with_ops, repair_by_products),
    wrong=(
        Wrong(
            "lets a pixel change with the probability p; half of the pixels that are hit get the "
            "value that they had.",
            lambda x_tilde, images, p: (
                special.softmax(-distances(x_tilde, images) * np.log((1 - p) / p), axis=1) @ images
            ),
        ),
        Wrong(
            "returns the most similar image; the posterior mean is an average over all of them, "
            "each with its probability.",
            lambda x_tilde, images, p: images[distances(x_tilde, images).argmin(axis=1)],
        ),
        Wrong(
            "does not divide by the sum of the weights, so that the answer is all but black.",
            lambda x_tilde, images, p: (
                np.prod(np.where(x_tilde[:, None] != images, p / 2, 1 - p / 2), axis=2) @ images
            ),
        ),
        Wrong(
            "weights the images with the Gaussian's bell, as for the lecture's spiral; under salt "
            "and pepper the probability of x_tilde is another.",
            lambda x_tilde, images, p: (
                special.softmax(-distances(x_tilde, images) / p, axis=1) @ images
            ),
        ),
        Wrong(
            "returns the mean of all images, whatever was seen; weight each by the probability of "
            "x_tilde.",
            lambda x_tilde, images, p: np.repeat(
                images.mean(axis=0, keepdims=True), len(x_tilde), axis=0
            ),
        ),
        Wrong(
            "weights every image by the share of pixels that agree; the pixels' probabilities are "
            "to be multiplied.",
            lambda x_tilde, images, p: (
                (
                    (x_tilde.shape[1] - distances(x_tilde, images))
                    / (x_tilde.shape[1] - distances(x_tilde, images)).sum(axis=1, keepdims=True)
                )
                @ images
            ),
        ),
        Wrong(
            "decides every pixel by itself from how often it is white; what the other pixels tell "
            "is lost. Weigh whole images.",
            pixel_by_pixel,
        ),
        Wrong(
            "counts salt only: a black pixel where the image is white differs too.",
            lambda x_tilde, images, p: (
                posterior(np.sum(x_tilde[:, None] > images, axis=2), p) @ images
            ),
        ),
        Wrong(
            "prefers the images that differ most: the sign in the exponent is wrong.",
            lambda x_tilde, images, p: posterior(-distances(x_tilde, images), p) @ images,
        ),
        Wrong(
            "rounds to black and white; the mean itself is wanted.",
            lambda x_tilde, images, p: (exact_repair(x_tilde, images, p) > 0.5) * 1.0,
        ),
    ),
)

EXERCISES = (SPECKLE, EMPHASIZED_LOSS, MARGINALIZED_DENOISER, EXACT_REPAIR)
