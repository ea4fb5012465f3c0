"""Chapters on grants: a door opened for a person, for a while, on somebody's word."""

import time
from datetime import UTC, datetime
from typing import Final

from local.aws_cli import aws_cli
from local.chapters.stage import Stage
from local.stack import StackError
from local.world import ANN, JANE, PROD, STAGING, Account, Person

_ROLE: Final = f"{PROD.id}/doorward-grant-read"
_BUCKET: Final = "acme-orders"
_OTHER: Final = "acme-salaries"
_EXPORTS: Final = "acme-exports"
_PROFILE: Final = "orders"
_MINUTE_SECONDS: Final = 90.0


def grant(stage: Stage) -> None:
    stage.opens("A door is opened for a person, for an hour, on somebody's word")
    for bucket in (_BUCKET, _OTHER):
        _fill(stage, PROD, bucket)
    stage.screen.say(
        f"Jane has nothing in prod. An export looks wrong, and she asks to look into the bucket {_BUCKET}, and into nothing else."
    )
    request = ("request", _ROLE, "--template", "read-bucket", "--param", f"bucket={_BUCKET}", "--minutes", "60")
    _does(stage, JANE, *request, "--reason", "the nightly export looks wrong", "--no-wait")
    grant_id = stage.doorward.api_of(JANE).call("GET", "/grants?mine=true")["grants"][0]["grant_id"]
    stage.screen.say("Nobody lets himself in:")
    if stage.command_of(JANE, "grants", "approve", grant_id, "--yes"):
        raise StackError(f"{JANE.user_name} could agree to what she asked for herself")
    stage.screen.say("Ann, of security, has read what Jane's session could do, and says yes to exactly that.")
    began = time.monotonic()
    _does(stage, ANN, "approve", grant_id, "--yes", last=2)
    stage.until(lambda: stage.doorward.grant_state(grant_id) == "active", "the grant to be active")
    seconds = time.monotonic() - began
    stage.screen.say(f"Open after {stage.screen.paint(f'{seconds:.2f} s', '1;32')}. Jane's tools get their credentials by a profile:")
    _does(stage, JANE, "configure", grant_id, "--profile-name", _PROFILE, "--yes")
    if not _lists(stage, _BUCKET):
        raise StackError(f"{JANE.user_name} cannot list what she was granted")
    if _lists(stage, _OTHER):
        raise StackError(f"{JANE.user_name} can list what she was not granted")
    stage.screen.say("An hour it would be at most. Jane is done sooner, and gives it back: nothing is issued for it any more.")
    _does(stage, JANE, "cancel", grant_id, "--yes", last=2)
    stage.until(lambda: stage.doorward.grant_state(grant_id) == "revoked", "the grant to be over")
    if _lists(stage, _BUCKET):
        raise StackError(f"{JANE.user_name} still gets credentials for what is over")
    stage.ends(
        "Jane is let into a bucket of prod by Ann",
        "open for what she asked for alone, and nothing more is issued once she gives it back",
        seconds,
    )


def hard_stop(stage: Stage) -> None:
    stage.opens("A grant is over at its end, also for whoever still holds its credentials")
    aws_cli()  # which is installed first, or the minute may be over meanwhile
    _fill(stage, STAGING, _EXPORTS)
    stage.screen.say("In staging nobody has to let Jane look. She asks for a minute, takes credentials, and keeps them.")
    api = stage.doorward.api_of(JANE)
    wanted = {"role": f"{STAGING.id}/doorward-grant-read", "template": "read-bucket", "parameters": {"bucket": _EXPORTS}, "minutes": 1}
    grant_id = api.call("POST", "/grants", {**wanted, "reason": "a look at the exports"})["grant_id"]
    stage.until(lambda: stage.doorward.grant_state(grant_id) == "active", "the grant to be active")
    ends_at = datetime.fromisoformat(api.call("GET", f"/grants/{grant_id}")["ends_at"])
    issued = api.call("POST", f"/grants/{grant_id}/credentials")
    keys = {f"AWS_{name.upper()}": issued[name] for name in ("access_key_id", "secret_access_key", "session_token")}
    look = ("s3", "ls", f"s3://{_EXPORTS}")
    if not stage.aws(JANE, *look, keys=keys):
        raise StackError(f"{JANE.user_name} cannot list what she was granted")
    stage.screen.say(
        "STS opened that session for a quarter of an hour, which is the least. Its own policy denies everything after the minute:"
    )
    stage.until(lambda: datetime.now(UTC) > ends_at, "the end of the grant", seconds=_MINUTE_SECONDS)
    if stage.aws(JANE, *look, keys=keys):
        raise StackError(f"what {JANE.user_name} holds works on after the end")
    stage.ends("Jane keeps the credentials of a grant that is over", "of no use from its end on: AWS ends it, nothing of ours has to")


def _fill(stage: Stage, account: Account, bucket: str) -> None:
    s3 = stage.doorward.stack.client("s3", account.id)
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="2026-11.csv", Body=b"4711;late\n")


def _does(stage: Stage, person: Person, *arguments: str, last: int | None = None) -> None:
    if not stage.command_of(person, "grants", *arguments, last=last):
        raise StackError(f"{person.user_name} could not {arguments[0]}: was config/entitlements.yaml changed?")


def _lists(stage: Stage, bucket: str) -> bool:
    return stage.aws(JANE, "s3", "ls", f"s3://{bucket}", "--profile", _PROFILE)


CHAPTERS: Final = (grant, hard_stop)
