"""`ringback rcs`, on the local Telnyx."""

import json
from pathlib import Path
from typing import Any

import pytest

from service.events.consent import ConsentChange
from service.store.facts.consent import record_consent
from service.testing.simulator.api.faults import Fault
from service.testing.simulator.messages.message import OutcomeStatus
from tests.cli.at_stack import asked, run_at
from tests.stack import SMS_FROM, Stack
from tests.telnyx_events import envelope, received_sms

AGENT = "acme_agent"
NUMBER, MASKED = "+13125550401", "+1312•••0401"
TEXT = "Your table is ready"
CARD = {"title": "Table 4", "media": {"height": "SHORT", "content_info": {"file_url": "https://example.com/t.jpg"}}}


def test_agents_are_listed(stack: Stack) -> None:
    rows = json.loads(run_at(stack, "rcs", "agents", "--json").stdout)
    assert [each["agent_id"] for each in rows] == ["acme_agent", "acme_alerts_agent", "acme_support_agent"]
    assert "acme_alerts_agent" in run_at(stack, "rcs", "agents").stdout


def test_capabilities_are_asked_for_once_and_told_in_words(stack: Stack) -> None:
    stack.simulator.account.capabilities.set("+13125550402", "text")
    stack.simulator.account.capabilities.set("+13125550403", "none")
    numbers = (NUMBER, "+13125550402", "+13125550403")
    ran = run_at(stack, "rcs", "capabilities", AGENT, *numbers)
    assert ran.code == 0
    lines = [line for line in ran.stdout.splitlines() if line.startswith("+1312")]
    assert ("richcard carousel" in lines[0], MASKED in lines[0]) == (True, True)
    assert [line.split(maxsplit=1)[1].strip() for line in lines[1:]] == ["text only", "no"]
    assert "2 of 3 can be reached by RCS" in ran.stderr

    again = json.loads(run_at(stack, "rcs", "capabilities", AGENT, *numbers, "--json", "--reveal").stdout)
    assert [(each["phone_number"], each["capable"]) for each in again] == list(
        zip(numbers, [True, True, False], strict=True)
    )
    assert len(stack.simulator.requests) == 1
    run_at(stack, "rcs", "capabilities", AGENT, *numbers, "--fresh")
    assert len(stack.simulator.requests) == 2


def test_numbers_of_a_file_are_asked_for_in_hundreds(stack: Stack) -> None:
    Path("numbers.txt").write_text("\n".join(f"+1312558{number:04d}" for number in range(201)) + "\n\n")
    ran = run_at(stack, "rcs", "capabilities", AGENT, "--file", "numbers.txt", "--json")
    assert (ran.code, len(json.loads(ran.stdout))) == (0, 201)
    assert "+13125580000" not in ran.stdout
    assert [each.path for each in stack.simulator.requests] == [
        "/messaging/rcs/bulk_capabilities",
        "/messaging/rcs/bulk_capabilities",
        f"/messaging/rcs/capabilities/{AGENT}/+13125580200",
    ]


def test_a_deeplink_can_be_used(stack: Stack) -> None:
    ran = run_at(stack, "rcs", "deeplink", AGENT, "--number", NUMBER, "--body", "Hello there")
    assert (ran.code, ran.stdout) == (0, f"sms:{NUMBER}?service_id=acme_agent%40rbm.goog&body=Hello%20there\n")


def test_a_phone_is_invited_once_confirmed(stack: Stack) -> None:
    refused = run_at(stack, "rcs", "invite", AGENT, NUMBER, answer="n\n")
    assert (refused.code, NUMBER in refused.stdout, stack.simulator.account.invitations) == (1, False, set())
    ran = run_at(stack, "rcs", "invite", AGENT, NUMBER, "--yes")
    assert (ran.code, ran.stdout) == (0, f"{MASKED}: pending\n")
    assert stack.simulator.account.invitations == {(AGENT, NUMBER)}


@pytest.mark.parametrize(("status", "code"), [("delivered", 0), ("read", 0), ("delivery_failed", 1), ("expired", 1)])
def test_a_message_is_followed_until_it_ends(stack: Stack, status: OutcomeStatus, code: int) -> None:
    stack.simulator.set_outcome(NUMBER, status)
    ran = run_at(stack, "rcs", "send", AGENT, NUMBER, "--text", TEXT, "--yes")
    [sent] = stack.sent_to(NUMBER)
    assert sent.path == "/messages/rcs"
    assert sent.body["agent_message"] == {"content_message": {"text": TEXT}}
    last = ran.stdout.splitlines()[-1]
    assert (ran.code, last in (f"{status} (RCS)", "delivered (RCS)")) == (code, True)
    assert TEXT not in ran.stdout
    assert NUMBER not in ran.stdout


def test_a_message_that_does_not_end_is_let_go(stack: Stack) -> None:
    stack.simulator.set_outcome(NUMBER, "sent")
    ran = run_at(stack, "rcs", "send", AGENT, NUMBER, "--text", TEXT, "--wait", "0.3", "--yes")
    assert (ran.code, ran.stdout.splitlines()[-1]) == (1, "sent (RCS)")
    assert ran.stderr == "not ended after 0.3 s, its webhooks tell the rest\n"


def test_a_phone_without_rcs_gets_the_fallback(stack: Stack) -> None:
    stack.simulator.account.capabilities.set(NUMBER, "none")
    words = ("rcs", "send", AGENT, NUMBER, "--text", TEXT, "--fallback-text", "Come in", "--yes")
    ran = run_at(stack, *words, RINGBACK_SMS_FROM=SMS_FROM)
    [sent] = stack.sent_to(NUMBER)
    assert sent.body["sms_fallback"] == {"from": SMS_FROM, "text": "Come in"}
    assert (ran.code, ran.stdout.splitlines()[-1]) == (0, "delivered (SMS)")


