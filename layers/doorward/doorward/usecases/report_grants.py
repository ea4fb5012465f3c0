"""What auditors and revokers get to read: every grant that was asked for within some days, page by page, in the order of the asking.

| who asks                                   | gets                                  |
|--------------------------------------------|---------------------------------------|
| a machine, or somebody who is gone         | refused                               |
| whoever is in none of the overseeing groups | refused                               |
| else                                       | a page, and where the next one begins |
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Final

from doorward.grants.grant import Grant
from doorward.grants.reporting import Entry, Form, Page, Reckoned, Wanted, as_csv, as_ocsf, as_report, csv_header
from doorward.people.model import Caller, Refusal
from doorward.ports.grants import Issued, Kind
from doorward.usecases import grant_standing
from doorward.usecases.grant_standing import groups_to_answer, person_calling, question_about

MOST: Final = 200
"""Grants on a page: three reads each, well within the seconds that a call has."""
LONGEST: Final = 4_000_000
"""Bytes of a page, but for its last line: Lambda answers with at most six million, and what is in it may be written longer there."""


@dataclass(frozen=True, slots=True)
class Tools:
    """`name_of`: a user name by an id, None where he is gone. `region`: the hub's."""

    grants: grant_standing.Tools
    name_of: Callable[[str], str | None]
    region: str


def report_grants(wanted: Wanted, caller: Caller, tools: Tools) -> Page | Refusal:
    """The table. Raises Unavailable."""
    asker = person_calling(caller, tools.grants)
    if isinstance(asker, Refusal):
        return asker
    if not groups_to_answer(asker) & tools.grants.entitlements.overseers:
        return Refusal("Only revokers and auditors read what everybody had.", "See your own: doorward grants list.")
    name_of = cache(tools.name_of)
    lines, size, last = [csv_header()] if wanted.form is Form.CSV and not wanted.after else [], 0, ""
    found = tools.grants.grants.asked_between(wanted.since, wanted.until, wanted.after)
    for grant in islice(found, MOST + 1):
        if len(lines) >= MOST or size >= LONGEST:
            return Page("".join(lines), last)
        lines.append(_line(_entry(grant, name_of, tools), wanted.form, tools.region))
        size += len(lines[-1].encode())
        last = grant.id
    return Page("".join(lines), "")


def _line(entry: Entry, form: Form, region: str) -> str:
    if form is Form.CSV:
        return as_csv(entry)
    return json.dumps(as_ocsf(entry, region) if form is Form.OCSF else as_report(entry), separators=(",", ":")) + "\n"


def _entry(grant: Grant, name_of: Callable[[str], str | None], tools: Tools) -> Entry:
    account_name = tools.grants.account_name(grant.request.role_ref.partition("/")[0])
    return Entry(grant, question_about(grant, tools.grants), _reckoned(tools.grants.grants.issues(grant.id)), account_name, name_of)


def _reckoned(issues: Sequence[Issued]) -> Reckoned:
    """What was minted: what was only checked, or used up by a refusal, gave nobody anything."""
    minted = [each for each in issues if each.key_hash]
    return Reckoned(
        sum(each.kind is Kind.CREDENTIALS for each in minted),
        sum(each.kind is Kind.CONSOLE for each in minted),
        min((each.at for each in minted), default=None),
        max((each.at for each in minted), default=None),
    )
