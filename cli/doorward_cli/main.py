"""The `doorward` command. Exit status, for every command: docs/contracts.md.

| status | meaning                                                                    |
|--------|----------------------------------------------------------------------------|
| 0      | done, nothing to report                                                    |
| 1      | done, something to report                                                  |
| 2      | the input or the usage is wrong (a bug of ours, too: never called done)    |
| 3      | AWS or the network failed                                                  |
| 130    | interrupted                                                                |
| 141    | whoever read the output went away                                          |

Importing this module imports neither rich nor a YAML parser nor the judge: each command takes what it needs.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from doorward.errors import DoorwardError, MalformedInput, Misconfigured, Unavailable
from doorward_cli.grant_commands import grants_app
from doorward_cli.usage import (
    DONE,
    INTERRUPTED,
    READER_GONE,
    REPORTED,
    UNAVAILABLE,
    WRONG_INPUT,
    ApiOption,
    FormatOption,
    UsageFault,
    YesOption,
    answered,
    check_format,
    day_of,
    role_ref_of,
    say,
    time_of,
)

if TYPE_CHECKING:
    from doorward.findings.model import Severity
    from doorward.guardrails.model import Guardrails
    from doorward.organization.model import Organization
    from doorward_cli.checking import Report
    from doorward_cli.inputs import Item

_TRACEBACK = "DOORWARD_TRACEBACK"
_CHECK_FORMATS = ("table", "json", "sarif", "html", "md")
_NEVER = "never"
_MOST_NAMED = 5

app = typer.Typer(
    name="doorward",
    help="Judges AWS role trust policies by meaning: who could come in, shown by one request that would be let in.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
config_app = typer.Typer(help="The policy files of an installation.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(config_app, name="config")
guard_app = typer.Typer(help="Doorward itself.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(guard_app, name="guard")
guardrails_app = typer.Typer(help="The guardrails themselves.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(guardrails_app, name="guardrails")
kill_switch_app = typer.Typer(help="Stop Doorward's writes, and let them go on.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(kill_switch_app, name="kill-switch")
findings_app = typer.Typer(help="What stands, and what people say to it.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(findings_app, name="findings")
baseline_app = typer.Typer(help="The trust policy that is put back.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(baseline_app, name="baseline")
app.add_typer(grants_app, name="grants")
audit_app = typer.Typer(help="What happened to each thing that people decide on.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(audit_app, name="audit")

suspensions_app = typer.Typer(help="What does not count until a person has looked.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(suspensions_app, name="suspensions")

_STACK_OPTION = Annotated[str, typer.Option("--stack", metavar="NAME", help="The hub stack.")]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; `arguments` None: those of the process. Returns the exit status; no exception leaves it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # whoever started the command closed it
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - for as long as the process lives
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    try:
        status = _run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        status = READER_GONE
    except OSError as error:  # every file that is read or written by name has its own line already
        status = say(f"standard output cannot be written: {error.strerror or error}", WRONG_INPUT)
    else:
        return status
    # Python would complain once more at exit, when it flushes.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status


def _run(arguments: list[str]) -> int:
    try:
        command = typer.main.get_command(app)
        # Not command.main(): it turns a broken pipe into status 1, which means "something to report" here.
        with command.make_context("doorward", list(arguments)) as context:
            status = command.invoke(context)
        return status if isinstance(status, int) else DONE
    except OSError:
        raise
    except UsageFault as fault:
        return say(str(fault), WRONG_INPUT)
    except (MalformedInput, Misconfigured) as error:
        return max(say(each, WRONG_INPUT) for each in str(error).split("\n"))
    except (Unavailable, DoorwardError) as error:
        return say(str(error), UNAVAILABLE)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except typer.Exit as wanted:
        return wanted.exit_code
    except SystemExit as wanted:
        return wanted.code if isinstance(wanted.code, int) else WRONG_INPUT
    except Exception as error:
        message = getattr(error, "format_message", None)  # typer's own: an unknown option, a missing argument
        if message is not None:
            text = str(message())
            # no_args_is_help arrives as an error whose message is the help
            return say(text, WRONG_INPUT) if "\n" not in text else _help(text)
        if os.environ.get(_TRACEBACK):
            raise
        return say(
            f"a bug in doorward: {type(error).__name__}: {error}. Please report it, with the output under {_TRACEBACK}=1", WRONG_INPUT
        )


def _help(text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return WRONG_INPUT


@app.callback(invoke_without_command=True)
def _doorward(context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from importlib.metadata import version as installed

        sys.stdout.write(f"doorward {installed('doorward')}\n")
        raise typer.Exit(DONE)
    if context.invoked_subcommand is None:
        sys.stderr.write(f"{context.get_help()}\n")
        raise typer.Exit(WRONG_INPUT)


@app.command("check")
def check_command(  # noqa: PLR0917 - typer passes them by name
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE|DIR|-]...",
            help="Trust policies; what aws iam get-role, list-roles or get-account-authorization-details printed; CloudFormation and SAM"
            " templates; terraform show -json (gzip too). Of a DIR, what is recognised below it; - for standard input.",
        ),
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="The roles of the account of the current credentials.")] = False,
    account: Annotated[
        str | None, typer.Option("--account", metavar="ID", help="The account that owns the role where the input does not say.")
    ] = None,
    org: Annotated[Path | None, typer.Option("--org", metavar="FILE", help="The organization, and whom it trusts (YAML or JSON).")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="DIR", help="A folder with organization.yaml and guardrails.yaml.")
    ] = None,
    format_: Annotated[str, typer.Option("--format", metavar="table|json|sarif|html|md", help="How the result is printed.")] = "table",
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Write the result to FILE instead of standard output.")
    ] = None,
    fail_on: Annotated[
        str,
        typer.Option(
            "--fail-on", metavar="critical|high|medium|low|info|never", help="From which severity on a finding makes the exit status 1."
        ),
    ] = "medium",
) -> int:
    """Judge trust policies. Exit status: 0 nothing to report, 1 something to report, 2 wrong input or usage, 3 AWS failed."""
    from doorward.iam.arns import is_account_id
    from doorward_cli.checking import check
    from doorward_cli.inputs import Skipped, Subject, Unreadable
    from doorward_cli.progress import progress

    if format_ not in _CHECK_FORMATS:
        raise UsageFault(f"--format {format_}: must be {', '.join(_CHECK_FORMATS[:-1])} or {_CHECK_FORMATS[-1]}")
    threshold = _threshold(fail_on)
    if not files and not live:
        raise UsageFault("nothing to check: give a FILE, a folder, - for standard input, or --live")
    if account is not None and not is_account_id(account):
        raise UsageFault(f"--account {account}: must be 12 digits")
    organization, guardrails = _facts(org, config)
    read = list(_items(files or [], live, account))
    subjects = [each for each in read if isinstance(each, Subject)]
    unreadable = [each for each in read if isinstance(each, Unreadable)]
    skipped = [each for each in read if isinstance(each, Skipped)]
    with progress(len(subjects), "Judging") as told:
        report = check(subjects, unreadable, organization, guardrails, now=datetime.now(UTC), skipped=skipped, told=told)
    _print_report(report, format_, output)
    if report.skipped:
        say(_skipped(report), DONE)
    judged = {(each.owner, each.name) for each in subjects if each.name}
    for waiver in guardrails.waivers:
        account_id, _, name = waiver.role.partition("/")
        if (account_id, name) not in judged and account_id in {each for each, _ in judged}:
            say(f"the waiver of {waiver.owner} for {waiver.role} meets no role of this run; if the role is gone, remove it", DONE)
    for each in report.errors:
        say(str(each), WRONG_INPUT)
    if report.errors:
        return WRONG_INPUT
    return REPORTED if report.is_to_be_reported(threshold) else DONE


@app.command("evaluate")
def evaluate_command(
    file: Annotated[str, typer.Argument(metavar="REQUEST.json|REQUESTS.jsonl|-", help="One request, or one a line; - for standard input.")],
    explain: Annotated[bool, typer.Option("--explain", help="Say in words, on standard error, what decided.")] = False,
) -> int:
    """Decide requests under all their policies. Exit status: 0 all allowed, 1 one was denied, 2 one could not be decided."""
    import json

    from doorward_cli.evaluating import evaluate_file
    from doorward_cli.evaluating import explain as in_words

    failed, first, denied = 0, None, False
    try:
        for answer in evaluate_file(file):
            sys.stdout.write(json.dumps(answer.result, ensure_ascii=True) + "\n")
            if explain:
                say(in_words(answer), DONE)
            denied = denied or answer.is_denied
            if answer.error is not None:
                failed += 1
                first = first or f"{file}{'' if answer.line is None else f', line {answer.line}'}: {answer.error}"
    except MalformedInput as error:
        raise MalformedInput(f"{file}: {error}") from None
    if first is not None:
        more = f" ({failed - 1} more {'line' if failed == 2 else 'lines'} failed)" if failed > 1 else ""  # noqa: PLR2004 - one and one more
        return say(f"{first}{more}", WRONG_INPUT)
    return REPORTED if denied else DONE


@app.command("diff")
def diff_command(
    old: Annotated[str, typer.Argument(metavar="OLD.json", help="The trust policy as it was.")],
    new: Annotated[str, typer.Argument(metavar="NEW.json", help="The trust policy as it will be; - for standard input.")],
    account: Annotated[
        str | None, typer.Option("--account", metavar="ID", help="The account that owns the role where the input does not say.")
    ] = None,
    org: Annotated[
        Path | None, typer.Option("--org", metavar="FILE", help="The organization (YAML or JSON); it only shapes requests.")
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", metavar="table|json", help="How the result is printed; json where it is not a terminal.")
    ] = None,
) -> int:
    """Say what a change of a trust policy newly lets in. Exit status: 0 nobody, 1 somebody or not decided, 2 wrong input or usage."""
    from doorward.iam.arns import is_account_id
    from doorward_cli import differing, tables

    if format_ is not None:
        check_format(format_)
    if account is not None and not is_account_id(account):
        raise UsageFault(f"--account {account}: must be 12 digits")
    organization, _ = _facts(org, None)
    difference = differing.diff_files(old, new, account, organization, now=datetime.now(UTC))
    if format_ == "table" or (format_ is None and sys.stdout.isatty()):
        differing.print_table(difference)
    else:
        tables.write_json(differing.as_json(difference))
    return DONE if difference.gained.is_there is False else REPORTED


@app.command("adopt")
def adopt_command(  # noqa: PLR0917 - typer passes them by name
    files: Annotated[list[str] | None, typer.Argument(metavar="[FILE|DIR|-]...", help="The roles of the accounts, as for check.")] = None,
    live: Annotated[bool, typer.Option("--live", help="The roles of the account of the current credentials.")] = False,
    account: Annotated[
        str | None, typer.Option("--account", metavar="ID", help="The account that owns the role where the input does not say.")
    ] = None,
    config: Annotated[Path, typer.Option("--config", metavar="DIR", help="The configuration; adopted.yaml stands in it.")] = Path("config"),
    accept: Annotated[
        list[str] | None, typer.Option("--accept", metavar="GROUP|all", help="Accept what is open in this group, RULE=PRINCIPAL.")
    ] = None,
    owner: Annotated[str | None, typer.Option("--owner", metavar="WHO", help="Who answers for what is accepted.")] = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why.")] = "found on the first day",
    until: Annotated[str | None, typer.Option("--until", metavar="DAY", help="Until when, 2027-01-31; at most 90 days from today.")] = None,
    take: Annotated[list[str] | None, typer.Option("--take", metavar="ID", help="Adopt this account: its modes count from now on.")] = None,
    format_: FormatOption = "table",
) -> int:
    """First day: what is broken, grouped; accepted in bulk until a day. Exit status: 0 nothing is open, 1 something is, 2 wrong input."""
    from doorward.iam.arns import is_account_id
    from doorward_cli import adopting, configuration, tables
    from doorward_cli.inputs import Subject, Unreadable

    check_format(format_)
    for each in (*(take or ()), *(() if account is None else (account,))):
        if not is_account_id(each):
            raise UsageFault(f"{each}: must be an account id of 12 digits")
    if not files and not live and not take:
        raise UsageFault("nothing to adopt: give a FILE, a folder, - for standard input, --live, or --take ID")
    now = datetime.now(UTC)
    last = day_of("--until", until) if until is not None else None
    if accept and (owner is None or last is None):
        raise UsageFault("--accept needs --owner WHO and --until DAY: nothing is accepted for ever, or by nobody")
    organization, guardrails = configuration.load_folder(config)
    read = list(_items(files or [], live, account))
    unreadable = [each for each in read if isinstance(each, Unreadable)]
    subjects = [each for each in read if isinstance(each, Subject)]
    adoption = adopting.survey(subjects, organization, guardrails, now=now)
    written = None
    if accept or take:
        try:
            waivers = [] if last is None else adopting.accepting(
                accept or (), adoption, owner=owner or "", reason=reason, since=now.date(), until=last
            )  # fmt: skip
            # The first list of adopted accounts must not make the others fall back to observing.
            before = (each.id for each in organization.accounts) if take and guardrails.adopted is None else ()
            written = adopting.write(config, waivers, (*before, *(take or ())))
        except ValueError as error:
            raise UsageFault(str(error)) from None
        except OSError as error:
            raise UsageFault(f"{config}: cannot be written: {error.strerror or error}") from None
        organization, guardrails = configuration.load_folder(config)
        adoption = replace(adopting.survey(subjects, organization, guardrails, now=now), written=str(written))
    if format_ == "json":
        tables.write_json(adopting.as_json(adoption))
    else:
        adopting.print_table(adoption, is_whole=not unreadable)
    if written is not None:
        say(f"wrote {written}: review it, and deploy it like the rest of {config}", DONE)
    for each in unreadable:
        say(str(each), WRONG_INPUT)
    if unreadable:
        return WRONG_INPUT
    return REPORTED if adoption.open or adoption.undecided else DONE


@app.command("doctor")
def doctor_command(
    stack: _STACK_OPTION = "doorward",
    format_: FormatOption = "table",
) -> int:
    """Check an installation, with the hub's credentials. Exit status: 0 all is well, 1 not, 2 wrong usage, 3 AWS failed."""
    from contextlib import ExitStack

    from doorward_cli import doctoring, tables
    from doorward_cli.progress import progress

    check_format(format_)
    with ExitStack() as bar:
        diagnosis = doctoring.diagnose(doctoring.asking(stack), lambda total: bar.enter_context(progress(total, "Checking")))
    if format_ == "json":
        tables.write_json(doctoring.as_json(diagnosis))
    else:
        doctoring.print_table(diagnosis)
    return DONE if diagnosis.is_healthy else REPORTED


