"""The API: who calls is made out first, then what he asks for. Each route translates, calls and reports; docs/openapi.yaml is the contract.

No body is logged or traced: neither what is asked nor what is answered.
"""

from collections.abc import Callable
from typing import Any, NoReturn

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response

from doorward import bootstrap
from doorward.aws.api import (
    Denied,
    accept_in,
    after_in,
    answered,
    answered_before,
    decided_in,
    destination_in,
    ending_in,
    flag_of,
    grant_after_in,
    hold_in,
    kept_of,
    key_of,
    problem,
    refused,
    report_in,
    reported,
    role_ref_of,
    said_in,
    slack_user_in,
    slack_user_of,
    text_of,
    waive_in,
    wanted_in,
)
from doorward.decisions.model import Answer
from doorward.decisions.telling import question_as_json
from doorward.errors import DoorwardError, where_of
from doorward.grants.grant import Grant
from doorward.grants.names import is_grant_id
from doorward.people.model import Caller, Person, Refusal, id_of
from doorward.ports.repeats import AskedOtherwise, InProgress
from doorward.usecases.accept_baseline import accept_baseline, show_baseline
from doorward.usecases.decide_finding import APPLY, DISMISS, UNDO, decide_finding
from doorward.usecases.decide_grant import decide_grant
from doorward.usecases.end_grant import end_grant
from doorward.usecases.grant_standing import MACHINES_HAVE_NONE, as_json
from doorward.usecases.hold_role import hold_role
from doorward.usecases.identify_caller import YOU_ARE_GONE
from doorward.usecases.issue_credentials import TooOftenForGrant, issue_credentials, open_console
from doorward.usecases.link_slack import bind_link, offer_link, show_links, unbind_link
from doorward.usecases.list_entitlements import list_entitlements
from doorward.usecases.list_findings import list_findings, show_finding
from doorward.usecases.list_grants import list_grants, show_grant
from doorward.usecases.report_grants import report_grants
from doorward.usecases.request_grant import Wanted, request_grant
from doorward.usecases.serve_api import TooOften
from doorward.usecases.tell_who import tell_who

logger = Logger()
app = APIGatewayRestResolver(strip_prefixes=["/token"])


def once(app: APIGatewayRestResolver, proceed: Callable[[APIGatewayRestResolver], Response[str]]) -> Response[str]:
    """Answers a call that is sent again under its `Idempotency-Key` as it was answered. A failure is no answer: nothing is kept of it.

    For routes that name it, whatever way a path to them is written. Never for those that mint credentials or codes, nor for Slack's
    calls, which have nonces of their own.
    """
    event = app.current_event
    caller = _caller()
    key = key_of(event.headers)
    if key is None:
        return proceed(app)
    who, asked = f"{caller.via} {id_of(caller.who)}", f"{event.path}\n{event.body or ''}"
    try:
        return answered_before(bootstrap.repeats().once(who, key, asked, lambda: kept_of(proceed(app))))
    except InProgress:
        return problem(409, "The first call with this Idempotency-Key is not answered yet.", "Send it again in a few seconds, as it was.")
    except AskedOtherwise:
        return problem(
            422, "This Idempotency-Key came with another call before.", "Send a new call with a new key, a repeated one as it was."
        )


@app.get("/me")
def me() -> Response[str]:
    return answered(200, tell_who(_caller(), bootstrap.groups_now()))


@app.post("/me/slack")
def offer() -> Response[str]:
    return _linked(offer_link(_caller(), bootstrap.link_tools()))


@app.get("/me/slack")
def links() -> Response[str]:
    return _linked(show_links(_caller(), bootstrap.link_tools()))


@app.put("/me/slack")
def bind() -> Response[str]:
    caller = _caller()
    return _linked(bind_link(caller, slack_user_in(app.current_event.body), bootstrap.link_tools()))


@app.delete("/me/slack")
def unbind() -> Response[str]:
    caller, query = _caller(), app.current_event.query_string_parameters
    return _linked(unbind_link(caller, slack_user_of(text_of(query, "team_id"), text_of(query, "user_id")), bootstrap.link_tools()))


def _linked(said: dict[str, Any] | Refusal) -> Response[str]:
    return refused(409, said) if isinstance(said, Refusal) else answered(200, said)


@app.get("/findings")
def findings() -> Response[str]:
    _caller()
    asked = app.current_event.query_string_parameters
    with_dismissed = flag_of(asked, "all")
    return answered(200, list_findings(after_in(asked), bootstrap.finding_tools(), with_dismissed=with_dismissed))


