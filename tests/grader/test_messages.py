"""What comes through the pipe: frames put together again, whatever else is written into it."""

import json
import struct
import time

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
        {"values": 2}, {"values": -1}, {"values": 10**400}, {"values": 1.0}, {"gradient": True},
        {"problem": None}, {"problem": [["deep"]]}, {"changed": 5}, {"changed": [1]},
    ],
)  # fmt: skip
def test_answers_that_nobody_packed_are_refused(change):
    told, arrays = messages.packed([Answer((np.ones(3),))])
    assert messages.unpacked(told, arrays)
    with pytest.raises(messages.Malformed):
        messages.unpacked([told[0] | change], arrays)


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


def test_headers_that_are_large_as_objects_are_refused():
    """A megabyte of brackets would take fifty in memory, and there may be many of them."""
    for frames, length in [(1, 320_000), (40, 9_000)]:
        data = frame({"kind": "cell", "more": [[]] * length, "arrays": []}) * frames
        came = messages.Frames(10**9).feed(data)
        with pytest.raises(messages.Malformed):
            sum(len(header["more"]) for header, _ in came)
