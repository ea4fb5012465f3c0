"""Bodies that the API takes and gives, for API Gateway's proxy integration. Errors are problem documents (RFC 9457), with a cure.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
https://www.rfc-editor.org/rfc/rfc9457
"""

import json
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

from aws_lambda_powertools.event_handler import Response

from doorward.decisions.actions import LONGEST_REASON, why_no_reason
from doorward.decisions.model import GRANT, Answer, Hold
from doorward.grants.names import is_grant_id
from doorward.grants.reporting import Form, Page, Wanted
from doorward.people import slack
from doorward.people.model import Refusal, SlackUser

_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_SHOWN: Final = re.compile(r"[0-9a-f]{64}")
_ROLE_REF: Final = re.compile(r"[0-9]{12}/[\w+=,.@-]{1,64}", re.ASCII)
_WORD: Final = re.compile(r"[!-~]{1,100}")
_KEY: Final = re.compile(r'[!#-\[\]-~]{1,100}|"[!#-\[\]-~]{1,100}"')
LONGEST_BODY: Final = 16_000
"""Characters: the longest reason of pictures, each as the twelve that JSON may have for it, and 4,000 for what else is said."""
_LONGEST_REPORT: Final = timedelta(days=366)
_REPORTS: Final = {Form.CSV: "text/csv; charset=utf-8", Form.JSONL: "application/x-ndjson", Form.OCSF: "application/x-ndjson"}
LONGEST_MINUTES: Final = 7 * 24 * 60
"""No rule allows more; which fit less, they say."""
_MOST_PARAMETERS: Final = 20
_LONGEST_VALUE: Final = 1024


class Denied(Exception):  # noqa: N818 - it never leaves the function
    """Nothing is done for this call."""

    def __init__(self, status: int, refusal: Refusal) -> None:
        super().__init__(refusal.because)
        self.status = status
        self.refusal = refusal


def answered(status: int, body: Mapping[str, Any]) -> Response[str]:
    return Response(status, "application/json", json.dumps(body, ensure_ascii=True), _HEADERS)


def refused(status: int, refusal: Refusal) -> Response[str]:
    return problem(status, refusal.because, refusal.cure)


def problem(status: int, because: str, cure: str) -> Response[str]:
    """`type` is about:blank: the status says of which kind it is."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": because, "cure": cure}
    return Response(status, "application/problem+json", json.dumps(body, ensure_ascii=True), _HEADERS)


def text_of(parameters: Mapping[str, str] | None, name: str) -> str:
    return (parameters or {}).get(name) or ""


def key_of(headers: Mapping[str, str]) -> str | None:
    """What `Idempotency-Key` says, its quotation marks left away; None where there is none. Raises Denied.

    https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header
    """
    key = headers.get("Idempotency-Key")
    if key is not None and not _KEY.fullmatch(key):
        raise _malformed("Idempotency-Key: must be 1 to 100 visible ASCII characters, such as a UUID, in quotation marks or without")
    return None if key is None else key.strip('"')


def kept_of(response: Response[str]) -> Mapping[str, str]:
    return {"status": str(response.status_code), "type": response.content_type or "", "body": response.body or ""}


def answered_before(kept: Mapping[str, str]) -> Response[str]:
    return Response(int(kept["status"]), kept["type"], kept["body"], _HEADERS)


def flag_of(parameters: Mapping[str, str] | None, name: str) -> bool:
    """`true` or `false`; false where it is not there. Raises Denied."""
    text = (parameters or {}).get(name)
    if text not in {None, "true", "false"}:
        raise _malformed(f"{name}: must be true or false")
    return text == "true"


def said_in(body: str | None, what: str) -> Answer:
    """`{"answer": "yes" or "no", "shown": …, "reason": …}`. Raises Denied."""
    return _answer(_object(body, {"answer", "shown", "reason"}), what)


def waive_in(body: str | None) -> Answer:
    """`{"answer": …, "shown": …, "until": …, "reason": …}`. Raises Denied."""
    said = _object(body, {"answer", "shown", "until", "reason"})
    return _answer(said, "waive")._replace(until=_time(said, "until"))


def _answer(said: Mapping[str, Any], what: str) -> Answer:
    if said.get("answer") not in {"yes", "no"}:
        raise _malformed('answer: must be "yes" or "no"')
    return Answer(what, said["answer"] == "yes", _shown(said, "GET of the finding gives for this decision"), _reason(said))


def _shown(said: Mapping[str, Any], by: str) -> str:
    shown = said.get("shown")
    if not isinstance(shown, str) or not _SHOWN.fullmatch(shown):
        raise _malformed(f"shown: must be the 64 hex digits that {by}")
    return shown


def accept_in(body: str | None) -> tuple[str, Answer]:
    """`{"role": …, "answer": …, "shown": …, "reason": …}`: the role's ref, and what is said. Raises Denied."""
    said = _object(body, {"role", "answer", "shown", "reason"})
    return role_ref_of(said.pop("role", None)), _answer(said, "accept")


