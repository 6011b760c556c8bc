import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

import coursekit as ck

finite = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(value=finite, bound=finite)
def test_bounds_hold_exactly_where_the_comparison_does(value, bound):
    for name, holds in (("at_most", value <= bound), ("at_least", value >= bound)):
        if holds:
            ck.expect("x", value, **{name: bound})
        else:
            with pytest.raises(ck.ExpectationError, match="x: measured"):
                ck.expect("x", value, **{name: bound})


@given(value=finite, low=finite, high=finite)
def test_within_is_both_bounds(value, low, high):
    if low > high:
        with pytest.raises(ValueError, match="contradict"):
            ck.expect("x", value, within=(low, high))
    elif low <= value <= high:
        ck.expect("x", value, within=(low, high))
    else:
        with pytest.raises(ck.ExpectationError):
            ck.expect("x", value, within=(low, high))


def test_prints_the_figure_beside_its_bound(capsys):
    ck.expect("test MSE", np.float32(0.0302), at_most=0.031)
    ck.expect("images", 16_583, equal=16_583)
    ck.expect("images", 16_583, at_least=10_000)
    ck.expect("ratio", 2 / 3, within=(0.5, 0.75))
    assert capsys.readouterr().out.splitlines() == [
        "✓ test MSE: 0.0302  (≤ 0.031)",
        "✓ images: 16,583",
        "✓ images: 16,583  (≥ 10,000)",
        "✓ ratio: 0.6667  (≥ 0.5 and ≤ 0.75)",
    ]


def test_a_claim_that_fails_by_a_hair_shows_the_hair():
    with pytest.raises(ck.ExpectationError, match=r"measured 0\.0310001, but expected ≤ 0\.031\."):
        ck.expect("test MSE", 0.0310001, at_most=0.031)
    with pytest.raises(ck.ExpectationError, match=r"measured 16,584, but expected = 16,583\."):
        ck.expect("images", 16_584, equal=16_583)
    with pytest.raises(ck.ExpectationError, match=r"measured 4\.0000001, but expected = 4\."):
        ck.expect("ratio", np.float64(4.0000001), equal=4.0)
    with pytest.raises(ck.ExpectationError, match="measured 1e-08, but expected = 0"):
        ck.expect("difference", np.float32(1e-8), equal=0)


ZEROS = [0, 0.0, np.float32(0), np.float64(0), np.int64(0), np.zeros(()), ops.zeros(())]


@pytest.mark.parametrize("zero", ZEROS, ids=lambda zero: type(zero).__name__)
def test_equality_of_numbers_of_any_type(zero, capsys):
    ck.expect("difference", zero, equal=0)
    ck.expect("difference", 0, equal=zero)
    ck.expect("difference", zero, within=(0, 0))
    assert capsys.readouterr().out == (
        "✓ difference: 0\n✓ difference: 0\n✓ difference: 0  (≥ 0 and ≤ 0)\n"
    )
    with pytest.raises(ck.ExpectationError, match="x: measured 0, but expected = 1"):
        ck.expect("x", zero, equal=1)


def test_equality_in_single_precision(capsys):
    for tenth in (np.float32(0.1), ops.convert_to_tensor(0.1, "float32")):
        ck.expect("x", tenth, equal=0.1)
    assert capsys.readouterr().out == "✓ x: 0.1\n" * 2


@pytest.mark.parametrize(
    "bound", [{"at_most": 1}, {"at_least": -1}, {"within": (-1, 1)}, {"equal": 0}]
)
def test_nan_satisfies_no_bound(bound):
    with pytest.raises(ck.ExpectationError, match="nan"):
        ck.expect("x", math.nan, **bound)


def test_equal_compares_shapes_too():
    ck.expect("shape", (2, 3), equal=(2, 3))
    with pytest.raises(ck.ExpectationError, match=r"measured \(2, 3\), but expected = \(3, 2\)"):
        ck.expect("shape", (2, 3), equal=(3, 2))
    with pytest.raises(ck.ExpectationError, match=r"measured \(2, 3\), but expected = 6"):
        ck.expect("shape", (2, 3), equal=6)


@pytest.mark.parametrize(
    "bounds", [{}, {"at_most": 1, "equal": 1}, {"at_most": 1, "within": (0, 1)}]
)
def test_contradictory_claims_are_refused(bounds):
    with pytest.raises(ValueError, match="give"):
        ck.expect("x", 1, **bounds)


PAIRS = [0.1, (0.1,), (0, 1, 2), (None, 1), "01", {0: 1}, np.array([0, 1])]


@pytest.mark.parametrize("within", PAIRS, ids=repr)
def test_within_must_be_a_pair(within):
    given = re.escape(f"got {within!r}")
    with pytest.raises(TypeError, match=rf"within must be a pair .*\(low, high\), {given}"):
        ck.expect("x", 1, within=within)


def test_equal_refuses_an_array_and_bounds_must_be_finite():
    with pytest.raises(TypeError, match="got an array"):
        ck.expect("x", np.zeros(2), equal=0)
    with pytest.raises(ValueError, match="at_most must be finite, got inf"):
        ck.expect("x", 1, at_most=math.inf)
    with pytest.raises(ValueError, match="at_least must be finite, got nan"):
        ck.expect("x", 1, at_least=math.nan)


@pytest.mark.parametrize("value", [None, "0.03", True, np.True_, np.zeros(2), np.zeros(1), {}, 1j])
def test_only_numbers_are_compared(value):
    for claim in ({"at_most": 1}, {"equal": 1}):
        with pytest.raises(TypeError, match="value must be a number"):
            ck.expect("x", value, **claim)
    if value is not None:
        for key in ("at_most", "at_least", "equal"):
            with pytest.raises(TypeError, match=f"{key} must be a number"):
                ck.expect("x", 1, **{key: value})
