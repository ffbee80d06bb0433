"""Messaging profiles, opt-outs, domains for links, detail records and webhook deliveries."""

from functools import partial
from typing import Any

import pytest
import telnyx
from telnyx.types.webhook_delivery_list_params import Filter

from service.testing.simulator import Simulator
from tests.testing.simulator.asking import Client, answer, everything, first_page, refusal
from tests.testing.simulator.receiver import Receiver
from tests.waiting import wait_for

pytestmark = pytest.mark.anyio

FROM, TO = "+13125550001", "+13125550002"
NOBODY = "4000eba1-a0c0-4563-9925-b25e842a7cb6"


async def test_profiles_are_listed_page_by_page(client: Client, receiver: Receiver) -> None:
    page = await first_page(client.messaging_profiles.list(page_size=2))
    assert (len(page.data), page.meta.total_pages) == (2, 2)
    profiles = await everything(client.messaging_profiles.list(page_size=2))
    assert [profile.name for profile in profiles] == ["Marketing", "Alerts", "Support"]
    assert {profile.webhook_api_version for profile in profiles} == {"2"}
    assert {profile.webhook_url for profile in profiles} == {receiver.url}
    found = await everything(client.messaging_profiles.list(filter={"name": "Alerts"}))
    assert [profile.name for profile in found] == ["Alerts"]
    assert await refusal(lambda: client.messaging_profiles.list(page_size=1000)) == (400, "10015")


async def test_a_profile_is_retrieved(client: Client, simulator: Simulator) -> None:
    retrieve = client.messaging_profiles.retrieve
    profile = (await answer(retrieve(simulator.account.profiles.default_id))).data
    assert profile is not None
    assert (profile.name, profile.record_type, profile.enabled) == ("Marketing", "messaging_profile", True)
    assert profile.whitelisted_destinations == ["US", "CA"]
    assert await refusal(lambda: retrieve(NOBODY)) == (404, "10005")


async def test_a_profile_changes_only_in_what_is_given(client: Client, simulator: Simulator) -> None:
    profile_id, update = simulator.account.profiles.default_id, client.messaging_profiles.update
    changed = (await answer(update(profile_id, webhook_url=None, webhook_api_version="1"))).data
    assert changed is not None
    assert (changed.webhook_url, changed.webhook_api_version, changed.name) == (None, "1", "Marketing")
    again = (await answer(update(profile_id, webhook_failover_url="https://example.com/failover"))).data
    assert again is not None
    assert (again.webhook_failover_url, again.webhook_api_version) == ("https://example.com/failover", "1")


async def test_a_profile_takes_no_value_that_is_none(client: Client, simulator: Simulator) -> None:
    profile_id, update = simulator.account.profiles.default_id, client.messaging_profiles.update
    assert await refusal(lambda: update(profile_id, webhook_url="example.com")) == (400, "10015")
    assert await refusal(lambda: update(profile_id, webhook_api_version="3")) == (400, "10015")  # type: ignore[arg-type]
    assert await refusal(lambda: update(NOBODY, name="Nobody")) == (404, "10005")


async def test_a_profile_lists_the_numbers_and_short_codes_assigned_to_it(client: Client, simulator: Simulator) -> None:
    profiles = simulator.account.profiles
    for sender in ("+13125550001", "+4930123456", "55555"):
        profiles.assign(sender, profiles.default_id)
    numbers = await everything(client.messaging_profiles.list_phone_numbers(profiles.default_id))
    assert [(each.phone_number, each.country_code) for each in numbers] == [
        ("+13125550001", "US"),
        ("+4930123456", "DE"),
    ]
    codes = await everything(client.messaging_profiles.list_short_codes(profiles.default_id))
    assert [(each.short_code, each.country_code) for each in codes] == [("55555", "US")]
    assert await refusal(lambda: client.messaging_profiles.list_phone_numbers(NOBODY)) == (404, "10005")
    assert await refusal(lambda: client.messaging_profiles.list_short_codes(NOBODY)) == (404, "10005")


