"""What all tests share.

Warnings are errors here. kafka-python gives one when it is imported, as it reads its message schemas with a
function of the standard library that is on its way out: so it is imported once, before the rule applies.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Generator

import pytest

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", r"(read|open)_text is deprecated", DeprecationWarning)
    import kafka

__all__ = ["kafka"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where DAYBOOK_CI is set everything is there that a test may need: a skip is a failure."""
    report = yield
    if report.skipped and os.environ.get("DAYBOOK_CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped although DAYBOOK_CI is set: {item.nodeid}: {report.longrepr}"
    return report
