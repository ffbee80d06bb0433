"""RCS brands, agents and carriers' answers: each change is raised once, and phones are asked about as they allow it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import telnyx

from handlers import rcs_registration
from service import Router, clock
from service.cli.signed_delivery import deliver
from service.events import (
    RcsAgentStatusChanged,
    RcsBrandStatusChanged,
    RcsCarrierApprovalStatusChanged,
    RcsTestDeviceStatusChanged,
)
from service.ingress.app import create_app
from service.messages.rcs_capabilities import RcsCapabilities
from service.security.encryption import Sealer
from service.security.telnyx_signature import public_key_text
from service.settings.development_key import make_key
from service.store.facts.remembered import CARRIER, Capability
from service.store.inbox import accept
from service.store.inbox.audit import audit
from service.store.inbox.erasure import erase
from service.store.inbox.search import EventFilter, search
from service.store.store import Store
from service.testing.samples import payload_in, sample
from tests.cli.at_stack import asked
from tests.pending import pending
from tests.registrations.noted import arrive, noted
from tests.stack import Stack
from tests.telnyx_events import fresh_number
from tests.testing.simulator.registration import AGENT, BRAND, CAMPAIGN, TESTING

ROUTER = Router(rcs_registration.router)
POLL = "ringback.cron.rcs_registration_poll"
KINDS = ("rcs_brand", "rcs_agent", "rcs_carrier_approval", "rcs_test_device")


@pytest.fixture
def client(stack: Stack) -> Iterator[telnyx.Telnyx]:
    with telnyx.Telnyx(api_key="KEY", base_url=stack.settings.base_url, max_retries=0) as client:
        yield client


def poll(stack: Stack, name: str, *, reason: str | None = None) -> None:
    record = stack.ended(arrive(stack, POLL, name))
    assert (record.state, record.handlers["rcs_registration_poll"].reason) == ("done", reason), record


def changes(stack: Stack) -> list[tuple[str, str | None, str, str | None]]:
    """Kind, previous status, status and reason of all changes that were raised, in the order of their events."""

    async def raised(store: Store) -> list[tuple[str, str | None, str, str | None]]:
        found = []
        for kind in KINDS:
            rows = await search(store, limit=100, wanted=EventFilter(type=f"{kind}.status_changed"))
            records = [await accept.find(store, each.id) for each in reversed(rows)]
            payloads = [orjson.loads(each.body or b"{}")["data"]["payload"] for each in records if each]
            found += [(kind, each["previous"], each["status"], each["reason"]) for each in payloads]
        return found

    return stack.ask(raised)


def new_brand(client: telnyx.Telnyx) -> str:
    return client.rcs.brands.create(**BRAND).brand_id


def new_agent(stack: Stack, client: telnyx.Telnyx) -> str:
    brand = new_brand(client)
    stack.simulator.decide_rcs_brand(brand, status="VERIFIED")
    return client.rcs.agents.create(brand_id=brand, idempotency_key="agent", **AGENT).agent_id


def launch(client: telnyx.Telnyx, agent: str) -> None:
    client.rcs.agents.submit(agent)
    client.rcs.agents.launch(agent, campaign=CAMPAIGN, testing=TESTING)  # type: ignore[arg-type]


def test_a_brand_is_followed_to_its_end_and_told_once(stack: Stack, client: telnyx.Telnyx) -> None:
    stack.start_worker(ROUTER)
    brand = new_brand(client)
    poll(stack, "first")
    assert changes(stack) == []
    client.rcs.brands.submit(brand)
    stack.ask(lambda store: store.redis.delete(store.keys.throttle("rcs_poll")))
    poll(stack, "second")
    poll(stack, "third")
    stack.simulator.decide_rcs_brand(brand, status="REJECTED")
    poll(stack, "fourth")
    assert changes(stack) == [
        ("rcs_brand", "CREATED", "SUBMITTED", None),
        ("rcs_brand", "SUBMITTED", "REJECTED", None),
    ]
    assert "an RCS brand is REJECTED" in noted(stack)
    assert f"ringback rcs brands {brand}" in noted(stack)
    assert stack.ask(audit).clean


def test_an_agent_is_followed_with_sections_and_carriers(stack: Stack, client: telnyx.Telnyx) -> None:
    stack.start_worker(ROUTER)
    agent = new_agent(stack, client)
    client.rcs.agents.submit(agent)
    poll(stack, "first")
    assert changes(stack) == []
    client.rcs.agents.launch(agent, campaign=CAMPAIGN, testing=TESTING)  # type: ignore[arg-type]
    stack.simulator.decide_rcs_agent(agent, carrier="Verizon", decision="APPROVED")
    poll(stack, "second")
    stack.simulator.decide_rcs_agent(agent, carrier="AT&T", decision="REJECTED", reason="Call +13125550401")
    stack.simulator.decide_rcs_agent(agent, carrier="T-Mobile", decision="APPROVED")
    poll(stack, "third")
    assert sorted(changes(stack), key=str) == sorted(
        [
            ("rcs_agent", "SUBMITTED", "LAUNCHED", None),
            ("rcs_agent", "LAUNCHED", "LIVE", None),
            # It was there at once, at an agent that had none before.
            ("rcs_carrier_approval", None, "APPROVED", None),
            ("rcs_carrier_approval", "PENDING", "REJECTED", "Call +13125550401"),
            ("rcs_carrier_approval", "PENDING", "APPROVED", None),
        ],
        key=str,
    )
    told = noted(stack)
    assert "a carrier rejected an RCS agent" in told
    assert "Acme Orders: AT&T: Call +1312" in told
    assert "+13125550401" not in told


def test_a_rejected_section_is_a_change_and_named(stack: Stack, client: telnyx.Telnyx) -> None:
    stack.start_worker(ROUTER)
    agent = new_agent(stack, client)
    launch(client, agent)
    poll(stack, "first")
    stack.simulator.decide_rcs_agent(agent, section="campaign", decision="REJECTED")
    poll(stack, "second")
    assert changes(stack) == [("rcs_agent", "LAUNCHING", "REJECTED", "campaign")]
    assert "rejected sections: campaign" in noted(stack)


def test_the_first_sight_tells_only_what_needs_a_person(stack: Stack, client: telnyx.Telnyx) -> None:
    stack.start_worker(ROUTER)
    agent = new_agent(stack, client)
    launch(client, agent)
    stack.simulator.decide_rcs_agent(agent, carrier="AT&T", decision="APPROVED")
    stack.simulator.decide_rcs_agent(agent, carrier="Verizon", decision="REJECTED", reason="No opt-in")
    poll(stack, "first")
    assert changes(stack) == [("rcs_carrier_approval", None, "REJECTED", "No opt-in")]


def test_what_appears_after_the_first_poll_is_a_change(stack: Stack, client: telnyx.Telnyx) -> None:
    """Somebody else has registered it, in the portal for example, while the poll was daily."""
    stack.start_worker(ROUTER)
    poll(stack, "first")
    draft = new_brand(client)
    agent = new_agent(stack, client)
    client.rcs.agents.submit(agent)
    stack.ask(lambda store: store.redis.delete(store.keys.throttle("rcs_poll")))
    poll(stack, "a day later")
    stack.simulator.decide_rcs_brand(draft, status="SUBMITTED")
    poll(stack, "five minutes later")
    assert sorted(changes(stack), key=str) == [
        ("rcs_agent", None, "SUBMITTED", None),
        ("rcs_brand", "CREATED", "SUBMITTED", None),
        ("rcs_brand", None, "VERIFIED", None),
    ]


def test_changes_that_several_workers_find_are_raised_once(stack: Stack, client: telnyx.Telnyx) -> None:
    for _ in range(2):
        stack.start_worker(ROUTER)
    agent = new_agent(stack, client)
    launch(client, agent)
    poll(stack, "first")
    stack.simulator.decide_rcs_agent(agent, carrier="AT&T", decision="APPROVED")
    for each in [arrive(stack, POLL, f"poll-{number}") for number in range(6)]:
        assert stack.ended(each).state == "done"
    assert len(changes(stack)) == 2


def test_the_poll_is_daily_until_something_is_under_review(stack: Stack, client: telnyx.Telnyx) -> None:
    stack.start_worker(ROUTER)
    brand = new_brand(client)
    poll(stack, "first")
    before = len(asked(stack, "GET"))
    poll(stack, "second", reason="not_due")
    assert len(asked(stack, "GET")) == before
    client.rcs.brands.submit(brand)
    stack.ask(lambda store: store.redis.delete(store.keys.throttle("rcs_poll")))
    poll(stack, "a day later")
    poll(stack, "five minutes later")
    stack.simulator.decide_rcs_brand(brand, status="VERIFIED")
    poll(stack, "ten minutes later")
    poll(stack, "fifteen minutes later", reason="not_due")


@pytest.mark.parametrize("status", [403, 404])
def test_an_account_without_registration_is_no_error(stack: Stack, status: int) -> None:
    stack.start_worker(ROUTER)
    stack.simulator.add_fault(status=status, path="/rcs/brands")
    poll(stack, "first", reason="not_permitted")


@pytest.mark.parametrize(
    ("name", "model", "status"),
    [
        ("rcs.brand-rejected", RcsBrandStatusChanged, "REJECTED"),
        ("rcs.agent-live", RcsAgentStatusChanged, "LIVE"),
        ("rcs.agent-rejected", RcsAgentStatusChanged, "REJECTED"),
        ("rcs.carrier-rejected", RcsCarrierApprovalStatusChanged, "REJECTED"),
        ("rcs.tester-declined", RcsTestDeviceStatusChanged, "DECLINED"),
    ],
)
def test_a_sample_has_the_fields_of_what_is_raised(
    stack: Stack, client: telnyx.Telnyx, name: str, model: Any, status: str
) -> None:
    stack.start_worker(ROUTER)
    shown = payload_in(sample(name))
    assert model.model_validate(shown).status == status
    agent, device = new_agent(stack, client), fresh_number()
    launch(client, agent)
    client.rcs.agents.test_devices.create(agent, phone_number=device)
    poll(stack, "first")
    stack.simulator.decide_rcs_agent(agent, phone_number=device, decision="DECLINED")
    stack.simulator.decide_rcs_agent(agent, section="campaign", decision="REJECTED")
    stack.simulator.decide_rcs_agent(agent, carrier="AT&T", decision="REJECTED", reason="No")
    [brand] = stack.simulator.account.rcs_brands
    stack.simulator.decide_rcs_brand(brand.id, status="REJECTED")
    poll(stack, "second")
    kind = sample(name)["data"]["event_type"]
    raised = stack.ask(lambda store: search(store, limit=1, wanted=EventFilter(type=kind)))
    assert set(shown) == set(orjson.loads(stack.recorded(raised[0].id).body or b"")["data"]["payload"])


def test_the_answer_of_a_test_number_is_told_once_and_erased_by_its_number(stack: Stack, client: telnyx.Telnyx) -> None:
    stack.start_worker(ROUTER)
    agent, device = new_agent(stack, client), fresh_number()
    client.rcs.agents.submit(agent)
    poll(stack, "first")
    client.rcs.agents.test_devices.create(agent, phone_number=device)
    poll(stack, "second")
    assert [each for each in changes(stack) if each[0] == "rcs_test_device"] == []
    stack.simulator.decide_rcs_agent(agent, phone_number=device, decision="ACCEPTED")
    for name in ("third", "fourth"):
        poll(stack, name)
    answers = [each for each in changes(stack) if each[0] == "rcs_test_device"]
    assert answers == [("rcs_test_device", "PENDING", "ACCEPTED", None)]
    assert stack.ask(lambda store: erase(store, device)).bodies == 1
    assert stack.ask(audit).clean


def test_an_event_that_ringback_did_not_raise_notifies_nobody(stack: Stack) -> None:
    stack.start_worker(ROUTER)
    stack.deliver(body := sample("rcs.carrier-rejected"))
    assert stack.ended(body).handlers["rcs_carrier_notice"].reason == "not_ours"
    assert noted(stack) == ""


def test_a_sample_that_the_development_key_has_signed_notifies_as_if_ringback_had_raised_it(
    stack: Stack, tmp_path: Path
) -> None:
    stack.start_worker(ROUTER)
    settings = stack.settings.model_copy(update={"data": tmp_path})
    key = make_key(settings)
    both = {"public_key": f"{settings.public_key},{public_key_text(key)}"}
    sent, of_telnyx = sample("rcs.carrier-rejected"), sample("sms.received")
    with stack.host.serving(create_app(settings.model_copy(update=both))) as url:
        for body in (sent, of_telnyx):
            assert deliver(f"{url}/webhooks", body, key)[0] == 200
        stack.deliver(forged := sample("rcs.carrier-rejected"))
    assert stack.ended(sent).handlers["rcs_carrier_notice"].reason is None
    assert "The opt-in is not shown" in noted(stack)
    assert stack.ended(of_telnyx).arrived_by == "webhook"
    assert stack.ended(forged).handlers["rcs_carrier_notice"].reason == "not_ours"


def look_up(stack: Stack, agent: str, *numbers: str, afresh: bool = False) -> list[bool]:
    async def ask(store: Store) -> dict[str, Capability]:
        async with telnyx.AsyncTelnyx(api_key="KEY", base_url=stack.settings.base_url, max_retries=0) as client:
            return await RcsCapabilities(client, store).read(agent, numbers, afresh=afresh)

    return [each.capable for each in stack.ask(ask).values()]


def asked_for(stack: Stack) -> int:
    return sum("capabilities" in each.path for each in stack.simulator.requests)


def test_phones_are_not_asked_about_before_a_carrier_approves(stack: Stack, client: telnyx.Telnyx) -> None:
    stack.start_worker(ROUTER)
    agent, number, device = new_agent(stack, client), fresh_number(), fresh_number()
    launch(client, agent)
    client.rcs.agents.test_devices.create(agent, phone_number=device)
    poll(stack, "first")
    assert look_up(stack, agent, number, device) == [False, False]
    assert asked_for(stack) == 0
    stack.simulator.decide_rcs_agent(agent, phone_number=device, decision="ACCEPTED")
    poll(stack, "second")
    assert look_up(stack, agent, number, device) == [False, True]
    assert [each.path for each in stack.simulator.requests if "capabilities" in each.path] == [
        f"/messaging/rcs/capabilities/{agent}/{device}"
    ]
    assert look_up(stack, agent, number, afresh=True) == [False]
    assert asked_for(stack) == 2


def test_what_was_refused_is_asked_again_once_another_carrier_approves(stack: Stack, client: telnyx.Telnyx) -> None:
    stack.start_worker(ROUTER)
    agent, early, late = new_agent(stack, client), fresh_number(), fresh_number()
    stack.simulator.set_carrier(early, "Verizon")
    stack.simulator.set_carrier(late, "AT&T")
    launch(client, agent)
    stack.simulator.decide_rcs_agent(agent, carrier="Verizon", decision="APPROVED")
    poll(stack, "first")
    for _ in range(2):
        assert look_up(stack, agent, early, late) == [True, False]
    assert asked_for(stack) == 1
    stack.simulator.decide_rcs_agent(agent, carrier="AT&T", decision="APPROVED")
    stack.simulator.decide_rcs_agent(agent, carrier="T-Mobile", decision="REJECTED")
    begun = clock.now()
    with clock.moved(lambda: begun + 1):
        poll(stack, "second")
    with clock.moved(lambda: begun + 2):
        assert look_up(stack, agent, early, late) == [True, True]
        assert asked_for(stack) == 2
        poll(stack, "third", reason=None)
        assert look_up(stack, agent, early, late) == [True, True]
    assert asked_for(stack) == 2


def test_a_phone_is_not_asked_about_while_the_carrier_that_a_message_named_has_not_approved(
    stack: Stack, client: telnyx.Telnyx
) -> None:
    stack.start_worker(ROUTER)
    agent, other, unknown, device = new_agent(stack, client), fresh_number(), fresh_number(), fresh_number()
    for number in (other, unknown, device):
        stack.simulator.set_carrier(number, "AT&T")
    launch(client, agent)
    client.rcs.agents.test_devices.create(agent, phone_number=device)
    stack.simulator.decide_rcs_agent(agent, phone_number=device, decision="ACCEPTED")
    stack.simulator.decide_rcs_agent(agent, carrier="Verizon", decision="APPROVED")
    poll(stack, "first")
    for number in (other, device):
        stack.deliver(sms_of_carrier(number, "AT&T Mobility"))
    assert look_up(stack, agent, other, unknown, device) == [False, False, True]
    assert asked_for(stack) == 1
    assert not any(other in orjson.dumps(each.body).decode() for each in stack.simulator.requests if each.body)
    stack.simulator.decide_rcs_agent(agent, carrier="AT&T", decision="APPROVED")
    begun = clock.now()
    with clock.moved(lambda: begun + 1):
        poll(stack, "second")
    with clock.moved(lambda: begun + 2):
        assert look_up(stack, agent, other, unknown) == [True, True]


def sms_of_carrier(number: str, carrier: str) -> dict[str, Any]:
    """A delivered SMS that names the carrier of its recipient."""
    body = sample("sms.delivered", number=number)
    body["data"]["payload"]["to"][0]["carrier"] = carrier
    return body


def test_carriers_of_phones_are_kept_only_while_some_carrier_has_not_approved(
    stack: Stack, client: telnyx.Telnyx
) -> None:
    stack.start_worker(ROUTER)
    number = fresh_number()

    def is_known() -> bool:
        key = stack.keys.rcs(Sealer(()).hide(number))
        return bool(stack.ask(lambda store: pending(store.redis.hexists(key, CARRIER))))

    stack.deliver(sms_of_carrier(number, "Verizon"))
    assert not is_known()
    launch(client, new_agent(stack, client))
    poll(stack, "first")
    stack.deliver(sms_of_carrier(number, "Verizon"))
    assert is_known()


def test_a_phone_is_asked_about_again_once_its_carrier_may_have_withdrawn(stack: Stack, client: telnyx.Telnyx) -> None:
    stack.start_worker(ROUTER)
    agent, number = new_agent(stack, client), fresh_number()
    stack.simulator.set_carrier(number, "Verizon")
    launch(client, agent)
    for each in ("Verizon", "T-Mobile"):
        stack.simulator.decide_rcs_agent(agent, carrier=each, decision="APPROVED")
    poll(stack, "first")
    begun = clock.now()
    assert look_up(stack, agent, number) == [True]
    stack.simulator.decide_rcs_agent(agent, carrier="Verizon", decision="REJECTED")
    with clock.moved(lambda: begun + 1):
        poll(stack, "second")
    with clock.moved(lambda: begun + 2):
        assert look_up(stack, agent, number) == [False]


def test_an_agent_that_telnyx_has_set_up_by_hand_is_asked_about_as_before(stack: Stack, client: telnyx.Telnyx) -> None:
    stack.start_worker(ROUTER)
    new_agent(stack, client)
    poll(stack, "first")
    assert look_up(stack, "acme_agent", fresh_number()) == [True]
