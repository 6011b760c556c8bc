"""Assignment 08, the convolutional autoencoder: solutions, and the mistakes they are told from."""

import numpy as np
from keras import ops
from numpy.lib.stride_tricks import sliding_window_view

from grader.exercises import Exercise, Wrong, clothes


def images(rng, n, height, width):
    """n images of clothes at 14 by 14 pixels, cut out of their middle, as (n, height, width)."""
    x = clothes(rng, n)[0].reshape(-1, 14, 14)
    top, left = (14 - height) // 2, (14 - width) // 2
    return x[:, top : top + height, left : left + width]


def normal(rng, shape, scale=1.0):
    return rng.normal(0, scale, shape).astype("float32")


# 1. The receptive field, layer by layer


def receptive_field(kernel_sizes, strides):
    return 1 + np.cumsum((kernel_sizes - 1) * steps(strides))


def steps(strides):
    """How many pixels apart neighboring inputs of each layer are."""
    return np.cumprod(np.concatenate([[1], strides[:-1]]))


def field_inputs(rng):
    cases = []
    for layers in (3, 5):
        strides = rng.integers(1, 4, layers)
        strides[:3] = 2, rng.integers(2, 4), 1
        cases.append((rng.integers(2, 6, layers), strides))
    return cases


def forward(kernel_sizes, strides):
    """The recursion that is right from the last layer down, run from the first layer up."""
    field, fields = 1, []
    for size, stride in zip(kernel_sizes, strides, strict=True):
        field = field * stride + size - stride
        fields.append(field)
    return np.array(fields)


RECEPTIVE_FIELD = Exercise(
    name="receptive_field",
    points=3,
    reference=receptive_field,
    inputs=field_inputs,
    wrong=(
        Wrong(
            "multiplies a layer's kernel by its own stride too; within one window the inputs are "
            "as far apart as the layers before have made them.",
            lambda sizes, strides: 1 + np.cumsum((sizes - 1) * np.cumprod(strides)),
        ),
        Wrong(
            "leaves out the strides; above a layer of stride 2 a step to the neighbor is two "
            "steps below.",
            lambda sizes, strides: 1 + np.cumsum(sizes - 1),
        ),
        Wrong(
            "looks at the stride of the layer just below only; the strides of all layers below "
            "multiply.",
            lambda sizes, strides: 1 + np.cumsum((sizes - 1) * np.concatenate([[1], strides[:-1]])),
        ),
        Wrong(
            "counts k inputs where there are k - 1 steps between them.",
            lambda sizes, strides: 1 + np.cumsum(sizes * steps(strides)),
        ),
        Wrong(
            "starts from 0; with kernels of size 1 every place would see nothing, not one pixel.",
            lambda sizes, strides: receptive_field(sizes, strides) - 1,
        ),
        Wrong(
            "multiplies the kernel sizes.",
            lambda sizes, strides: np.cumprod(sizes),
        ),
        Wrong(
            "runs from the first layer up a recursion, r s + k - s, that is right from the last "
            "layer down.",
            forward,
        ),
        Wrong(
            "returns how far apart neighboring places are, the product of the strides, in place "
            "of how many pixels each sees.",
            lambda sizes, strides: np.cumprod(strides),
        ),
        Wrong(
            "returns the last layer's field only; one number per layer is wanted.",
            lambda sizes, strides: receptive_field(sizes, strides)[-1],
        ),
    ),
)


# 2. The dense layer that a convolution is


def dense_weights(kernel, height, width, stride):
    return matrix(kernel, height, width, stride)


def matrix(kernel, height, width, stride, *, step=None, by_rows=True, straight=False, wrap=None):
    k = len(kernel)
    p, q = (height - k) // stride + 1, (width - k) // stride + 1
    step = step or stride
    W = np.zeros((height * width, p * q))
    for i, j, u, v in np.ndindex(p, q, k, k):
        y, x = step * i + u, step * j + v
        pixel = y * width + x
        if straight:  # the kernel's rows one after the other
            pixel = step * (i * width + j) + u * k + v
        if wrap:
            pixel = (y * wrap + x) % (height * width)
        W[pixel, i * q + j if by_rows else j * p + i] += kernel[u, v]
    return W


