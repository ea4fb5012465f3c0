"""`doorward grants`: elevated access for a while, for whoever asks for it and whoever decides about it."""

from typing import Annotated

import typer

from doorward_cli.usage import DONE, REPORTED, ApiOption, UsageFault, answered

grants_app = typer.Typer(help="Elevated access, and who you are where you ask for it.", no_args_is_help=True, rich_markup_mode=None)


@grants_app.command("link")
def grants_link_command(
    slack_user: Annotated[
        str | None, typer.Option("--slack-user", metavar="TEAM/USER", help="Do not ask: link this Slack user, and no other.")
    ] = None,
    remove: Annotated[str | None, typer.Option("--remove", metavar="TEAM/USER", help="Take the link to this Slack user back.")] = None,
    api: ApiOption = None,
) -> int:
    """Link your Slack user to you: what you press there then counts. Exit status: 0 linked, 1 not after all, 2 not for you, 3 the API."""
    from doorward_cli import linking
    from doorward_cli.api import Api

    if slack_user is not None:
        linking.slack_user_of(slack_user)
    client = Api(api)
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
