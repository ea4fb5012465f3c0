"""The grants' part of the API on a port of this machine, for the command line: real grants, told as the API tells them.

Whatever it answers is held against docs/openapi.yaml and docs/schemas, so that it cannot become another API than the one there is.
"""

import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from jsonschema import Draft202012Validator

from doorward.decisions.model import Question, Vote
from doorward.grants.grant import Grant, State, question_of
from doorward.grants.telling import grant_as_json
from doorward.people.model import Person, Via
from local.build import ROOT
from tests.grants_world import ANN, JANE, ORDERS, PROD, READ_BUCKET, checked_grant, entitlements, rule
from tests.handlers.test_serve_api import OPENAPI, assert_as_documented

GRANT: Final = Draft202012Validator(json.loads((ROOT / "docs/schemas/doorward.grants.1.json").read_text("utf-8")))
SECRET: Final = "canary-secret-4711"
TOKEN: Final = "canary-token-4711"
LINK: Final = "https://signin.aws.amazon.com/federation?SigninToken=canary-link-4711"
IDS: Final = tuple(f"01JZ1M5T000000000000000{number:03}" for number in range(100))
"""By when they were asked for."""
REPORTED: Final = "text/csv; charset=utf-8"


def taken_as_documented(method: str, path: str, body: Any) -> None:
    """Whether the API takes such a body there."""
    for documented, operations in OPENAPI["paths"].items():
        taken = operations.get(method.lower(), {}).get("requestBody")
        if taken is not None and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", documented), path) and (body is not None or taken["required"]):
            schema = {**taken["content"]["application/json"]["schema"], "components": OPENAPI["components"]}
            Draft202012Validator(schema).validate(body)


class Problem(Exception):  # noqa: N818 - an answer
    def __init__(self, status: int, detail: str, cure: str = "") -> None:
        super().__init__(detail)
        self.status, self.detail, self.cure = status, detail, cure


