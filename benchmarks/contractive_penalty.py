"""What the contractive penalty costs in training, beside the same step without it.

    python benchmarks/contractive_penalty.py

One sigmoid layer, 784-256-784, batches of 128, compiled as Keras compiles it. Both models take
turns, so that what else the machine does meets both. Exits with 1 where a target is missed.
"""

import sys
import time

import keras
import numpy as np

import coursekit as ck

UNITS, BATCH = 256, 128
ROUNDS, STEPS = 15, 100


def autoencoder(contractive):
    encoder = keras.Sequential([keras.Input((784,)), keras.layers.Dense(UNITS, "sigmoid")])
    if contractive:
        layer = ck.regularizers.Contractive(encoder, 1e-3)
        encoder = keras.Sequential([keras.Input((784,)), layer])
    decoder = keras.Sequential([keras.Input((UNITS,)), keras.layers.Dense(784)])
    model = ck.models.Autoencoder(encoder, decoder)
    model.compile(keras.optimizers.Adam(), loss="mse")
    return model


def main():
    keras.utils.set_random_seed(0)
    x = keras.ops.convert_to_tensor(ck.datasets.mnist().train.x[:BATCH])
    models = [autoencoder(contractive) for contractive in (False, True)]
    milliseconds = np.empty((ROUNDS, 2))
    for model in models:
        model.train_on_batch(x, x)  # compiles
    for each in milliseconds:
        for i, model in enumerate(models):
            start = time.perf_counter()
            for _ in range(STEPS):
                model.train_on_batch(x, x)
            each[i] = 1000 * (time.perf_counter() - start) / STEPS
    plain, contractive = np.median(milliseconds, axis=0)
    ratio = np.median(milliseconds[:, 1] / milliseconds[:, 0])
    print(f"{'a step without the penalty, median':36}{plain:>7.2f} ms")
    print(f"{'with the exact penalty, median':36}{contractive:>7.2f} ms")
    print(f"{'times as long, median of the rounds':36}{ratio:>7.2f}     <= 3")
    sys.exit(0 if ratio <= 3 else 1)


if __name__ == "__main__":
    main()
