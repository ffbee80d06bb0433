"""`POST /messages/rcs`, deeplinks, agents, capabilities and test numbers."""

from typing import Any

import pytest

from service.testing.simulator import Simulator
from service.testing.simulator.rcs import RcsAgent
from tests.testing.simulator.asking import Client, answer, everything, first_page, refusal
from tests.testing.simulator.receiver import Receiver

pytestmark = pytest.mark.anyio

AGENT, TO, PROFILE = "acme_agent", "+13125550002", "4001781e-626f-4a41-a914-b1b682150f94"
TEXT: Any = {"content_message": {"text": "Hello", "suggestions": [{"reply": {"text": "Yes", "postback_data": "eWVz"}}]}}


def _send(client: Client, **fields: Any) -> Any:
    message = {"agent_id": AGENT, "to": TO, "messaging_profile_id": PROFILE, "agent_message": TEXT} | fields
    return client.messages.rcs.send(**message)


async def test_an_rcs_message_is_accepted(client: Client) -> None:
    sent = (await answer(_send(client))).data
    assert (sent.type, sent.direction, sent.messaging_profile_id) == ("RCS", "outbound", PROFILE)
    assert [(to.phone_number, to.status) for to in sent.to] == [(TO, "queued")]
    assert (sent.from_.agent_id, sent.from_.agent_name) == (AGENT, "Acme")
    assert sent.body.content_message.suggestions[0].reply.text == "Yes"


async def test_an_agent_that_is_not_known_is_taken_for_one_of_ours(client: Client) -> None:
    sent = (await answer(_send(client, agent_id="e4448a5c0670c2a9"))).data
    assert sent.from_.agent_id == "e4448a5c0670c2a9"
    agent = (await answer(client.messaging.rcs.agents.retrieve("e4448a5c0670c2a9"))).data
    assert agent is not None
    assert agent.enabled


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        pytest.param({"to": "3125550002"}, "40310", id="recipient not E.164"),
        pytest.param({"agent_message": {}}, "10015", id="nothing to send"),
        pytest.param({"agent_message": {"content_message": {}}}, "10015", id="no content"),
        pytest.param({"agent_message": {"content_message": {"text": "x" * 3073}}}, "40302", id="text too long"),
        pytest.param({"agent_message": {"content_message": {"text": 5}}}, "10015", id="text that is no text"),
        pytest.param({"agent_message": TEXT | {"ttl": "soon"}}, "10015", id="ttl that is no time"),
        pytest.param({"agent_message": TEXT | {"expire_time": "noon"}}, "10015", id="expiry that is no time"),
        pytest.param({"webhook_url": "example.com"}, "10015", id="webhook that is no URL"),
        pytest.param({"sms_fallback": {"from": "+13125550001"}}, "10004", id="fallback without text"),
    ],
)
async def test_an_rcs_message_that_does_not_fit_is_refused(client: Client, fields: dict[str, Any], code: str) -> None:
    assert await refusal(lambda: _send(client, **fields)) == (400, code)


async def test_a_disabled_agent_does_not_send(client: Client, simulator: Simulator) -> None:
    simulator.account.agents.put(RcsAgent("off", "Off", "", "", enabled=False))
    assert await refusal(lambda: _send(client, agent_id="off")) == (403, "10010")


async def test_a_phone_without_rcs_fails_an_rcs_message(
    client: Client, simulator: Simulator, receiver: Receiver
) -> None:
    simulator.account.capabilities.set(TO, "none")
    await answer(_send(client))
    (finalized,) = receiver.take()
    assert finalized.type == "message.finalized"
    assert [to["status"] for to in finalized.payload["to"]] == ["sending_failed"]
    assert finalized.payload["errors"][0]["code"] == "40301"


async def test_the_sms_fallback_goes_out_at_once_to_a_phone_without_rcs(
    client: Client, simulator: Simulator, receiver: Receiver
) -> None:
    simulator.account.capabilities.set(TO, "none")
    sent = (await answer(_send(client, sms_fallback={"from": "+13125550001", "text": "Hello"}))).data
    assert sent.type == "SMS"
    first, last = receiver.take(2)
    assert (first.type, last.type) == ("message.sent", "message.finalized")
    assert (last.payload["id"], last.payload["type"], last.payload["text"]) == (sent.id, "SMS", "Hello")


async def test_the_sms_fallback_goes_out_as_a_message_of_its_own_when_rcs_fails_later(
    client: Client, simulator: Simulator, receiver: Receiver
) -> None:
    simulator.set_outcome(TO, "delivery_failed", type="RCS")
    sent = (await answer(_send(client, sms_fallback={"from": "+13125550001", "text": "Hello"}))).data
    failed, delivered = receiver.take(4)[1::2]
    assert (failed.payload["id"], failed.payload["to"][0]["status"]) == (sent.id, "delivery_failed")
    assert (delivered.payload["type"], delivered.payload["to"][0]["status"]) == ("SMS", "delivered")
    assert delivered.payload["id"] != sent.id


async def test_the_mms_fallback_carries_its_media(client: Client, simulator: Simulator, receiver: Receiver) -> None:
    simulator.account.capabilities.set(TO, "none")
    picture = "https://example.com/cat.jpg"
    await answer(_send(client, mms_fallback={"from": "+13125550001", "media_urls": [picture], "subject": "Cat"}))
    last = receiver.take(2)[1]
    assert (last.payload["type"], last.payload["subject"]) == ("MMS", "Cat")
    assert [medium["url"] for medium in last.payload["media"]] == [picture]


