"""Assignment 06, the contractive autoencoder: solutions, and the mistakes they are told from."""

import numpy as np
from keras import ops
from scipy import special

from grader.exercises import Exercise, Wrong, clothes


def images(rng, n):
    return clothes(rng, n)[0]


def normal(rng, shape, scale=0.1):
    return rng.normal(0, scale, shape).astype("float32")


sigmoid = special.expit


# 1. The gradient of the penalty of a sigmoid layer, by hand


def contractive_gradient(x, W, b):
    return penalty_gradient(x, W, b)


def penalty_gradient(
    x, W, b, *, n=None, two=2, direct=1, bent=1, bend=lambda h: 1 - 2 * h, inner=1
):
    h = sigmoid(x @ W + b)
    slope = h * (1 - h)
    squares = (W**2).sum(axis=0)
    n = n or len(x)
    d_a = bent * two * slope * bend(h) * (slope if inner else 1) * squares / n
    d_W = x.T @ d_a + direct * two * W * (slope**2).sum(axis=0) / n
    return d_W, d_a.sum(axis=0)


def gradient_inputs(rng):
    return [
        (images(rng, n), normal(rng, (196, m), 0.15), normal(rng, m, 0.5))
        for n, m in ((12, 5), (7, 8))
    ]


def gradient_unit_by_unit(x, W, b):
    d_W, d_b = np.zeros_like(W), np.zeros_like(b)
    for j in range(W.shape[1]):
        w = W[:, j]
        for image in x:
            h = 1 / (1 + np.exp(-(image @ w + b[j])))
            slope = h - h * h
            turn = 2 * slope * slope * (1 - 2 * h) * (w @ w)
            d_W[:, j] += (2 * slope**2 * w + turn * image) / len(x)
            d_b[j] += turn / len(x)
    return d_W, d_b


def gradient_with_ops(x, W, b):
    t = ops.tanh((ops.matmul(x, W) + b) / 2)  # h = (1 + t) / 2, its slope (1 - t^2) / 4
    squared_slope = ops.square(1 - ops.square(t)) / 16
    d_a = -2 * t * squared_slope * ops.sum(ops.square(W), axis=0)
    d_W = ops.einsum("ni,nj->ij", x, d_a) / len(x) + 2 * W * ops.mean(squared_slope, axis=0)
    return d_W, ops.mean(d_a, axis=0)


def gradient_in_double(x, W, b):
    h = sigmoid(np.float64(x) @ W + b)
    squared = (h - h**2) ** 2
    d_a = (2 - 4 * h) * squared * np.square(W).sum(axis=0, keepdims=True)
    return (x.T @ d_a + 2 * W @ np.diag(squared.sum(axis=0))) / len(h), np.average(d_a, axis=0)


CONTRACTIVE_GRADIENT = Exercise(
    name="contractive_gradient",
    points=5,
    reference=contractive_gradient,
    inputs=gradient_inputs,
    atol=1e-6,
    alternatives=(gradient_unit_by_unit, gradient_with_ops, gradient_in_double),
    wrong=(
        Wrong(
            "takes the slopes h(1 - h) for constants, so that contraction by saturation has no "
            "part in it; they depend on W and b too.",
            lambda x, W, b: penalty_gradient(x, W, b, bent=0),
        ),
        Wrong(
            "follows W into h alone, and misses that it stands in the penalty itself, in the sum "
            "of the W_ij squared.",
            lambda x, W, b: penalty_gradient(x, W, b, direct=0),
        ),
        Wrong(
            "adds up the images; the penalty is their mean.",
            lambda x, W, b: penalty_gradient(x, W, b, n=1),
        ),
        Wrong(
            "is half of what is wanted: both squares, that of the slope and that of W, leave a "
            "factor of 2.",
            lambda x, W, b: penalty_gradient(x, W, b, two=1),
        ),
        Wrong(
            "takes h(1 - h) for the derivative of the slope; that is the derivative of h, and the "
            "slope h(1 - h) has to be differentiated once more.",
            lambda x, W, b: penalty_gradient(x, W, b, bend=np.ones_like),
        ),
        Wrong(
            "differentiates h(1 - h) by h and stops there; h depends on a, which gives one factor "
            "more.",
            lambda x, W, b: penalty_gradient(x, W, b, inner=0),
        ),
        Wrong(
            "has the opposite sign: the penalty falls in this direction, the gradient is the one "
            "in which it rises.",
            lambda x, W, b: tuple(-d for d in penalty_gradient(x, W, b)),
        ),
        Wrong(
            "returns d_W transposed; it has W's own shape, so that it can be subtracted from W.",
            lambda x, W, b: (penalty_gradient(x, W, b)[0].T, penalty_gradient(x, W, b)[1]),
        ),
    ),
)