def test_a_lost_answer_sends_no_second_message(stack: Stack) -> None:
    stack.simulator.add_fault(Fault(kind="reset", when="after", method="POST", path="/messages/rcs"))
    ran = run_at(stack, "rcs", "send", AGENT, NUMBER, "--text", TEXT, "--yes")
    assert ran.code == 0
    assert [each.path for each in asked(stack, "POST")] == ["/messages/rcs"] * 2
    assert len(stack.simulator.account.messages) == 1


@pytest.mark.parametrize("form", ["url", "content", "agent message"])
def test_a_file_is_sent_by_its_url_and_a_card_from_json(stack: Stack, form: str) -> None:
    card = {"rich_card": {"standalone_card": {"card_content": CARD}}}
    content = {"content_info": {"file_url": "https://example.com/menu.pdf"}} if form == "url" else card
    Path("card.json").write_text(json.dumps({"content_message": card} if form == "agent message" else card))
    file = "https://example.com/menu.pdf" if form == "url" else "card.json"
    ran = run_at(stack, "rcs", "send", AGENT, NUMBER, "--file", file, "--yes")
    assert ran.code == 0, ran
    assert stack.sent_to(NUMBER)[0].body["agent_message"] == {"content_message": content}


def test_a_number_that_said_stop_is_not_written_to(stack: Stack) -> None:
    stack.ask(lambda store: record_consent(store, [ConsentChange(NUMBER, "out", 0.0, "operator")], now=0.0))
    ran = run_at(stack, "rcs", "send", AGENT, NUMBER, "--text", TEXT, "--yes")
    assert (ran.code, ran.stderr) == (1, "this number has said STOP: nothing was sent\n")
    assert stack.sent_to(NUMBER) == []


def test_a_stop_that_comes_while_the_question_stands_holds(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop_arrives(*_: Any, **__: Any) -> None:
        assert stack.deliver(envelope("message.received", received_sms(NUMBER, "STOP"))).status_code == 200

    monkeypatch.setattr("service.cli.telnyx.rcs.confirm", stop_arrives)
    ran = run_at(stack, "rcs", "send", AGENT, NUMBER, "--text", TEXT)
    assert (ran.code, ran.stderr) == (1, "this number has said STOP: nothing was sent\n")
    assert stack.sent_to(NUMBER) == []


def test_a_send_that_is_not_confirmed_sends_nothing(stack: Stack) -> None:
    ran = run_at(stack, "rcs", "send", AGENT, NUMBER, "--text", TEXT, answer="n\n")
    assert (ran.code, "Nothing was changed." in ran.stdout) == (1, True)
    assert stack.sent_to(NUMBER) == []


def test_an_unknown_agent_is_told(stack: Stack) -> None:
    ran = run_at(stack, "rcs", "send", "nobody", NUMBER, "--text", TEXT, "--yes")
    assert (ran.code, ran.stderr.startswith("Telnyx: 404")) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("send", AGENT, NUMBER), "give either --text or --file"),
        (("send", AGENT, NUMBER, "--text", "a", "--file", "https://example.com/a"), "give either --text or --file"),
        (("send", AGENT, NUMBER, "--text", ""), "--text': an empty text is no value"),
        (("send", AGENT, NUMBER, "--text", "a" * 3073), "--text: a text has 1 to 3072 characters"),
        (("send", AGENT, NUMBER, "--file", "nowhere.json"), "--file: nowhere.json cannot be read"),
        (("send", AGENT, NUMBER, "--file", "two.json"), "has one of text, rich_card, content_info"),
        (("send", AGENT, NUMBER, "--file", "photo.jpg"), "must stand at an https URL"),
        (("send", AGENT, NUMBER, "--text", "a", "--fallback-text", "b"), "RINGBACK_SMS_FROM"),
        (("send", AGENT, "3125550401", "--text", "a"), "is no number"),
        (("capabilities", AGENT), "give numbers, --file or both"),
        (("capabilities", AGENT, "--file", "numbers.txt"), "numbers.txt, line 2: no number"),
        (("deeplink", AGENT, "--number", "12"), "is no number"),
        (("invite", AGENT, "12"), "is no number"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else "",
)
def test_bad_input_names_what_is_wrong_and_asks_telnyx_nothing(
    stack: Stack, arguments: tuple[str, ...], words: str
) -> None:
    Path("two.json").write_text('{"text": "a", "content_info": {"file_url": "https://example.com/a"}}')
    Path("photo.jpg").write_bytes(b"\xff\xd8\xff")
    Path("numbers.txt").write_text("+13125550401\n555\n")
    ran = run_at(stack, "rcs", *arguments, COLUMNS="200")
    assert ran.code == 2
    assert words in ran.stderr
    assert stack.simulator.requests == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("rcs", "send", AGENT, NUMBER, "--text", TEXT, "--yes"),
        ("rcs", "invite", AGENT, NUMBER, "--yes"),
        ("hosted", "order", NUMBER, "--yes"),
        ("hosted", "codes", "id", NUMBER, "--yes"),
        ("hosted", "validate", "id", f"{NUMBER}=1"),
        ("hosted", "assign", NUMBER, "--profile", "x", "--yes"),
        ("hosted", "delete", "id", "--yes"),
        ("hosted", "delete-number", NUMBER, "--yes"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_a_dry_run_changes_nothing(stack: Stack, arguments: tuple[str, ...]) -> None:
    ran = run_at(stack, *arguments, RINGBACK_DRY_RUN="true")
    assert (ran.code, ran.stderr) == (1, "RINGBACK_DRY_RUN is set: nothing was changed.\n")
    assert stack.simulator.requests == []
