"""RCS brands and agents go through review by the clock, or as a test decides, in the shapes of the SDK."""

from typing import Any

import pytest
from pydantic import ValidationError

from service.testing.simulator import Simulator
from service.testing.simulator.api.api_error import ApiError
from tests.testing.simulator.asking import Client, answer, refusal
from tests.testing.simulator.registration import AGENT, BASICS, BRAND, CAMPAIGN, TESTING

pytestmark = pytest.mark.anyio

DAY = 86400
NUMBER = "+13125550401"


async def new_agent(client: Client, simulator: Simulator, *, key: str = "agent-1") -> str:
    """A draft under a verified brand."""
    brand = await answer(client.rcs.brands.create(**BRAND))
    simulator.decide_rcs_brand(brand.brand_id, status="VERIFIED")
    agent = await answer(client.rcs.agents.create(brand_id=brand.brand_id, idempotency_key=key, **AGENT))
    return agent.agent_id


async def launched(client: Client, simulator: Simulator) -> str:
    agent_id = await new_agent(client, simulator)
    await answer(client.rcs.agents.submit(agent_id))
    await answer(client.rcs.agents.launch(agent_id, campaign=CAMPAIGN, testing=TESTING))  # type: ignore[arg-type]
    return agent_id


async def test_a_brand_is_reviewed_by_the_clock(client: Client, simulator: Simulator) -> None:
    brand = await answer(client.rcs.brands.create(**BRAND))
    assert (brand.status, brand.legal_name) == ("CREATED", "Acme LLC")
    changed = await answer(client.rcs.brands.update(brand.brand_id, display_name="Acme Anvils"))
    assert (changed.display_name, changed.legal_name) == ("Acme Anvils", "Acme LLC")
    seen = [(await answer(client.rcs.brands.submit(brand.brand_id))).status]
    for days in (0.1, 1, 2):
        simulator.advance(days * DAY)
        seen.append((await answer(client.rcs.brands.retrieve(brand.brand_id))).status)
    assert seen == ["SUBMITTED", "REVIEWING", "VETTING", "VERIFIED"]
    assert (await answer(client.rcs.brands.submit(brand.brand_id))).status == "VERIFIED"
    assert await refusal(lambda: client.rcs.brands.update(brand.brand_id, display_name="Late")) == (409, "10015")
    assert [each.status for each in await answer(client.rcs.brands.list())] == ["VERIFIED"]


async def test_submissions_answer_202_and_drafts_201(client: Client, http: Any) -> None:
    brand = await answer(client.rcs.brands.create(**BRAND))
    assert http.post("/v2/rcs/brands", json=BRAND).status_code == 201
    assert http.post(f"/v2/rcs/brands/{brand.brand_id}/submit").status_code == 202


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"identifiers": {}}, 400),
        ({"organization_type": "GANG"}, 400),
        ({"website_url": "acme"}, 400),
        ({"addresses": {"business": {"city": "Austin"}}}, 400),
    ],
)
async def test_a_brand_takes_only_what_the_sdk_names(http: Any, changes: dict[str, Any], status: int) -> None:
    assert http.post("/v2/rcs/brands", json=BRAND | changes).status_code == status


async def test_an_agent_needs_a_verified_brand_and_a_key(client: Client, simulator: Simulator, http: Any) -> None:
    brand = await answer(client.rcs.brands.create(**BRAND))
    body = {**AGENT, "brand_id": brand.brand_id}
    assert http.post("/v2/rcs/agents", json=body).status_code == 400
    create = client.rcs.agents.create
    agent = await answer(create(idempotency_key="a", **body))
    again = await answer(create(idempotency_key="a", **body))
    assert again.agent_id == agent.agent_id
    other = body | {"display_name": "Other"}
    assert await refusal(lambda: create(idempotency_key="a", **other)) == (409, "10015")
    assert await refusal(lambda: client.rcs.agents.submit(agent.agent_id)) == (409, "10015")
    simulator.decide_rcs_brand(brand.brand_id, status="VERIFIED")
    assert (await answer(client.rcs.agents.submit(agent.agent_id))).basics_status == "SUBMITTED"
    assert await refusal(lambda: client.rcs.agents.update(agent.agent_id, display_name="Late")) == (409, "10015")


@pytest.mark.parametrize(
    "basics", [{}, {"description": "No contact"}, BASICS | {"brand_color": "blue"}, BASICS | {"email": {"label": "x"}}]
)
async def test_an_agent_takes_only_what_the_sdk_names(
    client: Client, simulator: Simulator, http: Any, basics: dict[str, Any]
) -> None:
    brand = await answer(client.rcs.brands.create(**BRAND))
    body = {**AGENT, "brand_id": brand.brand_id, "configuration": {"basics": basics}}
    assert http.post("/v2/rcs/agents", json=body, headers={"idempotency-key": "a"}).status_code == 400
    assert len(simulator.account.rcs_agents) == 0


