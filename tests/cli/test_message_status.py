"""`ringback messages status`: the last known status of each message, and never "accepted" as delivered."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from service.events.message import read_message_status
from service.store.facts.message_states import Recipient, read_state
from service.store.store import Store
from tests.cli.at_stack import run_at
from tests.cli.deployment import Ran
from tests.healing.test_unfinished_messages import at_telnyx
from tests.stack import Host, Stack, open_stack
from tests.telnyx_events import envelope, finalized_rcs, fresh_number
from tests.waiting import wait_for

KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


@pytest.fixture(params=[None, KEY], ids=["plain", "encrypted"])
def kept(request: pytest.FixtureRequest, host: Host) -> Iterator[Stack]:
    with open_stack(host, encryption_key=request.param) as opened:
        yield opened


def status(stack: Stack, *arguments: str) -> Ran:
    key = stack.settings.encryption_key
    variables = {} if key is None else {"RINGBACK_ENCRYPTION_KEY": key.get_secret_value()}
    return run_at(stack, "messages", "status", *arguments, **variables)


def tell(stack: Stack, event_type: str, number: str | None, state: str, *, message: str, at: str) -> str:
    """Let an event tell a status; answers its id."""
    body = envelope(event_type, finalized_rcs(state, number or "", id=message))
    body["data"]["occurred_at"] = at
    if number is None:
        body["data"]["payload"]["to"][0]["phone_number"] = "+1312555****"
    assert stack.deliver(body).status_code == 200
    return str(body["data"]["id"])


def rows(stack: Stack, *arguments: str) -> list[dict[str, Any]]:
    ran = status(stack, *arguments, "--json")
    assert ran.code == 0, ran
    found: list[dict[str, Any]] = json.loads(ran.stdout)
    return found


def test_each_message_to_a_number_is_shown_with_its_source_and_time(kept: Stack) -> None:
    stack, number = kept, fresh_number()
    sent = tell(stack, "message.sent", number, "sent", message="m-1", at="2026-01-05T12:00:00Z")
    tell(stack, "message.sent", number, "sent", message="m-2", at="2026-01-05T12:00:01Z")
    delivered = tell(stack, "message.finalized", number, "delivered", message="m-2", at="2026-01-05T12:00:05Z")
    tell(stack, "message.sent", number, "sent", message="m-2", at="2026-01-05T12:00:09Z")
    failed = tell(stack, "message.finalized", number, "delivery_failed", message="m-3", at="2026-01-05T12:00:07Z")
    tell(stack, "message.finalized", fresh_number(), "delivered", message="m-4", at="2026-01-05T12:00:07Z")

    found = [(each["message"], each["status"], each["delivered"], each["event"]) for each in rows(stack, number)]
    assert found == [
        ("m-3", "delivery_failed", False, failed),
        ("m-2", "delivered", True, delivered),
        ("m-1", "sent", None, sent),
    ]
    [of_sent] = [each for each in rows(stack, number) if each["message"] == "m-1"]
    assert (of_sent["at"], of_sent["source"]) == ("2026-01-05T12:00:00.000+00:00", "event")
    told = status(stack, number)
    assert "yes" not in next(line for line in told.stdout.splitlines() if line.startswith("m-1"))
    assert number not in told.stdout + json.dumps(rows(stack, number))
    assert number in status(stack, number, "--reveal").stdout


def test_a_message_is_shown_by_its_id(kept: Stack) -> None:
    stack, number = kept, fresh_number()
    event_id = tell(stack, "message.sent", number, "queued", message="m-1", at="2026-01-05T12:00:00Z")
    [row] = rows(stack, "m-1")
    assert (row["status"], row["delivered"], row["event"]) == ("queued", None, event_id)
    hidden = stack.settings.encryption_key is not None
    assert (row["to"] is None) == hidden


def test_of_two_events_with_one_status_the_earlier_is_the_source_in_any_order(stack: Stack) -> None:
    number = fresh_number()
    tell(stack, "message.sent", number, "sent", message="m-1", at="2026-01-05T12:00:09Z")
    earlier = tell(stack, "message.sent", number, "sent", message="m-1", at="2026-01-05T12:00:00Z")
    [row] = rows(stack, "m-1")
    assert (row["event"], row["at"]) == (earlier, "2026-01-05T12:00:00.000+00:00")


def test_a_redacted_end_counts_for_the_only_recipient(kept: Stack) -> None:
    stack, number = kept, fresh_number()
    tell(stack, "message.sent", number, "sent", message="m-1", at="2026-01-05T12:00:00Z")
    event_id = tell(stack, "message.finalized", None, "delivered", message="m-1", at="2026-01-05T12:00:05Z")
    [row] = rows(stack, number)
    assert (row["status"], row["delivered"], row["event"], row["at"]) == ("delivered", True, event_id, None)
    only = tell(stack, "message.finalized", None, "delivered", message="m-2", at="2026-01-05T12:00:05Z")
    [row] = rows(stack, "m-2")
    assert (row["status"], row["to"], row["event"]) == ("delivered", None, only)


def test_a_reading_of_ringbacks_own_is_named_as_one(stack: Stack) -> None:
    number = fresh_number()

    async def merge(store: Store) -> None:
        shown = read_message_status("message.finalized", finalized_rcs("expired", number, id="m-1"))
        assert shown is not None
        said = replace(shown, at=1_767_614_400.0, is_reading=True)
        await read_state(store, "m-1", [Recipient(number, "effect")], by="event", said=said)

    stack.ask(merge)
    [row] = rows(stack, number)
    assert (row["status"], row["source"], row["event"]) == ("expired", "reading", None)


def test_what_is_unfinished_is_read_at_telnyx_where_that_is_asked_for(stack: Stack) -> None:
    number = fresh_number()
    message_id = at_telnyx(stack, number, "delivered")
    tell(stack, "message.sent", number, "sent", message=message_id, at="2026-01-05T12:00:00Z")
    before = len(stack.simulator.requests)
    assert rows(stack, number)[0]["delivered"] is None
    assert len(stack.simulator.requests) == before, "nothing is asked without --read"
    wait_for(lambda: stack.simulator.account.messages.known(message_id).status == "delivered")
    [row] = rows(stack, number, "--read")
    assert (row["status"], row["delivered"], row["source"]) == ("delivered", True, "reading")
    other = at_telnyx(stack, number, "delivery_failed")
    wait_for(lambda: stack.simulator.account.messages.known(other).status == "delivery_failed")
    assert (status(stack, other).code, rows(stack, other, "--read")[0]["delivered"]) == (1, False)


def test_unknown_subjects_and_bad_usage(stack: Stack) -> None:
    assert status(stack, "no-such-message").code == 1
    assert status(stack, "no-such-message", "--read").code == 1
    none = status(stack, fresh_number())
    assert (none.code, none.stdout, none.stderr) == (0, "", "No message to this number is known here.\n")
    for bad in ("3125550101", "", " ", "+1", "+13125550101x"):
        assert status(stack, bad).code == 2, bad
