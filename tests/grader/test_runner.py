"""What a submission can do in the sandbox, and what it cannot."""

import ast
import contextlib
import fcntl
import io
import os
import resource
import socket
import struct
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import coursekit
from coursekit.checks.keys import Key, save_keys
from grader import ROOT, messages, runner, sandbox

X = np.arange(6, dtype="float32").reshape(2, 3)
DOUBLE = "def double(x):\n    return 2 * x"
FOREVER = (
    "import time\nwhile True:\n  try:\n    while True: time.sleep(0.01)\n"
    "  except BaseException: pass"
)
QUESTION = ("double", ("x",), ((X,), (X[:1],)), "")


def run(sandboxed, *sources, questions=(), files=None):
    return sandboxed.run(list(enumerate(sources)), list(questions), files or {})


def printed(sandboxed, source):
    result = run(sandboxed, source)
    assert not result.stopped
    return result.cells[0]["printed"] + result.cells[0]["error"]


def test_cells_run_as_in_a_notebook(sandboxed):
    result = run(
        sandboxed,
        "import matplotlib.pyplot as plt, numpy as np\nprint('printed')\n1 + 1",
        "%matplotlib inline\nplt.plot([1, 2]);",
        "figure, ax = plt.subplots(); plt.close(figure); figure",
        "!echo from a shell > file; cat file",
        "open('checks').read()",
        "undefined",
        "def f(:",
        "_",
        files={"checks": b"given"},
    )
    cells = result.cells
    assert cells[0] == {"printed": "printed\n2", "error": "", "cut": False, "pictures": []}
    assert [len(cells[i]["pictures"]) for i in range(8)] == [0, 1, 1, 0, 0, 0, 0, 0]
    assert cells[4]["printed"] == "'given'"
    assert cells[5]["error"] == "NameError (line 1): name 'undefined' is not defined"
    assert cells[6]["error"].startswith("SyntaxError (line 1)")
    assert cells[7]["printed"] == "'given'"
    assert not result.stopped


def test_magics_of_the_kernel_are_known_and_results_have_the_numbers_of_a_run_from_the_top(
    sandboxed,
):
    told = printed(sandboxed, "import getpass, sys; (sys.stdout.encoding, getpass.getuser())")
    assert told == "('UTF-8', 'student')"
    sources = ("%autosave 60\n%clear", "", "6 * 7", "undefined", "[Out[2], _2, _, len(In)]")
    cells = run(sandboxed, *sources).cells
    assert not cells[0]["error"]
    assert cells[4]["printed"] == "[42, 42, 42, 5]"


@pytest.fixture(scope="module")
def public_key():
    """A checks.npz of which `double` is right."""
    expected = tuple((2 * x,) for (x,) in QUESTION[2])
    file = io.BytesIO()
    save_keys(file, [Key(*QUESTION[:3], expected, (), 4, rtol=1e-3, atol=1e-5)])
    return {"checks.npz": file.getvalue()}


def test_whatever_function_a_check_finds_right_is_asked_too_at_that_moment(sandboxed, public_key):
    source = """\
        import coursekit as ck
        class Answers:
            def mine(self, x): return 2 * x
        functions = {"double": lambda *given: Answers().mine(*given)}
        for name, function in functions.items():
            ck.check(name=name, function=lambda *given: function(*given),)
        del Answers, function
        ck.check("double", lambda x: 3 * x)
    """
    sources = [textwrap.dedent(source), "'reached'"]
    result = run(sandboxed, *sources, questions=[QUESTION], files=public_key)
    assert result.cells[0]["printed"].startswith("✓ double: right on 2 inputs")
    assert "CheckFailed" in result.cells[0]["error"]
    assert result.cells[1]["printed"] == "'reached'"
    answers = result.answers["double"]
    assert list(answers) == [0, "end"]
    for answer, (x,) in zip(answers[0][0], QUESTION[2], strict=True):
        np.testing.assert_array_equal(answer.values[0], 2 * x)
    assert answers["end"][0][0].problem == "is not defined."


