"""Numbers that say how good a model is."""

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike
from scipy.linalg import svdvals
from scipy.ndimage import laplace
from scipy.spatial.distance import cdist
from skimage.metrics import structural_similarity

from coursekit import _validate, regularizers

__all__ = ["frechet_distance", "jacobian_norm", "jacobian_spectrum", "lifetime_sparsity",
           "maximum_mean_discrepancy", "population_sparsity", "principal_angles", "psnr",
           "sharpness", "squared_error", "ssim"]  # fmt: skip


def squared_error(x: ArrayLike, x_hat: ArrayLike) -> float:
    """Mean over the samples of ||x - x_hat||^2, summed over a sample's features. Lecture 03.

    The course's unit "squared error per image"; Keras' MSE is this divided by the pixels' number.
    Raises a ValueError unless x and x_hat are finite and of one shape (n, ...).
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


def principal_angles(A: ArrayLike, B: ArrayLike) -> np.ndarray:
    """Principal angles between two subspaces, in degrees, the largest first. Lecture 03.

    0 throughout: one subspace contains the other; 90 first: it has a direction orthogonal to the
    other. Computed from sines below 45 degrees, where cosines lose digits (Björck and Golub 1973).

    The columns of A (n, p) and B (n, q), orthonormal or not, span the subspaces; gives min(p, q)
    angles in [0, 90]. Raises a ValueError where the numbers of rows differ, or the columns of one
    depend on each other linearly.
    """
    Q_A, Q_B = _orthonormal("A", A), _orthonormal("B", B)
    if len(Q_A) != len(Q_B):
        raise ValueError(f"A and B must have equally many rows, got {Q_A.shape} and {Q_B.shape}.")
    Q_A, Q_B = sorted((Q_A, Q_B), key=lambda Q: -Q.shape[1])
    # SciPy's `subspace_angles` takes a small angle beside a large one from its cosine.
    cosines, sines = svdvals(Q_A.T @ Q_B)[::-1], svdvals(Q_B - Q_A @ (Q_A.T @ Q_B))
    small, large = np.arcsin(np.minimum(sines, 1)), np.arccos(np.minimum(cosines, 1))
    return np.rad2deg(np.where(cosines > np.sqrt(0.5), small, large))


def _orthonormal(name, matrix):
    matrix = _validate.finite_array(name, matrix, ndim=2).astype("float64")
    rank = np.linalg.matrix_rank(matrix)
    if rank < matrix.shape[1]:
        raise ValueError(
            f"{name} must have linearly independent columns, but its {matrix.shape[1]} columns "
            f"span only {rank} dimensions."
        )
    return np.linalg.qr(matrix)[0]


def psnr(x: ArrayLike, x_hat: ArrayLike) -> np.ndarray:
    """Peak signal-to-noise ratio of each image, 10 log10(1 / MSE), in decibels. Lecture 07.

    x are images in [0, 1]: (n, 784), (n, height, width) or (n, height, width, 1 or 3); x_hat, of
    the same shape, counts as it is: clip it to [0, 1] first where a display would. Other x or
    shapes raise a ValueError. Returns (n,), infinite where both images are equal.
    """
    x, x_hat = (images.astype("float64") for images in _validate.image_pair(x, x_hat))
    with np.errstate(divide="ignore"):
        return -10 * np.log10(np.square(x - x_hat).reshape(len(x), -1).mean(axis=1))


def ssim(x: ArrayLike, x_hat: ArrayLike) -> np.ndarray:
    """Structural similarity of each image, 1 for equal ones (Wang et al. 2004). Lecture 07.

    Compares means, variances and covariance in 7-by-7 windows; returns (n,), in [-1, 1]. Arguments
    and errors as `psnr`; images must have at least 7 pixels a side.
    """
    x, x_hat = (images.astype("float64") for images in _validate.image_pair(x, x_hat))
    if min(x.shape[1:3]) < 7:
        raise ValueError(f"x must have at least 7 by 7 pixels, got {x.shape[1:3]}.")
    options = {"data_range": 1, "channel_axis": -1 if x.ndim == 4 else None}
    pairs = zip(x, x_hat, strict=True)
    return np.array([structural_similarity(*pair, **options) for pair in pairs])


def lifetime_sparsity(h: ArrayLike) -> np.ndarray:
    """How selective each unit is: 0 alike for all inputs, 1 silent for all but one. Lecture 05.

    (1 - (mean |h|)^2 / mean h^2) / (1 - 1/n), the means over the n inputs (Vinje and Gallant 2000,
    after Treves and Rolls). Takes codes (n, m) of at least two inputs, others raise a ValueError;
    returns (m,), in [0, 1], or NaN for a unit that is 0 for every input.
    """
    return _sparsity(h, axis=0)


def population_sparsity(h: ArrayLike) -> np.ndarray:
    """How few units share the code of each input: 0 all alike, 1 a single one. Lecture 05.

    As `lifetime_sparsity`, with the means over the m units, at least two. Returns (n,), in [0, 1];
    NaN for an input whose code is 0 throughout.
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


