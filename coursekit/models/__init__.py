"""Models of the course; each is an ordinary Keras model with `compile`, `fit` and `save`."""

from coursekit.models.adversarial import GAN, AdversarialAutoencoder
from coursekit.models.autoencoder import Autoencoder
from coursekit.models.stacked import StackedAutoencoder
from coursekit.models.variational import VariationalAutoencoder

__all__ = ["GAN", "AdversarialAutoencoder", "Autoencoder", "StackedAutoencoder",
           "VariationalAutoencoder"]  # fmt: skip
