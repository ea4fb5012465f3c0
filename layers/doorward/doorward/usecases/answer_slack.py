"""What somebody did in Slack is done by the same use cases as on the API, and he alone is told what came of it.

| what he did                       | who he is                  | what comes of it                                        |
|-----------------------------------|----------------------------|---------------------------------------------------------|
| anything, half an hour ago        | whoever                    | nothing: Slack takes no answer to it any more           |
| command `link CODE`               | anybody of our workspaces  | the code is taken (usecases/link_slack.py)              |
| no word, or `request`             | a person                   | a form to ask for a grant (usecases/ask_by_slack.py)    |
| any other command, or not linked  | anybody of our workspaces  | what there is, and as whom he decides                   |
| a form of asking                  | a person                   | its next step, or it is asked for                       |
| a button or form that none is     | whoever                    | told so                                                 |
| a button or form                  | not linked                 | told how to be                                          |
| a button or form                  | linked to one who is gone  | refused                                                 |
| a button that asks for more       | a person                   | a form, or told that he waited too long                 |
| another button, or a form         | a person                   | decided as by any other way, or refused, with the cure  |

Of a button only its value counts: what it is about, and what was shown of it. The card is not touched here: it is changed by what is told
of the decision, after the commit. Whoever dies between deciding and answering decides again, which changes nothing. An answer that Slack
does not take is not given again: what was decided stands, and everybody is told of it anyway.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from doorward.decisions.actions import ACTIONS, DAY, HOUR, LONGEST_REASON, REASON, Action, why_no_reason
from doorward.decisions.model import GRANT, Answer, Hold, Question
from doorward.decisions.telling import question_as_json
from doorward.errors import MalformedInput, Misconfigured, Unavailable
from doorward.grants.names import is_grant_id
from doorward.guardrails.model import Role
from doorward.people.model import Caller, Person, Refusal, Via
from doorward.ports.slack import Asking, Desk, Interaction, Kind
from doorward.usecases import ask_by_slack, decide, link_slack
from doorward.usecases.ask_by_slack import begin_asking, go_on_asking
from doorward.usecases.compose_grant import REVOKE
from doorward.usecases.decide_finding import decide_finding
from doorward.usecases.decide_grant import decide_grant
from doorward.usecases.end_grant import end_grant
from doorward.usecases.grant_standing import as_json
from doorward.usecases.hold_role import HOLD, hold_role

_FINDING: Final = re.compile(r"dw-[0-9a-f]{20}", re.ASCII)
_SHOWN: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_ROLE_REF: Final = re.compile(r"[0-9]{12}/[\w+=,.@-]{1,64}", re.ASCII)
COUNTS_FOR: Final = timedelta(minutes=30)
"""As long as Slack lets it be answered. https://docs.slack.dev/interactivity/handling-user-interaction#message_responses"""
_HELP: Final = (
    "/doorward asks for access; buttons under a finding or a grant say yes or no to what is shown there.",
    "For that your Slack user has to be linked to you:",
    "run `doorward grants link`, signed in by Identity Center, and give its code here: /doorward link CODE",
)


@dataclass(frozen=True, slots=True)
class Tools:
    """`deciding`, `role` as on the API; `role`: as it stands, by its ref."""

    linking: link_slack.Tools
    deciding: decide.Tools
    role: Callable[[str], Role | None]
    desk: Desk
    asking: ask_by_slack.Tools


def answer_slack(interaction: Interaction, tools: Tools) -> str:
    """What came of it, a word for the log. Raises Unavailable, Misconfigured: nothing was decided, and it comes again."""
    if interaction.at < tools.deciding.clock.now().timestamp() - COUNTS_FOR.total_seconds():
        return "too old"
    if interaction.kind is Kind.COMMANDED:
        return _tell(interaction, *_commanded(interaction, tools), tools)
    if interaction.kind is Kind.SUBMITTED and interaction.what in list(Asking):
        asker = _who(interaction, tools)
        return _tell(
            interaction, *(("nobody", asker) if isinstance(asker, Refusal) else go_on_asking(interaction, asker, tools.asking)), tools
        )
    action = ACTIONS.get(interaction.what)
    if action is None or not _is_ours(action, interaction.value):
        return _tell(interaction, "unknown", ("This Doorward knows no such button. Look at the message again.",), tools)
    person = _who(interaction, tools)
    if isinstance(person, Refusal):
        return _tell(interaction, "nobody", person, tools)
    if interaction.kind is Kind.PRESSED and action.asks:
        return _ask(interaction, tools)
    caller = Caller(person, Via.SLACK)
    if action.what in {GRANT, REVOKE}:
        return _tell(interaction, *_about_grant(action, interaction, caller, tools), tools)
    decided = _decide(action, interaction, caller, tools)
    if isinstance(decided, Refusal):
        return _tell(interaction, "refused", decided, tools)
    told = question_as_json(decided, "")
    lines = (f"{decided.what} {decided.about}: {told['title']}.", *([told["what_to_do"]] if decided.state.is_open else []))
    return _tell(interaction, str(decided.state), lines, tools)