def test_what_a_check_asks_for_is_not_the_cells_time_and_does_not_end_it(sandboxed, public_key):
    source = """\
        import coursekit as ck, itertools
        calls = itertools.count()
        def slow(x):
            while next(calls) > 1: pass
            return 2 * x
        ck.check("double", slow)
        while True: pass
    """
    result = run(sandboxed, textwrap.dedent(source), questions=[QUESTION], files=public_key)
    assert "was stopped after 2 seconds" in result.answers["double"][0][0][0].problem
    assert result.cells[0]["error"] == "Stopped after 2 seconds."
    assert not result.stopped


def test_forged_answers_of_many_attempts_take_no_more_memory_than_those_of_one(sandboxed):
    source = """\
        import os, sys
        import numpy as np
        about = {"problem": "", "gradient_problem": "", "changed": [], "gradient": False}
        told = [about | {"values": 1}, about | {"values": 0}]
        header = {"kind": "answers", "name": "double", "when": PLACE, "answers": told}
        array = np.zeros(20_000_000, "uint8")
        sys.modules["grader.messages"].send(3, header | {"printed": ""}, [array])
        os._exit(0)
    """
    sources = [textwrap.dedent(source).replace("PLACE", str(i)) for i in range(5)]
    result = run(sandboxed, *sources, DOUBLE, questions=[QUESTION])
    kept = [answer for given, _ in result.answers["double"].values() for answer in given]
    assert 0 < sum(v.nbytes for answer in kept for v in answer.values) <= 64_000_000
    assert "more than may be handed back" in result.stopped["cell", 3]


def test_answers_come_back_as_they_were_given(sandboxed):
    result = run(
        sandboxed,
        "from keras import ops\ndef double(x):\n    print('!')\n    return ops.multiply(x, 2)",
        questions=[("double", ("x",), ((X,), (X[:1],)), "x"), ("missing", ("x",), ((X,),), "")],
    )
    answers, said = result.answers["double"]["end"]
    np.testing.assert_array_equal(answers[0].values[0], 2 * X)
    np.testing.assert_array_equal(answers[1].values[0], 2 * X[:1])
    np.testing.assert_allclose(answers[0].gradient, 2 * np.linspace(1, 2, 6).reshape(2, 3))
    assert said.startswith("!")
    assert result.answers["missing"]["end"][0][0].problem == "is not defined."


def test_what_notebooks_do_is_not_refused(sandboxed):
    """Save and load a model, copy files, start processes and threads, run an event loop."""
    source = """
    import asyncio, concurrent.futures, multiprocessing, shutil
    import keras, numpy as np
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])
    model.compile("adam", "mse")
    model.fit(np.ones((8, 3)), np.ones((8, 2)), verbose=0)
    model.save("model.keras")
    model.save_weights("model.weights.h5")
    shutil.copy2("model.keras", "copy.keras")
    keras.models.load_model("copy.keras").load_weights("model.weights.h5")
    fork = multiprocessing.get_context("fork")
    with concurrent.futures.ThreadPoolExecutor(2) as threads, fork.Pool(2) as processes:
        print(*threads.map(abs, (-1, 2)), *processes.map(abs, (-3, 4)))
    with fork.Manager() as manager:
        print(manager.list([5])[0])
    asyncio.new_event_loop().run_until_complete(asyncio.sleep(0.01))
    """
    assert printed(sandboxed, textwrap.dedent(source)).split() == ["1", "2", "3", "4", "5"]


def test_submissions_know_nothing_of_each_other(sandboxed):
    run(sandboxed, "import builtins, keras\nbuiltins.left = keras.left = 1; open('left', 'w')")
    assert printed(
        sandboxed, "import builtins, keras, os\nhasattr(builtins, 'left'), os.listdir()"
    ).startswith("(False, [")
    assert "left" not in printed(sandboxed, "import os; os.listdir('/tmp')")


