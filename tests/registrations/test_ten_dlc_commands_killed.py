"""A brand, its campaign and its number by commands alone, on an `up` that is killed at each step, with odd webhooks."""

import itertools
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from service.testing.simulator.ten_dlc.events import send_update
from tests.cli.test_brands import BRAND, CAMPAIGN
from tests.registrations.test_campaign_up import SMS_FROM, Machine, in_time, machine

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]


def run(here: Machine, *arguments: str) -> None:
    ran = here.run(*arguments, "--yes")
    assert ran.returncode == 0, ran.stderr


def statuses(here: Machine, kind: str) -> list[tuple[str | None, str]]:
    return [(each["previous"], each["status"]) for each in here.payloads(f"{kind}.status_changed")]


def is_told(here: Machine, kind: str, before: int) -> bool:
    return len(statuses(here, kind)) > before


def test_each_change_is_told_once_though_its_webhook_comes_twice(tmp_path: Path) -> None:
    with machine(tmp_path, polls=False) as here:
        simulator = here.simulator
        here.up.variables["RINGBACK_PUBLIC_URL"] = here.webhooks
        simulator.add_webhook_fault(kind="duplicate", event_type="10dlc.campaign.update", times=100)
        here.up.start()

        def step(kind: str, move: Any, *arguments: Any, **more: Any) -> None:
            before = len(statuses(here, kind))
            move(*arguments, **more)
            in_time(partial(is_told, here, kind, before))
            here.up.restart()

        (tmp_path / "brand.toml").write_text(BRAND)
        run(here, "campaigns", "brand", "create", "brand.toml")
        [brand] = simulator.account.brands
        # An update of nothing that exists makes all be read, as the first poll does.
        unknown = {"campaignId": "C-unknown", "type": "MNO_REVIEW"}
        send_update(simulator.account, "campaign", unknown, brand.destination, "enveloped")
        in_time(lambda: '"done"' in here.run("events", "list", "--type", "10dlc.campaign.update", "--json").stdout)
        step("brand", simulator.move_brand, brand.id, status="REGISTRATION_FAILED", reason="The EIN is wrong")
        step("brand", simulator.move_brand, brand.id, status="VERIFIED", shape="flat")
        (tmp_path / "campaign.toml").write_text(CAMPAIGN.format(brand=brand.id))
        run(here, "campaigns", "submit", "campaign.toml")
        [campaign] = simulator.account.campaigns.of_brand(brand.id)
        step("campaign", simulator.move_campaign, campaign.id, status="TELNYX_FAILED", reason="No", shape="flat")
        run(here, "campaigns", "appeal", campaign.id, "--reason", "Corrected")
        step("campaign", simulator.move_campaign, campaign.id, status="MNO_PROVISIONED")
        run(here, "campaigns", "assign", campaign.tcr_id, SMS_FROM)
        step("number_assignment", simulator.move_campaign_number, SMS_FROM, status="ASSIGNED")
        for status, carrier in itertools.product(("SUSPENDED", "UNSUSPENDED"), ("AT&T", "T-Mobile")):
            step("campaign", simulator.move_campaign, campaign.id, status=status, carrier=carrier)
        step("number_assignment", run, here, "campaigns", "unassign", SMS_FROM)
        assert statuses(here, "brand")[-1] == ("REGISTRATION_FAILED", "VERIFIED")
        changes = [(each["status"], each["carriers"]) for each in here.payloads("campaign.status_changed")]
        assert all(first != second for first, second in itertools.pairwise(changes))
        both = ["AT&T", "T-Mobile"]
        suspensions = [("MNO_SUSPENDED", carriers) for carriers in (["AT&T"], both, ["T-Mobile"])]
        assert changes[-5:] == [("MNO_PROVISIONED", []), *suspensions, ("MNO_PROVISIONED", [])]
        assert statuses(here, "number_assignment") == [(None, "ASSIGNED"), ("ASSIGNED", "UNASSIGNED")]
        assert here.run("audit").returncode == 0
