"""Numbers that say how good a model is."""

import numpy as np

from coursekit import _validate


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


def _orthonormal(name, matrix):
    matrix = _validate.finite_array(name, matrix, ndim=2).astype("float64")
    rank = np.linalg.matrix_rank(matrix)
    if rank < matrix.shape[1]:
        raise ValueError(
            f"{name} must have linearly independent columns, but its {matrix.shape[1]} columns "
            f"span only {rank} dimensions."
        )
    return np.linalg.qr(matrix)[0]