_ROLE_ARGUMENT = Annotated[str, typer.Argument(metavar="ROLE", help="ARN of the role, or ACCOUNT/NAME.")]


@app.command("history")
def history_command(
    role: _ROLE_ARGUMENT,
    stack: _STACK_OPTION = "doorward",
    format_: FormatOption = "table",
) -> int:
    """Show what happened to a role's trust, with the hub's credentials. Exit status: 0 no case is open, 1 one is, 2 wrong usage, 3 AWS."""
    from doorward_cli import history, tables

    check_format(format_)
    found = history.read_history(role_ref_of(role), stack)
    if format_ == "json":
        tables.write_json(history.as_json(found))
    else:
        history.print_table(found)
    return REPORTED if found.open else DONE


@app.command("plan")
def plan_command(
    role: _ROLE_ARGUMENT,
    by: Annotated[str | None, typer.Option("--by", metavar="ARN", help="Who is taken to have changed it; else nobody known.")] = None,
    stack: _STACK_OPTION = "doorward",
    format_: FormatOption = "table",
) -> int:
    """Show what Doorward would do if the role's trust had changed just now. Exit status: 0 nothing, 1 something, 2 wrong usage, 3 AWS."""
    from doorward_cli import planning, tables

    check_format(format_)
    plan = planning.read_plan(role_ref_of(role), by, stack)
    if format_ == "json":
        tables.write_json(plan)
    else:
        planning.print_table(plan)
    return DONE if planning.is_quiet(plan) else REPORTED


