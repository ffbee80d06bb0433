"""`ringback pause` and `resume`: in all workers, over restarts, while reception goes on."""

import pytest
from typer.testing import CliRunner

from service import Context, Event, Router
from service.cli import app
from service.store.inbox.audit import audit
from tests.cli.deployment import Ran
from tests.cli.own_module import own_module
from tests.stack import Stack
from tests.telnyx_events import envelope
from tests.waiting import wait_for

HANDLERS = """
from service import Context, Event, Router

router = Router()

@router.on("test.something")
async def greet(event: Event, ctx: Context) -> None: ...
"""


@pytest.fixture
def handlers(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Handlers that the commands can load, and the deployment that they talk to."""
    monkeypatch.setenv("HANDLERS", own_module(HANDLERS))
    for name, value in stack.place.items():
        monkeypatch.setenv(name, value)


def ringback(*arguments: str) -> Ran:
    ended = CliRunner().invoke(app, arguments)
    return Ran(ended.exit_code, ended.stdout, ended.stderr)


def two_handlers() -> Router:
    router = Router()
    for name in ("greet", "thank"):

        @router.on("test.something", name=name)
        async def handler(event: Event, ctx: Context) -> None:
            """Nothing more."""

    return router


def states(stack: Stack, event: object) -> dict[str, str]:
    """The handlers' states once they have been looked at."""
    record = stack.when(event, lambda record: bool(record.handlers) and all(h.runs for h in record.handlers.values()))
    return {name: handler.state for name, handler in record.handlers.items()}


@pytest.mark.usefixtures("handlers")
def test_a_paused_handler_waits_and_the_others_go_on(stack: Stack) -> None:
    stack.start_worker(two_handlers())
    stack.start_worker(two_handlers())
    assert ringback("pause", "greet").code == 0
    events = [envelope("test.something", {}) for _ in range(20)]
    for event in events:
        assert stack.deliver(event).status_code == 200

    assert [states(stack, event) for event in events] == [{"greet": "parked", "thank": "done"}] * 20
    ended = ringback("resume", "greet")
    assert (ended.code, ended.stdout) == (0, "greet is resumed, 20 events waited.\n")
    assert {stack.ended(event).state for event in events} == {"done"}
    assert stack.ask(audit).clean


@pytest.mark.usefixtures("handlers")
def test_a_pause_of_all_survives_a_restart(stack: Stack) -> None:
    assert ringback("pause").code == 0
    with stack.workers:
        stack.start_worker(two_handlers())
        event = envelope("test.something", {})
        stack.deliver(event)
        assert states(stack, event) == {"greet": "parked", "thank": "parked"}
    stack.start_worker(two_handlers())
    other = envelope("test.something", {})
    stack.deliver(other)
    assert states(stack, other) == {"greet": "parked", "thank": "parked"}

    refused = ringback("resume", "greet")
    assert (refused.code, "ringback resume" in refused.stderr) == (1, True)
    assert ringback("resume").code == 0
    assert {stack.ended(each).state for each in (event, other)} == {"done"}


@pytest.mark.slow
@pytest.mark.usefixtures("handlers")
def test_many_parked_events_resume_within_seconds(stack: Stack) -> None:
    ringback("pause")
    stack.start_worker(two_handlers())
    events = [envelope("test.something", {}) for _ in range(300)]
    for event in events:
        stack.deliver(event)
    wait_for(lambda: len([each for each in events if states(stack, each)]) == 300)
    assert ringback("resume").stdout.startswith("Every handler is resumed, 300 events")
    wait_for(lambda: all(stack.ended(event).state == "done" for event in events))


@pytest.mark.usefixtures("handlers")
def test_a_name_that_is_no_handlers_is_refused_and_nothing_paused(stack: Stack) -> None:
    ended = ringback("pause", "gret")
    assert (ended.code, "greet" in ended.stderr) == (2, True)
    assert ringback("resume").stdout == "Nothing was paused.\n"
    assert ringback("resume", "greet").stdout == "greet was not paused.\n"


@pytest.mark.usefixtures("handlers")
def test_a_handler_of_the_workers_alone_can_be_paused(stack: Stack) -> None:
    stack.start_worker(two_handlers())  # the command's own HANDLERS has no `thank`
    wait_for(lambda: "thank" in ringback("workers", "--json").stdout)
    assert ringback("pause", "thank").code == 0
    assert ringback("resume").stdout == "thank is resumed, 0 events waited.\n"


@pytest.mark.usefixtures("handlers")
def test_pausing_twice_changes_nothing(stack: Stack) -> None:
    ringback("pause", "greet")
    assert "already" in ringback("pause", "greet").stdout
    assert ringback("resume").stdout == "greet is resumed, 0 events waited.\n"