# 2. The code's velocity, through two layers


def code_velocity(x, v, W_1, b_1, W_2, b_2):
    return velocity(x, v, W_1, b_1, W_2, b_2)


def velocity(x, v, W_1, b_1, W_2, b_2, *, at=None, tanh_slope=None, sigmoid_slope=None, bias=0):
    a_1 = (x if at is None else at) @ W_1 + b_1
    h_1 = np.tanh(a_1)
    h = sigmoid(h_1 @ W_2 + b_2)
    v_1 = (v @ W_1 + bias * b_1) * (1 - h_1**2 if tanh_slope is None else tanh_slope(a_1))
    return (v_1 @ W_2 + bias * b_2) * (h * (1 - h) if sigmoid_slope is None else sigmoid_slope(h))


def encoded(x, W_1, b_1, W_2, b_2):
    return sigmoid(np.tanh(x @ W_1 + b_1) @ W_2 + b_2)


def velocity_inputs(rng):
    cases = []
    for n, k, m in ((6, 12, 4), (3, 8, 7)):
        W_1, W_2 = normal(rng, (196, k), 0.15), normal(rng, (k, m), 0.7)
        x, b_1, b_2 = images(rng, n), normal(rng, k, 0.3), normal(rng, m, 0.5)
        cases.append((x, images(rng, n) - x, W_1, b_1, W_2, b_2))
    return cases


def velocity_by_jacobian(x, v, W_1, b_1, W_2, b_2):
    result = []
    for image, direction in zip(x, v, strict=True):
        h_1 = np.tanh(image @ W_1 + b_1)
        h = 1 / (1 + np.exp(-(h_1 @ W_2 + b_2)))
        J = np.diag(h * (1 - h)) @ W_2.T @ np.diag(1 - h_1**2) @ W_1.T
        result.append(J @ direction)
    return np.array(result)


def velocity_with_ops(x, v, W_1, b_1, W_2, b_2):
    h_1 = ops.tanh(ops.matmul(x, W_1) + b_1)
    v_1 = ops.matmul(v, W_1) / ops.square(ops.cosh(ops.matmul(x, W_1) + b_1))
    a_2 = ops.matmul(h_1, W_2) + b_2
    return ops.sigmoid(a_2) * ops.sigmoid(-a_2) * ops.matmul(v_1, W_2)


def velocity_by_differences(x, v, W_1, b_1, W_2, b_2):
    x, v, step = np.float64(x), np.float64(v), 1e-5
    ahead, behind = (encoded(x + s * v, W_1, b_1, W_2, b_2) for s in (step, -step))
    return (ahead - behind) / (2 * step)


CODE_VELOCITY = Exercise(
    name="code_velocity",
    points=4,
    reference=code_velocity,
    inputs=velocity_inputs,
    alternatives=(velocity_by_jacobian, velocity_with_ops, velocity_by_differences),
    wrong=(
        Wrong(
            "passes the velocity through the tanh unchanged; its slope is missing.",
            lambda x, v, *weights: velocity(x, v, *weights, tanh_slope=np.ones_like),
        ),
        Wrong(
            "passes the velocity through the sigmoid unchanged; its slope is missing.",
            lambda x, v, *weights: velocity(x, v, *weights, sigmoid_slope=np.ones_like),
        ),
        Wrong(
            "computes the tanh's slope from the pre-activation; 1 - h^2 takes the activation.",
            lambda x, v, *weights: velocity(x, v, *weights, tanh_slope=lambda a: 1 - a**2),
        ),
        Wrong(
            "gives the tanh the slope of a sigmoid.",
            lambda x, v, *weights: velocity(
                x, v, *weights, tanh_slope=lambda a: np.tanh(a) * (1 - np.tanh(a))
            ),
        ),
        Wrong(
            "gives the sigmoid the slope of a tanh.",
            lambda x, v, *weights: velocity(x, v, *weights, sigmoid_slope=lambda h: 1 - h**2),
        ),
        Wrong(
            "adds the biases to the velocity; they are the same at every time and have none.",
            lambda x, v, *weights: velocity(x, v, *weights, bias=1),
        ),
        Wrong(
            "sends the direction through the encoder as if it were an image.",
            lambda x, v, *weights: encoded(v, *weights),
        ),
        Wrong(
            "goes the whole way from x to x + v; the velocity is that at the start, at x.",
            lambda x, v, *weights: encoded(x + v, *weights) - encoded(x, *weights),
        ),
        Wrong(
            "takes the slopes at the direction v; the image is at x.",
            lambda x, v, *weights: velocity(x, v, *weights, at=v),
        ),
        Wrong(
            "scales the directions to length 1 first; who walks twice as fast has a code that "
            "moves twice as fast.",
            lambda x, v, *weights: velocity(
                x, v / np.linalg.norm(v, axis=1, keepdims=True), *weights
            ),
        ),
    ),
)