async def test_a_deeplink_names_the_agent_and_the_number_to_fall_back_to(client: Client) -> None:
    link = await answer(client.messages.rcs.generate_deeplink(AGENT, phone_number="+18445550001", body="hello world"))
    assert link.data.url == "sms:+18445550001?service_id=acme_agent%40rbm.goog&body=hello%20world"
    bare = await answer(client.messages.rcs.generate_deeplink(AGENT))
    assert bare.data.url == "sms:?service_id=acme_agent%40rbm.goog"


async def test_a_deeplink_needs_an_agent_and_a_number(client: Client) -> None:
    assert await refusal(lambda: client.messages.rcs.generate_deeplink("nobody")) == (404, "10005")
    assert await refusal(lambda: client.messages.rcs.generate_deeplink(AGENT, phone_number="844")) == (400, "10016")


async def test_agents_are_listed_page_by_page(client: Client) -> None:
    page = await first_page(client.messaging.rcs.agents.list(page_size=2))
    assert (len(page.data), page.meta.page_number, page.meta.total_pages) == (2, 1, 2)
    agents = await everything(client.messaging.rcs.agents.list(page_size=2))
    assert [agent.agent_id for agent in agents] == ["acme_agent", "acme_alerts_agent", "acme_support_agent"]
    assert all(agent.enabled for agent in agents)


async def test_a_page_is_of_a_size_that_telnyx_allows(client: Client) -> None:
    assert await refusal(lambda: client.messaging.rcs.agents.list(page_size=251)) == (400, "10015")
    assert await refusal(lambda: client.messaging.rcs.agents.list(page_number=0)) == (400, "10015")
    assert await refusal(lambda: client.messaging.rcs.agents.list(page_number=10**30)) == (400, "10015")


async def test_an_agent_is_retrieved(client: Client, receiver: Receiver) -> None:
    agent = (await answer(client.messaging.rcs.agents.retrieve(AGENT))).data
    assert agent is not None
    assert (agent.agent_name, agent.enabled, agent.webhook_url) == ("Acme", True, receiver.url)
    assert await refusal(lambda: client.messaging.rcs.agents.retrieve("nobody")) == (404, "10005")


async def test_an_agent_changes_only_in_what_is_given(client: Client, receiver: Receiver) -> None:
    update = client.messaging.rcs.agents.update
    changed = (await answer(update(AGENT, webhook_failover_url="https://example.com/failover"))).data
    assert changed is not None
    assert (changed.webhook_url, changed.webhook_failover_url) == (receiver.url, "https://example.com/failover")
    cleared = (await answer(update(AGENT, webhook_url=None))).data
    assert cleared is not None
    assert (cleared.webhook_url, cleared.webhook_failover_url) == (None, "https://example.com/failover")
    assert cleared.profile_id == changed.profile_id


async def test_an_agent_takes_no_url_that_is_none(client: Client) -> None:
    update = client.messaging.rcs.agents.update
    assert await refusal(lambda: update(AGENT, webhook_url="example.com")) == (400, "10015")
    assert await refusal(lambda: update("nobody", webhook_url=None)) == (404, "10005")


async def test_a_phone_has_the_capabilities_that_were_scripted(client: Client, simulator: Simulator) -> None:
    ask = client.messaging.rcs.retrieve_capabilities
    full = (await answer(ask(TO, agent_id=AGENT))).data
    assert full is not None
    assert full.record_type == "rcs.capabilities"
    assert "RICHCARD_CAROUSEL" in (full.features or [])
    simulator.account.capabilities.set(TO, "text")
    text = (await answer(ask(TO, agent_id=AGENT))).data
    assert text is not None
    assert (text.features, text.agent_name) == (["GENERIC_RCS_FEATURE"], "Acme")
    simulator.account.capabilities.set(TO, "none")
    none = (await answer(ask(TO, agent_id=AGENT))).data
    assert none is not None
    assert (none.features, none.phone_number) == (None, TO)


async def test_capabilities_need_an_agent_and_a_number(client: Client) -> None:
    ask = client.messaging.rcs.retrieve_capabilities
    assert await refusal(lambda: ask(TO, agent_id="nobody")) == (404, "10005")
    assert await refusal(lambda: ask("312", agent_id=AGENT)) == (400, "10016")


async def test_capabilities_of_many_phones_come_at_once(client: Client, simulator: Simulator) -> None:
    simulator.account.capabilities.set("+13125550003", "text")
    ask = client.messaging.rcs.list_bulk_capabilities
    rows = (await answer(ask(agent_id=AGENT, phone_numbers=[TO, "+13125550003"]))).data
    assert rows is not None
    assert [row.phone_number for row in rows] == [TO, "+13125550003"]
    assert [len(row.features or []) for row in rows] == [8, 1]


async def test_capabilities_of_too_many_phones_are_refused(client: Client) -> None:
    ask = client.messaging.rcs.list_bulk_capabilities
    many = [f"+1312555{number:04}" for number in range(101)]
    assert await refusal(lambda: ask(agent_id=AGENT, phone_numbers=many)) == (400, "10015")
    assert await refusal(lambda: ask(agent_id=AGENT, phone_numbers=["312"])) == (400, "10015")


async def test_a_phone_is_invited_to_try_an_agent(client: Client, simulator: Simulator) -> None:
    invite = client.messaging.rcs.invite_test_number
    invited = (await answer(invite(TO, id=AGENT))).data
    assert (invited.record_type, invited.status) == ("rcs.test_number_invite", "PENDING")
    assert (invited.agent_id, invited.phone_number) == (AGENT, TO)
    assert simulator.account.invitations == {(AGENT, TO)}
    assert await refusal(lambda: invite(TO, id="nobody")) == (404, "10005")
    assert await refusal(lambda: invite("312", id=AGENT)) == (400, "10016")
