"""How soon lecture 09's VAE is as good as a small convolutional one after three epochs.

    python benchmarks/variational_autoencoder.py

The opponent has the architecture of the VAE example on Keras' site: 32 and 64 filters of 3 by 3
with stride 2, a dense layer of 16, a code of 2, Adam at 1e-3, batches of 128. Both are trained with
one loss on MNIST's 55,000 training images, compiled as Keras does by default, and judged by -ELBO
on the 10,000 test images. The clock counts all of `fit`, tracing and compiling included, and stands
still while ours is judged. Exits with 1 where the target is missed.
"""

import sys
import time

import keras
import numpy as np
from keras import layers, ops

import coursekit as ck

CODE = 2
TARGET = 20


def convolutional():
    x = h = keras.Input((28, 28, 1))
    for filters in (32, 64):
        h = layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu")(h)
    h = layers.Dense(16, "relu")(layers.Flatten()(h))
    encoder = keras.Model(x, [layers.Dense(CODE)(h), layers.Dense(CODE)(h)])
    z = keras.Input((CODE,))
    h = layers.Reshape((7, 7, 64))(layers.Dense(7 * 7 * 64, "relu")(z))
    for filters in (64, 32):
        h = layers.Conv2DTranspose(filters, 3, strides=2, padding="same", activation="relu")(h)
    logits = layers.Conv2DTranspose(1, 3, padding="same")(h)
    return ck.models.VariationalAutoencoder(encoder, keras.Model(z, logits), seed=0)


def dense(brightness, units=256):
    """The lecture's network for a code of two."""
    x = h = keras.Input((784,))
    for _ in range(2):
        h = layers.Dense(units, "gelu")(h)
    encoder = keras.Model(x, [layers.Dense(CODE)(h), layers.Dense(CODE)(h)])
    z = h = keras.Input((CODE,))
    for _ in range(3):
        h = layers.Dense(units, "gelu")(h)
    decoder = keras.Model(z, layers.Dense(784)(h))
    decoder.layers[-1].bias.assign(np.log(brightness / (1 - brightness)))
    return ck.models.VariationalAutoencoder(encoder, decoder, seed=0)


class Clock(keras.callbacks.Callback):
    """Judges every 50 batches, with the clock stopped, and ends training at `goal`."""

    def __init__(self, x, goal):
        super().__init__()
        self.x, self.goal = x, goal

    def on_train_begin(self, logs=None):
        self.seconds, self.since, self.nats = 0.0, time.perf_counter(), np.inf

    def on_train_batch_end(self, batch, logs=None):
        if batch % 50 == 49:
            self.seconds += time.perf_counter() - self.since
            self.nats = -float(self.model.elbo(self.x).mean())
            self.model.stop_training = self.nats <= self.goal
            self.since = time.perf_counter()


def main():
    keras.utils.set_random_seed(0)
    digits = ck.datasets.mnist()
    x_train, x_test = ops.convert_to_tensor(digits.train.x), digits.test.x
    as_images = ops.reshape(x_train, (-1, 28, 28, 1))
    ours = dense(digits.train.x.mean(axis=0).clip(1e-3, 1 - 1e-3))

    theirs = convolutional()
    theirs.compile(keras.optimizers.Adam(1e-3))
    start = time.perf_counter()
    theirs.fit(as_images, batch_size=128, epochs=3, verbose=0)
    their_seconds = time.perf_counter() - start
    goal = -float(theirs.elbo(x_test.reshape(-1, 28, 28, 1)).mean())

    rate = keras.optimizers.schedules.CosineDecay(
        5e-4, len(x_train) // 100 - 50, warmup_target=5e-3, warmup_steps=50
    )
    ours.compile(keras.optimizers.Adam(rate, beta_2=0.99), steps_per_execution=10)
    clock = Clock(x_test, goal)
    ours.fit(x_train, batch_size=100, epochs=1, verbose=0, callbacks=[clock])
    ratio = their_seconds / clock.seconds if clock.nats <= goal else 0.0
    print(f"{'convolutional, three epochs':36}{their_seconds:>8.1f} s  -ELBO {goal:.1f} nats")
    print(f"{'the lecture, until as good':36}{clock.seconds:>8.1f} s  -ELBO {clock.nats:.1f} nats")
    print(f"{'times as fast':36}{ratio:>8.1f}    >= {TARGET}")
    sys.exit(0 if ratio >= TARGET else 1)


if __name__ == "__main__":
    main()
