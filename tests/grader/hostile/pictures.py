"""Submissions whose pictures are many, huge, broken or none."""

import base64
import struct
import zlib

from tests.grader.hostile._kinds import kind
from tools.sheets import ALL


@kind(right=ALL)
def thousand_figures(sheet):
    """Draws a thousand figures."""
    sheet.solve().attack(
        """
        import matplotlib.pyplot as plt
        for i in range(1000):
            plt.figure(figsize=(1, 1))
            plt.plot([0, i])
        plt.show()
        """,
        before="end",
    )


@kind(right=ALL)
def huge_figure(sheet):
    """Draws a figure of 50,000 by 50,000 pixels."""
    sheet.solve().attack(
        """
        import matplotlib.pyplot as plt
        plt.figure(figsize=(500, 500), dpi=100)
        plt.plot([0, 1])
        plt.show()
        """,
        before="end",
    )


@kind(right=ALL)
def pictures_that_are_none(sheet):
    """Shows pictures that are no pictures: markup, one that unpacks to gigabytes, scripts."""
    size = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n"
    for name, data in ((b"IHDR", size), (b"IDAT", zlib.compress(bytes(10**7))), (b"IEND", b"")):
        crc = zlib.crc32(name + data)
        png += struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)
    sheet.solve().attack(
        f"bomb = {base64.b64encode(png).decode()!r}",
        """
        import base64
        from IPython.display import SVG, Image, display
        display(Image(data=base64.b64decode(bomb), format="png"))
        display(Image(data=b"\\x89PNG\\r\\n\\x1a\\n no picture", format="png"))
        display({"image/png": "'\\"><script>alert(1)</script>"}, raw=True)
        display({"image/png": "A" * 30_000_000}, raw=True)
        display({"image/png": 17}, raw=True)
        display(SVG("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"))
        """,
        before="end",
    )


@kind(right=ALL)
def broken_pictures(sheet):
    """Replaces matplotlib's drawing by something that raises and returns no picture."""
    sheet.solve().attack(
        """
        import matplotlib.pyplot as plt
        from matplotlib.figure import Figure
        def broken(*_, **__):
            raise RuntimeError('broken')
        plt.figure()
        Figure.savefig = plt.savefig = plt.show = plt.close = plt.get_fignums = broken
        """
    )
