"""Numbers that say how good a model is."""

import numpy as np
from keras import ops
from scipy.ndimage import laplace
from scipy.spatial.distance import cdist
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from coursekit import _validate, regularizers


def squared_error(x, x_hat):
    """Mean over the samples of ||x - x_hat||^2, summed over a sample's features. Lecture 03.

    The course's unit "squared error per image"; Keras' MSE is this divided by the pixels' number.

    Args:
        x, x_hat: inputs and reconstructions of one shape (n, ...).

    Raises:
        ValueError: the shapes differ, or a value is not finite.
    """
    x = _validate.finite_array("x", x)
    x_hat = _validate.finite_array("x_hat", x_hat)
    if x.shape != x_hat.shape or x.ndim < 2:
        raise ValueError(
            f"x and x_hat must have one shape (n, ...), got {x.shape} and {x_hat.shape}."
        )
    if x.dtype.kind != "f" or x_hat.dtype.kind != "f":
        x, x_hat = x.astype("float64"), x_hat.astype("float64")  # uint8 would wrap around
    difference = (x - x_hat).reshape(len(x), -1)
    # Row by row, without a squared copy: the training images alone are 170 MB.
    return float(np.einsum("ij,ij->i", difference, difference).mean(dtype="float64"))


def principal_angles(A, B):
    """Principal angles between two subspaces, in degrees, the largest first. Lecture 03.

    0 throughout: one subspace contains the other; 90 first: it has a direction orthogonal to the
    other. Computed from sines below 45 degrees, where cosines lose digits (Björck and Golub 1973).

    Args:
        A, B: matrices (n, p) and (n, q) whose columns span the subspaces; they need not be
            orthonormal.

    Returns:
        min(p, q) angles in [0, 90].

    Raises:
        ValueError: the numbers of rows differ, or columns depend on each other linearly.
    """
    Q_A, Q_B = _orthonormal("A", A), _orthonormal("B", B)
    if len(Q_A) != len(Q_B):
        raise ValueError(
            f"A and B must have equally many rows, got {np.shape(A)} and {np.shape(B)}."
        )
    if Q_A.shape[1] < Q_B.shape[1]:
        Q_A, Q_B = Q_B, Q_A
    cosines = np.linalg.svd(Q_A.T @ Q_B, compute_uv=False)[::-1]
    sines = np.linalg.svd(Q_B - Q_A @ (Q_A.T @ Q_B), compute_uv=False)
    angles = np.where(
        cosines > np.sqrt(0.5), np.arcsin(np.minimum(sines, 1)), np.arccos(np.minimum(cosines, 1))
    )
    return np.rad2deg(angles)


def psnr(x, x_hat):
    """Peak signal-to-noise ratio of each image, 10 log10(1 / MSE), in decibels. Lecture 07.

    Args:
        x: images in [0, 1]: (n, 784), (n, height, width) or (n, height, width, 1 or 3).
        x_hat: their reconstructions, of the same shape. Values outside [0, 1] count as they are;
            clip them first where a display would.

    Returns:
        (n,); infinite where both images are equal.

    Raises:
        ValueError: the shapes differ, or `x` lies outside [0, 1].
    """
    with np.errstate(divide="ignore"):
        return _per_image(peak_signal_noise_ratio, x, x_hat)


def ssim(x, x_hat):
    """Structural similarity of each image, 1 for equal ones (Wang et al. 2004). Lecture 07.

    Compares means, variances and covariance in 7-by-7 windows. Arguments and errors as `psnr`;
    images must have at least 7 pixels a side.

    Returns:
        (n,), in [-1, 1].
    """
    return _per_image(structural_similarity, x, x_hat)


def _per_image(measure, x, x_hat):
    """`measure` of scikit-image, image by image, with colours in the last axis."""
    x = _validate.images("x", x, unit_range=True).astype("float64")
    x_hat = _validate.images("x_hat", x_hat).astype("float64")
    if x.shape != x_hat.shape:
        raise ValueError(f"x and x_hat must have one shape, got {x.shape} and {x_hat.shape}.")
    options = {"data_range": 1}
    if measure is structural_similarity:
        if min(x.shape[1:3]) < 7:
            raise ValueError(f"x must have at least 7 by 7 pixels, got {x.shape[1:3]}.")
        options["channel_axis"] = -1 if x.ndim == 4 else None
    return np.array([measure(a, b, **options) for a, b in zip(x, x_hat, strict=True)])