_NO_OPTION = Annotated[bool, typer.Option("--no", help="Say no, for good.")]
_FINDING_ARGUMENT = Annotated[str, typer.Argument(metavar="FINDING", help="Its id, dw-…")]


_REASON_OPTION = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it stays in the ledger.")]


@findings_app.command("list")
def findings_list_command(
    every: Annotated[bool, typer.Option("--all", help="Those that people dismissed, too.")] = False,
    api: ApiOption = None,
    format_: FormatOption = "table",
) -> int:
    """Show the findings that stand. Exit status: 0 none, 1 some, 2 wrong usage or not for you, 3 the API failed."""
    from doorward_cli import deciding, tables
    from doorward_cli.api import Api

    check_format(format_)
    findings = answered(lambda: deciding.every_finding(Api(api), with_dismissed=every))
    if format_ == "json":
        tables.write_json(findings)
    else:
        deciding.print_list(findings)
    return REPORTED if findings else DONE


@findings_app.command("show")
def findings_show_command(finding: _FINDING_ARGUMENT, api: ApiOption = None, format_: FormatOption = "table") -> int:
    """Show one, with its proof and the proposed remedy. Exit status: 0 shown, 2 wrong usage or not for you, 3 the API failed."""
    from doorward_cli import deciding, tables
    from doorward_cli.api import Api

    check_format(format_)
    found = answered(lambda: deciding.one_finding(Api(api), finding))
    if format_ == "json":
        tables.write_json(found)
    else:
        deciding.print_finding(found)
    return DONE


