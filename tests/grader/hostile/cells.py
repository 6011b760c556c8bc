"""Submissions whose cells are copied, deleted, moved or edited."""

from tests.grader.hostile._kinds import kind
from tools.sheets import ALL, FIRST, REST


@kind(right=ALL)
def duplicated_cells(sheet):
    """Answer cells stand there twice, with the same ids: a wrong one, then the right one."""
    sheet.solve()
    for name in sheet.names:
        at = sheet.cells.index(sheet.answer_cell(name))
        wrong = {**sheet.cells[at], "source": f"{sheet.signature(name)}\n    return 0\n"}
        sheet.cells.insert(at, wrong)


@kind(right=ALL)
def duplicated_notebook(sheet):
    """Every cell stands there twice, blank the second time."""
    blank = [dict(cell) for cell in sheet.cells]
    sheet.solve()
    sheet.cells = sheet.cells + blank


@kind(nothing=FIRST, right=REST)
def deleted_answer(sheet):
    """An answer cell is deleted, and all checks."""
    sheet.solve()
    gone = [sheet.answer_cell(sheet.first), *(sheet.check_cell(name) for name in sheet.names)]
    sheet.cells = [cell for cell in sheet.cells if cell not in gone]


@kind(right=ALL)
def deleted_locked_cells(sheet):
    """All but the answers is deleted, the imports included."""
    sheet.solve()
    kept = [sheet.answer_cell(name) for name in sheet.names]
    sheet.cells = [cell for cell in sheet.cells if cell in kept]


@kind(nothing=ALL)
def edited_checks(sheet):
    """The checks are edited to say yes; the answers are wrong."""
    for name in sheet.names:
        sheet.answer(name, f"{sheet.signature(name)}\n    return 0.0\n")
        sheet.check_cell(name)["source"] = f'print("✓ {name}")\nck.check = print\n'
        sheet.check_cell(name)["outputs"] = [
            {"output_type": "stream", "name": "stdout", "text": [f"✓ {name}"]}
        ]


@kind(right=ALL)
def attack_in_a_check(sheet):
    """A check is replaced by an attack; the answers are right."""
    sheet.solve().check_cell(sheet.first)["source"] = "import os\nos._exit(0)\n"


@kind(right=ALL)
def attack_in_the_imports(sheet):
    """The locked first cell is replaced by an attack."""
    sheet.solve().cell("setup")["source"] = "import os\nos._exit(0)\n"


@kind(right=ALL)
def renamed_cells(sheet):
    """Every cell has another id, as after copying into another program, and no metadata."""
    sheet.solve()
    for i, cell in enumerate(sheet.cells):
        cell["id"], cell["metadata"] = f"{i:08x}", {}


@kind(right=ALL)
def stripped_metadata(sheet):
    """No cell has metadata or an id, as nbformat 4.4 and some converters leave it."""
    sheet.solve()
    for cell in sheet.cells:
        del cell["id"]
        cell["metadata"] = {}
    sheet.notebook |= {"nbformat_minor": 4, "metadata": {}}


@kind(right=ALL)
def reordered_cells(sheet):
    """The cells stand in the opposite order."""
    sheet.solve().cells.reverse()


@kind(right=ALL)
def one_id_for_all(sheet):
    """All cells have the id and the grade_id of the first exercise's check."""
    sheet.solve()
    check = sheet.check_cell(sheet.first)
    for cell in sheet.cells:
        cell["id"] = check["id"]
        cell["metadata"] = {"nbgrader": dict(check["metadata"]["nbgrader"])}


@kind(right=ALL)
def exchanged_ids(sheet):
    """Two answers stand in each other's cell."""
    one, two = sheet.names[:2]
    sheet.solve()
    first, second = sheet.answer_cell(one), sheet.answer_cell(two)
    first["source"], second["source"] = second["source"], first["source"]


@kind(nothing=ALL)
def more_points(sheet):
    """The metadata say a thousand points, for answers that are wrong; and name another student."""
    for name in sheet.names:
        sheet.answer(name, f"{sheet.signature(name)}\n    return 0.0\n")
        sheet.check_cell(name)["metadata"]["nbgrader"] |= {"points": 1000, "grade": True}
    sheet.notebook["metadata"] |= {"student": "other", "points": 1000, "score": 1000}


@kind(nothing=FIRST, right=REST)
def syntax_errors(sheet):
    """An answer that does not parse, an own cell that does not, and one with broken indents."""
    sheet.solve().answer(sheet.first, f"{sheet.signature(sheet.first)}\nreturn (\n")
    sheet.own("def :\n").own("""
        if True:
        \tx = 1
                y = 2
        """).own("x = '\x00'\n")


@kind(right=ALL)
def magics_and_shell_lines(sheet):
    """Lines for IPython and the shell, which reach for the network and the disk."""
    sheet.solve().attack(
        """
        %matplotlib inline
        %timeit -n1 -r1 1 + 1
        !cat /etc/passwd | head -1
        !touch {PLACES['canary']}/shell
        files = !ls
        %env
        %pwd
        """
    )
    sheet.own("%%bash\nsleep 0.1; echo done\n").own("%%javascript\nalert(1)\n")
    sheet.own("%load_ext autoreload\n%autoreload 2\n").own("""
        %reset -f in out
        ?print
        print??
        """)
    sheet.own("%%timeit -n1 -r1\n1 + 1\n").own("%pip --version\n").own("%no_such_magic\n")


@kind(right=ALL)
def input_is_asked_for(sheet):
    """Cells wait for somebody to type, or for a debugger's orders."""
    sheet.solve().attack("name = input('Your name? ')\n").own("import pdb\npdb.set_trace()\n")
    sheet.own("breakpoint()\n").own("import sys\nsys.stdin.readline()\n")


@kind(spared=ALL)
def twenty_thousand_cells(sheet):
    """The notebook has 20,000 cells more."""
    sheet.solve()
    filler = [
        {
            "cell_type": "code",
            "id": f"filler{i}",
            "metadata": {},
            "source": f"filler = {i}",
            "execution_count": None,
            "outputs": [],
        }
        for i in range(20_000)
    ]
    at = sheet.index("setup") + 1
    sheet.cells = sheet.cells[:at] + filler + sheet.cells[at:]


@kind(spared=ALL)
def source_that_parsers_choke_on(sheet):
    """Cells nested too deep for a parser, one of 10 MB, one line of a million terms."""
    sheet.solve().own("(" * 5000 + ")" * 5000 + "\n").own("x = " + "-" * 150_000 + "1\n")
    sheet.own("x = " + "[" * 90 + "]" * 90 + "\n").own("# " + "x" * 10_000_000 + "\n")
    sheet.own("x = " + " + ".join(["1"] * 60_000) + "\n")
    sheet.own("x" + ".x" * 90_000 + "\n").own("lambda: " * 20_000 + "0\n")


@kind(right=ALL)
def source_that_takes_long_to_color(sheet):
    """A megabyte of brackets and signs, each a token of its own where source is highlighted."""
    sheet.solve()
    for sign in ("[(", "%", "=->", "{!r:", "`["):
        for _ in range(10):
            sheet.own(sign * (20_000 // len(sign)) + "\n")


@kind(spared=ALL)
def source_that_takes_the_compiler_long(sheet):
    """A constant that the compiler might compute, and a pattern match of many cases."""
    sheet.solve().attack("x = (((2 ** 100) ** 100) ** 100) ** 100 % 7\ny = 'a' * 10 ** 10\n")
