"""Samples are fresh, filled in and of every family, half of them failures, and answered as their channel asks."""

import json
import re
from pathlib import Path

import pytest

import service.events
from service.events import Message, read_envelope
from service.messages.reply_address import Address, address_of
from service.testing import make_event
from service.testing.samples import OUR_NUMBER, Subject, UnknownSample, cases, payload_in, sample, scenarios
from service.testing.samples.cases import body_names, families
from service.testing.samples.edits import NoSuchField, remove_field, set_field
from service.testing.samples.placeholders import fresh_number

NUMBER = "+13125550107"
USER_ID = "US.13491208655302741918"


def test_there_are_many_cases_of_every_family_and_half_of_them_fail() -> None:
    failures = [each for each in cases().values() if each.fails]
    assert len(cases()) >= 60
    assert len(failures) >= len(cases()) / 2
    wanted = {"rcs", "sms", "mms", "whatsapp", "stop", "start", "help", "hosted", "tollfree", "10dlc", "link"}
    assert wanted <= set(families())
    abouts = [*(each.about for each in cases().values()), *(each.about for each in scenarios().values())]
    assert all(about and not about.endswith(".") for about in abouts)


def test_every_body_belongs_to_a_case_and_no_name_is_a_type_of_an_event() -> None:
    assert {each.body for each in cases().values()} == set(body_names())
    types = {read_envelope(json.dumps(sample(name)).encode()).type for name in cases()}
    assert not types & {*cases(), *scenarios()}
    assert {step.case for each in scenarios().values() for step in each.steps} <= set(cases())


def test_each_event_that_ringback_raises_about_a_registration_has_a_case() -> None:
    listed = (Path(service.events.__file__).parent / "event_types.txt").read_text().split()
    raised = {each for each in listed if each.endswith(".status_changed")}
    types = {read_envelope(json.dumps(sample(name)).encode()).type for name in cases()}
    assert len(raised) > 8
    assert raised <= types


@pytest.mark.parametrize("name", cases())
def test_a_sample_is_filled_in_and_fresh_each_time(name: str) -> None:
    first, second = (json.dumps(sample(name)) for _ in range(2))
    assert re.search(r"@[A-Z]", first) is None
    assert read_envelope(first.encode()).identity != read_envelope(second.encode()).identity or "@" not in first


def test_each_sample_is_about_a_number_of_its_own_unless_one_is_given() -> None:
    drawn = [fresh_number() for _ in range(500)]
    assert len(set(drawn)) == 500
    assert all(re.fullmatch(r"\+1\d{3}55501\d\d", each) for each in drawn)
    assert payload_in(sample("sms.received", number=NUMBER))["from"]["phone_number"] == NUMBER


def test_events_of_one_subject_are_about_one_message() -> None:
    subject = Subject()
    failed, delivered = (sample(name, subject=subject) for name in ("rcs.failed", "rcs.delivered"))
    assert failed["data"]["id"] != delivered["data"]["id"]
    assert failed["data"]["payload"]["id"] == delivered["data"]["payload"]["id"]
    assert payload_in(sample("rcs.received", subject=subject))["id"] != subject.message


def test_times_are_relative_to_the_given_one() -> None:
    late = sample("rcs.failed", at=1_790_000_000)["data"]
    assert late["occurred_at"].startswith("2026-09-21T14:13:20")
    assert late["payload"]["sent_at"].startswith("2026-09-21T14:13:18")
    assert sample("hosted.internal-transfer", at=100.0)["data"]["payload"]["approval_deadline"] == 100 + 72 * 3600


def test_an_unknown_sample_is_told_which_one_is_meant() -> None:
    with pytest.raises(UnknownSample, match=r"rcs\.fialed.*rcs\.failed"):
        sample("rcs.fialed")


def test_make_event_takes_the_name_of_a_sample() -> None:
    event = make_event("stop.inbound", text="QUIT")
    assert (event.type, event.payload["text"], event.payload["autoresponse_type"]) == (
        "message.received",
        "QUIT",
        "STOP",
    )
    assert make_event("10dlc.campaign.dormant-flat").type == "10dlc.campaign.update"


def test_fields_are_set_and_removed_by_their_path() -> None:
    body = {"a": {"b": [{"c": 1}]}, "d": 1}
    set_field(body, "a.b.0.c", "x")
    set_field(body, "a.b.1", 2)
    set_field(body, "e.f", [])
    remove_field(body, "d")
    remove_field(body, "a.b.0.c")
    assert body == {"a": {"b": [{}, 2]}, "e": {"f": []}}


@pytest.mark.parametrize("path", ["", "a.", "a.b.3", "a.b.-1", "a.b.x", "d.x", "a.b.0.c.d"])
def test_a_path_that_leads_nowhere_is_refused_and_named(path: str) -> None:
    with pytest.raises(NoSuchField):
        set_field({"a": {"b": [{"c": 1}]}, "d": 1}, path, 1)
    with pytest.raises(NoSuchField):
        remove_field({"a": {"b": [{"c": 1}]}, "d": 1}, path)


@pytest.mark.parametrize(
    ("name", "channel", "to"),
    [
        ("sms.received", "SMS", NUMBER),
        ("rcs.received", "RCS", NUMBER),
        ("whatsapp.received", "WHATSAPP", NUMBER),
        ("whatsapp.hidden-sender", "WHATSAPP", USER_ID),
    ],
)
def test_a_sample_of_a_message_to_us_can_be_answered(name: str, channel: str, to: str) -> None:
    payload = sample(name, number=NUMBER)["data"]["payload"]
    assert Message.model_validate(payload).id == payload["id"]
    address = address_of(payload)
    assert isinstance(address, Address)
    assert (address.channel, address.to) == (channel, to)
    assert address.sender in (OUR_NUMBER, "acme_agent")
