"""`ringback new`."""

import os
from pathlib import Path

from service.cli.output import fail, say
from service.processes.disk_space import describe_failed_write

HANDLERS = '''\
"""Handlers of ours: HANDLERS=my_handlers:router lets Ringback run them."""

import handlers
from service import Context, Event, Router
from service.events import Message

router = Router(handlers.router)  # the built-in handlers stay: the SMS fallback, STOP and START


@router.on("message.received")
async def auto_reply(event: Event[Message], ctx: Context) -> None:
    """Answer inbound messages."""
    if event.payload.autoresponse_type is None:  # STOP, START and HELP are Telnyx's to answer
        await ctx.reply("Thanks, we will call you back.")
'''

TEST = """\
from my_handlers import auto_reply
from service.testing import make_event


def test_a_message_is_answered(run_handler):
    ran = run_handler(auto_reply, make_event("message.received", text="Are you open?"))
    assert ran.outcome == "done"
    assert [each.body["text"] for each in ran.requests] == ["Thanks, we will call you back."]


def test_a_stop_is_not_answered(run_handler):
    ran = run_handler(auto_reply, make_event("message.received", text="STOP", autoresponse_type="STOP"))
    assert ran.requests == ()
"""

ENVIRONMENT = """\
# Mission Control > Keys & Credentials > Public Key; nothing starts without it
TELNYX_PUBLIC_KEY=
# Mission Control > Keys & Credentials > API Keys
TELNYX_API_KEY=
HANDLERS=my_handlers:router
# arms the SMS fallback: a number of yours, a short code, or the word profile for the profile's number pool
RINGBACK_SMS_FROM=
"""

_SECRET, _PUBLIC = 0o600, 0o644


def new() -> None:
    """Write my_handlers.py, a test of it and a .env into this folder. Existing files stay.

    Exit codes: 0 written, 1 there are handlers here already, or the folder cannot be written to.
    """
    code, test, environment = Path("my_handlers.py"), Path("test_my_handlers.py"), Path(".env")
    if there := [str(path) for path in (code, test) if os.path.lexists(path)]:
        exists = "exists" if len(there) == 1 else "exist"
        fail(f"{' and '.join(there)} {exists} here already: run `ringback new` in another folder")
    try:
        _write(code, HANDLERS, _PUBLIC)
        _write(test, TEST, _PUBLIC)
        if os.path.lexists(environment):
            say(".env stays unchanged: add HANDLERS=my_handlers:router")
        else:
            _write(environment, ENVIRONMENT, _SECRET)
    except OSError as error:
        why = describe_failed_write(error, "run `ringback new` in another folder")
        fail(f"{Path.cwd()} cannot be written to: {why}")
    say("next: `pip install pytest && pytest`, then fill in .env, then `ringback up`")


def _write(path: Path, text: str, mode: int) -> None:
    """Make a new file. An existing one stays unchanged."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    say(f"{path} written")
