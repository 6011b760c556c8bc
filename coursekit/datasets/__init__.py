"""Data that ships with the course; nothing here downloads anything."""

from coursekit.datasets._files import DataFileError, data_folder
from coursekit.datasets._images import FASHION_NAMES, Dataset, Split, fashion_mnist, mnist

__all__ = [
    "FASHION_NAMES",
    "DataFileError",
    "Dataset",
    "Split",
    "data_folder",
    "fashion_mnist",
    "mnist",
]
