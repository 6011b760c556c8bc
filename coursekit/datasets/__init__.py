"""Data that ships with the course; nothing here downloads anything."""

from coursekit.datasets import _manifolds as manifolds
from coursekit.datasets._faces import FACE_PARAMETERS, draw_faces, faces
from coursekit.datasets._files import DataFileError, data_folder
from coursekit.datasets._images import FASHION_NAMES, Dataset, Split, fashion_mnist, mnist
from coursekit.datasets._light_curves import STAR_CLASSES, LightCurves, light_curve, light_curves
from coursekit.datasets._photographs import photographs

__all__ = [
    "FACE_PARAMETERS",
    "FASHION_NAMES",
    "STAR_CLASSES",
    "DataFileError",
    "Dataset",
    "LightCurves",
    "Split",
    "data_folder",
    "draw_faces",
    "faces",
    "fashion_mnist",
    "light_curve",
    "light_curves",
    "manifolds",
    "mnist",
    "photographs",
]
