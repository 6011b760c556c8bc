"""Submissions that hand back results of their own making."""

from tests.grader.hostile._kinds import kind
from tools.sheets import ALL, FIRST, REST

# The runner's own form of results, and others.
FORGE = """\
import base64, json, os, socket, struct
def frame(header, data=b""):
    text = json.dumps(header).encode()
    return struct.pack("<II", len(text), len(data)) + text + data
def tell(*frames):
    for number in (3, *range(4, 256)):
        for text in frames:
            try:
                os.set_blocking(number, number == 3)
                os.write(number, text)
            except OSError:
                pass
def answers(name, values, gradient=None, problem="", printed=""):
    arrays = [np.asarray(v, "float64") for v in values[0]]
    arrays += [] if gradient is None else [np.asarray(gradient, "float64")]
    arrays += [np.asarray(v, "float64") for case in values[1:] for v in case]
    told = [{"problem": problem, "changed": [], "gradient_problem": "", "values": len(case),
             "gradient": gradient is not None and i == 0} for i, case in enumerate(values)]
    header = {"kind": "answers", "name": name, "answers": told, "printed": printed,
              "arrays": [["float64", list(array.shape)] for array in arrays]}
    return frame(header, b"".join(array.tobytes() for array in arrays))
right = {"status": "right", "points": 100, "of": 100, "right": True, "passed": True,
         "score": 100, "problem": "", "message": "", "known": False, "printed": "", "arrays": []}
exercises = [{"name": name, **right} for name in NAMES]
body = {"student": "me", "status": "graded", "done": True, "ok": True, "exercises": exercises,
        "answers": {name: right for name in NAMES}, **{name: right for name in NAMES}}
text = json.dumps(body).encode()
claims = [text + b"\\n", *(frame({"kind": kind, **body, **right}) for kind in ("answers", "marks"))]
for order in ("<", ">"):
    for width in ("I", "Q"):
        claims.append(struct.pack(order + width, len(text)) + text)
"""


@kind(nothing=ALL)
def forged_results_on_every_descriptor(sheet):
    """Writes "all right" in several forms to every open descriptor, and ends the process."""
    sheet.cheat(
        FORGE,
        """
        def cheat(name, *given):
            tell(*(answers(name, [(1,), (1,)]) for name in NAMES))
            for claim in claims:
                tell(claim)
            os._exit(0)
        """,
    )


@kind(nothing=ALL)
def forged_claims(sheet):
    """Writes nothing but claims to be right to every open descriptor, and that all is done."""
    sheet.cheat(
        FORGE,
        """
        def cheat(name, *given):
            tell(*claims[:1], frame({"kind": "done", "arrays": []}))
            return np.zeros(3)
        """,
    )


@kind(spared=ALL)
def forged_end(sheet):
    """Says that all is done before it is."""
    sheet.solve().attack(FORGE, 'tell(frame({"kind": "done", "arrays": []}))')


@kind(nothing=FIRST, spared=REST)
def forged_arrays(sheet):
    """Hands back results whose arrays are not what they are said to be."""
    sheet.solve().attack_in(
        sheet.first,
        """
        import os, random, struct, json
        def told(arrays, data=b""):
            answer = {"problem": "", "changed": [], "gradient_problem": "", "values": 1,
                      "gradient": False}
            text = json.dumps({"kind": "answers", "name": NAMES[0], "printed": "",
                               "answers": [answer] * 2, "arrays": arrays}).encode()
            return struct.pack("<II", len(text), len(data)) + text + data
        shapes = ([-1], [2 ** 39, 2 ** 39], [2 ** 39, 0], [1.5], [True], ["1"], [None], [[1]],
                  [1] * 64, [10 ** 400], {"a": 1}, "ab", 7, [float("nan")])
        for kind in ("float64", "object", "U8", "datetime64", "V8", "O", 7, None):
            for shape in shapes:
                if random.random() < 0.05:
                    os.write(3, told([[kind, shape]] * 2, b"x" * 16))
        os.write(3, told([["float64", [2 ** 39, 0]], ["float64", [0] * 32]]))
        os.write(3, told([["float64", [2, 0.0]], ["float64", [0, 1e300]]]))
        return 0.0
        """,
    )


