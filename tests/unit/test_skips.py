"""REQUIRE_ALL=1 makes a failure of every skip, whatever causes it, and says its reason."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

TESTS = Path(__file__).resolve().parents[1]

SKIPS = """
import unittest
import pytest

@pytest.fixture
def sandbox():
    pytest.skip("no sandbox")

@pytest.fixture
def browser():
    yield
    pytest.skip("no browser")

def test_fixture(sandbox): pass
def test_teardown(browser): pass
def test_body(): pytest.skip("no body")
@pytest.mark.skip(reason="marked")
def test_mark(): pass
@pytest.mark.skipif(True, reason="no fork")
def test_condition(): pass
@pytest.mark.parametrize("case", [])
def test_no_case(case): pass
class Test(unittest.TestCase):
    def test_raised(self): raise unittest.SkipTest("raised")
"""
OTHERS = """
import pytest

def test_passes(): pass
@pytest.mark.xfail(reason="known")
def test_fails_as_expected(): assert False
"""
MODULE = "import pytest\npytest.importorskip('nowhere', reason='no backend')\ndef test(): pass\n"
REASONS = "sandbox", "browser", "body", "marked", "fork", "empty parameter set", "raised", "backend"


@pytest.fixture
def run(pytester, monkeypatch):
    pytester.makeconftest((TESTS / "conftest.py").read_text(encoding="utf-8"))
    pytester.makepyfile(test_skips=SKIPS, test_others=OTHERS, test_module=MODULE)

    def run(required, *options):
        monkeypatch.delenv("REQUIRE_ALL", raising=False)
        if required is not None:
            monkeypatch.setenv("REQUIRE_ALL", required)
        return pytester.runpytest("-p", "no:nbval", "--continue-on-collection-errors", *options)

    return run


@pytest.mark.parametrize("required", [None, pytest.param("0", marks=pytest.mark.slow)])
def test_without_it_a_skip_is_a_skip(run, required):
    result = run(required)
    result.assert_outcomes(passed=2, skipped=8, xfailed=1)  # a teardown's test has passed before
    assert result.ret == 0


@pytest.mark.parametrize("options", [(), pytest.param(("-n", "1"), marks=pytest.mark.slow)])
def test_with_it_every_skip_fails_with_its_reason(run, options):
    result = run("1", *options)
    result.assert_outcomes(passed=2, failed=2, errors=6, xfailed=1)
    assert result.ret == 1
    for reason in REASONS:
        result.stdout.re_match_lines([rf".*test_\w+\.py:\d+: .*{reason}.*REQUIRE_ALL is set.*"])
