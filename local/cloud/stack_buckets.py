"""Gap: a stack's bucket. `ObjectLockEnabled` and `ObjectLockConfiguration` are accepted and dropped, so that nothing put into it is locked.

The emulator's own S3 locks by default retention once a bucket has one; here the stack gives it to the bucket.
"""

from typing import Any, Final

from ministack.services import s3
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS

READ_AGAINST = {
    "ministack.services.cloudformation.provisioners:_s3_create": "477b78a3cb15",
    "ministack.services.cloudformation.provisioners:_s3_update": "1d4f3f6390bb",
    "ministack.services.s3:_apply_object_lock_from_headers": "6ae36cbe1198",
}

_TYPE: Final = "AWS::S3::Bucket"


def install() -> None:
    handlers = dict(_RESOURCE_HANDLERS[_TYPE])
    create_bucket, update_bucket = handlers["create"], handlers["update"]

    def create(logical_id: str, props: dict[str, Any], stack_name: str) -> Any:
        name, attributes = create_bucket(logical_id, props, stack_name)
        _lock(name, props)
        return name, attributes

    def update(physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str) -> Any:
        name, attributes = update_bucket(physical_id, old, new, stack_name)
        _lock(name, new)
        return name, attributes

    _RESOURCE_HANDLERS[_TYPE] = {**handlers, "create": create, "update": update}


def _lock(bucket: str, props: dict[str, Any]) -> None:
    if props.get("ObjectLockEnabled") not in {True, "true"}:
        return
    retention = props.get("ObjectLockConfiguration", {}).get("Rule", {}).get("DefaultRetention")
    numbers = {key: int(value) for key, value in (retention or {}).items() if key != "Mode"}
    s3._bucket_object_lock[bucket] = {"enabled": True, "default_retention": retention and {"Mode": retention["Mode"], **numbers}}
