"""Where the grader is root, which has rights to lose; conftest.py leaves this out for others."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from grader import ROOT, sandbox
from tests.grader.inside import started


def status(process):
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return {name: value.split() for name, _, value in (line.partition(":") for line in lines)}


def children(process):
    return Path(f"/proc/{process}/task/{process}/children").read_text().split()


def test_a_submission_of_roots_is_another_user_outside():
    source = "import time; print(open('/proc/self/uid_map').read(), flush=True); time.sleep(60)"
    with sandbox.Sandbox() as one, sandbox.Sandbox() as other, contextlib.ExitStack() as stack:
        seen = []
        for space in (one, other):
            child, output = stack.enter_context(started(space, source))
            assert output.readline().split() == [b"1000", b"1000", b"1"]  # of the one around it
            (inner,) = children(child)
            for process in (child, inner):
                about = status(process)
                assert about["Groups"] == []
                users = {*about["Uid"], *about["Gid"]}
                assert len(users) == 1
            seen.append(int(users.pop()))
    assert min(seen) > 60_000
    assert seen[0] != seen[1]


def test_a_door_left_open_leads_to_nothing_of_roots(tmp_path):
    """A descriptor of a folder outside shows what is permitted where no mount is in the way."""
    for name, mode in (("private", 0o640), ("public", 0o644)):
        Path(tmp_path, name).write_text(f"the {name} one")
        Path(tmp_path, name).chmod(mode)
        os.chown(tmp_path / name, 0, 4242)
    tmp_path.chmod(0o755)
    folder = os.open(tmp_path, os.O_RDONLY)
    with sandbox.Sandbox() as space:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.setgroups([4242])  # root may have more rights by a group
            sandbox.join(space.init)
            for name in ("public", "private"):
                try:
                    with open(os.open(name, os.O_RDONLY, dir_fd=folder)) as file:
                        os.write(writing, f"{file.read()}\n".encode())
                except OSError as error:
                    os.write(writing, f"{error.strerror}\n".encode())
            os._exit(0)
        os.waitpid(child, 0)
        os.close(writing)
        with open(reading) as pipe:
            assert pipe.read().splitlines() == ["the public one", "Permission denied"]
    os.close(folder)


def test_root_whom_no_other_user_can_stand_for_is_refused():
    """In a user namespace that root has made for itself alone, root is still the machine's."""
    source = "from grader import sandbox; sandbox.Sandbox()"
    command = ["unshare", "--user", "--map-root-user", sys.executable, "-c", source]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Unavailable: Submissions must not run as root" in ended.stderr
    assert "ordinary user" in ended.stderr


def test_what_only_root_can_read_is_told(monkeypatch, tmp_path):
    tmp_path.chmod(0o700)
    monkeypatch.setattr(sandbox, "_visible", lambda: (tmp_path,))
    with pytest.raises(sandbox.Unavailable, match=r"not for everybody to read.*chmod"):
        sandbox.require()