def _commanded(interaction: Interaction, tools: Tools) -> tuple[str, Sequence[str]]:
    if interaction.what == "link" and interaction.value:
        owner = link_slack.take_code(interaction.value, interaction.user, interaction.name, tools.linking)
        if isinstance(owner, Refusal):
            return "no code", owner
        name = owner.user_name
        return "code taken", (
            f"Nothing is linked yet: {name} is asked now, where the command was run, whether you are the one.",
            f"Once he says yes, what you press here is {name}'s word. If you are not {name}, tell your security team.",
        )
    person = _who(interaction, tools)
    if interaction.what in {"", "request"} and isinstance(person, Person):
        return begin_asking(interaction, person, tools.asking)
    return "help", (person.because if isinstance(person, Refusal) else f"You decide as {person.user_name}.", *_HELP)


def _who(interaction: Interaction, tools: Tools) -> Person | Refusal:
    person_id = tools.linking.links.of(interaction.user)
    if person_id is None:
        return Refusal("Your Slack user is linked to nobody.", "Run `doorward grants link`, signed in by Identity Center.")
    person = tools.linking.person(person_id)
    if person is None:
        return Refusal("Whom your Slack user is linked to is not (any more) an enabled user of Identity Center.", "Ask its administrator.")
    return person


def _ask(interaction: Interaction, tools: Tools) -> str:
    if tools.desk.open_form(interaction):
        return "asked"
    return _tell(interaction, "too late", ("That took too long: Slack lets no form be opened any more. Press the button again.",), tools)


def _about_grant(action: Action, interaction: Interaction, caller: Caller, tools: Tools) -> tuple[str, Sequence[str]]:
    grant_id, _, shown = interaction.value.rpartition("/")
    reason = _reason(action, interaction)
    if isinstance(reason, Refusal):
        return "refused", reason
    grants = tools.asking.grants
    if Via.SLACK not in grants.ways():
        return "refused", Refusal(
            "Nothing that is said by Slack counts at present.", "Use `doorward grants`, signed in by Identity Center."
        )
    if action.what == REVOKE:
        found = end_grant(grant_id, caller, reason, grants)
    else:
        found = decide_grant(grant_id, caller, Answer(GRANT, action.yes, shown, reason), grants)
    if found is None:
        return "unknown", ("There is no such grant that you have anything to do with.",)
    if isinstance(found, Refusal):
        return "refused", found
    told = as_json(found, grants)
    return str(found.state), (f"{told['title']}.", str(told["what_to_do"]))


def _reason(action: Action, interaction: Interaction) -> str | Refusal:
    """Empty where none is asked for."""
    reason = interaction.fields.get(REASON, "").strip()
    if REASON in action.asks and not reason:
        return Refusal(f"A reason is needed, of at most {LONGEST_REASON} characters.", "Press the button again.")
    return why_no_reason(reason) or reason


def _decide(action: Action, interaction: Interaction, caller: Caller, tools: Tools) -> Question | Refusal:
    about, _, shown = interaction.value.rpartition("/")  # as a button of ours has them
    reason = _reason(action, interaction)
    if isinstance(reason, Refusal):
        return reason
    until = _moment(next((interaction.fields.get(each, "") for each in action.asks if each in {HOUR, DAY}), ""))
    if action.what != HOLD:
        return decide_finding(about, caller, Answer(action.what, action.yes, shown, reason, until), tools.deciding)
    if until is None:
        return Refusal("A role is held until some time.", "Press the button again.")
    return hold_role(Hold(about, until, reason), caller, tools.role, tools.deciding)


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _is_ours(action: Action, value: str) -> bool:
    """Whether it is what a button of this action holds (slack/cards.py): the object, a slash, and what stands for all that was shown."""
    about, _, shown = value.rpartition("/")
    if action.what == HOLD:
        return _ROLE_REF.fullmatch(about) is not None and not shown
    if action.what in {GRANT, REVOKE}:
        return is_grant_id(about) and (_SHOWN.fullmatch(shown) is not None if action.what == GRANT else not shown)
    return _FINDING.fullmatch(about) is not None and _SHOWN.fullmatch(shown) is not None


def _tell(interaction: Interaction, outcome: str, lines: Sequence[str], tools: Tools) -> str:
    """A refusal is two lines; none at all: he sees it otherwise."""
    if not lines:
        return outcome
    if not interaction.answer_to:
        return f"{outcome}, not answered"
    try:
        tools.desk.tell(interaction.answer_to, tuple(lines))
    except (Unavailable, Misconfigured, MalformedInput):
        return f"{outcome}, not answered"
    return outcome