@app.get("/findings/<finding_id>")
def finding(finding_id: str) -> Response[str]:
    _caller()
    found = show_finding(finding_id, bootstrap.finding_tools())
    return problem(404, "There is no such finding.", "List those that stand: GET /findings.") if found is None else answered(200, found)


@app.post("/findings/<finding_id>/apply", middlewares=[once])
def apply(finding_id: str) -> Response[str]:
    return _decided(finding_id, lambda body: said_in(body, APPLY))


@app.post("/findings/<finding_id>/waive", middlewares=[once])
def waive(finding_id: str) -> Response[str]:
    return _decided(finding_id, waive_in)


@app.post("/findings/<finding_id>/dismiss", middlewares=[once])
def dismiss(finding_id: str) -> Response[str]:
    return _decided(finding_id, lambda body: said_in(body, DISMISS))


@app.post("/findings/<finding_id>/undo", middlewares=[once])
def undo(finding_id: str) -> Response[str]:
    return _decided(finding_id, lambda body: said_in(body, UNDO))


def _decided(finding_id: str, said: Callable[[str | None], Answer]) -> Response[str]:
    caller = _caller()
    decided = decide_finding(finding_id, caller, said(app.current_event.body), bootstrap.decision_tools())
    return refused(409, decided) if isinstance(decided, Refusal) else answered(200, question_as_json(decided, ""))


@app.post("/roles/hold", middlewares=[once])
def hold() -> Response[str]:
    caller = _caller()
    wanted = hold_in(app.current_event.body)
    decided = hold_role(wanted, caller, bootstrap.role_by_ref(), bootstrap.decision_tools())
    return refused(409, decided) if isinstance(decided, Refusal) else answered(200, question_as_json(decided, ""))


@app.get("/roles/baseline")
def baseline() -> Response[str]:
    _caller()
    role_ref = role_ref_of(text_of(app.current_event.query_string_parameters, "role"))
    shown = show_baseline(role_ref, bootstrap.role_by_ref(), bootstrap.decision_tools())
    return refused(404, shown) if isinstance(shown, Refusal) else answered(200, shown)


@app.post("/roles/baseline", middlewares=[once])
def accept() -> Response[str]:
    caller = _caller()
    role_ref, said = accept_in(app.current_event.body)
    decided = accept_baseline(role_ref, caller, said, bootstrap.role_by_ref(), bootstrap.decision_tools())
    return refused(409, decided) if isinstance(decided, Refusal) else answered(200, question_as_json(decided, ""))


@app.post("/grants", middlewares=[once])
def ask_for_grant() -> Response[str]:
    caller, tools = _person(), bootstrap.grant_tools()
    event = app.current_event
    found = request_grant(Wanted(**wanted_in(event.body)), caller, tools, key_of(event.headers) or "")
    return refused(409, found) if isinstance(found, Refusal) else answered(201, as_json(found, tools))


@app.get("/grants")
def grants() -> Response[str]:
    """Those of both kinds where neither is named."""
    caller, asked = _person(), app.current_event.query_string_parameters
    mine, standing, after = flag_of(asked, "mine"), flag_of(asked, "standing"), grant_after_in(asked)
    found = list_grants(caller, bootstrap.grant_tools(), after, mine=mine or not standing, standing=standing or not mine)
    return refused(409, found) if isinstance(found, Refusal) else answered(200, found)


@app.get("/grants/<grant_id>")
def grant(grant_id: str) -> Response[str]:
    return _of_grant(grant_id, lambda caller: show_grant(grant_id, caller, bootstrap.grant_tools()))


@app.post("/grants/<grant_id>/approve", middlewares=[once])
def approve(grant_id: str) -> Response[str]:
    return _said(grant_id, yes=True)


@app.post("/grants/<grant_id>/refuse", middlewares=[once])
def refuse(grant_id: str) -> Response[str]:
    return _said(grant_id, yes=False)


def _said(grant_id: str, *, yes: bool) -> Response[str]:
    body = app.current_event.body
    return _of_grant(grant_id, lambda caller: decide_grant(grant_id, caller, decided_in(body, yes=yes), bootstrap.grant_tools()))


@app.post("/grants/<grant_id>/cancel", middlewares=[once])
def cancel(grant_id: str) -> Response[str]:
    return _ended(grant_id)