def role_ref_of(text: object) -> str:
    """Raises Denied."""
    if not isinstance(text, str) or not _ROLE_REF.fullmatch(text):
        raise _malformed("role: must be ACCOUNT/NAME, without the role's path")
    return text


def after_in(parameters: Mapping[str, str] | None) -> str:
    """`next` of the page before, "" for the first. Raises Denied."""
    after = text_of(parameters, "after")
    if after and not _ROLE_REF.fullmatch(after):
        raise _malformed("after: must be `next` of the page before")
    return after


def report_in(parameters: Mapping[str, str] | None) -> Wanted:
    """`since`, `until` (days, by UTC), `format`, `after`. Raises Denied."""
    since, until = (_day(text_of(parameters, name), name) for name in ("since", "until"))
    form, after = text_of(parameters, "format") or Form.CSV, text_of(parameters, "after")
    if not since < until <= since + _LONGEST_REPORT:
        raise _malformed(f"until: must be after since, by at most {_LONGEST_REPORT.days} days")
    if form not in set(Form):
        raise _malformed(f"format: must be {', '.join(Form)}")
    if after and not is_grant_id(after):
        raise _malformed("after: must be as in the link of the page before")
    return Wanted(since, until, Form(form), after)


def reported(wanted: Wanted, page: Page) -> Response[str]:
    """Where more follows, `Link` says where (RFC 8288): at the same address, whatever it is called from outside, with another query."""
    days = {"since": f"{wanted.since:%Y-%m-%d}", "until": f"{wanted.until:%Y-%m-%d}"}
    following = urlencode({**days, "format": str(wanted.form), "after": page.next})
    links = {"Link": f'<?{following}>; rel="next"'} if page.next else {}
    return Response(200, _REPORTS[wanted.form], page.text, {**_HEADERS, **links})


