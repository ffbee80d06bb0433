"""docs/handlers.md: each example is a whole my_handlers.py, and does what the page says."""

import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

import handlers
from service import Router
from service.events.event import TRIGGER
from service.security.masking import mask_number
from service.store.inbox.accept import FROM_TELNYX
from service.testing.bench import Result, make_event
from service.testing.simulator import Simulator
from tests.cli.test_new import pytest_in
from tests.documented import DOCS, block_with, blocks, executed
from tests.processes.running import ringback
from tests.stack import Stack
from tests.telnyx_events import envelope, finalized_rcs, fresh_number, received_rcs

PAGE = "handlers.md"
Run = Callable[..., Result]


def test_all_ways_of_arrival_are_listed() -> None:
    [listed] = re.findall(r"`arrived_by` is ([^.]+)\.", (DOCS / PAGE).read_text())
    assert set(re.findall(r"`(\w+)`", listed)) == FROM_TELNYX | {"emit", "schedule", "cron", TRIGGER}


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """The example that contains these words, as the module `my_handlers`."""

    def loaded(words: str) -> Any:
        module = types.ModuleType("my_handlers")
        monkeypatch.setitem(sys.modules, "my_handlers", module)
        exec(compile(block_with(PAGE, "python", words), "my_handlers.py", "exec"), vars(module))
        return module

    return loaded


def names(router: Router) -> set[str]:
    return set(router.subscriptions)


@pytest.mark.parametrize("code", [each for each in blocks(PAGE, "python") if "my_handlers" not in each])
def test_every_example_runs(code: str) -> None:
    assert isinstance(executed(code, "documented").router, Router)


def test_the_auto_reply_answers_by_the_channel_that_was_used(run_handler: Run, example: Callable[[str], Any]) -> None:
    auto_reply = example("async def auto_reply").auto_reply
    by_sms = run_handler(auto_reply, make_event("message.received", text="When do you OPEN?"))
    by_rcs = run_handler(auto_reply, envelope("message.received", received_rcs(fresh_number(), "Open?")))
    other = run_handler(auto_reply, make_event("message.received", text="Hello"))

    sends = [each.path for each in (*by_sms.requests, *by_rcs.requests) if each.method == "POST"]
    assert sends == ["/messages", "/messages/rcs"]
    assert (other.outcome, other.reason, other.requests) == ("done", "no_question", ())


def test_settings_of_ones_own_reach_the_handler(run_handler: Run) -> None:
    mine = executed(block_with(PAGE, "python", "class CrmSettings"), "documented")
    own = mine.CrmSettings(crm_url="https://crm.example", crm_key="k")
    ran = run_handler(mine.look_up, make_event("message.received"), router=mine.router, own_settings=own)
    assert (ran.outcome, ran.error) == ("done", None)


@pytest.mark.parametrize(
    ("capability", "path"), [("full", "/messages/rcs"), ("text", "/messages"), ("none", "/messages")]
)
def test_a_card_goes_where_the_phone_takes_one(
    run_handler: Run, local_telnyx: Simulator, example: Callable[[str], Any], capability: Any, path: str
) -> None:
    number = fresh_number()
    local_telnyx.set_capability(number, capability)
    inbound = make_event("message.received", text="Menu", from_={"phone_number": number})
    ran = run_handler(example("async def menu").menu, inbound)
    [sent] = [each for each in ran.requests if each.method == "POST"]
    assert (ran.outcome, sent.path, sent.status) == ("done", path, 200)
    assert ("rich_card" in str(sent.body)) is (capability == "full")


def test_the_crm_is_asked_under_one_key_and_again_after_its_failure(
    run_handler: Run, example: Callable[[str], Any]
) -> None:
    mine = example("async def crm()")
    assert names(mine.router) == {*names(handlers.router), "note"}
    failing = httpx.AsyncClient(
        base_url="https://crm.example", transport=httpx.MockTransport(lambda _: httpx.Response(500))
    )
    ran = run_handler(mine.note, make_event("message.received"), router=mine.router, state=failing)
    assert (ran.outcome, ran.reason) == ("waiting", "error")
    assert isinstance(ran.exception, httpx.HTTPStatusError)


