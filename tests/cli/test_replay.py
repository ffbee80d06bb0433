"""`ringback events replay`: ended events once more, against the ledger unless a person says otherwise."""

from typing import Any

import pytest

from service import Context, Event, Router
from service.cli.on_record import current_actor
from tests.cli.deployment import Deployment
from tests.cli.operator import Operator
from tests.cli.own_module import own_module
from tests.pending import at_once
from tests.stack import SMS_FROM, Stack
from tests.telnyx_events import envelope, fresh_number

HANDLERS = """
from service import Context, Event, Router

router = Router()

@router.on("test.*")
async def send(event: Event, ctx: Context) -> None: ...

@router.on("test.*")
async def look(event: Event, ctx: Context) -> None: ...
"""


@pytest.fixture
def handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The names that commands take for handlers; what the workers run is in `Sending`."""
    monkeypatch.setenv("HANDLERS", own_module(HANDLERS))


@pytest.fixture
def operator(stack: Stack) -> Operator:
    return Operator.of(stack)


class Sending:
    """Two handlers, of which one sends."""

    def __init__(self) -> None:
        self.runs: list[str] = []
        self.router = Router()
        self.router.on("test.*", name="send")(self.send)
        self.router.on("test.*", name="look")(self.look)

    async def send(self, event: Event[dict[str, Any]], ctx: Context) -> None:
        self.runs.append("send")
        await ctx.telnyx.messages.send(from_=SMS_FROM, to=event.payload["number"], text="hello")

    async def look(self, event: Event[dict[str, Any]], ctx: Context) -> None:
        self.runs.append("look")


def ended(stack: Stack, sending: Sending, number: str) -> dict[str, Any]:
    event = envelope("test.something", {"number": number})
    stack.deliver(event)
    assert stack.ended(event).state == "done"
    sending.runs.clear()
    return event


def test_all_handlers_run_again_and_nothing_is_sent_again(stack: Stack, operator: Operator) -> None:
    sending, number = Sending(), fresh_number()
    stack.start_worker(sending.router)
    event = ended(stack, sending, number)

    ran = operator.run("events", "replay", event["data"]["id"], "--yes")

    assert ran.stdout == "replayed: 1 event.\n"
    record = stack.when(event, lambda record: record.state == "done" and len(record.handlers["look"].runs) == 2)
    assert sorted(sending.runs) == ["look", "send"]
    assert len(stack.sent_to(number)) == 1
    assert any("answered from the ledger" in remark for run in record.handlers["send"].runs for remark in run.remarks)
    (note,) = record.notes
    assert (note.what, note.by) == ("replayed", current_actor().name)
    assert f"replayed by {note.by}" in " ".join(operator.run("events", "show", event["data"]["id"]).stdout.split())


@pytest.mark.usefixtures("handlers")
def test_again_counts_asks_and_sends_once_more_for_this_handler_only(stack: Stack, operator: Operator) -> None:
    sending, number = Sending(), fresh_number()
    stack.start_worker(sending.router)
    event = ended(stack, sending, number)

    asked = operator.run("events", "replay", "--type", "test.something", "--again", "send", code=1)
    assert "To be replayed: 1 event." in asked.stderr
    assert "may happen again, with no protection against doubles: 1." in asked.stderr
    assert len(stack.sent_to(number)) == 1

    operator.run("events", "replay", "--type", "test.something", "--again", "send", "--yes")
    stack.when(event, lambda record: record.state == "done" and len(record.handlers["send"].runs) == 2)
    assert sending.runs == ["send"]
    assert len(stack.sent_to(number)) == 2


@pytest.mark.usefixtures("handlers")
def test_a_handler_that_is_new_sees_old_events(stack: Stack, operator: Operator) -> None:
    event = envelope("test.something", {"number": fresh_number()})
    other = Router()

    @other.on("test.else")
    async def elsewhere(event: Event[Any], ctx: Context) -> None: ...

    with stack.workers:
        stack.start_worker(other)
        stack.deliver(event)
        assert stack.ended(event).state == "ignored"
    sending = Sending()
    stack.start_worker(sending.router)

    operator.run("events", "replay", "--state", "ignored", "--only", "look", "--yes")

    assert stack.when(event, lambda record: record.state == "done").handlers.keys() == {"look"}
    assert sending.runs == ["look"]


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("option", ["--only", "--again"])
def test_a_handler_runs_on_no_event_of_a_type_that_it_never_subscribed_to(
    stack: Stack, operator: Operator, option: str
) -> None:
    sending, number = Sending(), fresh_number()
    stack.start_worker(sending.router)
    mine, other = ended(stack, sending, number), envelope("shop.paid", {"number": number})
    stack.deliver(other)
    assert stack.ended(other).state == "ignored"

    ran = operator.run("events", "replay", "--all", option, "send", "--yes")
    assert ran.stdout == "replayed: 1 event.\n"
    assert "To stay unchanged: 1 event (the handler is not subscribed to its type)." in ran.stderr
    assert "Unchanged: 1 event (the handler is not subscribed to its type)." in ran.stderr

    named = operator.run("events", "replay", other["data"]["id"], option, "send", "--yes", code=1)
    assert f"{other['data']['id']}: the handler is not subscribed to its type" in named.stderr
    stack.when(mine, lambda record: record.state == "done" and len(record.handlers["send"].runs) == 2)
    assert sending.runs == ["send"]
    assert stack.recorded(other["data"]["id"]).handlers == {}


def test_the_settings_decide_the_types_of_a_handler_that_they_turn_on(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.one_of_each()
    command = ("events", "replay", "done", "--only", "forward", "--yes")
    assert "not subscribed to its type" in deployment.run(*command).stderr
    monkeypatch.setenv("RINGBACK_FORWARD_URL", "https://shop.example/telnyx")
    monkeypatch.setenv("RINGBACK_FORWARD_TYPES", "message.*")
    assert deployment.run(*command).stdout == "replayed: 1 event.\n"


def test_what_cannot_be_replayed_is_left_as_it_is(deployment: Deployment) -> None:
    from service.store.inbox.accept import cancel
    from service.store.inbox.maintenance import prune_bodies

    deployment.one_of_each()
    deployment.accept("called off", delay=60_000)
    deployment.ask(lambda store: cancel(store, "called off", remember=60_000))
    before = deployment.run("audit").stdout
    for event_id, why in {
        "open": "still open",
        "leased": "still open",
        "nothing": "nothing",
        "called off": "cancelled",
    }.items():
        ran = deployment.run("events", "replay", event_id, "--yes")
        assert (ran.code, ran.stdout) == (1, "replayed: 0 events.\n")
        assert why in ran.stderr
    deployment.ask(lambda store: prune_bodies(store, older_than=-1))
    assert "its body has expired" in deployment.run("events", "replay", "done", "--yes").stderr
    assert deployment.run("audit").stdout == before
    assert deployment.run("events", "replay", "--all", "--yes").stdout == "replayed: 1 event.\n"
    assert deployment.run("audit").code == 0


def test_a_bulk_replay_waits_behind_what_arrived_before_it(deployment: Deployment) -> None:
    deployment.one_of_each()
    deployment.accept("fresh")
    deployment.redis.zadd(deployment.keys.queue, {deployment.keys.job_id("leased"): 1})
    deployment.run("events", "replay", "--state", "done", "--yes")
    jobs = at_once(deployment.redis.zrange(deployment.keys.queue, 0, -1))
    assert [job.decode().rpartition(":")[2] for job in jobs][-1] == "done"


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("option", ["--only", "--again"])
def test_a_misspelt_handler_is_refused_and_no_event_waits_for_it(deployment: Deployment, option: str) -> None:
    deployment.one_of_each()
    ran = deployment.run("events", "replay", "--all", option, "lok", "--yes")
    assert (ran.code, "HANDLERS has no handler 'lok', it has look, send" in ran.stderr) == (2, True)
    assert deployment.run("audit").stdout.startswith("5 accepted = 1 done + 1 ignored + 1 dead + 2 open")


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("one", "--all"),
        ("--all", "--only", "a", "--again", "a"),
        ("--all", "--only", "a b"),
        ("--since", "1h", "--until", "2h"),
    ],
    ids=" ".join,
)
def test_bad_usage_exits_2_and_changes_nothing(deployment: Deployment, options: tuple[str, ...]) -> None:
    deployment.one_of_each()
    assert deployment.run("events", "replay", *options, "--yes").code == 2
    assert deployment.run("audit").stdout.startswith("5 accepted = 1 done + 1 ignored + 1 dead + 2 open")
