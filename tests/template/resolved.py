"""A part of a template as CloudFormation would have it in an account: references by their values, conditions as if they held."""

from typing import Any, Final

HUB: Final = "111122223333"
PROD: Final = "777788889999"
ORGANIZATION_ID: Final = "o-a1b2c3d4e5"
EXTERNAL_ID: Final = "q7Vw2ZrT9LxK4mB8sYcD1nGhJ6pFvR3tEuA5XzQyWbNkCdMe"  # nobody's
GIVEN: Final = {
    "AWS::Partition": "aws",
    "AWS::AccountId": PROD,
    "HubAccountId": HUB,
    "ExternalId": EXTERNAL_ID,
    "OrganizationId": ORGANIZATION_ID,
}


def resolved(value: Any) -> Any:
    """Deployed into PROD, where it names its own account."""
    match value:
        case {"Ref": str(name)}:
            return GIVEN[name]
        case {"Fn::Sub": [str(text), dict(more)]}:
            return _filled(text, GIVEN | resolved(more))
        case {"Fn::Sub": str(text)}:
            return _filled(text, GIVEN)
        case {"Fn::If": [_, then, _]}:
            return resolved(then)
        case dict():
            return {name: resolved(each) for name, each in value.items()}
        case list():
            return [resolved(each) for each in value]
        case _:
            return value


def _filled(text: str, values: dict[str, str]) -> str:
    for name, each in values.items():
        text = text.replace(f"${{{name}}}", each)
    return text