# Prints the hexadecimal digits that stand behind a word anywhere in the process's memory. The word
# is put together when it is needed, so that the search does not find itself.
SEARCH = """
import re
word = bytes(reversed(b'terces-eht'))
found = set()
for line in open('/proc/self/maps'):
    span, rights, *_, name = line.split(maxsplit=5) if line.count(' ') > 5 else [*line.split(), '']
    if rights.startswith('rw'):
        start, end = (int(number, 16) for number in span.split('-'))
        with open('/proc/self/mem', 'rb') as memory:
            while start < end:
                try:
                    memory.seek(start)
                    part = memory.read(min(end - start, 1 << 24))
                except (OSError, ValueError, OverflowError):
                    break
                found.update(re.findall(word + b'=([0-9a-f]{16})', part))
                start += 1 << 24
print(len(found), sorted(found)[:5])
"""


def test_the_memory_holds_nothing_of_an_earlier_submission(sandboxed):
    secret = os.urandom(8).hex()
    # Of many sizes, since freed memory is used again by what is as large.
    sources = [f"answer = 'the-secret={secret}'  #" + n * "." for n in range(0, 6_000, 100)]
    files = {f"the-secret={secret}-{n}": f"the-secret={secret}".encode() * n for n in (1, 9, 99)}
    run(sandboxed, *sources, files=files)
    own = "the-secret" + "=" + "0123456789abcdef"
    assert printed(sandboxed, f"own = {own!r}{SEARCH}") == "1 [b'0123456789abcdef']"


def test_proc_cannot_be_written_to(sandboxed):
    """Not the memory of the sandbox's own processes, nor a setting of the kernel."""
    source = """
    import glob, os
    for path in [*glob.glob('/proc/[0-9]*/mem'), *glob.glob('/proc/[0-9]*/oom_score_adj'),
                 '/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger']:
        try:
            open(path, 'r+b')
        except OSError:
            continue
        print(path)
    """
    source = "\n".join(line.removeprefix("    ") for line in source.splitlines())
    assert printed(sandboxed, source) == ""


def test_every_process_inside_has_the_filter(sandboxed):
    source = (
        "import glob\n"
        "for path in sorted(glob.glob('/proc/[0-9]*/status')):\n"
        "    print([line.split()[1] for line in open(path) if line.startswith('Seccomp:')])"
    )
    found = printed(sandboxed, source).split()
    assert len(found) >= 3
    assert set(found) == {"['2']"}


def test_it_goes_first_where_memory_runs_out(sandboxed):
    assert printed(sandboxed, "open('/proc/self/oom_score_adj').read()") == r"'1000\n'"


@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6"])
def test_no_socket_of_the_network_not_even_loopback(sandboxed, family):
    source = f"import socket; socket.socket(socket.{family})"
    assert "Address family not supported" in printed(sandboxed, source)


def test_nothing_of_the_instructor_is_to_be_seen(sandboxed, tmp_path):
    # Of the checkout the course's package and data alone, and Python's environment if it is there.
    seen = ast.literal_eval(printed(sandboxed, f"import os; os.listdir({str(ROOT)!r})"))
    assert {"coursekit", "data"} <= set(seen) <= {"coursekit", "data", ".venv"}
    # And of the grader what was imported to start with, without its source.
    loaded = "import sys; sorted(name for name in sys.modules if name.startswith('grader'))"
    modules = ["cgroups", "lacks", "messages", "sandbox", "seccomp", "zygote"]
    modules = ["grader", *(f"grader.{name}" for name in modules)]
    assert ast.literal_eval(printed(sandboxed, loaded)) == modules
    assert "No module named" in printed(sandboxed, "import grader.exercises")
    source = "import inspect, sys; inspect.getsource(sys.modules['grader.zygote'])"
    assert "OSError" in printed(sandboxed, source)
    assert printed(sandboxed, "import os; os.path.exists('/etc/passwd')") == "False"
    assert printed(sandboxed, f"import os; os.path.exists({str(tmp_path)!r})") == "False"
    # Nor the environment that the grader was started with.
    for source in ("dict(os.environ)", "open('/proc/self/environ').read()"):
        environment = printed(sandboxed, f"import os; {source}")
        assert "PATH" in environment
        assert "GRADER_SECRET" not in environment


