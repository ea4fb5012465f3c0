"""Somebody asks for a grant in Slack, by forms that offer only what he may have. What comes back of a form is looked up and checked anew.

| he                               | and                                       | sees in its place                                  |
|----------------------------------|-------------------------------------------|----------------------------------------------------|
| gives the command                | may ask for nothing                       | so                                                 |
| …                                | may ask for one thing                     | what has to be said about it                       |
| …                                | may ask for no more than one list takes   | the list                                           |
| …                                | may ask for more                          | the accounts, then the list of one                 |
| chooses                          | may not have it (any more)                | what he may                                        |
| …                                | may                                       | what has to be said about it                       |
| says it                          | a field cannot be used                    | the same again, with what is wrong under each      |
| …                                | the rules refuse it                       | the same again, with why                           |
| …                                | they do not                               | what became of it, and who has to agree            |
| waits                            | has closed the form meanwhile             | a message, to him alone                            |
| …                                | it cannot be looked up                    | so; the last step comes again                      |

Asking decides nothing. It counts where decisions by Slack count: who could press in his name could ask in it, too. What comes twice asks
once: the grant's id is made of who asked, when, and by which form.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import replace
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from doorward.decisions.actions import LONGEST_REASON
from doorward.errors import Misconfigured, Unavailable
from doorward.grants.entitled import TICKET, fits_ticket
from doorward.grants.names import grant_id_of
from doorward.grants.parameters import is_of_type
from doorward.iam.matching import matches_glob
from doorward.people.model import Caller, Person, Refusal, Via
from doorward.ports.slack import Asking, Desk, Field, Form, Input, Interaction
from doorward.usecases import grant_standing
from doorward.usecases.grant_standing import as_json
from doorward.usecases.request_grant import Wanted, request_grant

_MOST: Final = 100
"""Of one list: https://docs.slack.dev/reference/block-kit/block-elements/select-menu-element"""
_LONGEST_NAME: Final = 24
_LONGEST_PARAMETER: Final = 512
_LONGEST_TICKET: Final = 64
_USUAL_MINUTES: Final = 60
_PARAMETER: Final = "parameter-"
_ACCOUNT, _OFFER, _MINUTES, _REASON, _TICKET, _START = "account", "offer", "minutes", "reason", "ticket", "start"
_LATER: Final = ("It cannot be looked up at the moment. Try again in a minute.",)

type Offer = Mapping[str, Any]
"""As `GET /entitlements` has it."""


@dataclass(frozen=True, slots=True)
class Tools:
    """`offers`: what a person may ask for now; it may raise Unavailable, Misconfigured. `grants` as on the API."""

    offers: Callable[[Person], Sequence[Offer]]
    grants: grant_standing.Tools
    desk: Desk


def begin_asking(interaction: Interaction, person: Person, tools: Tools) -> tuple[str, Sequence[str]]:
    """What came of it, a word for the log; and what he is told where there is no form. Raises Misconfigured."""
    view = tools.desk.open_waiting(interaction)
    if not view:
        return "too late", ("That took too long: Slack lets no form be opened any more. Give the command again.",)
    return _show(interaction, view, lambda: _first(tools.offers(person), person), tools)


def go_on_asking(interaction: Interaction, person: Person, tools: Tools) -> tuple[str, Sequence[str]]:
    """The same, of a form that was submitted. Raises Unavailable where it may have been asked for: then it comes again."""
    if Via.SLACK not in tools.grants.ways():
        return _show(
            interaction, interaction.view, lambda: Form("over", lines=("Nothing that is said by Slack counts at present.",)), tools
        )
    if interaction.what != Asking.DETAILS:
        return _show(interaction, interaction.view, lambda: _next(interaction, tools.offers(person), person), tools)
    offers = tools.offers(person)
    offer = _offer_of(interaction.value, offers)
    form = _first(offers, person) if offer is None else _asked(interaction, offer, person, tools)
    return _show(interaction, interaction.view, lambda: form, tools)


def _show(interaction: Interaction, view: str, make: Callable[[], Form], tools: Tools) -> tuple[str, Sequence[str]]:
    try:
        form = make()
    except (Unavailable, Misconfigured):
        form = Form("later", lines=_LATER)
    shown = tools.desk.show(interaction, view, form)
    return form.what, () if shown else (*form.wrong, *form.lines)


