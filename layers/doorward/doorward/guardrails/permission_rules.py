"""Rules about what a role may do, held beside who from outside may assume it. Nothing is said of what is not known.

`privileged-outsider`: whoever comes in is from outside, and the role's policies give him a power (`privileges`).

| who comes in      | can do whatever the account can | acts as other roles, gives users more | depends on what is not known |
|-------------------|---------------------------------|---------------------------------------|------------------------------|
| a stranger        | critical                        | high                                  | undecided                    |
| a trusted account | high                            | medium                                | undecided                    |
| not decided who   | undecided                       | undecided                             | undecided                    |
| nobody            | -                               | -                                     | -                            |

`missing-boundary`:

| the configuration asks for one | the role has     | who comes in                 | severity |
|--------------------------------|------------------|------------------------------|----------|
| yes                            | that one         | whoever                      | -        |
| yes                            | another, or none | ours                         | medium   |
| yes                            | another, or none | an outsider                  | high     |
| no                             | none             | a trusted account            | info     |
| no                             | none             | a stranger: that is told     | -        |
| no                             | any              | whoever                      | -        |
| no                             | any, or none     | ours, or not decided who     | -        |
"""

from datetime import datetime

from doorward.findings.dismissal import DOUBT
from doorward.findings.model import Finding, Severity, StatementRef, Undecided
from doorward.guardrails.model import Role, Waiver
from doorward.guardrails.outsiders import outsiders_of
from doorward.guardrails.privileges import Power, Unsure, power_of
from doorward.guardrails.protected import is_doorwards_own
from doorward.guardrails.rules import MISSING_BOUNDARY, PRIVILEGED_OUTSIDER
from doorward.guardrails.setting import Looked, Outsider, Outsiders, Setting
from doorward.iam.wording import shortened, statement_in_words

_WHOLE_POLICY = StatementRef(0, None)


def broken_by_permissions(setting: Setting, role: Role, waivers: tuple[Waiver, ...], told: tuple[Undecided, ...], now: datetime) -> Looked:
    """What is found of a role whose permissions, or boundary, are known. `told`: undecided of its trust policy; it is not told twice."""
    active = tuple(each for each in waivers if each.has_begun(now) and not each.has_ended(now))
    findings: list[Finding] = []
    undecided: tuple[Undecided, ...] = ()
    if role.permissions is not None and setting.guardrails.is_enabled(PRIVILEGED_OUTSIDER.id):
        privileged = _privileged_outsiders(setting, role, active, told, now)
        findings += privileged.findings
        undecided = privileged.undecided
    if role.permissions_boundary is not None and setting.guardrails.is_enabled(MISSING_BOUNDARY.id):
        missing = _missing_boundary(setting, role, active, now)
        findings += [] if missing is None else [missing]
    return Looked(tuple(findings), undecided)


# privileged-outsider


