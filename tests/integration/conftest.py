"""Local clouds for the integration tests. Each pytest-xdist worker starts its own, on its own port, in its own folder."""

from collections.abc import Iterator

import pytest

from doorward.errors import Unavailable
from local.build import build
from local.installation import AUDITORS, Installation, People, found_delivery_pipeline, install
from local.slack import SlackSink
from local.stack import Stack
from local.world import ANN, HUB, PROD, STAGING
from tests.integration.emulated import allowing, role, root_of, trusting

_STARTING_SECONDS = 180
"""On a machine that others use a function's first start may take longer than the command line waits for any answer."""
LAST = "test_least_privilege.py"
"""Goes by what all the others made Doorward do. They are of one xdist_group, so that one worker runs them, in this order."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name == LAST)


@pytest.fixture(scope="session")
def cloud() -> Iterator[Stack]:
    """An empty cloud: nothing is deployed. CloudTrail's events come at once."""
    with Stack(cloudtrail_delay_seconds=0.0) as stack:
        yield stack


@pytest.fixture(scope="session")
def bare() -> Iterator[Stack]:
    """The emulator as it is, without our additions: what they are for is shown on it."""
    with Stack(bare=True) as stack:
        yield stack


@pytest.fixture(scope="session")
def doorward(request: pytest.FixtureRequest, worker_id: str) -> Iterator[Installation]:
    """Doorward in five accounts, deployed once per session: its tests run in one worker (xdist_group "stack")."""
    users = [item for item in request.session.items if "doorward" in getattr(item, "fixturenames", ())]
    alone = worker_id == "master" or all(item.nodeid.endswith("@stack") for item in users)
    assert alone, "these tests would be deployed once per worker: does xdist honour xdist_group, and does every file set it?"
    build(quiet=True)
    with Stack(cloudtrail_delay_seconds=0.05) as stack, SlackSink() as slack:
        installed = install(stack, slack)
        stack.until(lambda: _answers(installed), "the API's first answer", seconds=_STARTING_SECONDS)
        yield installed


def _answers(installed: Installation) -> bool:
    try:
        return bool(installed.api_of(ANN).call("GET", "/me"))
    except Unavailable:
        return False


@pytest.fixture(scope="session")
def auditor(doorward: Installation) -> dict[str, str]:
    """The credentials of one who came by the role that the parameter names, as `Stack.client` takes them."""
    stack = doorward.stack
    role(stack, HUB.id, trusting(root_of(HUB.id)), allowing("sts:AssumeRole", "*"), path="/audit/", name="auditors")
    first = stack.assume(HUB.id, AUDITORS)
    return stack.assume(HUB.id, doorward.outputs["AuditorRoleArn"], credentials=first)


@pytest.fixture(scope="session")
def people(doorward: Installation) -> dict[str, People]:
    """By account id: the pipeline and the developer of the workload accounts."""
    found_delivery_pipeline(doorward.stack)
    return {account.id: People(doorward.stack, account) for account in (PROD, STAGING)}
