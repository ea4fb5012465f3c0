"""What the search finds of a policy's statements, each beside the Denies, with what waivers accept marked.

Nothing of this is imported for a policy that is narrow on the face of it.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from doorward.findings.model import Finding, StatementRef, Undecided
from doorward.guardrails.explaining import Told, explain
from doorward.guardrails.holes import TOO_LARGE, Asked, Hole, Holes, Open, holes_of
from doorward.guardrails.model import Role, Waiver, Where
from doorward.guardrails.rules import ALL_RULES, OF_PERMISSIONS, WAIVER_EXPIRED, WAIVER_UNUSED, RuleText
from doorward.guardrails.setting import Looked, Setting, one_by_one, together
from doorward.guardrails.text_rules import offences
from doorward.guardrails.worlds import Gate
from doorward.guardrails.written import asks_for_time
from doorward.iam.documents import Document, Statement
from doorward.iam.sets import Budget

# Steps of automata, about a microsecond each at worst: after some 50 ms a judgement gives up.
STEPS = 60_000
FEWEST_STEPS = 2_500
_WHOLE_POLICY = StatementRef(0, None)
_SOMEWHERE = StatementRef(-1, None)


class Searching:
    """One look at one policy."""

    def __init__(self, setting: Setting, role: Role, document: Document, waivers: tuple[Waiver, ...], now: datetime) -> None:
        self._setting = setting
        self._role = role
        self._document = document
        self._now = now
        self._has_waivers = bool(waivers)
        self._ended = tuple(each for each in waivers if each.has_ended(now))
        self._waivers = tuple(each for each in waivers if each.has_begun(now) and not each.has_ended(now))
        self._used: set[Waiver] = set()
        self._spent = 0
        self._asked = Asked(setting.rules_on, setting.custom)

    def look_at(self, statements: Sequence[Statement], denies: tuple[Statement, ...], looked: dict[int, Looked]) -> None:
        """Adds to `looked`, by position, what is found of each Allow."""
        allows = [each for each in statements if each.effect == "Allow"]
        for index, statement in enumerate(allows):
            # Each has its own share of what is left: one that is too hard hides no other.
            steps = max((STEPS - self._spent) // (len(allows) - index), FEWEST_STEPS)
            looked[statement.position] = self._looked_at(statement, denies, steps)

    def about_waivers(self) -> list[Finding]:
        """Of waivers that have ended, or waive nothing: to be asked for after all statements were looked at."""
        said: list[Finding] = []
        for each in self._ended:
            because = (
                f"The waiver of {each.owner} for {', '.join(each.rules)} ended on {each.until}; close the hole, or ask for another waiver."
            )
            said.append(self._about_waiver(WAIVER_EXPIRED, because))
        for each in self._waivers:
            # What the role may do is looked at elsewhere, and not always known; what people decided goes by itself.
            if each not in self._used and not OF_PERMISSIONS.intersection(each.rules) and not each.decided:
                because = f"The waiver of {each.owner} for {', '.join(each.rules)} meets no finding of this role any more; remove it."
                said.append(self._about_waiver(WAIVER_UNUSED, because))
        return [each for each in said if each.rule in self._setting.rules_on]

    def _looked_at(self, statement: Statement, denies: tuple[Statement, ...], steps: int) -> Looked:
        """What is found of one statement beside the Deny statements, wherever it stands."""
        setting, version = self._setting, self._document.version
        # The same may stand in this document twice.
        looked = None if self._has_waivers else setting.known_of(version, statement, denies)
        if looked is None:
            services = () if self._has_waivers else one_by_one(statement)
            if services:
                most = self._spent + steps
                looked = together([self._looked_at(Statement._make(each), denies, max(most - self._spent, 0)) for each in services])
            else:
                looked = self._searched_for(statement, denies, steps)
            # With more left for it, another policy's may be decided.
            gave_up = any(each.construct == TOO_LARGE for each in looked.undecided)
            if not (self._has_waivers or gave_up or asks_for_time((statement, *denies))):
                setting.remember(version, statement, denies, looked)
        return looked

    def _searched_for(self, statement: Statement, denies: tuple[Statement, ...], steps: int) -> Looked:
        part = self._document._replace(statements=(statement, *denies))
        undecided: list[Undecided] = []
        findings = [self._of_text(*each) for each in offences(statement, self._setting.ground) if each[0].id in self._setting.rules_on]
        if self._waivers:
            findings += [self._of_hole(statement, hole, waiver) for hole, waiver in self._holes(part, statement, steps, undecided)]
        else:
            holes = self._searched(part, statement, steps)
            findings += [self._of_hole(statement, each, None) for each in holes.found]
            undecided += map(_undecided, holes.undecided)
        return Looked(tuple(findings), tuple(undecided))

    def _holes(self, part: Document, statement: Statement, steps: int, undecided: list[Undecided]) -> Iterator[tuple[Hole, Waiver | None]]:
        """With what waivers accept marked, and what is found outside of them."""
        holes = self._searched(part, statement, steps)
        rules = dict.fromkeys([*(hole.rule for hole in holes.found), *(doubt.rule for doubt in holes.undecided)])
        waived: dict[str, tuple[Waiver, ...]] = dict.fromkeys(rules, ())
        for waiver in self._waivers:
            concerned = frozenset(rule for rule in rules if rule in waiver.rules)
            inside = self._searched(part, statement, steps, inside=waiver.where, rules=concerned) if concerned else Holes()
            if inside.found or inside.undecided:
                self._used.add(waiver)
            waived |= {rule: (*waived[rule], waiver) for rule in concerned if self._is_covered(rule, waiver, inside, holes)}
        for waivers in dict.fromkeys(each for each in waived.values() if each):
            concerned = frozenset(rule for rule, its in waived.items() if its == waivers)
            outside = self._searched(part, statement, steps, outside=tuple(each.where for each in waivers), rules=concerned)
            left = {*(hole.rule for hole in outside.found), *(doubt.rule for doubt in outside.undecided)}
            yield from ((each, waivers[0]) for each in holes.found if each.rule in concerned - left)
            yield from ((each, None) for each in outside.found)
            undecided += map(_undecided, outside.undecided)
        yield from ((each, None) for each in holes.found if not waived[each.rule])
        undecided += [_undecided(each) for each in holes.undecided if not waived[each.rule]]

    def _is_covered(self, rule_id: str, waiver: Waiver, inside: Holes, everywhere: Holes) -> bool:
        """Whether what the waiver accepts of it is no graver by now than what was shown; where that was not decided, the whole is not."""
        found = (*inside.found, *(everywhere.found if inside.undecided else ()))
        hole = next((each for each in found if each.rule == rule_id), None)
        return hole is None or waiver.covers(rule_id, self._setting.severity_of(rule_id, hole.severity))

    def _searched(
        self,
        part: Document,
        statement: Statement,
        steps: int,
        *,
        outside: tuple[Where, ...] = (),
        inside: Where | None = None,
        rules: frozenset[str] | None = None,
    ) -> Holes:
        setting = self._setting
        asked = self._asked
        if rules is not None:
            asked = Asked(asked.on & rules, tuple(each for each in asked.custom if each.id in rules))
        budget = Budget(steps)
        gate = Gate(part, self._role, setting.ground, self._now, budget, outside_of=outside, inside_of=inside)
        holes = holes_of(gate, statement, asked, strict=setting.strict)
        self._spent += steps - max(budget.steps, 0)
        return holes

    # What is said of it

    def _of_text(self, rule: RuleText, because: str) -> Finding:
        severity = self._setting.severity_of(rule.id)
        waiver = next((each for each in self._waivers if each.is_of_every_request and each.covers(rule.id, severity)), None)
        if waiver is not None:
            self._used.add(waiver)
        return Finding(rule.id, rule.kind, severity, rule.title, _SOMEWHERE, None, because, waiver and waiver.as_told())

    def _of_hole(self, statement: Statement, hole: Hole, waiver: Waiver | None) -> Finding:
        setting = self._setting
        rule = ALL_RULES.get(hole.rule)
        if rule is None:
            custom = next(each for each in setting.custom if each.id == hole.rule)
            title, because = custom.title, custom.because
        else:
            title = rule.title
            because = explain(rule, Told(statement, hole.principal, hole.shown, setting.organization))
        severity = setting.severity_of(hole.rule, hole.severity)
        return Finding(hole.rule, "world", severity, title, _SOMEWHERE, hole.shown.witness, because, waiver and waiver.as_told())

    def _about_waiver(self, rule: RuleText, because: str) -> Finding:
        return Finding(rule.id, rule.kind, self._setting.severity_of(rule.id), rule.title, _WHOLE_POLICY, None, because)


def _undecided(left_open: Open) -> Undecided:
    return Undecided(left_open.rule, _SOMEWHERE, left_open.construct, left_open.because)