@findings_app.command("apply")
def findings_apply_command(  # noqa: PLR0917 - typer passes them by name
    finding: _FINDING_ARGUMENT,
    reason: _REASON_OPTION = "",
    no: _NO_OPTION = False,
    yes: YesOption = False,
    api: ApiOption = None,
    format_: FormatOption = "table",
) -> int:
    """Say yes, or no, to the proposed remedy. Exit status: 0 said, 1 not said after all, 2 wrong usage or not for you, 3 the API failed."""
    return _decide(finding, "apply", reason, api, format_, no=no, is_sure=yes)


@findings_app.command("waive")
def findings_waive_command(  # noqa: PLR0917 - typer passes them by name
    finding: _FINDING_ARGUMENT,
    until: Annotated[str, typer.Option("--until", metavar="TIME", help="When it ends, within ninety days, with a time zone.")],
    reason: _REASON_OPTION = "",
    no: _NO_OPTION = False,
    yes: YesOption = False,
    api: ApiOption = None,
    format_: FormatOption = "table",
) -> int:
    """Say yes, or no, to accepting what was found until a time; whatever else comes in is found. Exit status: as of apply."""
    return _decide(finding, "waive", reason, api, format_, until=time_of("--until", until), no=no, is_sure=yes)


@findings_app.command("dismiss")
def findings_dismiss_command(  # noqa: PLR0917 - typer passes them by name
    finding: _FINDING_ARGUMENT,
    reason: _REASON_OPTION = "",
    no: _NO_OPTION = False,
    yes: YesOption = False,
    api: ApiOption = None,
    format_: FormatOption = "table",
) -> int:
    """Say yes, or no, to hearing no more of it; it stands, and is back where something else is found. Exit status: as of apply."""
    return _decide(finding, "dismiss", reason, api, format_, no=no, is_sure=yes)