async def test_opt_outs_are_listed_page_by_page(client: Client, simulator: Simulator) -> None:
    for number in range(3):
        simulator.receive(sender=f"+1312555010{number}", to=FROM, text="Stop")
    page = await first_page(client.messaging_optouts.list(page_size=2))
    assert (len(page.data), page.meta.total_pages) == (2, 2)
    opt_outs = await everything(client.messaging_optouts.list(page_size=2))
    assert [opt_out.to for opt_out in opt_outs] == ["+13125550100", "+13125550101", "+13125550102"]
    assert {(opt_out.from_, opt_out.keyword) for opt_out in opt_outs} == {(FROM, "STOP")}


async def test_opt_outs_are_found_by_profile_sender_and_time(client: Client, simulator: Simulator) -> None:
    support = list(simulator.account.profiles)[2].id
    simulator.account.profiles.assign("+13125550009", support)
    simulator.receive(sender=TO, to=FROM, text="STOP")
    simulator.receive(sender=TO, to="+13125550009", text="STOP ALL")
    every = client.messaging_optouts.list
    by_profile = await everything(every(filter={"messaging_profile_id": support}))
    assert [(opt_out.from_, opt_out.keyword) for opt_out in by_profile] == [("+13125550009", "STOP ALL")]
    by_sender = await everything(every(filter={"from": FROM}))
    assert [opt_out.messaging_profile_id for opt_out in by_sender] == [simulator.account.profiles.default_id]
    assert await everything(every(created_at={"gte": "2999-01-01T00:00:00Z"})) == []
    assert await refusal(lambda: every(created_at={"lte": "monday"})) == (400, "10015")


async def test_domains_for_links_are_listed_page_by_page(client: Client) -> None:
    page = await first_page(client.messaging_url_domains.list(page_size=2))
    assert (len(page.data), page.meta.total_pages) == (2, 2)
    domains = await everything(client.messaging_url_domains.list(page_size=2))
    assert [domain.url_domain for domain in domains] == ["acme.link", "acme.info", "acme.help"]
    assert {domain.record_type for domain in domains} == {"messaging_url_domain"}
    assert await refusal(lambda: client.messaging_url_domains.list(page_size=0)) == (400, "10015")


def _ended(simulator: Simulator, count: int) -> None:
    wait_for(lambda: sum(message.completed_at is not None for message in simulator.account.messages) == count)


async def test_detail_records_are_listed_page_by_page(client: Client, simulator: Simulator) -> None:
    simulator.set_outcome(TO, "delivery_failed")
    for to in (TO, "+13125550003", "+13125550004"):
        await answer(client.messages.send(to=to, from_=FROM, text="Hi"))
    _ended(simulator, 3)
    search: Any = client.detail_records.list
    page = await first_page(search(filter={"record_type": "messaging"}, page_size=2))
    assert (len(page.data), page.meta.total_pages) == (2, 2)
    records = await everything(search(filter={"record_type": "messaging"}, page_size=2, sort=["created_at"]))
    assert [record.cld for record in records] == [TO, "+13125550003", "+13125550004"]
    assert [record.status for record in records] == ["failed", "delivered", "delivered"]
    assert records[0].errors == ["40008"]
    assert {record.record_type for record in records} == {"message_detail_record"}


async def test_detail_records_are_found_by_their_fields(client: Client, simulator: Simulator) -> None:
    await answer(client.messages.send(to=TO, from_=FROM, text="Hi"))
    await answer(client.messages.send(to="+13125550003", from_=FROM, text="Hi"))
    simulator.receive(sender=TO, to=FROM, text="Hello")
    _ended(simulator, 2)
    search: Any = client.detail_records.list
    for filters, directions in (
        ({"cld": TO}, ["outbound"]),
        ({"cli": TO}, ["inbound"]),
        ({"status": "delivered"}, ["outbound", "outbound"]),
        ({"created_at": {"gte": "2999-01-01T00:00:00Z"}}, []),
        ({"date_range": "today", "direction": "inbound"}, ["inbound"]),
        ({"date_range": "yesterday"}, []),
    ):
        found = await everything(search(filter={"record_type": "messaging"} | filters))
        assert [record.direction for record in found] == directions, filters


async def test_a_message_on_its_way_has_no_detail_record(client: Client, simulator: Simulator) -> None:
    simulator.set_outcome(TO, "sent")
    await answer(client.messages.send(to=TO, from_=FROM, text="Hi"))
    search: Any = client.detail_records.list
    assert await everything(search(filter={"record_type": "messaging"})) == []
    assert await everything(search(filter={"record_type": "verify"})) == []


