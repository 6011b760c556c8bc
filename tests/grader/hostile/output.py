"""Submissions that print without end, odd text or markup."""

from tests.grader.hostile._kinds import kind
from tools.sheets import ALL, FIRST, REST


@kind(right=ALL)
def fifty_megabytes_in_one_line(sheet):
    """A cell prints 50 MB without a line break."""
    sheet.solve().attack("print('x' * 50_000_000)\n")


@kind(right=ALL)
def fifty_megabytes_from_a_child(sheet):
    """Descriptor 1, a shell and a child print 50 MB each, past sys.stdout."""
    sheet.solve().attack(
        """
        import os, subprocess
        for _ in range(50):
            os.write(1, b'x' * 1_000_000)
            os.write(2, b'x' * 1_000_000)
        subprocess.run('head -c 50000000 /dev/zero', shell=True)
        """
    )


@kind(right=ALL)
def endless_print_in_a_cell(sheet):
    """A cell prints without end."""
    sheet.solve().attack("while True:\n    print('again and again')\n")


@kind(nothing=FIRST, right=REST)
def endless_print_in_an_answer(sheet):
    """An answer prints without end, and swallows what is thrown at it."""
    sheet.solve().attack_in(
        sheet.first,
        """
        while True:
            try:
                print('again and again')
            except BaseException:
                pass
        """,
    )


@kind(right=ALL)
def fifty_megabytes_saved(sheet):
    """50 MB of output saved in the notebook."""
    sheet.solve()
    output = {"output_type": "stream", "name": "stdout", "text": "x" * 50_000_000}
    sheet.cell("data-code")["outputs"] = [output]


@kind(right=ALL)
def odd_text(sheet):
    """Prints lone surrogates, control characters, terminal codes and broken bytes."""
    sheet.solve().attack(
        """
        import sys
        print('\\x00\\x07\\x1b]0;title\\x07\\x1b[2J\\x1b[31mred\\r\\u202eback\\ufeff')
        sys.stdout.buffer.write(b'\\xff\\xfe\\xfd')
        """
    )
    sheet.own("print('lone \\ud800 surrogate')\n").own("raise ValueError('\\ud800\\x00')\n")


@kind(right=ALL)
def markup_in_what_is_printed(sheet):
    """Prints, shows, raises and names markup that would run in the reader's browser."""
    evil = "</pre></script><script>alert(1)</script><img src=x onerror=alert(1)>"
    sheet.solve().attack(
        f"evil = {evil!r}",
        """
        from IPython.display import HTML, Javascript, Markdown, display
        print(evil)
        for show in (HTML, Javascript, Markdown):
            display(show(evil))
        display({"text/html": evil, "image/png": evil, "text/plain": evil}, raw=True)
        class Evil(Exception):
            def _repr_html_(self):
                return evil
        Evil.__name__ = Evil.__qualname__ = evil
        display(Evil())
        raise Evil(evil)
        """,
    )
    sheet.own(f"**{evil}** {{{{ 7 * 7 }}}}", kind="markdown").own(f"# {evil}\n")
    sheet.cell("written-answer")["source"] = f"{evil} [a](javascript:alert(1)) {{{{ 7 * 7 }}}}"
    sheet.cell("end")["id"] = "<script>alert(1)</script>"


@kind(nothing=FIRST, right=REST)
def markup_in_an_error(sheet):
    """An answer with markup for its name raises an error with markup for its class and text."""
    evil = "<script>alert(1)</script>"
    sheet.solve().answer(
        sheet.first,
        f"{sheet.signature(sheet.first)}\n    print({evil!r})\n"
        f"    raise type({evil!r}, (Exception,), {{}})({evil!r})\n"
        f"{sheet.first}.__name__ = {sheet.first}.__qualname__ = {evil!r}\n",
    )


@kind(nothing=FIRST, right=REST)
def error_without_a_text(sheet):
    """An answer raises an error whose text raises an error."""
    sheet.solve().attack_in(
        sheet.first,
        """
        class Silent(Exception):
            def __str__(self):
                raise self
            __repr__ = __str__
        raise Silent
        """,
    )


@kind(nothing=FIRST, right=REST)
def error_with_a_long_text(sheet):
    """An answer raises an error whose text has 100 MB, and whose name has 10."""
    sheet.solve().attack_in(
        sheet.first,
        """
        class Long(Exception):
            def __str__(self):
                return 'x' * 100_000_000
        Long.__name__ = 'L' * 10_000_000
        raise Long
        """,
    )


@kind(nothing=FIRST, right=REST)
def error_whose_text_never_ends(sheet):
    """An answer raises an error whose text is computed for ever."""
    sheet.solve().attack_in(
        sheet.first,
        """
        class Slow(Exception):
            def __str__(self):
                while True:
                    pass
        raise Slow
        """,
    )