@app.command("undo")
def undo_command(  # noqa: PLR0917 - typer passes them by name
    finding: _FINDING_ARGUMENT,
    reason: _REASON_OPTION = "",
    no: _NO_OPTION = False,
    yes: YesOption = False,
    api: ApiOption = None,
    format_: FormatOption = "table",
) -> int:
    """Say yes, or no, to putting back what a remedy replaced, for a day. Exit status: as of findings apply."""
    return _decide(finding, "undo", reason, api, format_, no=no, is_sure=yes)


def _decide(
    finding: str, what: str, reason: str, api: str | None, format_: str, *, until: datetime | None = None, no: bool, is_sure: bool
) -> int:
    """Shows the finding, asks, and says it about what was shown."""
    from doorward_cli import deciding
    from doorward_cli.api import Api

    check_format(format_)
    client = Api(api)
    found = answered(lambda: deciding.one_finding(client, finding))
    deciding.print_finding(found, sys.stderr if format_ == "json" else None)
    return _say_to_this(
        lambda: deciding.say(client, found, what, yes=not no, reason=reason, until=until), no=no, is_sure=is_sure, format_=format_
    )


@app.command("hold")
def hold_command(
    role: _ROLE_ARGUMENT,
    until: Annotated[str, typer.Option("--until", metavar="TIME", help="When it ends, within four hours, with a time zone.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why: everybody is told.")],
    api: ApiOption = None,
) -> int:
    """Have nothing written to a role for a while. Exit status: 0 said, 2 wrong usage or not for you, 3 the API failed."""
    from doorward_cli import deciding
    from doorward_cli.api import Api

    end = time_of("--until", until)
    assert end is not None  # noqa: S101 - it is required
    client, role_ref = Api(api), role_ref_of(role)
    deciding.print_answer(answered(lambda: deciding.hold(client, role_ref, end, reason)))
    return DONE


@baseline_app.command("show")
def baseline_show_command(role: _ROLE_ARGUMENT, api: ApiOption = None, format_: FormatOption = "table") -> int:
    """Show what is accepted, and how what stands differs. Exit status: 0 the same, 1 it differs, 2 not for you, 3 the API failed."""
    from doorward_cli import deciding, tables
    from doorward_cli.api import Api

    check_format(format_)
    client, role_ref = Api(api), role_ref_of(role)
    shown = answered(lambda: deciding.shown_baseline(client, role_ref))
    if format_ == "json":
        tables.write_json(shown)
    else:
        deciding.print_baseline(shown)
    return DONE if shown["is_accepted"] else REPORTED


