"""What went wrong or was refused inside the emulator, kept where a test or the demo can read it.

The emulator logs a failed delivery and goes on, as EventBridge does; there are no FailedInvocations metrics here to look at instead.
"""

import logging
import threading
from collections import deque
from typing import Any, Final, override

KEPT: Final = 50

_lock = threading.Lock()
_refused: deque[dict[str, str]] = deque(maxlen=KEPT)
_problems: deque[str] = deque(maxlen=KEPT)
_counts = {"refused_deliveries": 0, "problems": 0}


def refuse(*, account: str, rule: str, target: str, because: str) -> None:
    """Record that EventBridge did not deliver: on AWS this is a failed invocation of the rule, silent for the sender of the event."""
    with _lock:
        _counts["refused_deliveries"] += 1
        _refused.append({"account": account, "rule": rule, "target": target, "because": because})
    logging.getLogger("local.cloud").warning("delivery from rule %s of %s to %s refused: %s", rule, account, target, because)


def snapshot() -> dict[str, Any]:
    with _lock:
        return {"counts": dict(_counts), "refused_deliveries": list(_refused), "problems": list(_problems)}


class _Watch(logging.Handler):
    """Errors of every module, and EventBridge's warnings: those are how it says that it dropped an event."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR or record.name == "events":
            with _lock:
                _counts["problems"] += 1
                _problems.append(f"{record.levelname} {record.name}: {record.getMessage()}")


READ_AGAINST: dict[str, str] = {}


def install() -> None:
    logging.getLogger().addHandler(_Watch(level=logging.WARNING))
