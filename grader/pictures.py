"""Pictures that come from a submission: only what their headers say is read here."""

import struct

__all__ = ["png_size"]


def png_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels of a PNG, or None if it is none; nothing else in it is read."""
    if data[:16] != b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" or len(data) < 24:
        return None
    width, height = struct.unpack_from(">II", data, 16)
    return (width, height) if width and height else None