def matrix_inputs(rng):
    return (normal(rng, (3, 3)), 8, 9, 2), (normal(rng, (4, 4)), 7, 5, 1)


def matrix_by_ops(kernel, height, width, stride):
    """Column by column what the convolution does to an image with a single white pixel."""
    pixels = np.eye(height * width, dtype="float32").reshape(-1, height, width, 1)
    return ops.reshape(
        ops.conv(pixels, np.float32(kernel)[:, :, None, None], strides=stride, padding="valid"),
        (height * width, -1),
    )


def matrix_by_copies(kernel, height, width, stride):
    columns = []
    for top in range(0, height - len(kernel) + 1, stride):
        for left in range(0, width - len(kernel) + 1, stride):
            below, right = height - top - len(kernel), width - left - len(kernel)
            columns.append(np.pad(kernel, ((top, below), (left, right))).ravel())
    return np.stack(columns, axis=-1)


def matrix_by_windows(kernel, height, width, stride):
    pixel = np.arange(height * width).reshape(height, width)
    windows = sliding_window_view(pixel, kernel.shape)[::stride, ::stride]
    windows = windows.reshape(-1, kernel.size)
    W = np.zeros((height * width, len(windows)), "float64")
    W[windows, np.arange(len(windows))[:, None]] = kernel.ravel()
    return W


DENSE_WEIGHTS = Exercise(
    name="dense_weights",
    points=4,
    reference=dense_weights,
    inputs=matrix_inputs,
    alternatives=(matrix_by_ops, matrix_by_copies, matrix_by_windows),
    wrong=(
        Wrong(
            "flips the kernel; the lecture's convolution does not.",
            lambda kernel, *rest: matrix(kernel[::-1, ::-1], *rest),
        ),
        Wrong(
            "exchanges rows and columns of the kernel.",
            lambda kernel, *rest: matrix(kernel.T, *rest),
        ),
        Wrong(
            "returns the matrix transposed: images are rows here and are multiplied from the left, "
            "so there is one row per pixel and one column per place.",
            lambda kernel, *rest: matrix(kernel, *rest).T,
        ),
        Wrong(
            "moves the kernel by one pixel from place to place; it moves by the stride.",
            lambda kernel, *rest: matrix(kernel, *rest, step=1),
        ),
        Wrong(
            "looks at all places as if the stride were 1.",
            lambda kernel, height, width, stride: matrix(kernel, height, width, 1),
        ),
        Wrong(
            "writes the kernel's rows one right after the other; in a flattened image the pixel "
            "below is a whole width further on.",
            lambda kernel, *rest: matrix(kernel, *rest, straight=True),
        ),
        Wrong(
            "numbers the places column by column; a flattened map runs along its rows.",
            lambda kernel, *rest: matrix(kernel, *rest, by_rows=False),
        ),
        Wrong(
            "takes the height for the width: the pixel below is one width further on.",
            lambda kernel, height, width, stride: matrix(
                kernel, height, width, stride, wrap=height
            ),
        ),
        Wrong(
            "marks the connections with 1; the weights are the kernel's.",
            lambda kernel, *rest: (matrix(kernel, *rest) != 0) * 1.0,
        ),
    ),
)


# 3. Max pooling and back: to the place where the maximum was


def max_unpool(x, y, size):
    return placed(x, repeated(y, size), size, np.max)