def _first(offers: Sequence[Offer], person: Person) -> Form:
    if len(offers) == 1:
        return _details(offers[0])
    accounts = {str(each["account"]["id"]): _account(each) for each in offers}
    if len(offers) <= _MOST or len(accounts) == 1:
        return _list(offers, person)
    options = sorted(accounts.items(), key=lambda each: (each[1], each[0]))
    field = Field(_ACCOUNT, "Account", Input.CHOICE, options=tuple(options[:_MOST]))
    return Form(Asking.ACCOUNT, lines=_lines(person, len(options)), fields=(field,), submit="Next")


def _next(interaction: Interaction, offers: Sequence[Offer], person: Person) -> Form:
    if interaction.what == Asking.ACCOUNT:
        of_account = [each for each in offers if each["account"]["id"] == interaction.fields.get(_ACCOUNT)]
        return _list(of_account, person) if of_account else _first(offers, person)
    offer = _offer_of(interaction.fields.get(_OFFER, ""), offers)
    return _first(offers, person) if offer is None else _details(offer)


def _list(offers: Sequence[Offer], person: Person) -> Form:
    if not offers:
        return Form("nothing", lines=(f"You are {person.user_name} here, and there is nothing that you may ask for.",))
    options = sorted((_key(each), f"{each['template']}: {_role(each)} in {_account(each)[:_LONGEST_NAME]}") for each in offers)
    field = Field(_OFFER, "What you need", Input.CHOICE, options=tuple(options[:_MOST]))
    return Form(Asking.OFFER, lines=_lines(person, len(options)), fields=(field,), submit="Next")


def _lines(person: Person, count: int) -> tuple[str, ...]:
    more = (f"These are {_MOST} of {count}: `doorward grants request` has them all.",) if count > _MOST else ()
    return (f"You ask as {person.user_name}, for what the rules let you ask for.", *more)


def _details(
    offer: Offer, given: Mapping[str, str] | None = None, errors: Mapping[str, str] | None = None, wrong: Sequence[str] = ()
) -> Form:
    """`given`, `errors`: of fields, by name."""
    given, errors = given or {}, errors or {}
    fields = [*_parameters(offer), *_usual(offer)]
    approvers = " or ".join(offer["approvers"]) or "nobody"
    agrees = f"Who agrees: {approvers}" + ("; or nobody has to, where the rules say so." if offer["automatic"] == "maybe" else ".")
    return Form(
        Asking.DETAILS,
        value=_key(offer),
        lines=(f"{offer['template']}: {_role(offer)} in {_account(offer)}. Risk: {offer['risk']}.", agrees),
        fields=tuple(each._replace(value=given.get(each.name, each.value), error=errors.get(each.name, "")) for each in fields),
        wrong=(*wrong, *(error for name, error in errors.items() if name not in {each.name for each in fields})),
        submit="Ask for it",
    )


def _parameters(offer: Offer) -> list[Field]:
    return [
        Field(
            f"{_PARAMETER}{name}",
            name,
            hint=" ".join(filter(None, (f"{each['type']}.", f"One of {', '.join(each['like'])}." if each.get("like") else ""))),
            most=_LONGEST_PARAMETER,
        )
        for name, each in offer["parameters"].items()
    ]


def _usual(offer: Offer) -> list[Field]:
    most, within = offer["minutes"], offer["start_within_hours"]
    forms = " and ".join(" or ".join(each) for each in offer["tickets"])
    fields = [
        Field(_MINUTES, f"Minutes, {most} at most", Input.NUMBER, value=str(min(most, _USUAL_MINUTES)), most=most),
        Field(_REASON, "Why", Input.TEXT, hint="Whoever agrees reads it, and it is kept.", most=LONGEST_REASON),
        Field(_TICKET, "Ticket", hint=f"Of the form {forms}." if forms else "", most=_LONGEST_TICKET, optional=not forms),
    ]
    if within:
        fields.append(
            Field(_START, "Start", Input.MOMENT, hint=f"Within {within:g} hours; without, as soon as it is approved.", optional=True)
        )
    return fields