@pytest.mark.parametrize(
    "folder", [Path(coursekit.__file__).parent, Path(np.__file__).parent, "/", "/dev", "/usr"]
)
def test_nothing_can_be_written_but_in_its_own_folder(sandboxed, folder):
    said = printed(sandboxed, f"open({str(Path(folder, 'written'))!r}, 'w')")
    assert "Read-only" in said
    assert not Path(folder, "written").exists()


def test_its_folder_is_small_and_in_memory(sandboxed):
    source = "for i in range(10):\n    open(str(i), 'wb').write(bytes(20_000_000))"
    assert "No space left" in printed(sandboxed, source)


def test_there_is_no_network(sandboxed):
    heard = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(3)

        def listen():
            with contextlib.suppress(TimeoutError):
                heard.append(server.accept())

        thread = threading.Thread(target=listen)
        thread.start()
        port = server.getsockname()[1]
        source = f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)"
        assert "Address family not supported" in printed(sandboxed, source)
        assert "gaierror" in printed(
            sandboxed, "import socket; socket.getaddrinfo('example.org', 80)"
        )
        thread.join()
    assert not heard


def test_it_has_no_privileges_and_cannot_get_any(sandboxed):
    status = printed(sandboxed, "print(open('/proc/self/status').read())")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert {fields[name].strip("0") for name in ("CapPrm", "CapEff", "CapBnd", "CapInh")} == {""}
    assert fields["NoNewPrivs"] == "1"
    assert printed(sandboxed, "import ctypes; ctypes.CDLL(None).unshare(0x10000000)") == "-1"


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import socket; socket.socket(40, socket.SOCK_STREAM).connect((2, 22))", "[Errno 97]"),
        ("import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)", "[Errno 97]"),
        ("import os; os.memfd_create('x')", "[Errno 1]"),
        ("import ctypes; c = ctypes.CDLL(None, use_errno=True); c.shmget(0, 99, 512)", "-1"),
        ("import ctypes; c = ctypes.CDLL(None); c.syscall(435, 0, 0)", "-1"),
    ],
)
def test_the_kernels_other_doors_are_shut(sandboxed, source, error):
    assert error in printed(sandboxed, source)


def test_it_sees_no_other_process(sandboxed):
    seen = printed(
        sandboxed, "import os; sorted(int(p) for p in os.listdir('/proc') if p.isdigit())"
    )
    assert len(seen.split(",")) <= 4
    assert "No such process" in printed(sandboxed, f"import os; os.kill({os.getpid()}, 0)")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import os; os._exit(0)", "exit code 0"),
        ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
        (
            "import contextlib, os\nfor process in (1, -1, os.getpid()):\n"
            "  with contextlib.suppress(OSError): os.kill(process, 9)",
            "SIGKILL",
        ),
        (FOREVER, "took too long"),
        ("sum(range(10**12))", "took too long"),
        ("x = []\nwhile True: x.append(bytearray(10_000_000))", None),
        (
            "import os\nfor i in range(30):\n  if os.fork() == 0:\n    x = b'1' * 90_000_000\n"
            "    import time; time.sleep(100)\ntime.sleep(100)",
            "memory",
        ),
        ("import os\nwhile True: os.fork()", "processes"),
        ("import os\nos.write(3, b'x' * 5000)", "pipe"),
        ("import os\nwhile True: os.write(3, bytes(1_000_000))", "pipe"),
    ],
)
def test_a_cell_that_ends_the_process_costs_nothing_but_itself(sandboxed, source, reason):
    result = run(sandboxed, DOUBLE, source, "'reached'", questions=[QUESTION])
    answers, _ = result.answers["double"]["end"]
    np.testing.assert_array_equal(answers[0].values[0], 2 * X)
    assert result.cells[2]["printed"] == "'reached'"
    if reason:
        assert reason in result.stopped["cell", 1]
    assert set(result.stopped) <= {("cell", 1)}


