"""Commands that talk to the local Telnyx of a stack, and to its Redis."""

from typing import Any

from typer.testing import CliRunner

from service.cli import app
from tests.cli.deployment import Ran
from tests.stack import Stack


def run_at(stack: Stack, *arguments: str, answer: str | None = None, **environment: str) -> Ran:
    """A command in this process; `answer` is what a person types."""
    result = CliRunner().invoke(
        app, arguments, input=answer, env=environment_of(stack) | environment, catch_exceptions=False
    )
    return Ran(result.exit_code, result.stdout, result.stderr)


def environment_of(stack: Stack) -> dict[str, str]:
    """The variables of the stack's deployment."""
    settings = stack.settings
    return {
        **stack.place,
        "TELNYX_API_KEY": settings.require_api_key(),
        "TELNYX_BASE_URL": settings.base_url,
    }


def asked(stack: Stack, method: str) -> list[Any]:
    """The requests of this method that the local Telnyx has answered."""
    return [each for each in stack.simulator.requests if each.method == method]
