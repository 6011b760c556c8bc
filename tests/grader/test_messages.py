"""What comes through the pipe: frames put together again, whatever else is written into it."""

import json
import struct
import time
import tracemalloc

import numpy as np
import pytest

from coursekit.checks.calls import Answer
from grader import messages


def frame(header, body=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<II", len(text), len(body)) + text + body


def read(data, most=10**8):
    return list(messages.Frames(most).feed(data))


def test_answers_come_back_in_pieces_as_they_were_sent():
    sent = bytearray()
    answers = [
        Answer((np.arange(6.0).reshape(2, 3), np.array(True)), gradient=np.ones(2, "float32")),
        Answer(problem="returned None", changed=("x",), gradient_problem="half a \ud83d smiley"),
    ]
    told, arrays = messages.packed(answers)
    header = {"kind": "answers", "answers": told}
    messages.send(0, header, arrays, lambda _, data: sent.extend(data[:9]) or len(data[:9]))
    frames = messages.Frames(10**4)
    (came,) = [one for byte in sent for one in frames.feed(bytes([byte]))]
    one, other = messages.unpacked(came[0]["answers"], came[1])
    np.testing.assert_array_equal(one.values[0], answers[0].values[0])
    assert one.values[1].dtype == bool
    np.testing.assert_array_equal(one.gradient, answers[0].gradient)
    assert (other.problem, other.changed) == ("returned None", ("x",))
    assert other.gradient_problem == "half a ? smiley"


@pytest.mark.parametrize(
    "data",
    [
        frame(b"no json"),
        frame(b"[" * 100_000),
        frame([1]),
        frame({"kind": "done"}),
        frame({"kind": 1, "arrays": []}),
        frame({"kind": "x", "arrays": []}, b"left over"),
        frame({"kind": "x", "arrays": [["object", [1]]]}, b"x" * 8),
        frame({"kind": "x", "arrays": [["float64", [2]]]}, b"x" * 8),
        frame({"kind": "x", "arrays": [["float64", [-1]]]}),
        frame({"kind": "x", "arrays": [["float64", [2**39] * 33]]}),
        frame({"kind": "x", "arrays": [["bool", ["1"]]]}, b"x"),
        struct.pack("<II", 2**31, 0),
        b"x" * 2_000,
    ],
)
def test_what_is_no_frame_is_refused(data):
    with pytest.raises(messages.Malformed):
        read(data, most=1_000_000)


def test_more_than_may_be_handed_back_is_refused():
    whole = frame({"kind": "x", "arrays": [["uint8", [100]]]}, bytes(100))
    assert len(read(whole, most=len(whole))) == 1
    with pytest.raises(messages.Malformed, match="too much"):
        read(whole, most=len(whole) - 1)


@pytest.mark.parametrize(
    "change",
    [
        {"values": 2}, {"values": -1}, {"values": 10**400}, {"values": 1.0}, {"values": True},
        {"values": float("inf")}, {"values": None}, {"gradient": True},
        {"problem": None}, {"problem": [["deep"]]}, {"changed": 5}, {"changed": [1]},
        {"changed": "x"}, {"changed": ["x"] * 101}, {"changed": {"x": 1}},
    ],
)  # fmt: skip
def test_answers_that_nobody_packed_are_refused(change):
    told, arrays = messages.packed([Answer((np.ones(3),))])
    assert messages.unpacked(told, arrays)
    with pytest.raises(messages.Malformed):
        messages.unpacked([told[0] | change], arrays)


def test_numbers_of_another_byte_order_come_through():
    told, arrays = messages.packed([Answer((np.arange(3, dtype=">f8"), np.arange(3, dtype=">i4")))])
    (answer,) = messages.unpacked(told, [np.frombuffer(a.tobytes(), a.dtype.name) for a in arrays])
    assert [value.tolist() for value in answer.values] == [[0, 1, 2]] * 2


def test_a_negative_count_beside_a_gradient_is_refused():
    """As many arrays as are there: none, for -1 and the gradient."""
    told, arrays = messages.packed([Answer((np.ones(3),))])
    forged = told[0] | {"values": -1, "gradient": True}
    for given in (arrays, []):
        with pytest.raises(messages.Malformed):
            messages.unpacked([forged], given)


def test_many_arrays_take_the_grader_no_time():
    count, rest = 9_900, 50_000_000
    started = time.process_time()
    header = {"kind": "x", "arrays": [["bool", [1]]] * count + [["uint8", [rest]]]}
    ((_, arrays),) = read(frame(header, bytes(count + rest)))
    told = [{"problem": "", "gradient_problem": "", "changed": [], "values": 100, "gradient": 0}]
    assert len(messages.unpacked(told * (count // 100), arrays)) == count // 100
    with pytest.raises(messages.Malformed):
        read(frame({"kind": "x", "arrays": [["bool", [1]]] * 60_000}, bytes(60_000)))
    assert time.process_time() - started < 10


def peak_of(call):
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "value",
    [
        b"[" + b"[]," * 330_000 + b"0]",
        b"[" + b"{}," * 330_000 + b"0]",
        b"[" + b"1e9," * 240_000 + b"0]",
        b"[" * 400_000 + b"]" * 400_000,
        b"{" + b",".join(b'"%d":1' % i for i in range(100_001)) + b"}",
        b"1" * 990_000,
    ],
    ids=["lists", "dicts", "numbers", "depth", "keys", "digits"],
)
def test_a_header_of_many_values_takes_no_memory(value):
    data = frame(b'{"kind":"x","arrays":[],"more":' + value + b"}")

    def refused():
        with pytest.raises(messages.Malformed):
            read(data)

    assert peak_of(refused) < 6_000_000


def test_the_values_of_all_headers_together_are_limited():
    one = frame({"kind": "x", "arrays": [], "more": [0] * 99_000})
    frames = messages.Frames(10**8)
    for _ in range(50):
        assert len(list(frames.feed(one))) == 1
    with pytest.raises(messages.Malformed, match="too much"):
        list(frames.feed(one))


def test_what_an_honest_notebook_prints_is_not_too_much():
    printed = "[1, 2], " * 375  # the longest that a cell may print
    cell = {"kind": "cell", "place": 1, "printed": printed, "error": printed[:1_000], "arrays": []}
    frames = messages.Frames(10**8)
    for _ in range(2_000):
        assert len(list(frames.feed(frame(cell)))) == 1


def test_a_large_frame_is_held_in_memory_twice_at_most():
    data = frame({"kind": "x", "arrays": [["uint8", [20_000_000]]]}, bytes(20_000_000))
    assert peak_of(lambda: read(data)) < 50_000_000