# 3. A penalty on the code's direction


def direction_penalty(x, W, b):
    whole, radial, length = parts(x, W, b)
    return (whole - radial) / length**2


def parts(x, W, b, *, normalized=True, slope=lambda h: 1 - h**2):
    """||J||^2, the part of it along the code, and the code's length, for every image."""
    h = np.tanh(x @ W + b)
    length = np.linalg.norm(h, axis=1)
    u = h / length[:, None] if normalized else h
    whole = (1 - h**2) ** 2 @ (W**2).sum(axis=0)
    return whole, np.square((u * slope(h)) @ W.T).sum(axis=1), length


def direction_inputs(rng):
    return [
        (images(rng, n), normal(rng, (196, m), 0.08), normal(rng, m, 0.3))
        for n, m in ((9, 6), (5, 10))
    ]


def direction_by_projector(x, W, b):
    x, W = ops.convert_to_tensor(x), ops.convert_to_tensor(W)
    h = ops.tanh(ops.matmul(x, W) + b)
    u = h / ops.norm(h, axis=1, keepdims=True)
    J = (1 - h**2)[:, :, None] * ops.transpose(W)[None]
    J_u = (J - u[:, :, None] * ops.matmul(u[:, None, :], J)) / ops.norm(h, axis=1)[:, None, None]
    return ops.sum(J_u**2, axis=(1, 2))


def direction_image_by_image(x, W, b):
    gram = ops.matmul(ops.transpose(W), W)
    result = []
    for image in x:
        h = ops.tanh(ops.sum(image[:, None] * W, axis=0) + b)
        slope, square = 1 - h * h, ops.sum(h * h)
        inner = gram * slope[:, None] * slope[None]  # J J^T
        along = ops.sum(h * ops.matmul(inner, h)) / square
        result.append((ops.trace(inner) - along) / square)
    return ops.stack(result)


def direction_in_double(x, W, b):
    x, W = ops.cast(x, "float64"), ops.cast(W, "float64")
    h = ops.tanh(ops.matmul(x, W) + ops.cast(b, "float64"))
    square = ops.sum(h * h, axis=1)
    slope = 1 - h * h
    whole = ops.sum(slope * slope * ops.sum(W * W, axis=0), axis=1)
    radial = ops.sum(ops.matmul(slope * h, ops.transpose(W)) ** 2, axis=1)
    return whole / square - radial / square**2


