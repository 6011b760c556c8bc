import os

import pytest

from grader import runner, sandbox

collect_ignore = [] if getattr(os, "geteuid", lambda: 1)() == 0 else ["test_sandbox_as_root.py"]
SHORT = sandbox.Limits(cell=2, function=2, total=90, grace=2, memory=1_000_000_000)


@pytest.fixture(scope="session")
def sandboxed():
    """A runner in the sandbox, with short limits."""
    os.environ["GRADER_SECRET"] = "not for submissions"
    try:
        started = runner.Runner(SHORT)
    except sandbox.Unavailable as error:
        pytest.skip(str(error))
    with started:
        yield started
    del os.environ["GRADER_SECRET"]
