"""Submissions whose answers are objects that deceive, act or are too large."""

from textwrap import dedent

from tests.grader.hostile._kinds import kind
from tools.sheets import ALL, FIRST, REST


def returns(sheet, lines):
    """All answers return the object `result` that some lines make."""
    sheet.cheat("def cheat(name, *given):\n" + "".join(f"    {line}\n" for line in lines))


@kind(nothing=ALL)
def equal_to_everything(sheet):
    """Answers are objects that say yes to every question."""
    returns(
        sheet,
        [
            "class Yes:",
            "    shape, dtype, ndim, size = given[0].shape, given[0].dtype, given[0].ndim, 1",
            "    def __eq__(self, other): return True",
            "    def __ne__(self, other): return False",
            "    __le__ = __ge__ = __lt__ = __gt__ = __eq__",
            "    def __bool__(self): return True",
            "    def __hash__(self): return 0",
            "    def __sub__(self, other): return 0.0",
            "    __rsub__ = __add__ = __radd__ = __mul__ = __rmul__ = __sub__",
            "    def __float__(self): return 0.0",
            "    def all(self, *_, **__): return True",
            "    def astype(self, *_, **__): return self",
            "return Yes()",
        ],
    )


@kind(nothing=ALL)
def lying_arrays(sheet):
    """Answers are a subclass of the array that answers NumPy's questions itself."""
    returns(
        sheet,
        [
            "class Liar(np.ndarray):",
            "    def __array_ufunc__(self, *_, **__): return True",
            "    def __array_function__(self, *_, **__): return True",
            "    def __eq__(self, other): return True",
            "    def astype(self, *_, **__): return self",
            "    def tobytes(self, *_): return b''",
            "    shape = property(lambda self: given[0].shape)",
            "return np.zeros(3).view(Liar)",
        ],
    )


@kind(nothing=ALL)
def arrays_made_on_request(sheet):
    """Answers make another array each time they are asked for one."""
    returns(
        sheet,
        [
            "class Many:",
            "    n = 0",
            "    def __array__(self, dtype=None, copy=None):",
            "        self.n += 1",
            "        return np.full(given[0].shape, self.n, 'float32')",
            "    def __len__(self): return -1",
            "    def __getitem__(self, i): return self",
            "return Many()",
        ],
    )


@kind(nothing=FIRST, right=REST)
def array_that_never_comes(sheet):
    """An answer whose conversion to an array never ends."""
    sheet.solve().attack_in(
        sheet.first,
        """
        class Never:
            def __array__(self, dtype=None, copy=None):
                while True:
                    pass
        return Never()
        """,
    )


@kind(nothing=ALL)
def objects_that_raise(sheet):
    """Answers raise at every question, their class and length included."""
    returns(
        sheet,
        [
            "def broken(*_, **__): raise RuntimeError(name)",
            "class Broken:",
            "    __class__ = property(broken)",
            "    __eq__ = __len__ = __repr__ = __str__ = __array__ = __iter__ = broken",
            "    __getattr__ = __getattribute__ = __bool__ = __hash__ = __float__ = broken",
            "return Broken()",
        ],
    )


@kind(nothing=ALL)
def pickles(sheet):
    """Answers are arrays of objects that act when they are unpickled."""
    returns(
        sheet,
        [
            "import os",
            "class Evil:",
            "    def __reduce__(self):",
            "        return os.mkdir, (PLACES['canary'] + '/unpickled',)",
            "return np.array([Evil()] * 3, dtype=object)",
        ],
    )


@kind(nothing=FIRST, right=REST)
def huge_array_of_one_number(sheet):
    """An answer of 80 GB that takes 8 bytes, until somebody copies it."""
    sheet.solve().attack_in(sheet.first, "return np.broadcast_to(0.5, (10 ** 5, 10 ** 5))\n")


