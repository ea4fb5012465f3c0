"""`doorward grants`: elevated access for a while, for whoever asks for it and whoever decides about it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from doorward.errors import Unavailable
from doorward_cli.usage import (
    DONE,
    INTERRUPTED,
    REPORTED,
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
    from collections.abc import Callable

    from doorward_cli.api import Api
    from doorward_cli.credential_cache import Kept
    from doorward_cli.grant_credentials import Wanted

grants_app = typer.Typer(
    help="Elevated access for a while: ask for it, decide about it, use it.", no_args_is_help=True, rich_markup_mode=None
)

_NOT_FOUND, _NOT_STARTED = 127, 126
"""Exit statuses of `run`, as shells have them, where there is no command that could say its own."""
_REPORT_FORMATS = ("csv", "jsonl", "ocsf")

_ProfileOption = Annotated[str | None, typer.Option("--profile", metavar="NAME", help="The AWS profile that you sign in with.")]
_RegionOption = Annotated[str | None, typer.Option("--region", metavar="NAME", help="The API's region, where its address does not say it.")]
_IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The grant's id.")]
_IdOrNone = Annotated[str | None, typer.Argument(metavar="[ID]", help="The grant's id; or --role.")]
_RoleOption = Annotated[
    str | None, typer.Option("--role", metavar="ROLE", help="In place of an ID: whichever of your grants for this role is active.")
]
_TemplateOption = Annotated[str | None, typer.Option("--template", metavar="NAME", help="With --role: of this template.")]
_ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it stays with the grant.")]
_WaitOption = Annotated[bool, typer.Option("--wait", help="Wait until it is active, or over.")]


@grants_app.command("list")
def list_command(
    every: Annotated[bool, typer.Option("--all", help="Grants that are over, too.")] = False,
    profile: _ProfileOption = None,
    region: _RegionOption = None,
    api: ApiOption = None,
    format_: FormatOption = "table",
) -> int:
    """Show what you may ask for, your grants, and those that you may decide about. Exit status: 0, 2 not for you, 3 the API failed."""
    from doorward_cli import granting

    check_format(format_)
    client = _client(api, profile, region)
    shown = answered(lambda: granting.overview(client, with_over=every))
    _print(shown, format_, granting.print_overview)
    return DONE


@grants_app.command("show")
def show_command(  # noqa: PLR0917 - typer passes them by name
    grant_id: _IdArgument,
    wait: _WaitOption = False,
    profile: _ProfileOption = None,
    region: _RegionOption = None,
    api: ApiOption = None,
    format_: FormatOption = "table",
) -> int:
    """Show a grant, and what its sessions may do. Exit status: 0 shown, with --wait 1 where it is over, 2 not for you, 3 the API failed."""
    from doorward_cli import granting

    check_format(format_)
    client, grant_id = _client(api, profile, region), _grant_id(grant_id)
    grant = answered(lambda: granting.one(client, grant_id))
    if wait:
        return _wait(client, grant, format_)
    _print(grant, format_, granting.print_grant)
    return DONE


@grants_app.command("request")
def request_command(  # noqa: PLR0917 - typer passes them by name
    role: Annotated[str, typer.Argument(metavar="ROLE", help="ARN of the role, or ACCOUNT/NAME; `list` shows which.")],
    template: Annotated[str, typer.Option("--template", metavar="NAME", help="What you want to do there.")],
    minutes: Annotated[int, typer.Option("--minutes", metavar="N", help="For how long.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why: whoever decides reads it.")],
    parameters: Annotated[list[str] | None, typer.Option("--param", metavar="NAME=VALUE", help="Of the template.")] = None,
    ticket: Annotated[str, typer.Option("--ticket", metavar="ID", help="The ticket that you work on.")] = "",
    start: Annotated[str | None, typer.Option("--start", metavar="TIME", help="When it begins, with a time zone; else at once.")] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for what comes of it.")] = False,
    profile: _ProfileOption = None,
    region: _RegionOption = None,
    api: ApiOption = None,
    format_: FormatOption = "table",
) -> int:
    """Ask for a grant, and wait until it is active. Exit status: 0 active, or asked, 1 refused or over, 2 wrong usage, 3 the API failed."""
    from doorward_cli import granting

    check_format(format_)
    starts_at = time_of("--start", start)
    wanted: dict[str, Any] = {
        "role": role_ref_of(role),
        "template": template,
        "parameters": granting.parameters_of(parameters or ()),
        "minutes": minutes,
        "reason": reason,
    }
    if ticket:
        wanted["ticket"] = ticket
    if starts_at is not None:
        wanted["starts_at"] = starts_at.isoformat()
    client = _client(api, profile, region)
    grant = answered(lambda: granting.request(client, wanted))
    if not no_wait:
        return _wait(client, grant, format_, shows_it=True)
    _print(grant, format_, granting.print_grant)
    return REPORTED if grant["state"] in granting.OVER else DONE


@grants_app.command("approve")
def approve_command(  # noqa: PLR0917 - typer passes them by name
    grant_id: _IdArgument,
    reason: _ReasonOption = "",
    yes: YesOption = False,
    profile: _ProfileOption = None,
    region: _RegionOption = None,
    api: ApiOption = None,
    format_: FormatOption = "table",
) -> int:
    """Agree to a grant as it is shown. Exit status: 0 said, 1 not said after all, 2 wrong usage or not for you, 3 the API failed."""
    return _decide(_client(api, profile, region), grant_id, "approve", reason, format_, is_sure=yes)


@grants_app.command("refuse")
def refuse_command(  # noqa: PLR0917 - typer passes them by name
    grant_id: _IdArgument,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why: whoever asked is told.")],
    yes: YesOption = False,
    profile: _ProfileOption = None,
    region: _RegionOption = None,
    api: ApiOption = None,
    format_: FormatOption = "table",
) -> int:
    """Say no to a grant as it is shown, for good. Exit status: as of approve."""
    return _decide(_client(api, profile, region), grant_id, "refuse", reason, format_, is_sure=yes)


@grants_app.command("cancel")
def cancel_command(  # noqa: PLR0917 - typer passes them by name
    grant_id: _IdArgument,
    reason: _ReasonOption = "",
    yes: YesOption = False,
    profile: _ProfileOption = None,
    region: _RegionOption = None,
    api: ApiOption = None,
    format_: FormatOption = "table",
) -> int:
    """End what you asked for, or take the asking back: no new credentials from then on. Exit status: as of approve."""
    return _decide(_client(api, profile, region), grant_id, "cancel", reason, format_, is_sure=yes)


@grants_app.command("revoke")
def revoke_command(  # noqa: PLR0917 - typer passes them by name
    grant_id: _IdArgument,
    reason: _ReasonOption = "",
    yes: YesOption = False,
    profile: _ProfileOption = None,
    region: _RegionOption = None,
    api: ApiOption = None,
    format_: FormatOption = "table",
) -> int:
    """Take a grant back, your own or one that you may decide about: no new credentials from then on. Exit status: as of approve."""
    return _decide(_client(api, profile, region), grant_id, "revoke", reason, format_, is_sure=yes)


@grants_app.command("credentials")
def credentials_command(  # noqa: PLR0917 - typer passes them by name
    grant_id: _IdOrNone = None,
    role: _RoleOption = None,
    template: _TemplateOption = None,
    profile: _ProfileOption = None,
    region: _RegionOption = None,
    api: ApiOption = None,
) -> int:
    """Print credentials, as the credential_process of a profile (see configure). Exit status: 0, 2 over or refused, 3 the API failed."""
    from doorward_cli.grant_credentials import write_process_output

    wanted = _wanted(grant_id, role, template)
    if sys.stdout.isatty():
        raise UsageFault("credentials: prints secrets, for programs; people take `doorward grants configure`, or `run`")
    write_process_output(_credentials(wanted, api, profile, region), sys.stdout)
    return DONE


@grants_app.command("configure")
def configure_command(  # noqa: PLR0917 - typer passes them by name
    profile_name: Annotated[str, typer.Option("--profile-name", metavar="NAME", help="The profile that is written.")],
    grant_id: _IdOrNone = None,
    role: _RoleOption = None,
    template: _TemplateOption = None,
    profile_region: Annotated[
        str | None, typer.Option("--profile-region", metavar="NAME", help="The region that the profile works in.")
    ] = None,
    yes: YesOption = False,
    profile: _ProfileOption = None,
    region: _RegionOption = None,
    api: ApiOption = None,
) -> int:
    """Write an AWS profile with a grant's credentials. Exit status: 0 written, 1 not after all, 2 wrong usage or not yours, 3 the API."""
    from doorward_cli import grant_configuring

    wanted = _wanted(grant_id, role, template)
    client = _client(api, profile, region)
    signing = grant_configuring.Signing(api or "", profile, region)
    planned = answered(lambda: grant_configuring.plan(client, wanted, profile_name, signing, profile_region))
    for each in planned.warnings:
        _told(each)
    if planned.replaces is not None:
        _told(f"the profile {profile_name} has: credential_process = {planned.replaces}")
        if not _is_sure(f"Replace it by: {planned.command}?", is_sure=yes):
            return REPORTED
    file = grant_configuring.carry_out(planned)
    return say(f"wrote the profile {profile_name} to {file}: name it by --profile {profile_name}, or by AWS_PROFILE", DONE)


