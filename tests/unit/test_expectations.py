import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    assert capsys.readouterr().out == "✓ test MSE: 0.0302  (≤ 0.031)\n✓ images: 16,583\n"


@pytest.mark.parametrize("bound", [{"at_most": 1}, {"at_least": -1}, {"within": (-1, 1)}])
def test_nan_satisfies_no_bound(bound):
    with pytest.raises(ck.ExpectationError, match="nan"):
        ck.expect("x", math.nan, **bound)


def test_equal_compares_shapes_too():
    ck.expect("shape", (2, 3), equal=(2, 3))
    with pytest.raises(ck.ExpectationError, match=r"measured \(2, 3\), but expected = \(3, 2\)"):
        ck.expect("shape", (2, 3), equal=(3, 2))


@pytest.mark.parametrize(
    "bounds", [{}, {"at_most": 1, "equal": 1}, {"at_most": 1, "within": (0, 1)}]
)
def test_contradictory_claims_are_refused(bounds):
    with pytest.raises(ValueError, match="give"):
        ck.expect("x", 1, **bounds)


def test_equal_refuses_an_array_and_bounds_must_be_finite():
    with pytest.raises(TypeError, match="got an array"):
        ck.expect("x", np.zeros(2), equal=0)
    with pytest.raises(ValueError, match="at_most must be finite, got inf"):
        ck.expect("x", 1, at_most=math.inf)
    with pytest.raises(ValueError, match="at_least must be finite, got nan"):
        ck.expect("x", 1, at_least=math.nan)


@pytest.mark.parametrize("value", [None, "0.03", True, np.zeros(2), np.zeros(1), {}])
def test_only_numbers_are_compared_with_bounds(value):
    with pytest.raises(TypeError, match="value must be a number"):
        ck.expect("x", value, at_most=1)