@kind(nothing=FIRST, right=REST)
def huge_array_by_strides(sheet):
    """An answer of strides 0, with 10^18 numbers."""
    sheet.solve().attack_in(
        sheet.first,
        "return np.lib.stride_tricks.as_strided(np.zeros(1), (10 ** 9, 10 ** 9), (0, 0))\n",
    )


@kind(nothing=FIRST, right=REST)
def array_outside_its_memory(sheet):
    """An answer that points outside its memory."""
    sheet.solve().attack_in(
        sheet.first,
        "return np.lib.stride_tricks.as_strided(np.zeros(1), (1000,), (10 ** 9,))\n",
    )


@kind(nothing=FIRST, right=REST)
def large_array(sheet):
    """An answer of 400 MB that is really there."""
    sheet.solve().attack_in(sheet.first, "return np.random.rand(5 * 10 ** 7)\n")


@kind(nothing=FIRST, right=REST)
def a_million_outputs(sheet):
    """An answer of a million arrays."""
    sheet.solve().attack_in(sheet.first, "return (np.zeros(1),) * 10 ** 6\n")


@kind(nothing=ALL)
def endless_sequences(sheet):
    """Answers are lists that hold themselves, tuples without end, counters."""
    returns(
        sheet,
        [
            "import itertools",
            "class Endless(tuple):",
            "    def __iter__(self): return itertools.count()",
            "    def __len__(self): return 2 ** 62",
            "own = []",
            "own.append(own)",
            f"return {{{sheet.first!r}: Endless((1,)), {sheet.names[-1]!r}: itertools.count()}}"
            ".get(name, own)",
        ],
    )


@kind(nothing=ALL)
def not_a_number(sheet):
    """Answers of NaN and infinities, which compare with nothing."""
    sheet.cheat(
        """
        def cheat(name, *given):
            fill = np.nan if NAMES.index(name) % 2 else np.inf
            return np.full(given[0].shape[: 1 + len(name) % 2], fill)
        """
    )


@kind(nothing=ALL)
def odd_types(sheet):
    """Answers of text, dates, records, complex and enormous numbers."""
    sheet.cheat(
        """
        odd = [
            np.array(["1.0", "\\ud800"]),
            np.array(["2026-01-01"], "datetime64[D]"),
            np.zeros(3, [("a", "f8"), ("<script>", "O")]),
            np.full(3, 1 + 1j),
            10 ** 5000,
            np.zeros(3, "longdouble"),
            memoryview(b"abc"),
        ]
        def cheat(name, *given):
            return odd[NAMES.index(name) % len(odd)]
        """
    )


@kind(nothing=FIRST, right=REST)
def function_that_deceives(sheet):
    """An answer with a false signature and itself for what it wraps, which raises."""
    deceiver = """
        class Deceiver:
            __signature__ = property(lambda self: self.loop())
            __code__ = property(lambda self: self)
            __wrapped__ = property(lambda self: self)
            __name__ = property(lambda self: 1 / 0)
            def loop(self):
                while True:
                    pass
            def __call__(self, *given):
                raise ValueError("deceived")
        """
    sheet.solve().answer(sheet.first, f"{dedent(deceiver)}{sheet.first} = Deceiver()\n")


@kind(nothing=FIRST, right=REST)
def traps_among_the_names(sheet):
    """The globals in which answers are looked up hold names that raise when they are compared."""
    sheet.solve().attack(
        """
        class Trap(str):
            def __eq__(self, other):
                raise RuntimeError("trap")
            def __hash__(self):
                return hash(NAMES[0])
        globals()[Trap("trap")] = 1
        """
    )
    sheet.answer(sheet.first, f"{sheet.first} = 5\n")


@kind(nothing=ALL)
def changes_its_inputs(sheet):
    """Answers overwrite their inputs, and what these are views of, and return them."""
    sheet.cheat(
        """
        def cheat(name, *given):
            array = given[0]
            while array is not None:
                if isinstance(array, np.ndarray):
                    array.setflags(write=True)
                    array[...] = 0
                array = getattr(array, 'base', None)
            return given[0]
        """
    )