async def test_detail_records_need_their_type_and_fields_that_exist(client: Client) -> None:
    search: Any = client.detail_records.list
    for filters in (
        {"cld": TO},
        {"record_type": "messaging", "colour": "red"},
        {"record_type": "messaging", "created_at": {"gte": "monday"}},
        {"record_type": "messaging", "date_range": "whenever"},
    ):
        assert await refusal(partial(search, filter=filters)) == (400, "10015"), filters
    assert await refusal(lambda: search(filter={"record_type": "messaging"}, page_size=51)) == (400, "10015")
    assert await refusal(lambda: search(filter={"record_type": "messaging"}, sort=["colour"])) == (400, "10015")


async def test_webhook_deliveries_are_listed_page_by_page(
    client: Client, simulator: Simulator, receiver: Receiver
) -> None:
    receiver.answers["/webhooks"].append(500)
    await answer(client.messages.send(to=TO, from_=FROM, text="Hi"))
    simulator.receive(sender=TO, to=FROM, text="Hello")
    wait_for(lambda: len(simulator.account.webhook_deliveries) == 3)
    page = await first_page(client.webhook_deliveries.list(page_size=2))
    assert (len(page.data), page.meta.total_pages) == (2, 2)
    deliveries = await everything(client.webhook_deliveries.list(page_size=2))
    types = [str(delivery.webhook.event_type) for delivery in deliveries if delivery.webhook]
    assert sorted(types) == ["message.finalized", "message.received", "message.sent"]
    assert types.index("message.finalized") < types.index("message.sent")
    assert sorted(str(delivery.status) for delivery in deliveries) == ["delivered", "delivered", "failed"]


async def test_webhook_deliveries_are_found_by_their_filters(
    client: Client, simulator: Simulator, receiver: Receiver
) -> None:
    receiver.answers["/webhooks"].append(503)
    await answer(client.messages.send(to=TO, from_=FROM, text="Hi"))
    wait_for(lambda: len(simulator.account.webhook_deliveries) == 2)
    cases: list[tuple[Filter, list[str]]] = [
        ({"status": {"eq": "failed"}}, ["message.sent"]),
        ({"status": {"eq": "delivered"}}, ["message.finalized"]),
        ({"event_type": "message.finalized,message.received"}, ["message.finalized"]),
        ({"webhook": {"contains": '"status":"delivered"'}}, ["message.finalized"]),
        ({"attempts": {"contains": '"status":503'}}, ["message.sent"]),
        ({"started_at": {"gte": "2999-01-01T00:00:00Z"}}, []),
    ]
    for filters, types in cases:
        listed: Any = client.webhook_deliveries.list(filter=filters)
        assert [delivery.webhook.event_type for delivery in await everything(listed)] == types, filters
    wrong: Any = {"status": {"eq": "lost"}}
    assert await refusal(lambda: client.webhook_deliveries.list(filter=wrong)) == (422, "10015")


async def test_a_webhook_delivery_is_retrieved_with_its_attempts(
    client: Client, simulator: Simulator, receiver: Receiver
) -> None:
    simulator.receive(sender=TO, to=FROM, text="Hello")
    (delivery,) = wait_for(lambda: list(simulator.account.webhook_deliveries))
    shown = (await answer(client.webhook_deliveries.retrieve(delivery.id))).data
    assert shown is not None
    assert (shown.status, shown.record_type) == ("delivered", "webhook_delivery")
    (attempt,) = shown.attempts or []
    assert attempt.http is not None
    assert attempt.http.request is not None
    assert attempt.http.response is not None
    assert (attempt.http.request.url, attempt.http.response.status) == (receiver.url, 200)
    assert await refusal(lambda: client.webhook_deliveries.retrieve(NOBODY)) == (404, "10005")


async def test_without_a_key_nothing_is_answered(sync_client: telnyx.Telnyx, simulator: Simulator) -> None:
    simulator.api_key = "KEY-of-the-account"
    assert await refusal(sync_client.messaging_profiles.list) == (401, "10009")
    with sync_client.with_options(api_key="KEY-of-the-account") as known:
        assert len(known.messaging_profiles.list().data) == 3