def _day(text: str, name: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise _malformed(f"{name}: must be a day, such as 2027-01-31") from None


def hold_in(body: str | None) -> Hold:
    """`{"role": …, "until": …, "reason": …}`. Raises Denied."""
    said = _object(body, {"role", "until", "reason"})
    role_ref, until, reason = role_ref_of(said.get("role")), _time(said, "until"), _reason(said)
    if not reason.strip():
        raise _malformed("reason: is missing; everybody is told it")
    return Hold(role_ref, until, reason)


def wanted_in(body: str | None) -> dict[str, Any]:
    """What somebody asks for as a grant, by the names of usecases/request_grant.py; all but `ticket` and `starts_at` given. Raises Denied.

    `{"role": …, "template": …, "parameters": {…}, "minutes": …, "reason": …, "ticket": …, "starts_at": …}`
    """
    said = _object(body, {"role", "template", "parameters", "minutes", "reason", "ticket", "starts_at"})
    role_ref, reason, minutes = role_ref_of(said.get("role")), _reason(said), said.get("minutes")
    if not reason.strip():
        raise _malformed("reason: is missing; whoever decides is told it")
    if not isinstance(minutes, int) or isinstance(minutes, bool) or not 1 <= minutes <= LONGEST_MINUTES:
        raise _malformed(f"minutes: must be a whole number from 1 to {LONGEST_MINUTES}")
    return {
        "role_ref": role_ref,
        "template": _word(said, "template"),
        "parameters": _parameters(said.get("parameters", {})),
        "minutes": minutes,
        "reason": reason,
        "ticket": _word(said, "ticket") if said.get("ticket") else "",
        "starts_at": None if said.get("starts_at") is None else _time(said, "starts_at"),
    }


def _word(said: Mapping[str, Any], field: str) -> str:
    word = said.get(field)
    if not isinstance(word, str) or not _WORD.fullmatch(word):
        raise _malformed(f"{field}: must be 1 to 100 visible ASCII characters")
    return word


def _parameters(said: object) -> dict[str, str]:
    if not isinstance(said, dict) or len(said) > _MOST_PARAMETERS:
        raise _malformed(f"parameters: must be an object of at most {_MOST_PARAMETERS}")
    for value in said.values():
        if not isinstance(value, str) or len(value) > _LONGEST_VALUE:
            raise _malformed(f"parameters: each must be text of at most {_LONGEST_VALUE} characters")
    return said


def decided_in(body: str | None, *, yes: bool) -> Answer:
    """What somebody says about a grant: `{"shown": …, "reason": …}`; a no has a reason. Raises Denied."""
    said = _object(body, {"shown", "reason"})
    reason = _reason(said)
    if not yes and not reason.strip():
        raise _malformed("reason: is missing; whoever asked is told it")
    return Answer(GRANT, yes, _shown(said, "GET of the grant gives"), reason)


def ending_in(body: str | None) -> str:
    """Why somebody ends a grant: nothing, or `{"reason": …}`. Raises Denied."""
    return _reason(_object(body or "{}", {"reason"}))


def grant_after_in(parameters: Mapping[str, str] | None) -> str:
    """`next` of the page of grants before, "" for the first. Raises Denied."""
    after = text_of(parameters, "after")
    if after and not is_grant_id(after):
        raise _malformed("after: must be `next` of the page before")
    return after


def destination_in(body: str | None) -> str:
    """`{"destination": …}`, or no body at all: "". Raises Denied."""
    destination = _object(body or "{}", {"destination"}).get("destination", "")
    if not isinstance(destination, str):
        raise _malformed("destination: must be text")
    return destination


def _time(said: Mapping[str, Any], field: str) -> datetime:
    text = said.get(field)
    try:
        time = datetime.fromisoformat(text) if isinstance(text, str) else None
        if time is not None and time.tzinfo is not None:
            return time.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise _malformed(f"{field}: must be a time with its zone, such as 2027-01-31T18:00:00+00:00")


def slack_user_in(body: str | None) -> SlackUser:
    """`{"team_id": …, "user_id": …}`. Raises Denied."""
    said = _object(body, {"team_id", "user_id"})
    return slack_user_of(said.get("team_id"), said.get("user_id"))


def slack_user_of(team_id: object, user_id: object) -> SlackUser:
    """Raises Denied."""
    user = slack.slack_user_of(team_id, user_id)
    if user is None:
        raise _malformed("team_id and user_id: must be ids of Slack's, T… and U…")
    return user


def _object(body: str | None, fields: Collection[str]) -> dict[str, Any]:
    if body is None or len(body) > LONGEST_BODY:
        reason = f", a reason in it of at most {LONGEST_REASON}" if "reason" in fields else ""
        raise _malformed(f"the body: must be JSON of at most {LONGEST_BODY} characters{reason}")
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise _malformed("the body: is not JSON") from None
    if not isinstance(said, dict):
        raise _malformed("the body: must be an object")
    if others := sorted(set(said) - set(fields)):
        raise _malformed(f"{others[0][:40]!r}: no such field; known are {', '.join(sorted(fields))}")
    return said


def _reason(said: Mapping[str, Any]) -> str:
    reason = said.get("reason", "")
    if not isinstance(reason, str) or why_no_reason(reason) is not None:
        raise _malformed(f"reason: must be text that people can read, of at most {LONGEST_REASON} characters")
    return reason


def _malformed(because: str) -> Denied:
    return Denied(HTTPStatus.BAD_REQUEST, Refusal(because, "docs/openapi.yaml says what this call takes."))
