"""`ringback dashboard`."""

import sys
from typing import Annotated

import typer

from service.cli.output import ask_password, fail, say
from service.cli.run.startup import begin
from service.dashboard.server import serve
from service.security.dashboard_users import SHORTEST_PASSWORD, hash_password, parse_users
from service.settings import load

dashboard = typer.Typer(
    help="Serve the dashboard on RINGBACK_DASHBOARD_HOST and RINGBACK_DASHBOARD_PORT.", invoke_without_command=True
)


@dashboard.callback()
def run(context: typer.Context) -> None:
    """Serve the dashboard on RINGBACK_DASHBOARD_HOST and RINGBACK_DASHBOARD_PORT.

    Without RINGBACK_DASHBOARD_USERS it answers on this machine only.

    Exit codes: 0 stopped, 1 the address is taken or Redis is unreachable, 2 the configuration is invalid.
    """
    if context.invoked_subcommand is None:
        serve(begin(load))


@dashboard.command()
def user(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name to sign in with.")],
    role: Annotated[
        str, typer.Option("--role", help="viewer, operator or revealer, or several joined by +.")
    ] = "viewer",
) -> None:
    """Print the line of a user for RINGBACK_DASHBOARD_USERS, with the argon2id hash of a password that it asks for.

    Without a terminal the password is the first line of standard input.

    Exit codes: 0 printed, 1 no password, 2 bad usage.
    """
    password = _password()
    if len(password) < SHORTEST_PASSWORD:
        fail(f"The password is too short: take {SHORTEST_PASSWORD} characters or more.", code=2)
    line = f"{name}:{role}:{hash_password(password)}"
    try:
        parse_users(line)
    except ValueError as error:
        fail(f"The line {error}", code=2)
    say(line)


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    return ask_password()
