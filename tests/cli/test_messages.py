"""`ringback messages` and `ringback webhooks deliveries`, on the local Telnyx."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import telnyx

from service.events.consent import ConsentChange
from service.store.facts.consent import record_consent
from tests.cli.at_stack import run_at
from tests.stack import SMS_FROM, Stack
from tests.waiting import wait_for

NUMBER, MASKED = "+13125550501", "+1312•••0501"
TEXT = "Your table is ready"


def later(**ahead: int) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat()


def scheduled(stack: Stack) -> str:
    """The id of a message that is to go out tomorrow."""
    words = ("messages", "schedule", NUMBER, "--text", TEXT, "--at", later(days=1), "--from", SMS_FROM, "--yes")
    ran = run_at(stack, *words)
    assert ran.code == 0, ran
    assert (TEXT in ran.stdout, NUMBER in ran.stdout) == (False, False)
    [message] = stack.simulator.account.messages
    assert ran.stdout.startswith(f"scheduled: {message.id}\n")
    return message.id


def test_a_scheduled_message_is_shown_and_cancelled(stack: Stack) -> None:
    message_id = scheduled(stack)
    shown = run_at(stack, "messages", "show", message_id)
    told = json.loads(shown.stdout)
    assert (told["to"][0]["phone_number"], told["to"][0]["status"]) == (MASKED, "scheduled")
    assert (TEXT in shown.stdout, NUMBER in shown.stdout) == (False, False)
    assert TEXT in run_at(stack, "messages", "show", message_id, "--reveal").stdout
    assert run_at(stack, "messages", "cancel", message_id, answer="n\n").code == 1
    assert run_at(stack, "messages", "cancel", message_id, "--yes").stdout == "cancelled\n"
    again = run_at(stack, "messages", "cancel", message_id, "--yes")
    assert (again.code, again.stderr.startswith("Telnyx: 403")) == (1, True)
    stack.simulator.advance(2 * 86400)
    assert [each.status for each in stack.simulator.account.messages] == ["cancelled"]


def test_the_login_in_the_webhook_url_of_a_message_is_hidden(stack: Stack) -> None:
    with telnyx.Telnyx(api_key="KEY", base_url=stack.settings.base_url) as client:
        url = "https://me:secret@hooks.example/webhooks"
        answer = client.messages.send(to=NUMBER, from_=SMS_FROM, text=TEXT, webhook_url=url).data
    assert answer is not None
    told = json.loads(run_at(stack, "messages", "show", str(answer.id), "--reveal").stdout)
    assert told["webhook_url"] == "https://•••@hooks.example/webhooks"


def test_messages_that_have_ended_are_listed(stack: Stack) -> None:
    for _ in range(2):
        run_at(stack, "rcs", "send", "acme_agent", NUMBER, "--text", TEXT, "--yes")
    rows = json.loads(run_at(stack, "messages", "list", "--number", NUMBER, "--json").stdout)
    assert [(each["cld"], each["status"]) for each in rows] == [(MASKED, "delivered")] * 2
    assert len(json.loads(run_at(stack, "messages", "list", "--limit", "1", "--json").stdout)) == 1
    listed = run_at(stack, "messages", "list", "--reveal")
    assert (NUMBER in listed.stdout, listed.code) == (True, 0)
    none = run_at(stack, "messages", "list", "--range", "last_3_days", "--number", "+13125550999")
    assert none.stderr == "There are no such messages.\n"


def test_a_number_that_said_stop_is_not_written_to_later_either(stack: Stack) -> None:
    stack.ask(lambda store: record_consent(store, [ConsentChange(NUMBER, "out", 0.0, "operator")], now=0.0))
    words = ("messages", "schedule", NUMBER, "--text", TEXT, "--at", later(days=1), "--from", SMS_FROM, "--yes")
    ran = run_at(stack, *words)
    assert (ran.code, "has said STOP: nothing was scheduled" in ran.stderr) == (1, True)
    assert stack.simulator.requests == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"--at": "tomorrow"}, "is no time such as"),
        ({"--at": "2030-01-01T09:00:00"}, "name the time zone"),
        ({"--at": "2020-01-01T09:00:00Z"}, "5 minutes to 5 days ahead"),
        ({"--at": "2099-01-01T09:00:00Z"}, "5 minutes to 5 days ahead"),
        ({"--text": " "}, "an empty text"),
        ({"--from": None}, "give --from, or set RINGBACK_SMS_FROM"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_cannot_be_scheduled_is_refused_by_name(stack: Stack, changes: dict[str, Any], words: str) -> None:
    options = {"--text": TEXT, "--at": later(days=1), "--from": SMS_FROM} | changes
    given = [word for name, value in options.items() if value is not None for word in (name, value)]
    ran = run_at(stack, "messages", "schedule", NUMBER, *given, "--yes", COLUMNS="200")
    assert (ran.code, words in ran.stderr) == (2, True)
    assert stack.simulator.requests == []


def test_a_range_that_telnyx_does_not_know_is_refused(stack: Stack) -> None:
    ran = run_at(stack, "messages", "list", "--range", "ever", COLUMNS="200")
    assert (ran.code, "--range: today" in ran.stderr, stack.simulator.requests) == (2, True, [])


def test_deliveries_are_listed_without_what_they_carried(calling_stack: Stack) -> None:
    stack = calling_stack
    stack.simulator.receive(sender=NUMBER, to="+13125550101", text=TEXT)
    wait_for(lambda: [each for each in stack.simulator.account.webhook_deliveries if each.status == "delivered"])
    ran = run_at(stack, "webhooks", "deliveries", "--json")
    [row] = json.loads(ran.stdout)
    assert (row["status"], row["webhook"]["event_type"]) == ("delivered", "message.received")
    whole = run_at(stack, "webhooks", "deliveries", row["id"])
    assert json.loads(whole.stdout)["attempts"]
    for each in (ran, whole, run_at(stack, "webhooks", "deliveries")):
        assert (each.code, TEXT in each.stdout, NUMBER in each.stdout) == (0, False, False)
    assert run_at(stack, "webhooks", "deliveries", "--failed").stderr == "There are no such deliveries.\n"
    assert run_at(stack, "webhooks", "deliveries", "nonesuch").code == 1


def test_a_public_shortener_is_warned_of_and_sent(stack: Stack) -> None:
    words = ("--text", "See https://bit.ly/x", "--at", later(days=1), "--from", SMS_FROM, "--yes")
    ran = run_at(stack, "messages", "schedule", NUMBER, *words)
    assert (ran.code, ran.stderr) == (0, "warning: carriers may block links by bit.ly, a public shortener\n")
    assert [each.path for each in stack.simulator.requests] == ["/messaging_url_domains", "/messages/schedule"]


SENT_BY = {
    ("--from", SMS_FROM): "/messages/long_code",
    ("--from", "78901"): "/messages/short_code",
    ("--profile", "p-1"): "/messages/number_pool",
    ("--from", "Acme", "--profile", "p-1"): "/messages/alphanumeric_sender_id",
}


@pytest.mark.parametrize("options", SENT_BY)
def test_a_message_goes_out_by_the_operation_of_its_sender_once_under_its_key(
    stack: Stack, options: tuple[str, ...]
) -> None:
    words = ("messages", "send", NUMBER, "--text", TEXT, *options, "--key", "mine", "--yes")
    for ran in (run_at(stack, *words), run_at(stack, *words)):
        [message] = stack.simulator.account.messages
        assert ran.stdout.startswith(f"sent: {message.id}\n"), ran
        assert (ran.code, TEXT in ran.stdout, NUMBER in ran.stdout) == (0, False, False)
    assert {each.path for each in stack.simulator.requests if each.method == "POST"} == {SENT_BY[options]}


def test_a_group_gets_one_mms_whose_messages_are_shown(stack: Stack) -> None:
    to = (NUMBER, "+13125550502", NUMBER)
    ran = run_at(stack, "messages", "send", *to, "--text", TEXT, "--from", SMS_FROM, "--yes")
    assert ran.code == 0, ran
    group = run_at(stack, *ran.stdout.splitlines()[1].removeprefix("→ ringback ").split())
    rows = json.loads(group.stdout)
    assert len(rows) == 2
    assert (TEXT in group.stdout, NUMBER in group.stdout) == (False, False)


@pytest.mark.parametrize(
    "options",
    [
        (NUMBER, "--from", SMS_FROM),
        (NUMBER, "--text", " ", "--from", SMS_FROM),
        (NUMBER, "--text", TEXT, "--from", "Acme"),
        (NUMBER, "--media", "https://example.com/a.png", "--from", "Acme", "--profile", "p-1"),
        (NUMBER, "+13125550502", "--text", TEXT, "--profile", "p-1"),
        ("3125550501", "--text", TEXT),
        (*(f"+1312555050{each}" for each in range(9)), "--text", TEXT, "--from", SMS_FROM),
    ],
)
def test_a_message_that_cannot_go_out_so_is_bad_usage(stack: Stack, options: tuple[str, ...]) -> None:
    ran = run_at(stack, "messages", "send", *options, "--yes")
    assert ran.code == 2, ran
    assert len(stack.simulator.account.messages) == 0


def test_a_number_that_said_stop_gets_no_message_of_a_group(stack: Stack) -> None:
    said = [ConsentChange("+13125550502", "out", None, "message")]
    stack.ask(lambda store: record_consent(store, said, now=1.0))
    ran = run_at(stack, "messages", "send", NUMBER, "+13125550502", "--text", TEXT, "--from", SMS_FROM, "--yes")
    assert (ran.code, "has said STOP: nothing was sent" in ran.stderr) == (1, True)
    assert "may be sent" not in ran.stderr
    assert len(stack.simulator.account.messages) == 0


def test_an_assistant_begins_a_conversation_once_under_its_key(stack: Stack) -> None:
    words = ("messages", "assistant", "assistant-1", NUMBER, "--text", TEXT, "--from", SMS_FROM)
    assert run_at(stack, *words, answer="n\n").code == 1
    for ran in [run_at(stack, *words, "--key", "mine", "--yes") for _ in range(2)]:
        assert (ran.code, "begun: conversation" in ran.stdout, NUMBER in ran.stdout) == (0, True, False), ran
    [message] = stack.simulator.account.messages
    assert (message.type, message.text) == ("SMS", TEXT)
    by_whatsapp = ("messages", "assistant", "assistant-1", NUMBER, "--from", SMS_FROM, "--channel", "whatsapp", "--yes")
    assert run_at(stack, *by_whatsapp).code == 2
    assert run_at(stack, *by_whatsapp, "--text", "Remind of the appointment").code == 0
    assert [each.type for each in stack.simulator.account.messages] == ["SMS", "WHATSAPP"]
    stack.ask(lambda store: record_consent(store, [ConsentChange(NUMBER, "out", None, "message")], now=1.0))
    refused = run_at(stack, *words, "--yes")
    assert (refused.code, "has said STOP: nothing was sent" in refused.stderr) == (1, True)