@grants_app.command("run")
def run_command(  # noqa: PLR0917 - typer passes them by name
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[ID] -- COMMAND...", help="The grant's id, or --role; the command.")
    ] = None,
    role: _RoleOption = None,
    template: _TemplateOption = None,
    profile: _ProfileOption = None,
    region: _RegionOption = None,
    api: ApiOption = None,
) -> int:
    """Run a command with a grant's credentials in its environment. Exit status: its own; 2 wrong usage or refused, 3 the API failed."""
    import os

    from doorward_cli import grant_credentials

    given = arguments or []
    grant_id, command = (given[0] if given else None, given[1:]) if role is None else (None, given)
    wanted = _wanted(grant_id, role, template)
    if not command:
        raise UsageFault("run: no command; give it after --, as in: doorward grants run ID -- aws s3 ls")
    kept = _credentials(wanted, api, profile, region)
    environment = grant_credentials.environment_of(kept, os.environ, grant_credentials.region_of(profile, os.environ))
    sys.stdout.flush()
    try:
        grant_credentials.become(command, environment)
    except FileNotFoundError:
        return say(f"run: {command[0]}: there is no such command", _NOT_FOUND)
    except OSError as error:
        return say(f"run: {command[0]}: {error.strerror or error}", _NOT_STARTED)


