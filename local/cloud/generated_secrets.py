"""Gap: of `GenerateSecretString`, CloudFormation heeds the length and ExcludeCharacters only.

ExcludePunctuation and its like are dropped, so a generated external ID would have characters that STS refuses. The emulator's own
GetRandomPassword does it right and is used instead.
"""

import json
from typing import Any, Final

from ministack.services import secretsmanager
from ministack.services.cloudformation import provisioners

READ_AGAINST = {
    "ministack.services.cloudformation.provisioners:_sm_secret_string": "35e09b8c3f3d",
    "ministack.services.secretsmanager:_get_random_password": "c69d89e32c93",
}

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
