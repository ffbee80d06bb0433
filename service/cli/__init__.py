"""The command `ringback`."""

import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer
from redis.exceptions import RedisError

from service.cli.demo.demo import demo
from service.cli.events.dead import dead
from service.cli.events.events import events
from service.cli.events.pause import pause, resume
from service.cli.events.trigger import trigger
from service.cli.inspect.audit import audit
from service.cli.inspect.config import config, redis_address
from service.cli.inspect.doctor import doctor
from service.cli.inspect.policy import policy
from service.cli.output import CommandGroup, say, say_block
from service.cli.privacy.erase import erase
from service.cli.privacy.optouts import optouts
from service.cli.run.healthcheck import healthcheck
from service.cli.run.ingress import ingress
from service.cli.run.new import new
from service.cli.run.simulator import simulator
from service.cli.run.up import up
from service.cli.run.worker import worker
from service.cli.telnyx.hosted import hosted
from service.cli.telnyx.messages import messages
from service.cli.telnyx.rcs import rcs
from service.cli.telnyx.tollfree import tollfree
from service.cli.telnyx.webhook_deliveries import deliveries
from service.cli.telnyx.webhooks import webhooks
from service.processes.data_folder import EmbeddedServerError
from service.processes.disk_space import is_full
from service.processes.sockets import CannotListen
from service.security.masking import describe_error
from service.settings import InvalidSettings, load
from service.store.facts.consent import KeyMissing
from service.store.redis_errors import describe_redis_error
from service.worker.load_router import CannotLoadHandlers

BAD_USAGE = 2
UNMET = 1

app = typer.Typer(
    name="ringback",
    cls=CommandGroup,
    help="Receives Telnyx webhooks, keeps every event, and lets plain Python handlers act on it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - Typer's signature
    if wanted:
        say(metadata.version("ringback"))
        raise typer.Exit


@app.callback()
def ringback(
    version: Annotated[  # noqa: FBT002 - an option, by name only
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Receives Telnyx webhooks, keeps every event, and lets plain Python handlers act on it."""


app.command()(demo)
app.command()(new)
app.command()(up)
app.command()(ingress)
app.command()(worker)
app.command()(simulator)
app.command()(trigger)
app.add_typer(events, name="events")
app.add_typer(dead, name="dead")
app.add_typer(optouts, name="optouts")
app.add_typer(policy, name="policy")
app.command()(audit)
webhooks.command("deliveries")(deliveries)
app.add_typer(webhooks, name="webhooks")
app.add_typer(tollfree, name="tollfree")
app.add_typer(hosted, name="hosted")
app.add_typer(rcs, name="rcs")
app.add_typer(messages, name="messages")
app.command()(erase)
app.command()(config)
app.command()(pause)
app.command()(resume)
app.command()(doctor)
app.command()(healthcheck)


def main() -> None:
    """Run the command line; what a person can mend is told in a line, and the exit code is 2 or 1."""
    _leave_working_directory()
    try:
        app()
    except (InvalidSettings, CannotLoadHandlers) as error:
        _end(str(error), BAD_USAGE)
    except (EmbeddedServerError, CannotListen) as error:
        _end(str(error), UNMET)
    except KeyMissing as error:
        _end(str(error), UNMET)
    except RedisError as error:
        _end(describe_redis_error(error, redis_address(load())), UNMET)
    except OSError as error:
        if not is_full(error):
            _end(_own_fault(error), UNMET)
        _end("the disk is full, so the output is not complete: make room on it, then repeat the command", UNMET)
    except Exception as error:  # noqa: BLE001 - its own text may hold a secret or a message
        _end(_own_fault(error), UNMET)


def _leave_working_directory() -> None:
    """Import nothing from the working directory, which `python -m` puts first; `load_router` alone looks there."""
    with suppress(OSError):
        here = Path.cwd()
        # A checkout of Ringback is where its own modules are.
        if here != Path(__file__).parents[2]:
            sys.path[:] = [each for each in sys.path if each != "" and Path(each) != here]


def _own_fault(error: Exception) -> str:
    return f"a fault of Ringback's own: {describe_error(error)}. Please report it"


def _end(text: str, code: int) -> None:
    say_block(text, err=True)
    sys.exit(code)