@grants_app.command("console")
def console_command(  # noqa: PLR0917 - typer passes them by name
    grant_id: _IdOrNone = None,
    role: _RoleOption = None,
    template: _TemplateOption = None,
    destination: Annotated[str | None, typer.Option("--destination", metavar="URL", help="A page of the console.")] = None,
    print_: Annotated[bool, typer.Option("--print", help="Print the link in place of opening it; whoever has it is signed in.")] = False,
    profile: _ProfileOption = None,
    region: _RegionOption = None,
    api: ApiOption = None,
) -> int:
    """Open the AWS console in your browser, as the grant. Exit status: 0 opened, 2 wrong usage or refused, 3 the API failed."""
    from doorward_cli import grant_console

    client, wanted = _client(api, profile, region), _wanted(grant_id, role, template)
    signing_in = answered(lambda: grant_console.sign_in(client, wanted, destination))
    if print_:
        sys.stdout.write(f"{signing_in.url}\n")
        return DONE
    if not grant_console.open_browser(signing_in.url):
        raise UsageFault("console: there is no browser here; --print prints the link, for a browser elsewhere")
    return say(f"opened in your browser; the link is good until {signing_in.expires_at.astimezone():%H:%M:%S}", DONE)


@grants_app.command("doctor")
def doctor_command(
    profile: _ProfileOption = None,
    region: _RegionOption = None,
    api: ApiOption = None,
    format_: FormatOption = "table",
) -> int:
    """Say why credentials of grants do not come, and what to do. Exit status: 0 all is well, 1 not, 2 wrong usage."""
    from doorward_cli import doctoring, grant_doctoring, tables

    check_format(format_)
    diagnosis = grant_doctoring.diagnose(_client(api, profile, region), api or "")
    if format_ == "json":
        tables.write_json(doctoring.as_json(diagnosis, grant_doctoring.FORMAT))
    else:
        doctoring.print_table(diagnosis)
    return DONE if diagnosis.is_healthy else REPORTED


@grants_app.command("report")
def report_command(  # noqa: PLR0917 - typer passes them by name
    since: Annotated[str, typer.Option("--since", metavar="DAY", help="Asked for from this day on, such as 2027-01-01.")],
    until: Annotated[str, typer.Option("--until", metavar="DAY", help="Asked for before this day.")],
    format_: Annotated[str, typer.Option("--format", metavar="csv|jsonl|ocsf", help="How it is written.")] = "csv",
    output: Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Write to FILE instead of standard output.")] = None,
    profile: _ProfileOption = None,
    region: _RegionOption = None,
    api: ApiOption = None,
) -> int:
    """Write who had what, when, why, and who agreed; for auditors. Exit status: 0 written, 2 not for you, 3 the API failed."""
    from urllib.parse import urlencode

    if format_ not in _REPORT_FORMATS:
        raise UsageFault(f"--format {format_}: must be csv, jsonl or ocsf")
    query = urlencode({"since": day_of("--since", since), "until": day_of("--until", until), "format": format_})
    client = _client(api, profile, region)
    written = answered(lambda: "".join(client.pages(f"/reports/grants?{query}")))
    if output is None:
        sys.stdout.write(written)
        return DONE
    try:
        output.write_text(written, encoding="utf-8")
    except OSError as error:
        raise UsageFault(f"--output {output}: cannot be written: {error.strerror or error}") from None
    return say(f"wrote {output}", DONE)