@baseline_app.command("accept")
def baseline_accept_command(
    role: _ROLE_ARGUMENT,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is told with it.")] = "",
    no: _NO_OPTION = False,
    yes: YesOption = False,
    api: ApiOption = None,
) -> int:
    """Say yes, or no, to accepting what stands. Exit status: 0 said, 1 not said after all, 2 not for you, 3 the API failed."""
    from doorward_cli import deciding
    from doorward_cli.api import Api

    client, role_ref = Api(api), role_ref_of(role)
    shown = answered(lambda: deciding.shown_baseline(client, role_ref))
    deciding.print_baseline(shown)
    return _say_to_this(lambda: deciding.accept(client, shown, yes=not no, reason=reason), no=no, is_sure=yes)


def _say_to_this(say: Callable[[], dict[str, Any]], *, no: bool, is_sure: bool, format_: str = "table") -> int:
    """Says it, once whoever reads what was just printed is sure."""
    from doorward_cli import deciding, tables

    if not is_sure and not typer.confirm(f"Say {'no' if no else 'yes'} to this?", err=True):
        return REPORTED
    said = answered(say)
    if format_ == "json":
        tables.write_json(said)
    else:
        deciding.print_answer(said)
    return DONE


@audit_app.command("verify")
def audit_verify_command(stack: _STACK_OPTION = "doorward", format_: FormatOption = "table") -> int:
    """Verify chains, roots and signatures, as doorward-auditor. Exit status: 0 all as written, 1 tampered with, 2 wrong usage, 3 AWS."""
    from doorward_cli import auditing, tables

    check_format(format_)
    verified = auditing.read_and_verify(stack)
    if format_ == "json":
        tables.write_json(auditing.as_json(verified))
    else:
        auditing.print_table(verified)
    return REPORTED if verified.faults else DONE


_ACCOUNT_OPTION = Annotated[str | None, typer.Option("--account", metavar="ID", help="Only in this account.")]
_RULE_OPTION = Annotated[str | None, typer.Option("--rule", metavar="RULE", help="Only for this guardrail.")]


@kill_switch_app.command("on")
def kill_switch_on_command(
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why: everybody is told.")],
    account: _ACCOUNT_OPTION = None,
    rule: _RULE_OPTION = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="When it ends by itself, with a time zone.")] = None,
    stack: _STACK_OPTION = "doorward",
) -> int:
    """Stop Doorward's writes; judging and telling go on. Exit status: 0 done, 2 wrong usage, 3 AWS failed."""
    from doorward_cli import stopping

    stopped = stopping.stop(stopping.scope_of(account, rule), reason, time_of("--until", until), stack)
    stopping.print_table((stopped,))
    return DONE


@kill_switch_app.command("off")
def kill_switch_off_command(account: _ACCOUNT_OPTION = None, rule: _RULE_OPTION = None, stack: _STACK_OPTION = "doorward") -> int:
    """Let Doorward write again. What was found meanwhile is not undone by itself. Exit status: 0 done, 1 nothing was stopped, 2, 3."""
    from doorward_cli import stopping

    scope = stopping.scope_of(account, rule)
    if stopping.go_on(scope, stack):
        return say(f"Doorward writes again for {scope}.", DONE)
    return say(f"Nothing was stopped for {scope}.", REPORTED)


@kill_switch_app.command("list")
def kill_switch_list_command(stack: _STACK_OPTION = "doorward") -> int:
    """Show what is stopped. Exit status: 0 nothing, 1 something, 2 wrong usage, 3 AWS failed."""
    from doorward_cli import stopping

    stops = stopping.stopped_now(stack)
    stopping.print_table(stops)
    return REPORTED if stops else DONE


@suspensions_app.command("list")
def suspensions_list_command(stack: _STACK_OPTION = "doorward") -> int:
    """Show which suspensions are in force. Exit status: 0 none, 1 some, 2 wrong usage, 3 AWS failed."""
    from doorward_cli import suspending

    suspensions = suspending.standing(stack)
    suspending.print_table(suspensions)
    return REPORTED if suspensions else DONE