def jacobian_norm(model: keras.Model, x: ArrayLike) -> np.ndarray:
    """Frobenius norm ||dh/dx||_F of an encoder's Jacobian at each input, (n,). Lecture 06.

    `model` has an `encoder`, or is one, that `regularizers.encoder_jacobian` takes; x are finite
    inputs (n, k). Raises as that function.
    """
    squares = np.concatenate(list(_in_batches(regularizers.contractive_penalty, model, x)))
    # Rounding can leave a Jacobian of zero with a square a hair below it.
    return np.sqrt(np.maximum(squares, 0))


def jacobian_spectrum(model: keras.Model, x: ArrayLike) -> np.ndarray:
    """Singular values of an encoder's Jacobian dh/dx at each input, largest first. Lecture 06.

    Arguments and errors as `jacobian_norm`; returns (n, min(m, k)) for codes of m units.
    """
    spectra = []
    for J in _in_batches(regularizers.encoder_jacobian, model, x):
        J = J.astype("float64")
        J_T = J.swapaxes(1, 2)
        # The eigenvalues of the smaller Gram matrix come several times faster than an SVD. Squaring
        # costs half the digits of double precision, which leaves more than J's single ones.
        gram = J @ J_T if J.shape[1] <= J.shape[2] else J_T @ J
        spectra.append(np.sqrt(np.maximum(np.linalg.eigvalsh(gram)[:, ::-1], 0)))
    return np.concatenate(spectra)


def _in_batches(function, model, x):
    """`function(encoder, x)` batch by batch, as NumPy arrays of at most 64 MB each."""
    encoder = getattr(model, "encoder", model)
    x = _validate.finite_array("x", x, ndim=2)
    size = max(1, 2**24 // (x.shape[1] * getattr(encoder, "output_shape", (None, 1))[-1]))
    for start in range(0, len(x), size):
        yield ops.convert_to_numpy(function(encoder, x[start : start + size]))


def frechet_distance(features_a: ArrayLike, features_b: ArrayLike) -> float:
    """Distance of two samples, each taken for a Gaussian: 0 where both are alike. Lecture 11.

    ||mean_a - mean_b||^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)), the squared 2-Wasserstein distance of
    the Gaussians. With Inception's features it is the FID (Heusel et al. 2017); with
    `digit_features`, on another scale, it serves digits. It is biased upwards in small samples:
    compare only distances of equally many, and of well more than there are features. Takes (n, k)
    and (m, k), finite, at least two rows each; others raise a ValueError.
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


def maximum_mean_discrepancy(a: ArrayLike, b: ArrayLike, *, bandwidth: float) -> float:
    """Squared distance of two samples' means in a kernel's space (Gretton et al. 2012). Lecture 12.

    The unbiased estimate, with k(u, v) = exp(-||u - v||^2 / (2 bandwidth^2)): the mean of k within
    a, plus that within b, minus twice that between both, no point being compared with itself. For
    one distribution its expectation is 0, and it may fall below. a and b are as for
    `frechet_distance`. Choose a `bandwidth`, above 0, on the scale of the detail that matters: much
    smaller or larger than the distances between points, and every two samples look alike.
    """
    bandwidth = _validate.real("bandwidth", bandwidth, above=0)
    a, b = _two_samples(a=a, b=b)
    within = sum((_kernel_sum(u, u, bandwidth) - len(u)) / (len(u) * (len(u) - 1)) for u in (a, b))
    return float(within - 2 * _kernel_sum(a, b, bandwidth) / (len(a) * len(b)))


def _kernel_sum(a, b, bandwidth):
    """Sum of the kernel over all pairs, a thousand rows at a time to spare memory."""
    return sum(
        np.exp(cdist(a[start : start + 1000], b, "sqeuclidean") / (-2 * bandwidth**2)).sum()
        for start in range(0, len(a), 1000)
    )


def _two_samples(**samples):
    """Both as double precision; raises unless they are comparable."""
    a, b = (_validate.finite_array(*sample, ndim=2).astype("float64") for sample in samples.items())
    if a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(
            f"{' and '.join(samples)} must have equally many columns and at least two rows, got "
            f"{a.shape} and {b.shape}."
        )
    return a, b


def sharpness(x: ArrayLike) -> np.ndarray:
    """How sudden the changes in each image are: the variance of its Laplacian. Lecture 11.

    The Laplacian compares a pixel with its four neighbors, so a blurred edge counts less than a
    sharp one. Noise counts as well: compare images of one kind, and look at them. Takes gray images
    in [0, 1], as `psnr`, others raise a ValueError; returns (n,), from 0.
    """
    x = _validate.images("x", x, unit_range=True)
    if x.ndim != 3:
        raise ValueError(f"x must hold gray images, got shape {x.shape}.")
    # Beyond the border the image goes on as its mirror image.
    return laplace(x.astype("float64"), axes=(1, 2)).var(axis=(1, 2))
