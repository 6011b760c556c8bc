import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.kernel_ridge import KernelRidge

from coursekit.datasets import FACE_PARAMETERS, draw_faces, faces

RANGES = np.array([(-1, 1), (-30, 30), (-20, 20), (0.2, 1), (-60, 60)])
NEUTRAL = np.array([0, 0, 0, 1, 0])


def face(**parameters):
    """The image (28, 28) of a neutral face but for these parameters."""
    y = NEUTRAL.astype("float64")
    for name, value in parameters.items():
        y[FACE_PARAMETERS.index(name)] = value
    return draw_faces(y[None])[0].reshape(28, 28)


@settings(max_examples=20, deadline=None)
@given(
    n=st.integers(1, 40),
    vary=st.lists(st.sampled_from(FACE_PARAMETERS), unique=True),
    seed=st.integers(0, 2**32 - 1),
)
def test_images_and_parameters_lie_in_their_ranges_and_follow_the_seed(n, vary, seed):
    x, y = faces(n, vary=vary, seed=seed)
    assert x.shape == (n, 784)
    assert y.shape == (n, 5)
    assert x.dtype == y.dtype == np.float32
    assert 0 <= x.min() <= x.max() <= 1
    varied = np.isin(FACE_PARAMETERS, vary)
    assert (y[:, ~varied] == NEUTRAL[~varied]).all()
    assert (y >= RANGES[:, 0] - 1e-5).all()
    assert (y <= RANGES[:, 1] + 1e-5).all()
    again = faces(n, vary=vary, seed=seed)
    np.testing.assert_array_equal(again.x, x)
    np.testing.assert_array_equal(draw_faces(y), x)
    everything = faces(n, vary=FACE_PARAMETERS, seed=seed).y
    np.testing.assert_array_equal(everything[:, varied], y[:, varied])


def test_parameters_fill_their_ranges_independently():
    y = faces(4000, vary=FACE_PARAMETERS, seed=1).y
    low, high = RANGES.T
    share = (y - low) / (high - low)
    np.testing.assert_allclose(share.mean(axis=0), 0.5, atol=0.03)
    np.testing.assert_allclose(share.var(axis=0), 1 / 12, atol=0.005)
    assert np.abs(np.corrcoef(share.T) - np.eye(5)).max() < 0.07


def test_a_mirror_turns_the_head_and_the_light_the_other_way():
    y = faces(50, vary=FACE_PARAMETERS, seed=2).y
    mirrored = y * [1, -1, 1, 1, -1]
    x = draw_faces(y, shape="image")
    np.testing.assert_allclose(draw_faces(mirrored, shape="image"), x[:, :, ::-1], atol=1e-4)


def test_the_mouths_corners_go_up_with_the_smile():
    rows = np.arange(28)[:, None]
    lifted = []
    for smile in (-1, 0, 1):
        darkness = np.clip(face(eyes=0.2) * 0 + 1 - face(smile=smile), 0, 1)[18:25] ** 4
        height = -(darkness * rows[18:25]).sum(axis=0) / darkness.sum(axis=0)
        lifted.append(height[[10, 17]].mean() - height[13:15].mean())
    assert lifted[0] < lifted[1] - 0.3
    assert lifted[1] < lifted[2] - 0.3


@pytest.mark.parametrize("angle", [-20, 10, 20])
@pytest.mark.parametrize("name", ["yaw", "pitch"])
def test_the_eyes_turn_with_the_head(name, angle):
    """On an ellipsoid of half-axes 0.68, 0.88 and 0.75, projected: in NumPy, from the geometry."""
    eye = np.array([0.36 * 0.68, 0.12 * 0.88, 0.75 * np.sqrt(1 - 0.36**2 - 0.12**2)])
    turn = np.deg2rad(angle)
    # The midpoint of the two eyes is in the plane of symmetry.
    expected = np.sin(turn) * eye[2] if name == "yaw" else (
        eye[1] * np.cos(turn) + eye[2] * np.sin(turn)
    )  # fmt: skip
    opened = face(eyes=0.2, **{name: angle}) - face(eyes=1, **{name: angle})
    axis = np.linspace(-1, 1, 28)
    if name == "yaw":  # each eye by itself: the nearer one is wider, and would weigh more
        weight = np.clip(opened, 0, None).sum(axis=0)
        sides = [weight * (axis < expected), weight * (axis > expected)]
    else:
        sides = [np.clip(opened, 0, None).sum(axis=1)[::-1]]
    found = np.mean([np.average(axis, weights=side) for side in sides])
    assert found == pytest.approx(expected, abs=0.2 * 2 / 27)  # a fifth of a pixel


def test_light_brightens_the_side_that_it_comes_from():
    for light, bright, dark in (
        (60, np.s_[:, 16:], np.s_[:, :12]),
        (-60, np.s_[:, :12], np.s_[:, 16:]),
    ):
        image = face(light=light)
        assert image[bright].sum() > 1.2 * image[dark].sum()


@pytest.mark.parametrize(("vary", "least"), [(("smile", "yaw"), 0.995), (FACE_PARAMETERS, 0.9)])
def test_parameters_can_be_read_off_the_pixels(vary, least):
    x, y = faces(2400, vary=vary, seed=3)
    columns = [FACE_PARAMETERS.index(name) for name in vary]
    target = (y[:, columns] - y[:, columns].mean(axis=0)) / y[:, columns].std(axis=0)
    model = KernelRidge(kernel="rbf", gamma=0.01, alpha=1e-3).fit(x[:2000], target[:2000])
    found = model.predict(x[2000:])
    for j in range(len(vary)):
        assert np.corrcoef(found[:, j], target[2000:, j])[0, 1] > least, vary[j]


def test_ten_thousand_are_drawn_in_seconds():
    started = time.process_time()
    assert len(faces(10_000).x) == 10_000
    assert time.process_time() - started < 10


def test_shapes():
    assert faces(3, shape="image").x.shape == (3, 28, 28, 1)
    np.testing.assert_array_equal(faces(3, shape="image").x.reshape(3, -1), faces(3).x)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: faces(0), ValueError, "n must be at least 1, got 0"),
        (lambda: faces(2.5), TypeError, "n must be a whole number, got 2.5"),
        (lambda: faces(2, vary="smile"), ValueError, "vary must be a sequence of names out of"),
        (lambda: faces(2, vary=("frown",)), ValueError, "vary must be .*'frown'"),
        (lambda: faces(2, vary=7), ValueError, "vary must be .*got 7"),
        (lambda: faces(2, shape="round"), ValueError, 'shape must be "flat" or "image", got'),
        (lambda: draw_faces(np.zeros((2, 4))), ValueError, r"y must have shape \(n, 5\)"),
        (lambda: face(yaw=31), ValueError, r"yaw must lie in \[-30, 30\], got 31 to 31"),
        (lambda: face(eyes=0), ValueError, r"eyes must lie in \[0.2, 1\]"),
        (lambda: face(smile=np.nan), ValueError, "y must be finite"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
