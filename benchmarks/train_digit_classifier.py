"""Train the digit classifier that ships as data/digit_classifier.npz.

    python benchmarks/train_digit_classifier.py

Trains on the 55,000 training images, each shifted by up to two pixels, and prints the accuracy on
the 10,000 test images. On one machine two runs give the same bytes. Exits with 1 where the
accuracy misses its target. A new file needs its SHA-256, which is printed, in
coursekit/datasets/_files.py and in data/README.md.
"""

import hashlib
import sys

import keras
import numpy as np

import coursekit as ck

EPOCHS, BATCH = 8, 100
TARGET = 0.99


def main():
    run = ck.setup(seed=0, device="cpu")
    digits = ck.datasets.mnist(shape="image")
    classifier = ck.digits._digit_network()
    shift = keras.layers.RandomTranslation(2 / 28, 2 / 28, fill_mode="constant", seed=run.seed)
    x = keras.Input((28, 28, 1))
    training = keras.Model(x, classifier(shift(x))[1])
    steps = EPOCHS * len(digits.train.x) // BATCH
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    training.compile(
        keras.optimizers.Adam(rate),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    training.fit(*digits.train, batch_size=BATCH, epochs=EPOCHS, verbose=0,
                 callbacks=[ck.callbacks.Progress("digit classifier")])  # fmt: skip

    path = ck.datasets.data_folder() / "digit_classifier.npz"
    names = [weight.path for weight in classifier.weights]
    # savez stamps its members with a fixed date, so equal weights make equal bytes.
    np.savez(path, **dict(zip(names, classifier.get_weights(), strict=True)))
    _, logits = classifier.predict(digits.test.x, batch_size=1000, verbose=0)
    accuracy = float(np.mean(logits.argmax(axis=1) == digits.test.y))
    content = path.read_bytes()
    print(f"{path.name}: {len(content):,} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")
    print(f"test accuracy {accuracy:.2%}, at least {TARGET:.0%} wanted")
    return 0 if accuracy >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