def _privileged_outsiders(setting: Setting, role: Role, waivers: tuple[Waiver, ...], told: tuple[Undecided, ...], now: datetime) -> Looked:
    rule = PRIVILEGED_OUTSIDER
    everybody = outsiders_of(setting, role, now)
    if not everybody.found and not everybody.undecided:
        return Looked()
    power = power_of(role)
    if power is None:
        return Looked()
    concerned = tuple(each for each in waivers if rule.id in each.rules)

    def left_beside(severity: str) -> Outsiders:
        covering = tuple(each.where for each in concerned if each.covers(rule.id, severity))
        return outsiders_of(setting, role, now, covering) if covering else everybody

    if isinstance(power, Unsure):
        counting = left_beside(DOUBT)
        because = f"somebody outside the organization may assume this role, and whether it is privileged depends on {power.construct}"
        statements = [*(each.statement for each in counting.found), *(each.statement for each in counting.undecided)]
        open_ = (
            Undecided(rule.id, each, power.construct, f"{_where(each)}: {because}: {power.because}; have a person read it.")
            for each in statements[:1]
        )
        return Looked((), tuple(open_))
    severities = {is_trusted: setting.severity_of(rule.id, _SEVERITIES[is_trusted, power.alone]) for is_trusted in (False, True)}
    strangers, counting = (left_beside(severities[is_trusted]) for is_trusted in (False, True))
    known = {(each.statement.index, each.construct) for each in told}
    undecided = [
        each._replace(rule=rule.id, because=f"{each.because} This role may {_may(power)}.")
        for each in counting.undecided
        if (each.statement.index, each.construct) not in known
    ]
    left = {each.statement.index: each for each in counting.found}
    # What is accepted of a trusted account is graver of a stranger.
    left |= {each.statement.index: each for each in strangers.found if not each.is_trusted}
    findings = []
    for each in everybody.found:
        waiver = next((one for one in concerned if one.covers(rule.id, severities[each.is_trusted])), None)
        waived = waiver.as_told() if waiver is not None and each.statement.index not in left else None
        outsider = left.get(each.statement.index, each)
        its = (severities[outsider.is_trusted], rule.title, outsider.statement, outsider.witness, _sentence(outsider, power), waived)
        findings.append(Finding(rule.id, rule.kind, *its))
    return Looked(tuple(findings), tuple(undecided))


_SEVERITIES = {
    (False, True): Severity.CRITICAL,
    (False, False): Severity.HIGH,
    (True, True): Severity.HIGH,
    (True, False): Severity.MEDIUM,
}


def _sentence(outsider: Outsider, power: Power) -> str:
    return (
        f"{_where(outsider.statement)} lets {_who(outsider)} in, and this role may {_may(power)}: take that permission away, attach a "
        "permissions boundary that does not allow it, or let only principals of the organization in."
    )


def _may(power: Power) -> str:
    steps = ", then ".join(f"{' and '.join(each.calls)} on {each.on}" for each in power.steps)
    return f"{power.follows}, since {shortened(power.policy)} allows {steps}"


def _who(outsider: Outsider) -> str:
    if outsider.account_id is None:
        return f"a stranger ({shortened(outsider.witness.principal)})"
    return f"the trusted account {outsider.account_id}" if outsider.is_trusted else f"account {outsider.account_id}, a stranger,"


# missing-boundary


def _missing_boundary(setting: Setting, role: Role, waivers: tuple[Waiver, ...], now: datetime) -> Finding | None:
    if is_doorwards_own(role):
        return None
    rule, has = MISSING_BOUNDARY, role.permissions_boundary or ""
    asked = setting.guardrails.boundary_of(role, setting.organization.account(role.account_id))
    if has if asked is None else asked.is_met_by(has, role.account_id):
        return None
    found = outsiders_of(setting, role, now).found
    if asked is None and not (found and found[0].is_trusted):  # of a stranger, worse is told
        return None
    it_has = f"its boundary is {shortened(has)}" if has else "it has none"
    if asked is None:
        severity, because = Severity.INFO, "This role has no permissions boundary"
        cure = "attach one that allows no more than whoever comes in needs, so that no later policy gives him more."
    else:
        severity = Severity.HIGH if found else Severity.MEDIUM
        because = f"The configuration asks this role for the permissions boundary {shortened(asked.policy)}, and {it_has}"
        cure = f"attach {shortened(asked.policy)} (aws iam put-role-permissions-boundary), or leave the role out under boundaries."
    who = f": {_where(found[0].statement)} lets {_who(found[0])} in" if found else ""
    severity = setting.severity_of(rule.id, None if severity is rule.severity else severity)
    waiver = next((each for each in waivers if each.is_of_every_request and each.covers(rule.id, severity)), None)
    return Finding(
        rule.id,
        rule.kind,
        severity,
        rule.title,
        found[0].statement if found else _WHOLE_POLICY,
        None,
        f"{because}{who.rstrip(',')}; {cure}",
        waiver and waiver.as_told(),
    )


def _where(statement: StatementRef) -> str:
    return statement_in_words(statement.index, statement.sid)