@suspensions_app.command("end")
def suspensions_end_command(
    scope: Annotated[str, typer.Argument(metavar="ACCOUNT|slack", help="The account's id, or slack.")],
    yes: YesOption = False,
    stack: _STACK_OPTION = "doorward",
) -> int:
    """End a suspension, once you have looked (its runbook says at what). Exit status: 0 done, 1 not done, 2 wrong usage, 3 AWS failed."""
    from doorward_cli import suspending

    suspension = next((each for each in suspending.standing(stack) if each.scope == scope), None)
    if suspension is None:
        return say(f"Nothing is suspended for {scope}.", REPORTED)
    suspending.print_table((suspension,))
    if not yes and not typer.confirm("End this?", err=True):
        return say("It stands.", REPORTED)
    suspending.end(suspension, stack)
    return say(f"The suspension for {scope} is over; everybody is told.", DONE)


@config_app.command("check")
def config_check_command(
    directory: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where the policy files are.")] = Path("config"),
) -> int:
    """Check the policy files; every fault is named with file, line and field. Exit status: 0 all right, 2 not."""
    from doorward_cli.configuration import load_entitlements, load_folder

    organization, guardrails = load_folder(directory)
    entitlements = load_entitlements(directory)
    rules = len(entitlements.allows) + len(entitlements.denies)
    return say(
        f"{directory} is valid: {len(organization.accounts)} accounts, {len(guardrails.scopes)} scopes, guardrails {guardrails.hash[:12]}, "
        f"{rules} rules of who may ask for roles, entitlements {entitlements.hash[:12]}",
        DONE,
    )


@guardrails_app.command("export")
def guardrails_export_command(  # noqa: PLR0917 - typer passes them by name
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="DIR", help="A folder with organization.yaml and guardrails.yaml; ./config if not given."),
    ] = None,
    org: Annotated[Path | None, typer.Option("--org", metavar="FILE", help="The organization, and whom it trusts (YAML or JSON).")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write rcp.json and scp.json there, ready for AWS; only if all is proved.")
    ] = None,
    scp: Annotated[bool, typer.Option("--scp", help="Also who may write trust policies at all.")] = False,
    deployers: Annotated[
        list[str] | None,
        typer.Option(
            "--deployer", metavar="ARN", help="A role that deploys Doorward, wildcards allowed; the StackSets' role if not given."
        ),
    ] = None,
    with_rules: Annotated[list[str] | None, typer.Option("--with", metavar="RULE", help="Also this one, which is off by default.")] = None,
    without_rules: Annotated[list[str] | None, typer.Option("--without", metavar="RULE", help="Not this one.")] = None,
    format_: FormatOption = "table",
) -> int:
    """Write guardrails as policies with which AWS itself prevents. Exit status: 0 all proved, 1 one is not, 2 wrong input or usage."""
    from doorward_cli import exporting, tables

    check_format(format_)
    if deployers and not scp:
        raise UsageFault("--deployer: only an SCP excepts deployers; add --scp")
    try:
        choice = exporting.read_choice(with_rules or (), without_rules or (), deployers or (), scp=scp)
    except ValueError as error:
        raise UsageFault(str(error)) from None
    organization, guardrails = _facts(org, Path("config") if config is None and org is None else config)
    export = exporting.export(organization, guardrails, choice, now=datetime.now(UTC))
    if format_ == "json":
        tables.write_json(exporting.as_json(export))
    else:
        exporting.print_table(export)
    unproved = export.unproved
    if unproved:
        nothing = "" if out is None else f"; nothing is written to {out}"
        return say(f"not proved: {', '.join(unproved)}{nothing}", REPORTED)
    if out is not None:
        try:
            written, stale = exporting.write_policies(export, out)
        except OSError as error:
            raise UsageFault(f"--out {out}: cannot be written: {error.strerror or error}") from None
        say(f"wrote {', '.join(written) or 'nothing, for no guardrail has a twin'} to {out}", DONE)
        if stale:
            say(f"{out} also holds {', '.join(stale)}, which an earlier export wrote and this one did not", DONE)
    return DONE


