"""How long credentials for a grant take, at twenty calls a second on the local stack: real functions, tables, STS and API.

Twelve people of security, each with grants for a bucket of staging to which the next one agreed: nobody has more than sixty calls a minute,
no grant more than ten. The calls come at their times, whether the ones before are answered or not. They come in bursts of two seconds: the
emulator, which has one process for every service, answers about twelve such calls a second, each of which makes two dozen of AWS's. What is
late is waited for.

Own time is what passes in Doorward's two functions, serve_api and mint_credentials, while they wait for no call of AWS's; the longest of
both stand for one call, though they need not be of the same. Beside it the whole: from sending the signed call to its answer, with all that
the emulator takes for the same two cores. `make bench ROWS=issuing`; it takes about five minutes, so that `make bench` leaves it out.
"""

import itertools
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench.runner import Extent, Row, at, every_core, say
from doorward.errors import Unavailable
from doorward_cli.api import Api
from local.cloud.identity_store import STORE
from local.installation import Installation, install
from local.slack import SlackSink
from local.stack import ROOT, Stack
from local.world import ANN, HUB, MANAGEMENT, STAGING, Person

_PEOPLE: Final = 12
_GRANTS: Final = 2
"""Of each, so that ten calls a minute of a grant are more than are made."""
_RATE: Final = 20
_BURST_SECONDS: Final = 2
_BURSTS: Final = 5
_WARM: Final = (2, 4, 8, 12, 16, 24, 32, _RATE * _BURST_SECONDS)
"""Calls at once, one after another: the emulator starts a process for each call that finds none free, and those of a burst at once would be
all that the machine does for a minute."""
_TARGET_MS: Final = 150
_FUNCTIONS: Final = ("ServeApiFunction", "MintCredentialsFunction")


def measure(extent: Extent) -> list[Row]:
    del extent  # a stack has one size
    with every_core(), Stack(cloudtrail_delay_seconds=0.05) as stack, SlackSink() as slack:
        return _Issuing(install(stack, slack, say)).measured()


class _Issuing:
    def __init__(self, doorward: Installation) -> None:
        self._doorward = doorward
        self._stack = doorward.stack
        self._apis = [self._somebody(number) for number in range(_PEOPLE)]

    def measured(self) -> list[Row]:
        with tempfile.TemporaryDirectory() as folder:
            with self._timed(Path(folder)):
                grants = self._granted()
                for at_once in _WARM:
                    say(f"{at_once} at once")
                    self._calls(grants, at_once, pace=0)
                self._wait_for_the_next_minute()
                for each in Path(folder).iterdir():
                    each.unlink()
                took = sorted(seconds for _ in range(_BURSTS) for seconds in self._calls(grants, _RATE * _BURST_SECONDS, pace=1 / _RATE))
            own = {name: self._own(Path(folder) / name) for name in _FUNCTIONS}
        say("")
        load, calls = os.getloadavg()[0], _RATE * _BURST_SECONDS * _BURSTS
        rows = [
            Row(
                "credentials of a grant: own time, p99",
                1000 * sum(at(each, 0.99) for each in own.values()),
                "ms",
                _TARGET_MS,
                is_floor=False,
                note=f"{len(took)} of {calls} calls at {_RATE}/s were answered; load average {load:.1f}",
            )
        ]
        for name, times in own.items():
            rows.append(Row(f"  of it {name}, p99", 1000 * at(times, 0.99), "ms", note=f"median {1000 * at(times, 0.5):.0f} ms"))
        rows.append(Row("  the whole call, median", 1000 * at(took, 0.5), "ms"))
        rows.append(Row("  the same, p99", 1000 * at(took, 0.99), "ms"))
        return rows

    def _somebody(self, number: int) -> Api:
        person = Person(f"person-{number}@acme.example", f"Person {number}")
        store = self._stack.client("identitystore", MANAGEMENT.id)
        about = {"IdentityStoreId": STORE, "UserName": person.user_name, "DisplayName": person.display_name}
        user_id = store.create_user(**about)["UserId"]
        named = [{"AttributePath": "UserName", "AttributeValue": ANN.user_name}]
        (ann,) = store.list_users(IdentityStoreId=STORE, Filters=named)["Users"]
        theirs = store.list_group_memberships_for_member(IdentityStoreId=STORE, MemberId={"UserId": ann["UserId"]})["GroupMemberships"]
        for each in theirs:
            store.create_group_membership(IdentityStoreId=STORE, GroupId=each["GroupId"], MemberId={"UserId": user_id})
        return self._doorward.api_of(person)

    def _granted(self) -> list[tuple[Api, str]]:
        """Each grant with whose it is; neighbours are different people's."""
        say(f"{_GRANTS * _PEOPLE} grants")

        def grant(number: int, whose: int) -> tuple[Api, str]:
            wanted = {"parameters": {"bucket": f"orders-{number}-{whose}"}, "minutes": 60, "reason": "to measure how long it takes"}
            asked = self._apis[whose].call(
                "POST", "/grants", {"role": f"{STAGING.id}/doorward-grant-read", "template": "read-bucket", **wanted}
            )
            agrees = self._apis[(whose + 1) % _PEOPLE]
            agrees.call("POST", f"/grants/{asked['grant_id']}/approve", {"shown": asked["shown"]})
            self._stack.until(partial(self._is_active, asked["grant_id"]), "a grant to begin", seconds=60)
            return self._apis[whose], str(asked["grant_id"])

        # One begins before the next is asked for: dozens at once would have the emulator start a process for each.
        return [grant(*each) for each in itertools.product(range(_GRANTS), range(_PEOPLE))]

    def _is_active(self, grant_id: str) -> bool:
        return self._doorward.grant_state(grant_id) == "active"

    @contextmanager
    def _timed(self, folder: Path) -> Iterator[None]:
        """Within it both functions are run by bench/timed.py."""
        functions = self._stack.client("lambda", HUB.id)
        names = {each: self._doorward.physical_id(each) for each in _FUNCTIONS}
        before = {each: functions.get_function_configuration(FunctionName=name) for each, name in names.items()}
        for each, name in names.items():
            variables = before[each]["Environment"]["Variables"] | {"PYTHONPATH": str(ROOT / "bench"), "TIMED": str(folder / each)}
            functions.update_function_configuration(FunctionName=name, Handler="timed.handler", Environment={"Variables": variables})
        try:
            yield
        finally:
            for each, name in names.items():
                functions.update_function_configuration(
                    FunctionName=name, Handler=before[each]["Handler"], Environment=before[each]["Environment"]
                )

    def _calls(self, grants: list[tuple[Api, str]], count: int, *, pace: float) -> list[float]:
        """Seconds of each that was answered. `pace`: seconds from one to the next."""
        began = time.perf_counter()

        def call(number: int, api: Api, grant_id: str) -> float | None:
            time.sleep(max(0.0, began + number * pace - time.perf_counter()))
            sent = time.perf_counter()
            try:
                api.call("POST", f"/grants/{grant_id}/credentials")
            except Unavailable:
                return None
            return time.perf_counter() - sent

        with ThreadPoolExecutor(count) as pool:
            asked: Any = zip(range(count), itertools.cycle(grants), strict=False)
            given = [each.result() for each in [pool.submit(call, number, *grant) for number, grant in asked]]
        return [each for each in given if each is not None]

    @staticmethod
    def _own(file: Path) -> list[float]:
        return sorted(float(line.split()[1]) for line in file.read_text("ascii").splitlines())

    @staticmethod
    def _wait_for_the_next_minute() -> None:
        """Calls are counted by minutes of the clock."""
        time.sleep(60 - time.time() % 60)
