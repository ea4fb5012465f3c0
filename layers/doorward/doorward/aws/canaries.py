"""The canary roles of the accounts, beaten by the STS endpoint of each region.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_region-endpoints.html
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from doorward.aws.errors import translated
from doorward.aws.members import Members
from doorward.errors import DoorwardError, Misconfigured, Unavailable
from doorward.guard.heartbeats import IAM_EVENTS, Spot, session_name
from doorward.organization.installation import CANARY_ROLE, REGIONS_SESSION

TAG = "doorward-heartbeat"
_AT_ONCE = 16
"""Assumptions at the same time: a thousand accounts take seconds, and STS hardly notices."""


class StsCanaries:
    """The Canaries port. `members_in` gives the way in by the STS endpoint of a region; `home` is the IAM region."""

    def __init__(self, members_in: Callable[[str], Members], home: str) -> None:
        self._members_in = members_in
        self._home = home

    def beat(self, nonces: Mapping[Spot, str]) -> Mapping[Spot, DoorwardError]:
        ways = {region: self._members_in(region) for region in {each.region for each in nonces if each.region != IAM_EVENTS} | {self._home}}
        failed: dict[Spot, DoorwardError] = {}

        def beat(spot: Spot) -> None:
            try:
                if spot.region == IAM_EVENTS:
                    self._tag(ways[self._home], spot.account_id, nonces[spot])
                else:
                    ways[spot.region].knock(spot.account_id, CANARY_ROLE, session_name(nonces[spot]))
            except (Misconfigured, Unavailable) as error:
                failed[spot] = error
            except DoorwardError as error:
                failed[spot] = Misconfigured(str(error))

        for each in nonces:  # boto3 makes clients in one thread at a time
            if each.region == IAM_EVENTS:
                beat(each)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(beat, [each for each in nonces if each.region != IAM_EVENTS]))
        return failed

    def enabled_regions(self, account_id: str) -> tuple[str, ...]:
        ec2 = self._members_in(self._home).client("ec2", account_id, CANARY_ROLE, REGIONS_SESSION)
        with translated(f"listing the enabled regions of account {account_id}"):
            return tuple(sorted(each["RegionName"] for each in ec2.describe_regions(AllRegions=False)["Regions"]))

    def _tag(self, members: Members, account_id: str, nonce: str) -> None:
        iam = members.client("iam", account_id, CANARY_ROLE, session_name(nonce))
        with translated(f"tagging {CANARY_ROLE} in account {account_id}"):
            iam.tag_role(RoleName=CANARY_ROLE, Tags=[{"Key": TAG, "Value": nonce}])