# Says that all is done, in the grader's own words, and leaves as one who was kept out.
FORGED = """
import json, os, struct
said = json.dumps({'kind': 'done', 'arrays': []}).encode()
os.write(3, struct.pack('<II', len(said), 0) + said)
os._exit(77)
"""


@pytest.mark.parametrize("unsafe", [False, True])
def test_a_forged_end_is_no_sandbox_that_cannot_be_entered(sandboxed, monkeypatch, unsafe):
    follow = runner.Runner._follow

    def late(*arguments):
        ended = follow(*arguments)
        time.sleep(0.5)  # the process leaves before it is killed
        return ended

    monkeypatch.setattr(runner.Runner, "_follow", late)
    with contextlib.ExitStack() as stack:
        one = stack.enter_context(runner.Runner(unsafe=True)) if unsafe else sandboxed
        assert not run(one, FORGED).cells


def test_an_exit_as_of_one_who_was_kept_out_is_another_inside(sandboxed):
    result = run(sandboxed, "import os; os._exit(77)", "'reached'")
    assert "exit code 1)" in result.stopped["cell", 0]
    assert result.cells[1]["printed"] == "'reached'"


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 3, 2)


def followed(unsafe, frames, end=60, least=0):
    """What is made of frames that come through a pipe, within `end` seconds.

    The pipe's descriptor is `least` or above.
    """
    reading, writing = os.pipe()
    if least:
        low, reading = reading, fcntl.fcntl(reading, fcntl.F_DUPFD_CLOEXEC, least)
        os.close(low)
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        for header, arrays in frames:
            messages.send(writing, header, arrays)
        os.close(writing)
        job = {"cells": [(place, "") for place in range(40)], "questions": [QUESTION]}
        did = runner.Execution()
        return did, unsafe._follow(pipe, job, did, None, time.monotonic() + end)


def cell(place, pictures=()):
    header = {"kind": "cell", "place": place, "printed": "", "error": "", "cut": False}
    return header, [np.frombuffer(picture, "uint8") for picture in pictures]


def test_no_more_than_thirty_pictures_of_a_submission_are_kept():
    frames = [cell(0, [PNG] * 20), cell(0, [PNG, b"none", PNG]), cell(1, [PNG] * 500)]
    did, _ = followed(runner.Runner(unsafe=True), [*frames, cell(2, [PNG])])
    assert [len(did.cells[place]["pictures"]) for place in range(3)] == [2, 28, 0]
    assert did.pictures == (30, 30 * len(PNG))


def test_messages_come_with_more_than_a_thousand_files_open():
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] <= 1_500:
        pytest.skip("no more files may be open here")
    did, (at, why) = followed(runner.Runner(unsafe=True), [cell(0)], least=1_500)
    assert (list(did.cells), at, why) == ([0], None, "ended")


def test_nor_more_than_some_bytes(monkeypatch):
    monkeypatch.setattr(runner, "_BYTES", 5 * len(PNG))
    did, _ = followed(runner.Runner(unsafe=True), [cell(i, [PNG] * 2) for i in range(4)])
    assert [len(did.cells[place]["pictures"]) for place in range(4)] == [2, 2, 1, 0]


def test_what_comes_after_the_end_is_not_read(monkeypatch):
    did, (_, why) = followed(runner.Runner(unsafe=True), [cell(i) for i in range(40)], end=-1)
    assert not did.cells
    assert "took too long" in why
    closed, keep = runner.Runner(unsafe=True), runner.Runner._keep
    handled = []

    def first(*arguments):
        closed.stop()
        handled.append(arguments)
        keep(*arguments)

    monkeypatch.setattr(closed, "_keep", lambda *arguments: first(closed, *arguments))
    with pytest.raises(runner.Failed, match="closed"):
        followed(closed, [cell(i) for i in range(40)])
    assert len(handled) == 1


