"""What a submission's process tells the grader: frames of JSON and plain numbers through a pipe.

The student's code shares the sending process and may write anything into the pipe. So reading
trusts nothing: sizes are capped, arrays are numbers of known types, and nothing is unpickled.
"""

import itertools
import json
import os
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from coursekit.checks.calls import Answer

__all__ = ["TYPES", "Frames", "Malformed", "packed", "send", "text", "unpacked"]

TYPES = ("bool", *(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)))
TYPES += ("float16", "float32", "float64")
_HEAD = struct.Struct("<II")
_LONGEST_HEADER = 1_000_000  # bytes, and
_MOST_VALUES = 100_000  # in it; a list of empty ones takes fifty times its bytes of memory
_MOST_IN_ALL = 5_000_000  # values in all headers: as many as commas, which cells may print
_LARGEST_ANSWER = 16_000_000
_MOST_OUTPUTS, _MOST_ARRAYS = 100, 10_000  # of one answer, in one frame
_TEXT = 2_000  # characters
# What reading something else than was expected raises.
_FORGED = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)


class Malformed(ValueError):
    """What came through the pipe is no frame."""


def send(
    pipe: int, header: dict, arrays: Sequence[np.ndarray] = (), _write: Callable = os.write
) -> None:
    """Write one frame into a file descriptor: a dict for JSON, and arrays of `TYPES`."""
    header = header | {"arrays": [[array.dtype.name, array.shape] for array in arrays]}
    head = json.dumps(header).encode()
    data = b"".join(array.tobytes() for array in arrays)
    frame = memoryview(_HEAD.pack(len(head), len(data)) + head + data)
    while frame:
        frame = frame[_write(pipe, frame) :]


class Frames:
    """Puts frames together from what is read, piece by piece.

    Raises:
        Malformed: no frame, or more than `most` bytes or too many values in all of them.
    """

    def __init__(self, most: int):
        self._left, self._values, self._buffer = most, _MOST_IN_ALL, bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[dict, list[np.ndarray]]]:
        """Yield a pair of header and arrays for every frame that `data` completes."""
        self._left -= len(data)
        if self._left < 0:
            raise Malformed("it is too much")
        self._buffer += data
        while len(self._buffer) >= _HEAD.size:
            header, body = _HEAD.unpack_from(self._buffer)
            if header > _LONGEST_HEADER:
                raise Malformed("this is no frame")
            end = _HEAD.size + header + body
            if len(self._buffer) < end:
                return
            with memoryview(self._buffer)[_HEAD.size : end] as frame:
                header, body = bytes(frame[:header]), bytes(frame[header:])
            del self._buffer[:end]
            values = sum(header.count(sign) for sign in (b"[", b"{", b","))
            self._values -= values
            if values > _MOST_VALUES or self._values < 0:
                raise Malformed("it is too much")
            yield _parsed(header, body)


def _parsed(header, body):
    try:
        # A view, since a slice of bytes would be a copy of all that follows.
        header, body, arrays = json.loads(header), memoryview(body), []
        told = header.pop("arrays")
        if len(told) > _MOST_ARRAYS:
            raise ValueError(len(told))
        for name, shape in told:
            if name not in TYPES or len(shape) > 32 or not all(0 <= n < 2**40 for n in shape):
                raise ValueError(name)
            size = int(np.prod(shape, dtype=object)) * np.dtype(name).itemsize
            if size > len(body):
                raise ValueError(size)
            arrays.append(np.frombuffer(body[:size], name).reshape(shape))
            body = body[size:]
        if body or not isinstance(header["kind"], str):
            raise ValueError("left over")
    except _FORGED as error:
        raise Malformed("this is no frame") from error
    return header, arrays


def packed(answers: Iterable[Answer]) -> tuple[list[dict], list[np.ndarray]]:
    """Answers as a list for a header, and arrays."""
    told, arrays = [], []
    for answer in answers:
        problem, values = answer.problem, answer.values
        if len(values) > _MOST_OUTPUTS or sum(v.nbytes for v in values) > _LARGEST_ANSWER:
            problem, values = "returned far more numbers than are wanted.", ()
        about = {"problem": problem[:_TEXT], "gradient_problem": answer.gradient_problem[:_TEXT]}
        about |= {"changed": answer.changed, "values": len(values), "cut": answer.cut}
        told.append(about | {"gradient": answer.gradient is not None})
        arrays += [*values, *([] if answer.gradient is None else [answer.gradient])]
    return told, [_plain(array) for array in arrays]


def unpacked(told: list[dict], arrays: Iterable[np.ndarray]) -> list[Answer]:
    """The answers again.

    Raises:
        Malformed: these are not what `packed` makes.
    """
    left, answers = iter(arrays), []
    try:
        for about in told:
            count, has_gradient = about["values"], about["gradient"] is True
            if type(count) is not int or not 0 <= count <= _MOST_OUTPUTS:
                raise ValueError("count")
            values = tuple(itertools.islice(left, count + has_gradient))
            if len(values) != count + has_gradient:
                raise ValueError("arrays")
            changed = about["changed"]
            if not isinstance(changed, (list, tuple)) or len(changed) > _MOST_OUTPUTS:
                raise ValueError("changed")
            gradient = values[count] if has_gradient else None
            problem, gradient_problem, *changed = (
                text(one, _TEXT) for one in (about["problem"], about["gradient_problem"], *changed)
            )
            values = values[:count]
            said = (problem, tuple(changed), gradient, gradient_problem)
            answers.append(Answer(values, *said, cut=about.get("cut") is True))
    except _FORGED as error:
        raise Malformed("this is no frame") from error
    return answers


def text(value: str, most: int) -> str:
    """The beginning of a text, such that it can be written to a file.

    Raises:
        Malformed: it is none.
    """
    if not isinstance(value, str):
        raise Malformed("this is no text")
    return value[:most].encode("utf-8", "replace").decode()


def _plain(array):
    array = np.asarray(array)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return array if array.dtype.name in TYPES else array.astype("float64")