async def test_an_agent_is_reviewed_and_launched_by_the_clock(client: Client, simulator: Simulator) -> None:
    agent_id = await new_agent(client, simulator)
    show = client.rcs.agents.retrieve
    assert await refusal(lambda: client.rcs.agents.launch(agent_id, campaign=CAMPAIGN, testing=TESTING)) == (  # type: ignore[arg-type]
        409,
        "10015",
    )
    seen = [(await answer(client.rcs.agents.submit(agent_id))).status]
    for days in (0.1, 1):
        simulator.advance(days * DAY)
        seen.append((await answer(show(agent_id))).status)
    launch = await answer(client.rcs.agents.launch(agent_id, campaign=CAMPAIGN, testing=TESTING))  # type: ignore[arg-type]
    assert launch.configuration.campaign is not None
    assert [each.carrier for each in launch.carrier_approvals] == ["AT&T", "T-Mobile", "Verizon"]
    seen.append(launch.status)
    for days in (7, 2):
        simulator.advance(days * DAY)
        seen.append((await answer(show(agent_id))).status)
    assert seen == ["SUBMITTED", "VERIFYING", "VERIFIED", "LAUNCHING", "LAUNCHED", "LIVE"]
    now = await answer(show(agent_id))
    assert (now.basics_status, now.campaign_status, now.testing_status) == ("APPROVED",) * 3
    assert all(each.approved_at for each in await answer(client.rcs.agents.retrieve_carrier_approvals(agent_id)))


async def test_a_test_decides_on_sections_carriers_and_devices(client: Client, simulator: Simulator) -> None:
    agent_id = await launched(client, simulator)
    simulator.decide_rcs_agent(agent_id, carrier="AT&T", decision="REJECTED", reason="Brand name differs")
    simulator.decide_rcs_agent(agent_id, carrier="T-Mobile", decision="APPROVED")
    agent = await answer(client.rcs.agents.retrieve(agent_id))
    assert [(each.status, each.rejected_reason) for each in agent.carrier_approvals] == [
        ("REJECTED", "Brand name differs"),
        ("APPROVED", None),
        ("PENDING", None),
    ]
    assert agent.status == "LAUNCHED"
    simulator.decide_rcs_agent(agent_id, section="campaign", decision="REJECTED", after=60)
    simulator.advance(61)
    agent = await answer(client.rcs.agents.retrieve(agent_id))
    assert (agent.campaign_status, agent.status) == ("REJECTED", "REJECTED")
    with pytest.raises(ValidationError):
        simulator.decide_rcs_agent(agent_id, carrier="AT&T", decision="ACCEPTED")
    with pytest.raises(ValidationError):
        simulator.decide_rcs_agent(agent_id, carrier="AT&T", status="LIVE", decision="APPROVED")
    with pytest.raises(ApiError):
        simulator.decide_rcs_agent(agent_id, carrier="Nobody", decision="APPROVED")


async def test_an_agent_that_every_carrier_rejects_is_rejected(client: Client, simulator: Simulator) -> None:
    agent_id = await launched(client, simulator)
    for each in ("AT&T", "T-Mobile", "Verizon"):
        simulator.decide_rcs_agent(agent_id, carrier=each, decision="REJECTED", reason="No")
    assert (await answer(client.rcs.agents.retrieve(agent_id))).status == "REJECTED"


async def test_a_phone_is_reached_once_it_is_a_test_device_or_its_carrier_has_approved(
    client: Client, simulator: Simulator
) -> None:
    agent_id = await launched(client, simulator)
    simulator.set_carrier("+13125550402", "AT&T")
    simulator.set_carrier("+13125550403", "Verizon")
    device = await answer(client.rcs.agents.test_devices.create(agent_id, phone_number=NUMBER))
    again = await answer(client.rcs.agents.test_devices.create(agent_id, phone_number=NUMBER))
    assert (device.invite_status, again.test_device_id) == ("PENDING", device.test_device_id)

    async def reached() -> list[bool]:
        numbers = [NUMBER, "+13125550402", "+13125550403"]
        ask = client.messaging.rcs.list_bulk_capabilities
        found = (await answer(ask(agent_id=agent_id, phone_numbers=numbers))).data or []
        return [each.features is not None for each in found]

    assert await reached() == [False, False, False]
    simulator.decide_rcs_agent(agent_id, phone_number=NUMBER, decision="ACCEPTED")
    assert await reached() == [True, False, False]
    simulator.decide_rcs_agent(agent_id, carrier="AT&T", decision="APPROVED")
    assert await reached() == [True, True, False]
    assert [each.invite_status for each in await answer(client.rcs.agents.test_devices.list(agent_id))] == ["ACCEPTED"]
    await answer(client.rcs.agents.test_devices.delete(device.test_device_id, id=agent_id))
    assert await answer(client.rcs.agents.test_devices.list(agent_id)) == []


async def test_the_controls_decide_too(client: Client, simulator: Simulator, http: Any) -> None:
    agent_id = await launched(client, simulator)
    control = f"/_simulator/rcs_agents/{agent_id}/decisions"
    shown = http.post(control, json={"carrier": "Verizon", "decision": "APPROVED"}).json()
    assert shown["status"] == "LAUNCHED"
    assert http.post(control, json={"carrier": "Verizon"}).status_code == 400
    [brand] = await answer(client.rcs.brands.list())
    shown = http.post(f"/_simulator/rcs_brands/{brand.brand_id}/decisions", json={"status": "REJECTED"}).json()
    assert shown["status"] == "REJECTED"
    assert http.get("/_simulator/state").json()["rcs_agents"] == 1