@grants_app.command("link")
def link_command(
    slack_user: Annotated[
        str | None, typer.Option("--slack-user", metavar="TEAM/USER", help="Do not ask: link this Slack user, and no other.")
    ] = None,
    remove: Annotated[str | None, typer.Option("--remove", metavar="TEAM/USER", help="Take the link to this Slack user back.")] = None,
    profile: _ProfileOption = None,
    region: _RegionOption = None,
    api: ApiOption = None,
) -> int:
    """Link your Slack user to you: what you press there then counts. Exit status: 0 linked, 1 not after all, 2 not for you, 3 the API."""
    from doorward_cli import linking

    if slack_user is not None:
        linking.slack_user_of(slack_user)
    client = _client(api, profile, region)
    if remove is not None:
        linking.print_links(answered(lambda: linking.remove(client, remove)))
        return DONE
    linking.print_offer(answered(lambda: linking.offer(client)))
    taken = answered(lambda: linking.wait(client))
    if taken is None:
        raise UsageFault("nobody gave the code in time: run it again")
    if slack_user is not None and taken.ref != slack_user:
        raise UsageFault(f"{taken.ref} gave the code, and not {slack_user}: nothing is linked. Whoever that is has seen your code")
    if slack_user is None and not typer.confirm(linking.question(taken), err=True):
        return REPORTED
    linking.print_links(answered(lambda: linking.bind(client, taken.ref)))
    return DONE


def _client(api: str | None, profile: str | None, region: str | None) -> "Api":
    from doorward_cli.api import Api

    return Api(api, profile=profile, region=region)


def _grant_id(text: str) -> str:
    from doorward.grants.names import is_grant_id

    if not is_grant_id(text):
        raise UsageFault(f"{text}: is no id of a grant; `doorward grants list` shows yours")
    return text


def _wanted(grant_id: str | None, role: str | None, template: str | None) -> "Wanted":
    from doorward_cli.grant_credentials import Wanted

    if (grant_id is None) == (role is None):
        raise UsageFault("name a grant by its id, or a role by --role; `doorward grants list` shows both")
    if template is not None and role is None:
        raise UsageFault("--template: goes with --role")
    return Wanted(_grant_id(grant_id)) if grant_id is not None else Wanted(None, role_ref_of(role or ""), template)


def _credentials(wanted: "Wanted", api: str | None, profile: str | None, region: str | None) -> "Kept":
    from doorward_cli import grant_credentials

    _client(api, profile, region)  # its faults before anything else
    asked = grant_credentials.Asked(api or "", profile, wanted, lambda: _client(api, profile, region))
    return answered(lambda: grant_credentials.obtain(asked, grant_credentials.open_cache(_told), _told))


def _decide(client: "Api", grant_id: str, what: str, reason: str, format_: str, *, is_sure: bool) -> int:
    """Shows the grant, asks, and says it about what was shown."""
    from doorward_cli import grant_credentials, granting

    check_format(format_)
    grant_id = _grant_id(grant_id)
    grant = answered(lambda: granting.one(client, grant_id))
    granting.print_grant(grant, sys.stderr if format_ == "json" else None)
    if not _is_sure(f"{what.capitalize()} this?", is_sure=is_sure):
        return REPORTED
    said = answered(lambda: granting.say(client, grant, what, reason))
    if what in {"cancel", "revoke"}:
        grant_credentials.forget(grant_id, _told)
    _print(said, format_, granting.print_outcome)
    return DONE


def _wait(client: "Api", grant: dict[str, Any], format_: str, *, shows_it: bool = False) -> int:
    import time

    from doorward_cli import granting

    grant_id = grant["grant_id"]
    go_on = f"the request stands: `doorward grants show {grant_id} --wait` waits on, `doorward grants cancel {grant_id}` takes it back"
    try:
        if shows_it:
            granting.print_grant(grant, sys.stderr if format_ == "json" else None)
        settled = answered(lambda: granting.wait(client, grant, time.sleep))
    except KeyboardInterrupt:
        return say(go_on, INTERRUPTED)
    except Unavailable:
        _told(go_on)
        raise
    _print(settled, format_, granting.print_settled)
    return REPORTED if settled["state"] in granting.OVER else DONE


def _print(value: dict[str, Any], format_: str, show: "Callable[[dict[str, Any]], None]") -> None:
    from doorward_cli import tables

    if format_ == "json":
        tables.write_json(value)
    else:
        show(value)


def _told(text: str) -> None:
    """Beside what comes of the command."""
    say(text, DONE)


def _is_sure(question: str, *, is_sure: bool) -> bool:
    if is_sure:
        return True
    if not sys.stdin.isatty():
        raise UsageFault("nobody can be asked here: --yes says that you are sure")
    return typer.confirm(question, err=True)