@pytest.mark.parametrize(
    "header",
    [
        {"kind": "start", "what": []},
        {"kind": "start", "what": {}},
        {"kind": "start", "what": ["cell", [0]]},
        {"kind": "start"},
        {"kind": "answers", "name": "double", "when": "end", "printed": "", "answers": 1},
        {
            "kind": "answers", "name": "double", "when": "end", "printed": "",
            "answers": [
                {"values": -1, "gradient": True, "changed": [], "problem": "",
                 "gradient_problem": ""}
            ] * 2,
        },
    ],
)  # fmt: skip
def test_a_message_that_no_process_sends_is_told_as_such(header):
    did, (_, why) = followed(runner.Runner(unsafe=True), [(header, ())])
    assert "wrote into the grader's pipe" in why
    assert not did.answers


def test_a_loop_is_stopped_and_the_next_cell_runs(sandboxed):
    result = run(sandboxed, "while True: pass", "'reached'")
    assert result.cells[0]["error"] == "Stopped after 2 seconds."
    assert result.cells[1]["printed"] == "'reached'"


def test_a_flood_is_stopped(sandboxed):
    assert "it printed more than" in printed(sandboxed, "while True: print('x' * 100)")
    assert "it printed more than" in printed(sandboxed, "print('x' * 50_000_000)")


def test_a_function_that_ends_the_process_costs_no_other(sandboxed):
    result = run(
        sandboxed,
        DOUBLE,
        "import os\ndef leave(x):\n    os._exit(1)",
        "def hang(x):\n    return sum(range(10**12))",
        "def loop(x):\n    while True: pass",
        questions=[
            ("leave", ("x",), ((X,),), ""),
            ("hang", ("x",), ((X,),), ""),
            ("loop", ("x",), ((X,),), ""),
            QUESTION,
        ],
    )
    assert set(result.stopped) == {("function", "leave"), ("function", "hang")}
    assert "was stopped after 2 seconds" in result.answers["loop"]["end"][0][0].problem
    np.testing.assert_array_equal(result.answers["double"]["end"][0][0].values[0], 2 * X)


def test_no_process_is_left(sandboxed):
    source = (
        "import os, time\nif os.fork() == 0:\n  os.setsid()\n"
        "  if os.fork() == 0:\n    time.sleep(1234)\n  os._exit(0)"
    )
    run(sandboxed, source)
    time.sleep(0.2)
    mine = Path("/proc/self/task").parent
    children = [
        path.parent
        for path in Path("/proc").glob("[0-9]*/stat")
        if _parent(path) == sandboxed._zygote.pid
    ]
    assert mine.exists()
    assert not children


def _parent(path):
    try:
        return int(path.read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return None


def test_it_ends_with_the_time_that_all_may_take(sandboxed):
    with runner.Runner(sandbox.Limits(cell=1, function=1, total=4, grace=1)) as short:
        started = time.monotonic()
        result = short.run([(i, FOREVER) for i in range(9)], [QUESTION], {})
        assert time.monotonic() - started < 40
    assert "as a whole" in result.stopped["function", "double"]
    assert not result.answers


def test_a_run_may_be_given_less_time_than_the_limit(sandboxed):
    started = time.monotonic()
    result = sandboxed.run([(i, FOREVER) for i in range(9)], [QUESTION], {}, total=2)
    assert time.monotonic() - started < 20
    assert "as a whole" in result.stopped["function", "double"]


def test_without_a_sandbox_only_if_asked(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(sandbox.Unavailable, match="bubblewrap"):
        runner.Runner()
    with runner.Runner(unsafe=True) as unsafe:
        result = unsafe.run([(0, DOUBLE)], [QUESTION], {})
    assert not result.stopped
    np.testing.assert_array_equal(result.answers["double"]["end"][0][0].values[0], 2 * X)


def test_a_bubblewrap_that_may_not_is_told(monkeypatch, tmp_path):
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'setting up uid map: Permission denied' >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(sandbox.Unavailable, match=r"Permission denied.*AppArmor.*--unsafe"):
        runner.Runner()
