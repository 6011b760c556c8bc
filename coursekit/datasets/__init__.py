"""Data that ships with the course; nothing here downloads anything."""

from coursekit.datasets import _manifolds as manifolds
from coursekit.datasets._files import DataFileError, data_folder
from coursekit.datasets._images import FASHION_NAMES, Dataset, Split, fashion_mnist, mnist
from coursekit.datasets._photographs import photographs

__all__ = [
    "FASHION_NAMES",
    "DataFileError",
    "Dataset",
    "Split",
    "data_folder",
    "fashion_mnist",
    "manifolds",
    "mnist",
    "photographs",
]