def test_the_reminder_is_scheduled_and_sent_except_after_a_stop(
    run_handler: Run, example: Callable[[str], Any]
) -> None:
    mine = example("reply.due")
    scheduled = run_handler(mine.remember, make_event("message.received", event_id="1"), router=mine.router)
    [reminder] = scheduled.emitted
    assert (reminder.type, reminder.id, reminder.arrived_by) == ("reply.due", "schedule:reply-due:1", "schedule")

    due = make_event("reply.due", payload=reminder.payload, arrived_by="schedule")
    sent = run_handler(mine.apologise, due, router=mine.router)
    assert [each.body["text"] for each in sent.requests] == ["We have not forgotten you."]

    run_handler(handlers.consent.consent, make_event("message.received", text="STOP"))
    late = run_handler(mine.apologise, make_event("reply.due", payload=reminder.payload), router=mine.router)
    assert (late.reason, late.requests) == ("opted_out", ())


def test_the_reminder_comes_by_itself(stack: Stack, example: Callable[[str], Any]) -> None:
    """The same example through the front door, with nothing changed but how long it waits."""
    mine = example("reply.due")
    mine.timedelta = lambda minutes: minutes / 100
    stack.start_worker(mine.router)
    number = fresh_number()
    stack.deliver(event := make_body(number))
    record = stack.ended(f"schedule:reply-due:{event['data']['id']}")
    assert (record.state, list(record.handlers)) == ("done", ["apologise"])
    assert len(stack.sent_to(number)) == 1, mask_number(number)


def make_body(number: str) -> dict[str, Any]:
    return envelope("message.received", dict(make_event("message.received", from_={"phone_number": number}).payload))


def test_a_built_in_that_is_left_out_does_not_run(stack: Stack, example: Callable[[str], Any]) -> None:
    mine = example("neither the SMS fallback nor forwarding")
    assert names(mine.router).isdisjoint({"sms_fallback", "forward"})
    stack.start_worker(mine.router)
    stack.deliver(event := envelope("message.finalized", finalized_rcs("delivery_failed", fresh_number())))
    assert not {"sms_fallback", "forward"}.intersection(stack.ended(event).handlers)
    assert stack.simulator.requests == []


def test_the_text_of_the_fallback_is_changed_and_its_guards_stay(stack: Stack, example: Callable[[str], Any]) -> None:
    mine = example("signed_fallback")
    assert names(mine.router) == names(handlers.router)
    stack.start_worker(mine.router)
    number, other = fresh_number(), fresh_number()
    payload = finalized_rcs("delivery_failed", number)
    read = {**finalized_rcs("read", other), "id": "reached-before"}
    unjust = {**finalized_rcs("delivery_failed", other), "id": "reached-before"}
    for event in (
        envelope("message.finalized", payload),
        envelope("message.finalized", payload),
        envelope("message.read", read),
        envelope("message.finalized", unjust),
    ):
        stack.deliver(event)
        stack.ended(event)

    assert [each.body["text"] for each in stack.sent_to(number)] == [
        "Your table is ready\nRingback Diner, 312-555-0199"
    ]
    assert stack.sent_to(other) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "test"), [("async def auto_reply", "test_a_question"), ("async def crm()", "test_a_message_is_noted")]
)
def test_the_tests_of_the_page_pass_in_a_folder_of_their_own(tmp_path: Path, code: str, test: str) -> None:
    (tmp_path / "my_handlers.py").write_text(block_with(PAGE, "python", code))
    (tmp_path / "test_my_handlers.py").write_text(block_with(PAGE, "python", test))
    ran = pytest_in(tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.slow
def test_the_first_command_of_the_page_is_one(tmp_path: Path) -> None:
    new = blocks(PAGE, "sh")[0].splitlines()[0]
    assert ringback(*new.split()[1:], cwd=tmp_path).returncode == 0
    assert (tmp_path / "my_handlers.py").exists()