def blocks(x, size):
    n, h, w = x.shape
    return x.reshape(n, h // size, size, w // size, size)


def placed(x, spread, size, extreme):
    """`spread` where x is its block's extreme, 0 elsewhere."""
    extremes = extreme(blocks(x, size), axis=(2, 4), keepdims=True)
    return np.where((blocks(x, size) == extremes).reshape(x.shape), spread, 0)


def repeated(y, size):
    return np.repeat(np.repeat(y, size, axis=1), size, axis=2)


def unpool_inputs(rng):
    cases = []
    for n, h, w, size in ((4, 8, 10, 2), (3, 9, 6, 3)):
        x = images(rng, n, h, w) + normal(rng, (n, h, w), 0.3)  # no two pixels equal
        cases.append((x.astype("float32"), normal(rng, (n, h // size, w // size)), size))
    return cases


def corner(x, y, size):
    result = np.zeros(x.shape)
    result[:, ::size, ::size] = y
    return result


def transposed_in_block(x, y, size):
    placed_right = blocks(max_unpool(x, y, size), size)
    return placed_right.transpose(0, 1, 4, 3, 2).reshape(x.shape)


MAX_UNPOOL = Exercise(
    name="max_unpool",
    points=4,
    reference=max_unpool,
    inputs=unpool_inputs,
    wrong=(
        Wrong(
            "writes y to every pixel of its block; only the place of the maximum gets it.",
            lambda x, y, size: repeated(y, size),
        ),
        Wrong(
            "spreads y evenly over its block, which is the way back from average pooling.",
            lambda x, y, size: repeated(y, size) / size**2,
        ),
        Wrong(
            "writes y to the upper left corner of its block, wherever the maximum was.",
            corner,
        ),
        Wrong(
            "returns the maxima of x at their places; the new values y belong there.",
            lambda x, y, size: placed(x, x, size, np.max),
        ),
        Wrong(
            "multiplies y by the maximum; its place is all that is taken from x.",
            lambda x, y, size: placed(x, x * repeated(y, size), size, np.max),
        ),
        Wrong(
            "goes to the place of the smallest pixel.",
            lambda x, y, size: placed(x, repeated(y, size), size, np.min),
        ),
        Wrong(
            "exchanges row and column inside of the blocks.",
            transposed_in_block,
        ),
        Wrong(
            "looks for one maximum in the whole image; every block has one of its own.",
            lambda x, y, size: np.where(
                x == x.max(axis=(1, 2), keepdims=True), repeated(y, size), 0
            ),
        ),
        Wrong(
            "leaves the other pixels of x as they are; they are 0.",
            lambda x, y, size: np.where(placed(x, 1, size, np.max) == 1, repeated(y, size), x),
        ),
    ),
)


# 4. The gradient of a convolution with respect to its kernel


def kernel_gradient(x, d_y, size, stride):
    return gradient(x, d_y, size, stride)


def gradient(x, d_y, size, stride, rule="nijc,nijf->cf"):
    p, q = d_y.shape[1:3]
    seen = [
        [x[:, u : u + stride * p : stride, v : v + stride * q : stride] for v in range(size)]
        for u in range(size)
    ]
    return np.array([[np.einsum(rule, window, d_y) for window in row] for row in seen])


def gradient_inputs(rng):
    cases = []
    for n, h, w, c, f, size, stride in ((5, 10, 9, 2, 3, 3, 2), (2, 7, 8, 3, 4, 4, 1)):
        x = np.stack([images(rng, n, h, w) for _ in range(c)], axis=-1)
        p, q = (h - size) // stride + 1, (w - size) // stride + 1
        cases.append((x, normal(rng, (n, p, q, f)), size, stride))
    return cases


def gradient_place_by_place(x, d_y, size, stride):
    d_W = np.zeros((size, size, x.shape[-1], d_y.shape[-1]), "float32")
    for n, i, j in np.ndindex(*d_y.shape[:3]):
        top, left = stride * i, stride * j
        d_W += x[n, top : top + size, left : left + size, :, None] * d_y[n, i, j]
    return d_W


def gradient_by_conv(x, d_y, size, stride):
    """A convolution of x with d_y, whose channels are the images."""
    result = ops.conv(
        ops.transpose(x, (3, 1, 2, 0)),
        ops.transpose(d_y, (1, 2, 0, 3)),
        padding="valid",
        dilation_rate=stride,
    )
    return ops.transpose(result, (1, 2, 0, 3))[:size, :size]


def gradient_by_windows(x, d_y, size, stride):
    windows = sliding_window_view(np.float64(x), (size, size), axis=(1, 2))[:, ::stride, ::stride]
    return np.tensordot(windows, d_y, axes=([0, 1, 2], [0, 1, 2])).transpose(1, 2, 0, 3)


KERNEL_GRADIENT = Exercise(
    name="kernel_gradient",
    points=5,
    reference=kernel_gradient,
    inputs=gradient_inputs,
    atol=1e-4,
    alternatives=(gradient_place_by_place, gradient_by_conv, gradient_by_windows),
    wrong=(
        Wrong(
            "averages over the images; each of them adds to the loss, and so to the gradient.",
            lambda x, d_y, size, stride: gradient(x, d_y, size, stride) / len(x),
        ),
        Wrong(
            "averages over the places; a shared weight gathers what all places ask of it.",
            lambda x, d_y, size, stride: gradient(x, d_y, size, stride) / np.prod(d_y.shape[1:3]),
        ),
        Wrong(
            "goes through x by single pixels; place (i, j) looks at x from (s i, s j) on.",
            lambda x, d_y, size, stride: gradient(x, d_y, size, 1),
        ),
        Wrong(
            "returns the kernel's rows and columns in reverse order; nothing is flipped here.",
            lambda x, d_y, size, stride: gradient(x, d_y, size, stride)[::-1, ::-1],
        ),
        Wrong(
            "exchanges the kernel's rows and columns.",
            lambda x, d_y, size, stride: gradient(x, d_y, size, stride).transpose(1, 0, 2, 3),
        ),
        Wrong(
            "has the channels of the output before those of the input.",
            lambda x, d_y, size, stride: gradient(x, d_y, size, stride).transpose(0, 1, 3, 2),
        ),
        Wrong(
            "adds up the input's channels; every one has a weight, and a derivative, of its own.",
            lambda x, d_y, size, stride: gradient(
                np.broadcast_to(x.sum(axis=-1, keepdims=True), x.shape), d_y, size, stride
            ),
        ),
        Wrong(
            "looks at the first image only; the batch's loss is the sum over its images.",
            lambda x, d_y, size, stride: gradient(x[:1], d_y[:1], size, stride),
        ),
        Wrong(
            "has the opposite sign: that is the direction in which the loss falls.",
            lambda x, d_y, size, stride: -gradient(x, d_y, size, stride),
        ),
    ),
)


# 5. Max pooling that does not mind a small shift


def max_blur_pool(x):
    return blurred(highest(x))[:, ::2, ::2]


def highest(x, reduce=np.max):
    """Of every 2 by 2 window, at stride 1."""
    return reduce(sliding_window_view(x, (2, 2), axis=(1, 2)), axis=(3, 4))


def blurred(x, weights=(0.25, 0.5, 0.25)):
    a, b, c = weights
    x = a * x[:, :-2] + b * x[:, 1:-1] + c * x[:, 2:]
    return a * x[:, :, :-2] + b * x[:, :, 1:-1] + c * x[:, :, 2:]


def pool_inputs(rng):
    return (images(rng, 4, 12, 11),), (images(rng, 3, 9, 14),)


MAX_BLUR_POOL = Exercise(
    name="max_blur_pool",
    points=4,
    reference=max_blur_pool,
    inputs=pool_inputs,
    wrong=(
        Wrong(
            "is ordinary max pooling: the blur is missing, and so are the windows that begin at "
            "odd places.",
            lambda x: highest(x)[:, ::2, ::2],
        ),
        Wrong(
            "skips every second place before it blurs; then the harm is done. First all places, "
            "then the blur, then the skipping.",
            lambda x: blurred(highest(x)[:, ::2, ::2]),
        ),
        Wrong(
            "blurs the image before it takes the maxima; the maxima are to be blurred.",
            lambda x: highest(blurred(x))[:, ::2, ::2],
        ),
        Wrong(
            "blurs with weights that do not sum to 1: the result is 16 times too bright.",
            lambda x: 16 * max_blur_pool(x),
        ),
        Wrong(
            "blurs with nine equal weights; the binomial kernel has the largest in the middle.",
            lambda x: blurred(highest(x), (1 / 3, 1 / 3, 1 / 3))[:, ::2, ::2],
        ),
        Wrong(
            "averages the 2 by 2 windows; their maxima are wanted.",
            lambda x: blurred(highest(x, np.mean))[:, ::2, ::2],
        ),
        Wrong(
            "begins at the second place; keep the first, the third, and so on.",
            lambda x: blurred(highest(x))[:, 1::2, 1::2],
        ),
        Wrong(
            "keeps all places; only every second is wanted, along both axes.",
            lambda x: blurred(highest(x)),
        ),
        Wrong(
            "keeps every second row, but all columns.",
            lambda x: blurred(highest(x))[:, ::2],
        ),
    ),
)

EXERCISES = (RECEPTIVE_FIELD, DENSE_WEIGHTS, MAX_UNPOOL, KERNEL_GRADIENT, MAX_BLUR_POOL)
