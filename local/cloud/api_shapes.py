"""Requests and answers of IAM, STS and services that speak JSON as CloudTrail writes them, from AWS's own service models.

CloudTrail's member names are the API's with a small first letter (`openIDConnectProviderArn`, `sAMLProviderArn`), its numbers and lists
real ones, its policy documents the strings that were sent, its times like "Jul 10, 2023 12:09:21 PM". Secrets are left
out. Of a session that STS opens, id of the key and token are written, and not the secret key
(https://docs.aws.amazon.com/IAM/latest/UserGuide/cloudtrail-integration.html).
"""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, Final, cast
from urllib.parse import parse_qs

from botocore.loaders import create_loader
from botocore.model import ListShape, OperationModel, OperationNotFoundError, ServiceModel, Shape, StructureShape
from botocore.parsers import create_parser

SECRETS: Final = frozenset(
    {
        "secretAccessKey", "password", "oldPassword", "newPassword", "tokenCode", "webIdentityToken", "sAMLAssertion",
        "authenticationCode1", "authenticationCode2", "base32StringSeed", "qRCodePNG", "secretString", "secretBinary",
    }
)  # fmt: skip


@cache
def service_model(service: str) -> ServiceModel:
    return ServiceModel(create_loader().load_service_model(service, "service-2"))


def operation_of(service: str, headers: Mapping[str, str], body: bytes) -> OperationModel | None:
    """Return the operation that a request calls, or None if the service has no such operation."""
    named = headers.get("x-amz-target", "").rpartition(".")[2] or parse_qs(body.decode(errors="replace")).get("Action", [""])[0]
    try:
        return service_model(service).operation_model(named)
    except OperationNotFoundError:
        return None


def request_parameters(operation: OperationModel, headers: Mapping[str, str], body: bytes) -> dict[str, Any] | None:
    """Return the request as CloudTrail writes it; None where nothing was sent."""
    shape = operation.input_shape
    if shape is None:
        return None
    if headers.get("x-amz-target"):
        return _written(json.loads(body or b"{}"), operation) or None
    sent = {key: values[0] for key, values in parse_qs(body.decode(errors="replace"), keep_blank_values=True).items()}
    decoded = _decode(shape, "", sent)
    return _written(decoded, operation) if isinstance(decoded, dict) and decoded else None


def response_elements(operation: OperationModel, status: int, headers: Mapping[str, str], body: bytes) -> dict[str, Any] | None:
    """Return the answer as CloudTrail writes it; None where there is none."""
    parsed = _parsed(operation, status, headers, body)
    parsed.pop("ResponseMetadata", None)
    return _written(parsed, operation) or None


def error_of(operation: OperationModel, status: int, headers: Mapping[str, str], body: bytes) -> tuple[str, str]:
    """Return a failed call's code and message.

    CloudTrail spells a modelled error as its shape: `NoSuchEntityException` for the API's `NoSuchEntity`.
    """
    error = _parsed(operation, status, headers, body).get("Error", {})
    code = str(error.get("Code") or "InternalFailure")
    shapes = operation.service_model.error_shapes
    named = next((shape.name for shape in shapes if shape.metadata.get("error", {}).get("code") == code), code)
    return named, str(error.get("Message") or "")


def _parsed(operation: OperationModel, status: int, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    json_answer = "json" in next((value for key, value in headers.items() if key.lower() == "content-type"), "")
    parser = create_parser("json" if json_answer else "query")
    answer = {"status_code": status, "headers": dict(headers), "body": body}
    parsed: dict[str, Any] = parser.parse(answer, cast("Any", operation.output_shape))  # None: no answer expected
    return parsed


def _decode(shape: Shape, prefix: str, sent: Mapping[str, str]) -> Any:
    """Read a value of this shape out of a query request: `Tags.member.1.Key` and so on."""
    if isinstance(shape, StructureShape):
        members = {
            name: value
            for name, member in shape.members.items()
            if (value := _decode(member, f"{prefix}{member.serialization.get('name', name)}.", sent)) is not None
        }
        return members or None
    if isinstance(shape, ListShape):
        values: list[Any] = []
        while (value := _decode(shape.member, f"{prefix}member.{len(values) + 1}.", sent)) is not None:
            values.append(value)
        return values or None
    text = sent.get(prefix.removesuffix("."))
    if text is None:
        return None
    match shape.type_name:
        case "integer" | "long":
            return int(text) if text.lstrip("-").isdigit() else text
        case "boolean":
            return text.lower() == "true"
        case _:
            return text


def _written(value: Any, operation: OperationModel) -> Any:
    if isinstance(value, Mapping):
        named = {_small(str(key)): inner for key, inner in value.items()}
        return {key: _written(inner, operation) for key, inner in named.items() if key not in SECRETS}
    if isinstance(value, list):
        return [_written(inner, operation) for inner in value]
    if isinstance(value, datetime):
        # STS puts a comma after the year, IAM does not; hours are not padded.
        comma = "," if operation.service_model.service_name == "sts" else ""
        return f"{value:%b} {value.day}, {value.year}{comma} {value.hour % 12 or 12}:{value:%M:%S %p}"
    return value


def _small(name: str) -> str:
    return name[:1].lower() + name[1:]
