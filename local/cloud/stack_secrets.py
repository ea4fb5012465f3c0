"""Gap: a stack's secret. Of `GenerateSecretString`, only the length and ExcludeCharacters count, and `Ref` is the secret's name.

ExcludePunctuation and its like are dropped, so a generated external ID would have characters that STS refuses; the emulator's own
GetRandomPassword does it right and is used instead. On AWS `Ref` is the ARN: a policy whose Resource is a name allows nothing.
"""

import json
from typing import Any, Final

from ministack.services import secretsmanager
from ministack.services.cloudformation import provisioners

READ_AGAINST = {
    "ministack.services.cloudformation.provisioners:_sm_secret_create": "0bae0110fce2",
    "ministack.services.cloudformation.provisioners:_sm_secret_update": "e87220a5ff35",
    "ministack.services.cloudformation.provisioners:_sm_secret_delete": "4ff615ac8289",
    "ministack.services.cloudformation.provisioners:_sm_secret_string": "35e09b8c3f3d",
    "ministack.services.secretsmanager:_get_random_password": "c69d89e32c93",
}

_TYPE: Final = "AWS::SecretsManager::Secret"
_OF_THE_TEMPLATE: Final = ("SecretStringTemplate", "GenerateStringKey")


def install() -> None:
    inner = provisioners._sm_secret_string

    def secret_string(props: dict[str, Any]) -> str:
        wanted = props.get("GenerateSecretString")
        if not wanted or props.get("SecretString"):
            return str(inner(props))
        password = _password({key: _typed(value) for key, value in wanted.items() if key not in _OF_THE_TEMPLATE})
        template = wanted.get("SecretStringTemplate")
        if not template:
            return password
        return json.dumps({**json.loads(template), wanted["GenerateStringKey"]: password})

    provisioners._sm_secret_string = secret_string
    _refer_by_arn()


def _refer_by_arn() -> None:
    """Give secrets their ARN as the physical id, which is what `Ref` answers."""
    handlers = dict(provisioners._RESOURCE_HANDLERS[_TYPE])
    create_secret, update_secret, delete_secret = handlers["create"], handlers["update"], handlers["delete"]

    def create(logical_id: str, props: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
        _name, attributes = create_secret(logical_id, props, stack_name)
        return attributes["Arn"], attributes

    def update(
        physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str, logical_id: str | None = None
    ) -> tuple[str, dict[str, Any]]:
        _name, attributes = update_secret(_name_of(physical_id), old, new, stack_name, logical_id)
        return attributes["Arn"], attributes

    def delete(physical_id: str, props: dict[str, Any]) -> None:
        delete_secret(_name_of(physical_id), props)

    provisioners._RESOURCE_HANDLERS[_TYPE] = {**handlers, "create": create, "update": update, "delete": delete}


def _name_of(arn: str) -> str:
    """Return a secret's name: its ARN without the prefix and the suffix of a hyphen and six characters."""
    return arn.partition(":secret:")[2].rpartition("-")[0]


def _password(request: dict[str, Any]) -> str:
    status, _headers, answer = secretsmanager._get_random_password(request)
    parsed = json.loads(answer)
    if status >= 300:  # noqa: PLR2004 - HTTP
        raise ValueError(f"AWS::SecretsManager::Secret GenerateSecretString: {parsed}")
    return str(parsed["RandomPassword"])


def _typed(value: Any) -> Any:
    """A template's booleans and numbers may be strings."""
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    return int(value) if isinstance(value, str) and value.isdigit() else value
