"""With REQUIRE_ALL=1 nothing is skipped in silence: a test that would be skipped fails.

Continuous integration sets it (.ci/run), so that a browser, a sandbox or a backend that is missing
there is noticed. `make notebooks` loads this file too.
"""

import os

import pytest

REQUIRE_ALL = os.environ.get("REQUIRE_ALL", "") not in ("", "0")


def _failed_if_skipped(report):
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        path, line, reason = report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{path}:{line}: {reason} (REQUIRE_ALL is set, so no test is skipped)"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    return _failed_if_skipped((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    return _failed_if_skipped((yield))