def _asked(interaction: Interaction, offer: Offer, person: Person, tools: Tools) -> Form:
    now, given = tools.grants.clock.now(), interaction.fields
    errors = dict(_errors(offer, given, now))
    if errors:
        return _details(offer, _again(offer, given), errors)
    start = given.get(_START, "")
    wanted = Wanted(
        role_ref=offer["role"],
        template=offer["template"],
        parameters={name: given[f"{_PARAMETER}{name}"] for name in offer["parameters"]},
        minutes=int(given[_MINUTES]),
        reason=given[_REASON],
        ticket=given.get(_TICKET, ""),
        starts_at=datetime.fromtimestamp(int(start), UTC) if start else None,
    )
    asking = replace(tools.grants, new_id=lambda: _id_of(interaction))
    found = request_grant(wanted, Caller(person, Via.SLACK), asking)
    if isinstance(found, Refusal):
        return _details(offer, _again(offer, given), wrong=found)
    grant = as_json(found, tools.grants)
    return Form(
        "asked", lines=(f"{grant['title']}.", str(grant["what_to_do"]), f"Grant {grant['grant_id']}. You are told here what becomes of it.")
    )


def _id_of(interaction: Interaction) -> str:
    """The same for the same form; nobody foresees where Slack lets it be answered."""
    made_of = f"{interaction.user.ref} {interaction.view} {interaction.answer_to}"
    return grant_id_of(datetime.fromtimestamp(interaction.at, UTC), sha256(made_of.encode()).digest()[:10])


def _again(offer: Offer, given: Mapping[str, str]) -> dict[str, str]:
    """What can be shown once more in a field of its kind."""
    number, start = given.get(_MINUTES, ""), given.get(_START, "")
    return {
        **given,
        _MINUTES: number if _number(number) in range(1, offer["minutes"] + 1) else str(offer["minutes"]),
        _START: start if _moment(start) else "",
    }


def _errors(offer: Offer, given: Mapping[str, str], now: datetime) -> list[tuple[str, str]]:
    """Field and what is wrong with it. All of it is looked at once more, and by itself, where it is asked for."""
    wrong = []
    for name, parameter in offer["parameters"].items():
        value, like = given.get(f"{_PARAMETER}{name}", ""), parameter.get("like") or ()
        if not is_of_type(value, parameter["type"]):
            wrong.append((f"{_PARAMETER}{name}", f"This is no {parameter['type']}, spelled out."))
        elif like and not any(matches_glob(each, value) for each in like):
            wrong.append((f"{_PARAMETER}{name}", f"It must be one of {', '.join(like)}."))
    if _number(given.get(_MINUTES, "")) not in range(1, offer["minutes"] + 1):
        wrong.append((_MINUTES, f"From 1 to {offer['minutes']}, in whole minutes."))
    reason = given.get(_REASON, "")
    if not reason.strip() or len(reason) > LONGEST_REASON:
        wrong.append((_REASON, f"Say why, in at most {LONGEST_REASON} characters."))
    ticket = given.get(_TICKET, "")
    lacking = [each for each in offer["tickets"] if not any(fits_ticket(form, ticket) for form in each)]
    if lacking:
        wrong.append((_TICKET, f"It must be of the form {' or '.join(lacking[0])}."))
    elif ticket and TICKET.fullmatch(ticket) is None:
        wrong.append((_TICKET, "Give its id alone, or none."))
    start, within = given.get(_START, ""), timedelta(hours=offer["start_within_hours"])
    if start and not now <= (_moment(start) or datetime.min.replace(tzinfo=UTC)) <= now + within:
        wrong.append((_START, f"It has to be in the next {offer['start_within_hours']:g} hours."))
    return wrong


def _number(text: str) -> int:
    """0 where it is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= len("10080") else 0


def _moment(text: str) -> datetime | None:
    is_one = text.isascii() and text.isdecimal() and len(text) <= len("4102444800")
    return datetime.fromtimestamp(int(text), UTC) if is_one else None


def _offer_of(key: str, offers: Sequence[Offer]) -> Offer | None:
    return next((each for each in offers if _key(each) == key), None)


def _key(offer: Offer) -> str:
    """A role and a template: at most 12 + 64 + 64 characters, and two slashes. Slack takes 150 of an option."""
    return f"{offer['role']}/{offer['template']}"


def _role(offer: Offer) -> str:
    return str(offer["role"]).partition("/")[2]


def _account(offer: Offer) -> str:
    return str(offer["account"].get("name") or offer["account"]["id"])
