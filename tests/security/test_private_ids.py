"""Nothing that is told or exported holds WhatsApp's ids of messages, whose base64 holds a number, or of users."""

import base64
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import Context, Event, Router
from service.outcome import Dead
from service.security.anonymize import Anonymizer, masked
from service.security.masking import mask_number, mask_numbers
from service.security.numbers import NumberMatcher
from service.testing.samples import sample
from tests.cli.operator import Operator
from tests.messages.whatsapp_replies import answered, hidden_sender, wrote
from tests.stack import Stack

NUMBER, USER = "+13125550110", "US.13491208655302741918"
WAMID = "wamid.HBgLMTMxMjU1NTAxMTAVAgASGBQzQTAwMDAwMDAwMDAwMDAwMDAwMAA"
TELNYX_ID = "5a9cb7e2-6d6f-4a7e-9d15-0f6bcb2f0002"


def received(**body: Any) -> Any:
    found = sample("whatsapp.received-without-user-id", number=NUMBER)
    found["data"]["payload"]["body"].update({"from_user_id": USER, **body})
    return found


def assert_tells_nothing(text: str) -> None:
    """No id, whole or bare, and no number: not even one that base64 hides."""
    assert re.search(r"wamid\.[A-Za-z0-9]", text) is None
    for private in (WAMID.removeprefix("wamid."), USER, USER[3:], NUMBER, NUMBER[1:], TELNYX_ID):
        assert private not in text
    for token in re.findall(r"[A-Za-z0-9+/_-]{16,}", text):
        whole = token[: len(token) - (len(token) % 4 == 1)]
        assert NUMBER[1:].encode() not in base64.b64decode(whole + "=" * (-len(whole) % 4), altchars=b"-_")


BODIES: list[dict[str, Any]] = [
    {},
    {"type": "edit", "edit": {"original_message_id": WAMID, "message": {"text": {"body": "Are you open?"}}}},
    {"type": "revoke", "revoke": {"original_message_id": TELNYX_ID}},
    {"context": {"id": WAMID, "from": NUMBER[1:]}, "foreign_id": WAMID.removeprefix("wamid.")},
    {"foreign_id": 13125550110, "id": WAMID},
    {"reaction": {"message_id": WAMID, "emoji": "+1"}, "status": USER},
    {USER: {WAMID: [USER, WAMID]}, "from_user_id": "US.abc", "wa_id": "13125550110"},
    {"to_user_id": USER, "parent_user_id": "US.ENT.11815799212886844830"},
    {"type": WAMID, "code": USER, "agent_id": f"for {USER}", "tags_id": WAMID.upper()},
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: ",".join(body) or "plain")
def test_neither_an_export_nor_a_masked_view_tells_who_wrote_by_whatsapp(stack: Stack, body: dict[str, Any]) -> None:
    router = Router()

    @router.on("message.received", max_attempts=1)
    async def look(event: Event[dict[str, Any]], ctx: Context) -> None:
        raise Dead("by_hand", f"{WAMID} of {USER} cannot be served")

    stack.start_worker(router)
    sent = received(**body)
    assert stack.deliver(sent).status_code == 200
    assert stack.ended(sent).state == "dead"
    operator = Operator.of(stack)
    for command in (
        ("events", "export"),
        ("events", "show", sent["data"]["id"]),
        ("events", "show", sent["data"]["id"], "--json"),
        ("events", "list", "--json"),
        ("dead", "show", sent["data"]["id"]),
        ("dead", "list", "--json"),
    ):
        ran = operator.run(*command)
        assert ran.code == 0
        assert sent["data"]["id"][:8] in ran.stdout
        assert_tells_nothing(ran.stdout + ran.stderr)
    revealed = operator.run("events", "show", sent["data"]["id"], "--reveal").stdout
    assert str(sent["data"]["payload"]["body"]["foreign_id"]) in revealed


def test_an_effect_for_a_user_is_shown_masked(stack: Stack) -> None:
    wrote(stack, "", USER)
    sent = hidden_sender()
    assert answered(stack, sent) == [True]
    shown = Operator.of(stack).run("events", "show", sent["data"]["id"], "--json").stdout
    assert [each["recipient"] for each in json.loads(shown)["effects"]] == ["US.•••1918"]
    assert_tells_nothing(shown)


def test_what_telnyx_says_of_a_refusal_is_kept_without_ids() -> None:
    told = mask_numbers(f"131047 · no window for {USER} (message {WAMID}, {NUMBER})")
    assert told == "131047 · no window for US.•••1918 (message wamid.•••, +1312•••0110)"
    assert mask_numbers("US.Bank and e.g. AT.T are none") == "US.Bank and e.g. AT.T are none"


@pytest.mark.parametrize(
    ("address", "shown"), [(USER, "US.•••1918"), ("US.1234", "•••34"), ("anna@example.com", "•••@example.com")]
)
def test_other_addresses_of_people_are_masked(address: str, shown: str) -> None:
    assert mask_number(address) == shown


@given(st.integers(7, 15).flatmap(lambda n: st.text("123456789", min_size=n, max_size=n)), st.binary(max_size=12))
def test_base64_that_holds_a_number_is_hidden_whatever_stands_around_it(number: str, around: bytes) -> None:
    hidden = base64.b64encode(b"\x1d\x0b" + number.encode() + b"\x15" + around).decode().rstrip("=")
    for name in ("id", "message_id", "type", "status", "foreign_id"):
        assert hidden not in json.dumps([masked({name: hidden}), Anonymizer().content({name: hidden})])


def test_ids_of_telnyx_stay() -> None:
    kept = {"id": TELNYX_ID, "messaging_profile_id": TELNYX_ID, "campaign_id": "C1A2B3D", "user_id": TELNYX_ID}
    assert masked(kept) == kept
    assert Anonymizer().content(kept) == kept
    assert masked({"original_message_id": TELNYX_ID}) == {"original_message_id": "•••"}


def test_an_erasure_finds_the_number_in_a_message_id() -> None:
    body = json.dumps({"data": {"payload": {"body": {"foreign_id": WAMID}}}}).encode()
    assert NumberMatcher.of(NUMBER).within(body)
    assert not NumberMatcher.of("+13125550111").within(body)


def test_the_ids_of_an_export_keep_their_uuids_and_lose_their_numbers() -> None:
    anonymizer = Anonymizer(b"secret")
    uuid = "a72596e2-0f39-47f6-8054-543912345678"
    for event_id in (uuid, f"{uuid}~message.sent", f"schedule:campaign_look:{uuid}"):
        assert anonymizer.name(event_id) == event_id
    assert anonymizer.name(f"order:+13125550101:{uuid}") == f"order:{anonymizer.number('+13125550101')}:{uuid}"