def lifetime_sparsity(h):
    """How selective each unit is: 0 alike for all inputs, 1 silent for all but one. Lecture 05.

    (1 - (mean |h|)^2 / mean h^2) / (1 - 1/n), the means over the n inputs (Vinje and Gallant 2000,
    after Treves and Rolls).

    Args:
        h: codes (n, m) of at least two inputs.

    Returns:
        (m,), in [0, 1]; NaN for a unit that is 0 for every input, where nothing is defined.

    Raises:
        ValueError: `h` has another shape, or is not finite.
    """
    return _sparsity(h, axis=0)


def population_sparsity(h):
    """How few units share the code of each input: 0 all alike, 1 a single one. Lecture 05.

    As `lifetime_sparsity`, with the means over the m units.

    Args:
        h: codes (n, m) of at least two units.

    Returns:
        (n,), in [0, 1]; NaN for an input whose code is 0 throughout.

    Raises:
        ValueError: `h` has another shape, or is not finite.
    """
    return _sparsity(h, axis=1)


def _sparsity(h, axis):
    h = np.abs(_validate.codes("h", h).astype("float64"))
    count = h.shape[axis]
    if count < 2:
        raise ValueError(
            f"h must hold at least two {('inputs', 'units')[axis]} to tell sparse from dense, "
            f"got shape {h.shape}."
        )
    with np.errstate(invalid="ignore"):  # 0 / 0: the NaN that is promised
        alike = np.square(h.mean(axis=axis)) / np.square(h).mean(axis=axis)
    return (1 - alike) / (1 - 1 / count)


def jacobian_norm(encoder, x):
    """Frobenius norm ||dh/dx||_F of an encoder's Jacobian at each input. Lecture 06.

    Args:
        encoder, x: as for `regularizers.encoder_jacobian`.

    Returns:
        (n,): square roots of `regularizers.contractive_penalty`.
    """
    squares = np.concatenate(list(_in_batches(regularizers.contractive_penalty, encoder, x)))
    # Rounding can leave a Jacobian of zero with a square a hair below it.
    return np.sqrt(np.maximum(squares, 0))


def jacobian_spectrum(encoder, x):
    """Singular values of an encoder's Jacobian dh/dx at each input, largest first. Lecture 06.

    Args:
        encoder, x: as for `regularizers.encoder_jacobian`, m code units and inputs of size k.

    Returns:
        (n, min(m, k)).
    """
    jacobians = _in_batches(regularizers.encoder_jacobian, encoder, x)
    return np.concatenate([_singular_values(J.astype("float64")) for J in jacobians])


def _singular_values(J):
    """Of each matrix, from its smaller Gram matrix: several times faster than an SVD.

    Squaring costs half the digits of double precision, which leaves more than J's single ones.
    """
    J_T = J.swapaxes(1, 2)
    gram = J @ J_T if J.shape[1] <= J.shape[2] else J_T @ J
    return np.sqrt(np.maximum(np.linalg.eigvalsh(gram)[:, ::-1], 0))


def frechet_distance(features_a, features_b):
    """Distance of two samples, each taken for a Gaussian: 0 where both are alike. Lecture 11.

    ||mean_a - mean_b||^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)), the squared 2-Wasserstein distance of
    the Gaussians. With Inception's features it is the FID (Heusel et al. 2017); with
    `digit_features`, on another scale, it serves digits. It is biased upwards in small samples:
    compare only distances of equally many, and of well more than there are features.

    Args:
        features_a, features_b: (n, k) and (m, k), at least two rows each.

    Raises:
        ValueError: the numbers of features differ, a value is not finite, or there is one row.
    """
    a, b = _two_samples(features_a=features_a, features_b=features_b)
    C_a, C_b = (np.atleast_2d(np.cov(rows, rowvar=False)) for rows in (a, b))
    variances, axes = np.linalg.eigh(C_a)
    root = axes * np.sqrt(np.maximum(variances, 0)) @ axes.T
    # C_a C_b and the symmetric root C_b root have the same eigenvalues.
    shared = np.linalg.eigvalsh(root @ C_b @ root)
    means = np.sum(np.square(a.mean(axis=0) - b.mean(axis=0)))
    distance = means + np.trace(C_a) + np.trace(C_b) - 2 * np.sqrt(np.maximum(shared, 0)).sum()
    return float(max(distance, 0))  # equal samples can come out a hair below 0


