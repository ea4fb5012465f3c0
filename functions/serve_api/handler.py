"""The API: who calls is made out first, then what he asks for. Each route translates, calls and reports; docs/openapi.yaml is the contract.

No body is logged or traced: neither what is asked nor what is answered.
"""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response

from doorward import bootstrap
from doorward.aws.api import Denied, accept_in, answered, hold_in, problem, refused, role_ref_of, said_in, text_of
from doorward.decisions.telling import question_as_json
from doorward.errors import DoorwardError
from doorward.people.model import Caller, Refusal
from doorward.usecases.accept_baseline import accept_baseline, show_baseline
from doorward.usecases.decide_finding import decide_finding
from doorward.usecases.hold_role import hold_role
from doorward.usecases.list_findings import list_findings, show_finding
from doorward.usecases.serve_api import TooOften
from doorward.usecases.tell_who import tell_who

logger = Logger()
app = APIGatewayRestResolver()


@app.get("/me")
def me() -> Response[str]:
    return answered(200, tell_who(_caller(), bootstrap.groups_now()))


@app.get("/findings")
def findings() -> Response[str]:
    _caller()
    return answered(200, list_findings(text_of(app.current_event.query_string_parameters, "after"), bootstrap.finding_tools()))


@app.get("/findings/<finding_id>")
def finding(finding_id: str) -> Response[str]:
    _caller()
    found = show_finding(finding_id, bootstrap.finding_tools())
    return problem(404, "There is no such finding.", "List those that stand: GET /findings.") if found is None else answered(200, found)


@app.post("/findings/<finding_id>/apply")
def apply(finding_id: str) -> Response[str]:
    caller = _caller()
    said = said_in(app.current_event.body, "apply")
    decided = decide_finding(finding_id, caller, said, bootstrap.decision_tools())
    return refused(409, decided) if isinstance(decided, Refusal) else answered(200, question_as_json(decided, ""))


@app.post("/roles/hold")
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


@app.post("/roles/baseline")
def accept() -> Response[str]:
    caller = _caller()
    role_ref, said = accept_in(app.current_event.body)
    decided = accept_baseline(role_ref, caller, said, bootstrap.role_by_ref(), bootstrap.decision_tools())
    return refused(409, decided) if isinstance(decided, Refusal) else answered(200, question_as_json(decided, ""))


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


def _caller() -> Caller:
    """Whoever it is that calls; raises Denied where nobody can be made out, or calls too often."""
    try:
        caller = bootstrap.admit(app.current_event.raw_event.get("requestContext"))
    except TooOften:
        raise Denied(429, Refusal("You call more often than sixty times a minute.", "Wait a minute.")) from None
    if isinstance(caller, Refusal):
        raise Denied(403, caller)
    return caller


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return app.resolve(event, context)