DIRECTION_PENALTY = Exercise(
    name="direction_penalty",
    points=5,
    reference=direction_penalty,
    inputs=direction_inputs,
    differentiable="W",
    alternatives=(direction_by_projector, direction_image_by_image, direction_in_double),
    wrong=(
        Wrong(
            "is the lecture's penalty, on the code h; that on its direction u is wanted.",
            lambda x, W, b: parts(x, W, b)[0],
        ),
        Wrong(
            "divides the lecture's penalty by the code's squared length, as if that were constant; "
            "what only lengthens the code does not turn it, and is not to be counted.",
            lambda x, W, b: parts(x, W, b)[0] / parts(x, W, b)[2] ** 2,
        ),
        Wrong(
            "does not divide by the code's length: J is projected, and that is all.",
            lambda x, W, b: parts(x, W, b)[0] - parts(x, W, b)[1],
        ),
        Wrong(
            "divides by the code's length; after squaring it is its square.",
            lambda x, W, b: direction_penalty(x, W, b) * parts(x, W, b)[2],
        ),
        Wrong(
            "projects on h itself; the projector needs the vector u of length 1.",
            lambda x, W, b: (
                (parts(x, W, b)[0] - parts(x, W, b, normalized=False)[1]) / parts(x, W, b)[2] ** 2
            ),
        ),
        Wrong(
            "counts what lengthens the code and leaves out what turns it: the projector is I minus "
            "the product of u with itself.",
            lambda x, W, b: parts(x, W, b)[1] / parts(x, W, b)[2] ** 2,
        ),
        Wrong(
            "adds the part along u where it has to be taken away.",
            lambda x, W, b: sum(parts(x, W, b)[:2]) / parts(x, W, b)[2] ** 2,
        ),
        Wrong(
            "forgets the slopes in the part along u; both parts are of the same J.",
            lambda x, W, b: (
                (parts(x, W, b)[0] - parts(x, W, b, slope=np.ones_like)[1]) / parts(x, W, b)[2] ** 2
            ),
        ),
        Wrong(
            "returns the mean over the images; one number per image is wanted.",
            lambda x, W, b: direction_penalty(x, W, b).mean(),
        ),
    ),
)


# 4. How many directions a code responds to


def effective_directions(J):
    squares = singular(J) ** 2
    return squares.sum(axis=1) ** 2 / (squares**2).sum(axis=1)


def singular(J):
    return np.linalg.svd(J, compute_uv=False)


def spectrum_entropy(J):
    share = singular(J) ** 2
    share = share / share.sum(axis=1, keepdims=True)
    return np.exp(-(share * np.log(share)).sum(axis=1))


def jacobian_inputs(rng):
    cases = []
    for n, m, k in ((5, 6, 25), (3, 11, 8)):
        U, V = rng.normal(size=(n, m, min(m, k))), rng.normal(size=(n, k, min(m, k)))
        s = np.exp(-rng.uniform(0.2, 0.6, (n, 1, 1)) * np.arange(min(m, k)))
        cases.append((((U * s) @ V.swapaxes(1, 2) / np.sqrt(k)).astype("float32"),))
    return cases


EFFECTIVE_DIRECTIONS = Exercise(
    name="effective_directions",
    points=3,
    reference=effective_directions,
    inputs=jacobian_inputs,
    wrong=(
        Wrong(
            "takes the singular values themselves; their squares are the shares of the penalty.",
            lambda J: singular(J).sum(axis=1) ** 2 / (singular(J) ** 2).sum(axis=1),
        ),
        Wrong(
            "divides by the square of the largest singular value, as the stable rank does; here "
            "all fourth powers count.",
            lambda J: (singular(J) ** 2).sum(axis=1) / singular(J).max(axis=1) ** 2,
        ),
        Wrong(
            "is the inverse: it falls where more directions join.",
            lambda J: 1 / effective_directions(J),
        ),
        Wrong(
            "raises the entries of J to the powers; the sum of fourth powers of the singular "
            "values is not that of the entries.",
            lambda J: (J**2).sum(axis=(1, 2)) ** 2 / (J**4).sum(axis=(1, 2)),
        ),
        Wrong(
            "forgets to square the numerator, so that it changes with the scale of J.",
            lambda J: (singular(J) ** 2).sum(axis=1) / (singular(J) ** 4).sum(axis=1),
        ),
        Wrong(
            "is the exponential of the entropy of the shares, another measure of their number.",
            spectrum_entropy,
        ),
        Wrong(
            "averages the Jacobians of the batch first; every image has directions of its own.",
            lambda J: np.full(len(J), effective_directions(J.mean(axis=0, keepdims=True))[0]),
        ),
        Wrong(
            "is divided by the number of singular values; a number of directions is wanted, not a "
            "share.",
            lambda J: effective_directions(J) / min(J.shape[1:]),
        ),
    ),
)

EXERCISES = (CONTRACTIVE_GRADIENT, CODE_VELOCITY, DIRECTION_PENALTY, EFFECTIVE_DIRECTIONS)