def maximum_mean_discrepancy(a, b, *, bandwidth):
    """Squared distance of two samples' means in a kernel's space (Gretton et al. 2012). Lecture 12.

    The unbiased estimate, with k(u, v) = exp(-||u - v||^2 / (2 bandwidth^2)): the mean of k within
    a, plus that within b, minus twice that between both, no point being compared with itself. For
    one distribution its expectation is 0, and it may fall below.

    Args:
        a, b: (n, k) and (m, k), at least two rows each.
        bandwidth: above 0, on the scale of the detail that matters: much smaller or larger than
            the distances between points, and every two samples look alike.

    Raises:
        TypeError, ValueError: as `frechet_distance`, or `bandwidth` is not above 0.
    """
    bandwidth = _validate.real("bandwidth", bandwidth, above=0)
    a, b = _two_samples(a=a, b=b)
    n, m = len(a), len(b)
    within_a, within_b, between = (
        _kernel_sum(u, v, bandwidth) for u, v in ((a, a), (b, b), (a, b))
    )
    return float(
        (within_a - n) / (n * (n - 1)) + (within_b - m) / (m * (m - 1)) - 2 * between / (n * m)
    )


def _kernel_sum(a, b, bandwidth):
    """Sum of the kernel over all pairs, a thousand rows at a time to spare memory."""
    return sum(
        np.exp(cdist(a[start : start + 1000], b, "sqeuclidean") / (-2 * bandwidth**2)).sum()
        for start in range(0, len(a), 1000)
    )


def _two_samples(**samples):
    """Both as double precision; raises unless they are comparable."""
    arrays = {
        name: _validate.finite_array(name, rows, ndim=2).astype("float64")
        for name, rows in samples.items()
    }
    (name_a, a), (name_b, b) = arrays.items()
    if a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(
            f"{name_a} and {name_b} must have equally many columns and at least two rows, got "
            f"{a.shape} and {b.shape}."
        )
    return a, b


def sharpness(x):
    """How sudden the changes in each image are: the variance of its Laplacian. Lecture 11.

    The Laplacian compares a pixel with its four neighbours, so a blurred edge counts less than a
    sharp one. Noise counts as well: compare images of one kind, and look at them.

    Args:
        x: images in [0, 1]: (n, 784), (n, height, width) or (n, height, width, 1).

    Returns:
        (n,), from 0.

    Raises:
        ValueError: another shape, or values outside [0, 1].
    """
    x = _validate.images("x", x, unit_range=True)
    if x.ndim != 3:
        raise ValueError(f"x must hold gray images, got shape {x.shape}.")
    # Beyond the border the image goes on as its mirror image.
    return laplace(x.astype("float64"), axes=(1, 2)).var(axis=(1, 2))


def _in_batches(function, encoder, x):
    """`function(encoder, x)` batch by batch, as NumPy arrays of at most 64 MB each."""
    x = _validate.finite_array("x", x, ndim=2)
    size = max(1, 2**24 // (x.shape[1] * getattr(encoder, "output_shape", (None, 1))[-1]))
    for start in range(0, len(x), size):
        yield ops.convert_to_numpy(function(encoder, x[start : start + size]))


def _orthonormal(name, matrix):
    matrix = _validate.finite_array(name, matrix, ndim=2).astype("float64")
    rank = np.linalg.matrix_rank(matrix)
    if rank < matrix.shape[1]:
        raise ValueError(
            f"{name} must have linearly independent columns, but its {matrix.shape[1]} columns "
            f"span only {rank} dimensions."
        )
    return np.linalg.qr(matrix)[0]
