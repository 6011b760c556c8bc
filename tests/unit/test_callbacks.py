import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest

import coursekit as ck
from coursekit import _display

images = np.random.default_rng(0).random((12, 784), dtype="float32")


@pytest.fixture
def shown(monkeypatch):
    """What a notebook's cell is given to show, one update after another."""
    updates = []

    class Handle:
        def update(self, data, raw):
            assert raw
            updates.append(data)

    monkeypatch.setattr(_display, "display_handle", Handle)
    return updates


def test_progress_in_a_notebook_ends_as_plain_text(shown):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", loss="mse")
    x = np.ones((8, 3))
    progress = ck.callbacks.Progress("λ < 1")
    model.fit(x, x[:, :1], epochs=5, initial_epoch=3, verbose=0, callbacks=[progress])
    assert 'value="0.000"' in shown[0]["text/html"]
    assert "λ &lt; 1: epoch 4 of 5" in shown[0]["text/html"]
    assert set(shown[-1]) == {"text/plain"}
    assert shown[-1]["text/plain"].startswith("λ < 1: 2 epochs, loss ")


def test_progress_leaves_one_summary_line(capsys):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", loss="mse")
    x = np.ones((8, 3))
    fit = {"epochs": 3, "validation_split": 0.5, "verbose": 0}
    history = model.fit(x, x[:, :1], callbacks=[ck.callbacks.Progress("demo")], **fit).history
    assert capsys.readouterr().out == (
        f"demo: 3 epochs, loss {history['loss'][-1]:.4g}, val_loss {history['val_loss'][-1]:.4g}\n"
    )


def trained_with(film, epochs=3, **options):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", loss="mse", jit_compile=False, **options)
    model.fit(np.ones((8, 2)), np.ones((8, 1)), batch_size=2, epochs=epochs, verbose=0,
              callbacks=[film])  # fmt: skip
    return film


def test_film_strip_draws_when_it_should_and_what_was_there():
    calls = []
    film = ck.callbacks.FilmStrip(
        lambda: calls.append(0) or images[len(calls) - 1][None], [0, 1, 6]
    )
    assert film.figure is None
    trained_with(film)
    assert list(film.rows) == [0, 1, 6, 12]  # the last one is the end of training
    assert [ax.get_ylabel() for ax in film.figure.axes] == ["step 0", "step 1", "step 6", "step 12"]
    for i, (ax, row) in enumerate(zip(film.figure.axes, film.rows.values(), strict=True)):
        np.testing.assert_array_equal(ax.images[0].get_array(), images[i].reshape(28, 28))
        np.testing.assert_array_equal(row, images[i : i + 1])
    assert list(trained_with(film, epochs=1).rows) == [0, 1, 4]  # begins anew


def test_film_strip_waits_for_the_end_of_an_execution():
    film = ck.callbacks.FilmStrip(lambda: images[:2], [0, 1, 2, 7])
    assert list(trained_with(film, steps_per_execution=4).rows) == [0, 4, 8, 12]


def test_film_strip_in_a_notebook_leaves_one_figure(shown):
    trained_with(ck.callbacks.FilmStrip(lambda: images[:2], [0, 3]))
    assert len(shown) == 3  # updates of one output
    assert shown[-1]["image/png"].startswith(b"\x89PNG")
    assert plt.get_fignums() == []


@pytest.mark.parametrize("steps", [[3, 2], [-1], [0.5]])
def test_film_strip_names_bad_arguments(steps):
    with pytest.raises((TypeError, ValueError), match="steps must"):
        ck.callbacks.FilmStrip(lambda: images, steps)
    with pytest.raises(TypeError, match="draw must be a function"):
        ck.callbacks.FilmStrip(images, [0])
