"""What holds for every test."""

import pytest
from hypothesis import settings

# How long an example takes says more about what else the machine does; bench/ measures time.
settings.register_profile("doorward", deadline=None)
settings.load_profile("doorward")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests measured (record_property) is said at the end, whichever worker ran them."""
    for report in terminalreporter.getreports("passed"):
        for name, measured in report.user_properties:
            terminalreporter.write_line(f"{name}: {measured}")
