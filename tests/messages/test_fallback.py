"""What an event and a policy make of a recipient: the occasion, the text, the form."""

from pathlib import Path
from typing import Any

import pytest

from service.events import Event, Message
from service.messages.fallback import DUE, Case, cases, content_of, draft, request
from service.messages.policy import Policy, default_policy
from service.outcome import Dead
from tests.messages.policies import SMS_FROM, policy
from tests.telnyx_events import finalized_rcs

US, FR = "+13125550101", "+33612345678"
IMAGE = "https://diner.example/menu.jpg"
CARD = {
    "rich_card": {
        "standalone_card": {
            "card_content": {
                "title": "Menu",
                "description": "Fish today",
                "media": {"content_info": {"file_url": IMAGE}},
                "suggestions": [{"action": {"text": "Book", "open_url_action": {"url": "https://diner.example/book"}}}],
            }
        }
    }
}


def case(
    found: Policy | None = None, *, number: str = US, event_type: str = "message.finalized", **changes: Any
) -> Case:
    payload = finalized_rcs(changes.pop("status", "delivery_failed"), number, **changes)
    event = Event("e", event_type, None, Message.model_validate(payload), "webhook")
    [only] = cases(found or default_policy(SMS_FROM), event)
    return only


def reason(found: Policy, **changes: Any) -> str | None:
    one = case(found, **changes)
    assert one.since is not None
    return one.reason_against(one.since + 1, None)


@pytest.mark.parametrize(
    ("status", "by_default", "by_policy"),
    [
        ("delivery_failed", None, "not_failed"),
        ("sending_failed", None, "not_failed"),
        ("expired", None, "not_failed"),
        ("delivery_unconfirmed", "not_failed", None),
        ("delivered", "not_failed", "not_failed"),
        ("read", "not_failed", "not_failed"),
        ("sent", "not_failed", "not_failed"),
        ("a_new_status", "not_failed", "not_failed"),
    ],
)
def test_the_triggers_of_the_rule_decide(
    tmp_path: Path, status: str, by_default: str | None, by_policy: str | None
) -> None:
    assert reason(default_policy(SMS_FROM), status=status) == by_default
    unconfirmed = policy(tmp_path, '[[rules]]\nname = "a"\ntriggers = ["unconfirmed"]\n')
    assert reason(unconfirmed, status=status) == by_policy


def test_the_timer_is_an_occasion_only_where_the_rule_asks_for_it(tmp_path: Path) -> None:
    patient = policy(tmp_path, '[[rules]]\nname = "a"\ntriggers = []\nundelivered_after = "60s"\n')
    assert reason(patient, event_type=DUE, status="sent") is None
    assert reason(patient) == "not_failed"
    assert reason(default_policy(SMS_FROM), event_type=DUE, status="sent") == "not_failed"


def test_what_is_held_on_purpose_does_not_grow_too_old() -> None:
    one = case()
    assert one.since is not None
    assert one.reason_against(one.since + 3600, None) is None
    assert one.reason_against(one.since + 3601, None) == "too_old"
    assert one.reason_against(one.since + 36_000, one.since + 3600) is None


@pytest.mark.parametrize("sent_at", [None, 0, "1970-01-01T00:00:00Z", "2200-01-01T00:00:00Z"])
def test_a_message_without_a_possible_time_is_as_old_as_its_event(sent_at: object) -> None:
    times: dict[str, Any] = {"sent_at": sent_at, "received_at": None, "completed_at": None}
    message = Message.model_validate(finalized_rcs("delivery_failed", US, **times))
    timeless = Event("e", "message.finalized", None, message, "webhook")
    [one] = cases(default_policy(SMS_FROM), timeless, accepted_at=1_800_000_000.0)
    assert one.reason_against(1_800_003_601.0, None) == "too_old"
    assert one.reason_against(1_800_003_600.0, None) is None


def test_the_key_of_a_timer_holds_no_number() -> None:
    assert US[-7:] not in case().timer
    assert case(id="m-1").timer == case(id="m-1", status="sent").timer
    assert case(id="m-1").timer != case(id="m-1", number=FR).timer


def test_a_text_is_sent_as_it_was() -> None:
    one = case(text="Your table is ready")
    wanted = draft(one, content_of(one.message))
    assert request(one, wanted) == {
        "to": US,
        "from_": SMS_FROM,
        "messaging_profile_id": one.message.messaging_profile_id,
        "text": "Your table is ready",
    }


def test_a_card_becomes_readable_text(tmp_path: Path) -> None:
    text = draft(case(), CARD).text
    assert text == f"Menu\nFish today\n{IMAGE}\nBook: https://diner.example/book"


@pytest.mark.parametrize(
    ("sent_as", "number", "form"),
    [("sms", US, "SMS"), ("mms", US, "MMS"), ("mms", FR, "MMS"), ("auto", US, "MMS"), ("auto", FR, "SMS")],
)
def test_pictures_go_as_mms_where_the_rule_says_so(tmp_path: Path, sent_as: str, number: str, form: str) -> None:
    one = case(policy(tmp_path, f'[[rules]]\nname = "a"\nas = "{sent_as}"\n'), number=number)
    wanted = draft(one, CARD)
    assert wanted.type == form
    assert ("type" in request(one, wanted)) == (form == "MMS")
    assert (IMAGE in wanted.text) == (form == "SMS")
    assert wanted.media_urls == ((IMAGE,) if form == "MMS" else ())


@pytest.mark.parametrize("sent_as", ["mms", "auto"])
def test_without_a_file_there_is_no_mms(tmp_path: Path, sent_as: str) -> None:
    one = case(policy(tmp_path, f'[[rules]]\nname = "a"\nas = "{sent_as}"\n'))
    assert draft(one, {"text": "Hi"}).type == "SMS"


def test_a_lone_file_needs_no_words_in_an_mms(tmp_path: Path) -> None:
    one = case(policy(tmp_path, '[[rules]]\nname = "a"\nas = "mms"\nfrom = "profile"\n'), messaging_profile_id=None)
    assert request(one, draft(one, {"content_info": {"file_url": IMAGE}})) == {
        "to": US,
        "type": "MMS",
        "media_urls": [IMAGE],
    }


def test_a_template_takes_the_place_of_the_text(tmp_path: Path) -> None:
    found = policy(tmp_path, "[[rules]]\nname = 'a'\ntemplate = '{{ agent_name }} in {{ country }}: {{ text }}'\n")
    assert draft(case(found), {"text": "Hi"}).text == "Acme in US: Hi"


@pytest.mark.parametrize(
    ("rule", "content", "why"),
    [
        ("", {}, "nothing_to_say"),
        ("", {"suggestions": [{"reply": {"text": "Yes"}}]}, "nothing_to_say"),
        ("", {"text": "x" * 919}, "too_long"),
        ("max_segments = 1", {"text": "x" * 161}, "too_long"),
        ("template = '{{ tags[0] }}'", {"text": "Hi"}, "template"),
        ("template = '{% if tags %}{{ text }}{% endif %}'", {"text": "Hi"}, "nothing_to_say"),
    ],
)
def test_what_cannot_be_said_is_for_a_person(tmp_path: Path, rule: str, content: dict[str, Any], why: str) -> None:
    one = case(policy(tmp_path, f'[[rules]]\nname = "a"\n{rule}\n'))
    with pytest.raises(Dead) as raised:
        draft(one, content)
    assert raised.value.reason == why
    assert "Hi" not in raised.value.detail
