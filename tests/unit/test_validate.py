import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursekit import _validate

finite = st.floats(allow_nan=False, allow_infinity=False)
BOUNDS = {
    "at_least": float.__ge__,
    "at_most": float.__le__,
    "above": float.__gt__,
    "below": float.__lt__,
}


@given(value=finite, bounds=st.dictionaries(st.sampled_from(list(BOUNDS)), finite))
def test_at_least_and_at_most_include_their_ends_and_above_and_below_do_not(value, bounds):
    if all(BOUNDS[name](value, end) for name, end in bounds.items()):
        assert _validate.real("x", value, **bounds) == value
    else:
        with pytest.raises(ValueError, match=r"x must be a finite number .*, got"):
            _validate.real("x", value, **bounds)


@pytest.mark.parametrize(("name", "ends"), [("at_least", True), ("above", False)])
def test_the_end_itself(name, ends):
    for value, right in ((1, ends), (np.nextafter(1, 0), False), (np.nextafter(1, 2), True)):
        if right:
            assert _validate.real("x", value, **{name: 1}) == value
        else:
            with pytest.raises(ValueError, match="x must be"):
                _validate.real("x", value, **{name: 1})


@pytest.mark.parametrize(
    ("value", "bounds", "allowed"),
    [
        (-1, {"at_least": 0}, "a finite number from 0"),
        (2, {"at_least": 0, "at_most": 1}, "a finite number from 0 to 1"),
        (0, {"above": 0, "below": 1}, "a finite number above 0 and below 1"),
        (2, {"above": 0.5, "at_most": 1}, "a finite number to 1 above 0.5"),
        (math.nan, {}, "a finite number"),
        (math.inf, {"at_least": 0}, "a finite number from 0"),
    ],
)
def test_a_number_out_of_bounds_is_told_what_is_allowed(value, bounds, allowed):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole sentence is compared
        _validate.real("x", value, **bounds)
    assert str(caught.value) == f"x must be {allowed}, got {value}."


@pytest.mark.parametrize("value", [True, "1", None, 1j, [1]])
def test_what_is_no_number(value):
    with pytest.raises(TypeError, match="x must be a number, got"):
        _validate.real("x", value)
    with pytest.raises(TypeError, match="x must be a whole number, got"):
        _validate.whole("x", value)


def test_whole_numbers():
    assert _validate.whole("x", np.int8(3)) == 3
    assert _validate.whole("x", 0, at_least=0) == 0
    with pytest.raises(ValueError, match="x must be at least 1, got 0"):
        _validate.whole("x", 0)


def test_some_of_gives_a_list_of_what_any_sequence_holds():
    allowed = ("a", "b")
    for values in (["b", "a"], ("b", "a"), iter("ba"), np.array(["b", "a"])):
        assert _validate.some_of("x", values, allowed) == ["b", "a"]
    assert _validate.some_of("x", [], allowed) == []
    for wrong in ("a", ["c"], [["a"]], 1, None):
        with pytest.raises(ValueError, match=r"x must be a sequence of names out of \('a', 'b'\)"):
            _validate.some_of("x", wrong, allowed)
    with pytest.raises(ValueError, match=r"x must be .*, got \[\]"):
        _validate.some_of("x", [], allowed, at_least=1)
