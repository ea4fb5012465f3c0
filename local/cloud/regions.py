"""Gap: every account has every region enabled. Here each has those that `local.world` says.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeRegions.html: without AllRegions, the enabled ones alone.
"""

from typing import Any

from ministack.core.responses import get_account_id
from ministack.services import ec2

from local.world import regions_of

READ_AGAINST = {"ministack.services.ec2:_describe_regions": "0ffb8aa1be07"}


def install() -> None:
    inner = ec2._describe_regions

    def describe_regions(parameters: dict[str, Any]) -> Any:
        if ec2._p(parameters, "AllRegions", "").lower() == "true":
            return inner(parameters)
        enabled = regions_of(get_account_id())
        asked = ec2._parse_member_list(parameters, "RegionName") or enabled
        names = [each for each in asked if each in enabled] or ["none"]
        return inner({f"RegionName.{number}": [name] for number, name in enumerate(names, 1)})

    ec2._ACTION_MAP["DescribeRegions"] = describe_regions