@app.post("/grants/<grant_id>/revoke", middlewares=[once])
def revoke(grant_id: str) -> Response[str]:
    return _ended(grant_id)


@app.post("/grants/<grant_id>/credentials")
def credentials(grant_id: str) -> Response[str]:
    return _of_grant(grant_id, lambda caller: issue_credentials(grant_id, caller, _source_ip(), bootstrap.issue_tools()))


@app.post("/grants/<grant_id>/console")
def console(grant_id: str) -> Response[str]:
    destination = destination_in(app.current_event.body)
    return _of_grant(grant_id, lambda caller: open_console(grant_id, caller, _source_ip(), destination, bootstrap.issue_tools()))


@app.exception_handler(TooOftenForGrant)  # type: ignore[untyped-decorator]
def asked_too_often(_error: TooOftenForGrant) -> Response[str]:
    return problem(429, "You ask for this grant's more than ten times a minute.", "Keep what you got until it ends, and wait a minute.")


def _ended(grant_id: str) -> Response[str]:
    """One and the same: what comes of it goes by who asks for it, and by how the grant is."""
    body = app.current_event.body
    return _of_grant(grant_id, lambda caller: end_grant(grant_id, caller, ending_in(body), bootstrap.grant_tools()))


def _of_grant(grant_id: str, found_for: Callable[[Caller], Grant | dict[str, Any] | Refusal | None]) -> Response[str]:
    """Whoever has no business with a grant is not told that there is one."""
    caller = _person()
    found = found_for(caller) if is_grant_id(grant_id) else None
    if found is None:
        return problem(404, "There is no such grant, or it is none of your business.", "See those that are: doorward grants list.")
    if isinstance(found, Refusal):
        return refused(409, found)
    return answered(200, as_json(found, bootstrap.grant_tools()) if isinstance(found, Grant) else found)


@app.get("/entitlements")
def offers() -> Response[str]:
    caller, after = _person(), after_in(app.current_event.query_string_parameters)
    found = list_entitlements(id_of(caller.who), bootstrap.offer_tools(), after)
    return refused(403, YOU_ARE_GONE) if found is None else answered(200, found)


@app.get("/reports/grants")
def report() -> Response[str]:
    caller, wanted = _person(), report_in(app.current_event.query_string_parameters)
    found = report_grants(wanted, caller, bootstrap.report_tools())
    return refused(403, found) if isinstance(found, Refusal) else reported(wanted, found)


def _person() -> Caller:
    """Raises Denied as `_caller`, and for machines."""
    caller = _caller()
    if not isinstance(caller.who, Person):
        raise Denied(403, MACHINES_HAVE_NONE)
    return caller


@app.not_found
def nothing_there(_error: Exception) -> Response[str]:
    return problem(404, "There is nothing here.", "docs/openapi.yaml lists what there is.")


@app.exception_handler(Denied)  # type: ignore[untyped-decorator]
def denied(error: Denied) -> Response[str]:
    return refused(error.status, error.refusal)


@app.exception_handler(DoorwardError)  # type: ignore[untyped-decorator]
def failed(error: DoorwardError) -> Response[str]:
    logger.error("a call could not be answered", error_type=type(error).__name__, because=str(error))
    return problem(503, "Doorward cannot answer this now.", "Try again in a minute; if it stays so, `doorward doctor` says what is wrong.")


@app.exception_handler(Exception)  # type: ignore[untyped-decorator]
def met_a_bug(error: Exception) -> NoReturn:
    """The invocation fails, so that the alarm hears of it. What the error says is not logged: it may hold what somebody sent."""
    logger.error("a call met a bug", error_type=type(error).__name__, where=where_of(error))
    raise RuntimeError("a bug: the line of the log before says where") from None


def _caller() -> Caller:
    """Whoever it is that calls; raises Denied where nobody can be made out, or calls too often. Made out once a call."""
    known: Caller | None = app.context.get("caller")
    if known is not None:
        return known
    try:
        caller = bootstrap.admit(app.current_event.raw_event.get("requestContext"))
    except TooOften:
        raise Denied(429, Refusal("You call more often than sixty times a minute.", "Wait a minute.")) from None
    if isinstance(caller, Refusal):
        raise Denied(403, caller)
    app.context["caller"] = caller
    return caller


def _source_ip() -> str:
    """As API Gateway saw it."""
    identity = app.current_event.raw_event.get("requestContext", {}).get("identity") or {}
    return str(identity.get("sourceIp") or "")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return app.resolve(event, context)