@guard_app.command("export")
def guard_export_command(  # noqa: PLR0917 - typer passes them by name
    deployers: Annotated[
        list[str],
        typer.Option("--deployer", metavar="ARN", help="A role that deploys Doorward; * only as the account."),
    ],
    hub: Annotated[str, typer.Option("--hub", metavar="ID", help="The hub account.")],
    stack: Annotated[str, typer.Option("--stack", metavar="NAME", help="The hub stack's name.")] = "doorward",
    trails: Annotated[list[str] | None, typer.Option("--trail", metavar="ARN", help="A trail that EventBridge depends on.")] = None,
    secret: Annotated[str | None, typer.Option("--secret", metavar="ARN", help="The secret with Doorward's external ID.")] = None,
    keys: Annotated[list[str] | None, typer.Option("--key", metavar="ARN", help="A key of Doorward's: of its topic, of its audit.")] = None,
    partition: Annotated[str, typer.Option("--partition", metavar="NAME", help="Of AWS: aws, aws-cn, aws-us-gov.")] = "aws",
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the SCP there, if it is proved.")] = None,
    format_: FormatOption = "table",
) -> int:
    """Write the SCP that keeps everybody's hands off Doorward. Exit status: 0 proved, 1 not, 2 wrong input or usage."""
    from doorward.guard.protection import Protected
    from doorward.iam.arns import is_account_id
    from doorward_cli import guarding, tables

    check_format(format_)
    if not is_account_id(hub):
        raise UsageFault(f"--hub {hub}: must be an account id of 12 digits")
    exported = guarding.export(Protected(partition, hub, tuple(deployers), stack, tuple(trails or ()), secret, tuple(keys or ())))
    if format_ == "json":
        tables.write_json(guarding.as_json(exported))
    else:
        guarding.print_table(exported)
    if exported.faults:
        return say("not proved" + ("" if out is None else f"; nothing is written to {out}"), REPORTED)
    if out is not None:
        try:
            guarding.write_policy(exported, out)
        except OSError as error:
            raise UsageFault(f"--out {out}: cannot be written: {error.strerror or error}") from None
        say(f"wrote {out}", DONE)
    return DONE


def _items(files: list[str], live: bool, account: str | None) -> "Iterator[Item]":
    from doorward_cli.inputs import read_inputs

    yield from read_inputs(files, account)
    if live:
        from doorward_cli.live import read_live

        yield from read_live(account)


def _skipped(report: "Report") -> str:
    shown = [f"{each.file} ({each.reason})" for each in report.skipped[:_MOST_NAMED]]
    more = len(report.skipped) - len(shown)
    return f"skipped {len(report.skipped)}: {', '.join(shown)}{f' and {more} more' if more else ''}"


def _threshold(name: str) -> "Severity | None":
    from doorward.findings.model import Severity

    if name == _NEVER:
        return None
    if name not in set(Severity):
        raise UsageFault(f"--fail-on {name}: must be {', '.join(Severity)} or {_NEVER}")
    return Severity(name)


def _facts(org: Path | None, config: Path | None) -> "tuple[Organization, Guardrails]":
    """`--org` wins over the folder's organization file. Without either nothing is known, and every rule has its default severity."""
    from doorward.guardrails.parsing import guardrails_from
    from doorward.organization.model import Organization

    organization, guardrails = Organization(), guardrails_from({})
    if config is not None or org is not None:
        from doorward_cli import configuration

        if config is not None and org is not None:
            guardrails = configuration.load_guardrails(config / configuration.GUARDRAILS_FILE)
        elif config is not None:
            organization, guardrails = configuration.load_folder(config)
        if org is not None:
            organization = configuration.load_organization(org)
    return organization, guardrails


def _print_report(report: "Report", format_: str, output: Path | None) -> None:
    with _destination(output) as stream:
        _writer(format_)(report, stream)
    if report.foreign_by_default and format_ in {"json", "sarif"}:
        from doorward_cli.checking import FOREIGN_BY_DEFAULT

        say(FOREIGN_BY_DEFAULT, DONE)


def _writer(format_: str) -> "Callable[[Report, IO[str]], None]":
    match format_:
        case "json":
            from doorward_cli.json_report import write_report
        case "sarif":
            from doorward_cli.sarif import write_report
        case "html":
            from doorward_cli.html_page import write_report
        case "md":
            from doorward_cli.markdown import write_report
        case _:
            from doorward_cli.tables import print_report

            return print_report
    return write_report


@contextmanager
def _destination(output: Path | None) -> Iterator[IO[str]]:
    if output is None:
        yield sys.stdout
        return
    try:
        with output.open("w", encoding="utf-8", errors="backslashreplace") as stream:
            yield stream
    except OSError as error:
        raise UsageFault(f"--output {output}: cannot be written: {error.strerror or error}") from None


if __name__ == "__main__":
    sys.exit(main())