class GrantsApi:
    """`caller` is who signs. `session`: for how long credentials are good, if the grant is. `lost`: so many bytes of each answer's end."""

    def __init__(self) -> None:
        self.caller: Person = JANE
        self.grants: dict[str, Grant] = {}
        self.questions: dict[str, Question] = {}
        self.issues = 0
        self.session = timedelta(hours=1)
        self.ahead = timedelta()
        self.lost = 0
        self.heard: list[tuple[str, str, Any]] = []
        self.answers_with: Callable[[str, str], tuple[int, Any] | None] = lambda _method, _path: None
        self.before: Callable[[str, str], object] = lambda _method, _path: None
        self.linked: list[dict[str, str]] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, said = api.answer(self.command, self.path.removeprefix("/v1"), json.loads(body) if body else None)
                content = said.encode() if isinstance(said, str) else json.dumps(said).encode()
                self.send_response_only(status)
                self.send_header("Date", format_datetime(datetime.now(UTC) + api.ahead, usegmt=True))
                self.send_header("Content-Length", str(len(content)))
                for name, value in api.headers(self.path.removeprefix("/v1")).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content[: len(content) - api.lost])

            do_POST = do_GET  # noqa: N815 - the library calls it so

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/v1"

    @contextmanager
    def listening(self) -> Iterator["GrantsApi"]:
        thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self.server.shutdown()
            thread.join()
            self.server.server_close()

    def has(self, state: State, minutes: int = 60, **asked: Any) -> str:
        """One more grant of Jane's, which began now where it began. Its id."""
        grant_id, now = IDS[len(self.grants)], datetime.now(UTC)
        grant = checked_grant(entitlements(rule(minutes=600, start_within_hours=72)), grant_id, minutes=minutes, asked_at=now, **asked)
        self.questions[grant_id] = question_of(grant, now)
        self.grants[grant_id] = grant
        if state is not State.PENDING:
            self.becomes(grant_id, state)
        return grant_id

    def becomes(self, grant_id: str, state: State, **more: Any) -> None:
        grant = self.grants[grant_id]
        times: dict[str, Any] = {}
        if state in {State.APPROVED, State.ACTIVE} and grant.starts_at is None:
            start = grant.request.starts_at or datetime.now(UTC)
            times = {"starts_at": start, "ends_at": start + grant.lasts}
            question = self.questions[grant_id]
            vote = Vote(ANN.user_id, Via.SIGV4, datetime.now(UTC), frozenset({"security"}))
            self.questions[grant_id] = question._replace(votes=(vote,), detail={**question.detail, "by": ANN.user_name})
        self.grants[grant_id] = grant._replace(state=state, version=grant.version + 1, **(times | more))

    def told(self, grant_id: str) -> dict[str, Any]:
        told = grant_as_json(self.grants[grant_id], PROD.name, self.questions[grant_id])
        GRANT.validate(told)
        return told

    def headers(self, path: str) -> Mapping[str, str]:
        """A report has two pages."""
        return (
            {"Link": f'<?{path.partition("?")[2]}&after={IDS[0]}>; rel="next"'}
            if path.startswith("/reports/") and "after" not in path
            else {}
        )

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        self.heard.append((method, path, body))
        self.before(method, path)
        instead = self.answers_with(method, path)
        if instead is not None:
            return instead
        parts = urlsplit(path)
        try:
            status, said = self._answer(method, parts.path.strip("/").split("/"), dict(parse_qsl(parts.query)), body)
        except Problem as problem:
            told = {"type": "about:blank", "title": "No", "status": problem.status, "detail": problem.detail, "cure": problem.cure}
            status, said = problem.status, told
        kind = ("application/json" if status < 400 else "application/problem+json") if not isinstance(said, str) else REPORTED
        assert_as_documented(method, parts.path, status, kind, said)
        taken_as_documented(method, parts.path, body)
        return status, said

    def _answer(self, method: str, path: list[str], query: Mapping[str, str], body: Any) -> tuple[int, Any]:
        match method, *path:
            case "GET", "me":
                user_id, user_name = self.caller.user_id, self.caller.user_name
                return 200, {"kind": "person", "id": user_id, "via": "sigv4", "groups": ["payments"], "user_name": user_name}
            case "GET", "me", "slack":
                return 200, {"format": "doorward.slack-links/1", "linked": self.linked, "waiting": False, "taken_by": None}
            case "GET", "entitlements":
                first = "after" not in query
                offers = [OFFER] if first else [{**OFFER, "template": "read-table"}]
                return 200, {"format": "doorward.entitlements/1", "offers": offers, "next": ORDERS.ref if first else None}
            case "GET", "reports", "grants":
                return 200, f"{query['since']},{query['until']},{query['format']},{query.get('after', '')}\n"
            case "GET", "grants":
                return 200, self._page(query)
            case "POST", "grants":
                return 201, self._asked(body)
            case "GET", "grants", grant_id:
                return 200, self.told(self._known(grant_id))
            case "POST", "grants", grant_id, verb:
                return 200, self._done(self._known(grant_id), verb, body)
        raise Problem(404, "There is no such page.", "Look at the contract.")

    def _known(self, grant_id: str) -> str:
        if grant_id not in self.grants:
            raise Problem(404, "There is no such grant, or none of yours.", "Look at doorward grants list.")
        return grant_id

    def _page(self, query: Mapping[str, str]) -> dict[str, Any]:
        """Two on a page, the latest first; all are seen by whoever calls."""
        mine, standing = query.get("mine") == "true", query.get("standing") == "true"
        found = [
            each
            for each, grant in sorted(self.grants.items(), reverse=True)
            if ((mine or not standing) and grant.person == self.caller) or ((standing or not mine) and not grant.is_over)
        ]
        found = [each for each in found if each < query.get("after", "~")]
        page = [self.told(each) for each in found[:2]]
        return {"format": "doorward.grants-list/1", "grants": page, "next": found[1] if len(found) > 2 else None}

    def _asked(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["template"] != "read-bucket":
            raise Problem(409, "No rule lets you have that.", "Look at doorward grants list.")
        start = datetime.fromisoformat(body["starts_at"]) if "starts_at" in body else None
        asked = {"parameters": body["parameters"], "reason": body["reason"], "ticket": body.get("ticket", ""), "starts_at": start}
        return self.told(self.has(State.PENDING, body["minutes"], **asked))

    def _done(self, grant_id: str, verb: str, body: Any) -> dict[str, Any]:
        grant = self.grants[grant_id]
        match verb:
            case "approve" | "refuse":
                if body["shown"] != grant.shown_hash:
                    raise Problem(409, "That is not what stands.", "Look again.")
                self.becomes(grant_id, State.APPROVED if verb == "approve" else State.REFUSED)
            case "cancel" | "revoke":
                because = {"ended_by": self.caller.user_id, "because": body.get("reason", "")}
                self.becomes(grant_id, State.ENDING if grant.state is State.ACTIVE else State.CANCELLED, **because)
            case "credentials" | "console" if grant.state is not State.ACTIVE or grant.ends_at is None:
                raise Problem(409, "The grant is not active.", "Ask for a new one.")
            case "credentials":
                assert body is None
                return self._issued(grant)
            case "console":
                expires_at = datetime.now(UTC) + timedelta(minutes=15)
                return {"format": "doorward.console/1", "url": LINK, "expires_at": expires_at.isoformat(), "grant_id": grant_id}
        return self.told(grant_id)

    def _issued(self, grant: Grant) -> dict[str, Any]:
        self.issues += 1
        assert grant.ends_at is not None
        return {
            "format": "doorward.credentials/1",
            "access_key_id": f"ASIA{self.issues:016}",
            "secret_access_key": f"{SECRET}-{self.issues}",
            "session_token": f"{TOKEN}-{self.issues}",
            "expiration": min(datetime.now(UTC) + self.session, grant.ends_at).isoformat(),
            "grant_id": grant.id,
            "generation": grant.version,
            "account_id": PROD.id,
            "role": ORDERS.arn,
            "region": None,
        }


def at_home(home: Path, api: GrantsApi) -> dict[str, str]:
    """The environment of somebody who signs in by the profile `hub`, and has nothing else there."""
    (home / ".aws").mkdir()
    (home / ".aws/config").write_text("[profile hub]\nregion = us-east-1\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = x\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DOORWARD_", "XDG_", "COLUMNS"))}
    return kept | {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "AWS_CONFIG_FILE": str(home / ".aws/config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / ".aws/credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_PROFILE": "hub",
        "DOORWARD_API_URL": api.url,
        "NO_COLOR": "1",
    }


OFFER: Final[dict[str, Any]] = {
    "role": ORDERS.ref,
    "account": {"id": PROD.id, "name": PROD.name},
    "template": "read-bucket",
    "risk": "low",
    "parameters": READ_BUCKET["parameters"],
    "minutes": 60,
    "start_within_hours": 72,
    "tickets": [["CHANGE-<number>"]],
    "approvers": ["security"],
    "automatic": "maybe",
}