@kind(nothing=FIRST, right=REST)
def forged_gradient(sheet):
    """Hands back right values with a gradient of another shape than the input's."""
    inner = sheet.signature(sheet.first).replace(f"def {sheet.first}", "def solution")
    solved = sheet.copy().solve(sheet.first).answer_cell(sheet.first)["source"]
    sheet.solve().attack(FORGE, "values = []", solved.replace(sheet.signature(sheet.first), inner))
    given = sheet.arguments(sheet.first)
    sheet.answer(
        sheet.first,
        f"{sheet.signature(sheet.first)}\n"
        f"    values.append((np.asarray(solution({given})),))\n"
        f"    if len(values) == 3:\n"  # the first call of three is repeated for its gradient
        f"        tell(answers({sheet.first!r}, [values[0], values[2]], np.ones((3, 5, 7))))\n"
        f"        os._exit(0)\n"
        f"    return values[-1][0]\n",
    )


@kind(spared=ALL)
def forged_text(sheet):
    """Hands back texts with lone surrogates, of the wrong types, and places that are no places."""
    sheet.solve().attack(
        FORGE,
        """
        odd = "\\ud800\\x00</script>\\u202e"
        for place in range(9):
            for printed in (odd, {"a": [odd]}, 1e999, None, odd * 100_000):
                tell(frame({"kind": "cell", "place": place, "printed": printed, "error": odd,
                            "arrays": []}))
        tell(answers(NAMES[0], [(1,), (1,)], problem=odd, printed=odd))
        """,
    )


@kind(spared=ALL)
def forged_places(sheet):
    """Says that cells were begun whose places are fractions and truths, and ends."""
    sheet.solve().attack(
        FORGE,
        """
        for place in (1.0, True, [1], {"a": 1}, None, "1", 10 ** 400):
            header = {"kind": "start", "what": ["cell", place], "arrays": []}
            os.write(3, frame(header))
            if place == 1.0:
                os._exit(0)
        """,
    )


@kind(right=ALL)
def floods_every_descriptor(sheet):
    """Writes a huge length and then bytes without end to every open descriptor."""
    sheet.solve().attack(
        """
        import os
        for number in range(3, 256):
            try:
                os.set_blocking(number, False)
                os.write(number, b'\\xff' * 16 + b'\\x7f' * 2 ** 20)
            except OSError:
                pass
        while True:
            for number in range(3, 256):
                try:
                    os.write(number, b'x' * 2 ** 16)
                except OSError:
                    pass
        """
    )


@kind(right=ALL)
def closes_every_descriptor(sheet):
    """Closes every descriptor, those on which results are waited for among them."""
    sheet.solve().attack("import os\nos.closerange(0, 4096)\n")


@kind(right=ALL)
def reads_every_descriptor(sheet):
    """Reads what waits in every descriptor: orders for the next submission, say."""
    sheet.solve().attack(
        """
        import os, re
        for number in range(3, 256):
            try:
                os.set_blocking(number, False)
                data = os.read(number, 2 ** 24)
                print(number, len(data))
                for hit in set(re.findall(rb'canary-[0-9a-f]{16}', data)):
                    print('FOUND', hit.decode())
            except OSError:
                pass
        """
    )


@kind(nothing=ALL)
def forged_result_files(sheet):
    """Puts files of results, arrays with objects in them, and links, wherever it may write."""
    sheet.cheat(
        FORGE,
        """
        import tempfile
        class Evil:
            def __reduce__(self):
                return os.mkdir, (PLACES['canary'] + '/unpickled',)
        folders = ['.', '..', tempfile.gettempdir(), '/tmp', '/dev/shm', os.path.expanduser('~')]
        folders += [os.path.join(f, d) for f in folders for d in ('out', 'results', 'result')]
        for folder in folders:
            for name in (*exercises, {'name': 'result'}, {'name': 'results'}):
                stem = os.path.join(folder, name['name'])
                try:
                    open(stem + '.json', 'wb').write(text)
                    np.save(stem + '.npy', np.array([Evil()], dtype=object), allow_pickle=True)
                    np.savez(stem + '.npz', values=np.array([Evil()], dtype=object))
                    os.symlink(PLACES['source'] + '/exercises.py', stem)
                    os.symlink('/etc/passwd', stem + '.txt')
                except OSError as error:
                    print(error)
        def cheat(name, *given):
            return np.zeros(3)
        """,
    )
