"""Keys are replaced under load: no webhook is refused, and no event dies."""

import threading
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from service.security.telnyx_signature import public_key_text
from tests.processes.fleet import Fleet, open_fleet
from tests.processes.rolling import Load, Rollout
from tests.waiting import wait_for

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]  # real processes, each started anew

HANDLERS = "from handlers import router"
VARIABLES = {"RINGBACK_SMS_FROM": "+13125550199", "RINGBACK_SMS_PER_HOUR": "100000", "RINGBACK_LIMITS": "sms=1000"}


def await_more(load: Load) -> None:
    """Wait until more webhooks are answered."""
    wanted = load.answers.total() + 20
    wait_for(lambda: load.answers.total() > wanted, seconds=60)


def replace_the_public_key(rollout: Rollout, load: Load) -> None:
    """As docs/drills.md says: the ingress knows the new key before Telnyx signs with it."""
    fleet, new = rollout.fleet, SigningKey.generate()
    old_text, new_text = fleet.environment["TELNYX_PUBLIC_KEY"], public_key_text(new)
    rollout.replace_ingress({"TELNYX_PUBLIC_KEY": f"{old_text},{new_text}"})
    await_more(load)
    fleet.key = new
    await_more(load)
    rollout.replace_ingress({"TELNYX_PUBLIC_KEY": new_text})
    await_more(load)


def replace_the_api_key(rollout: Rollout, load: Load) -> None:
    """In the worse order: Telnyx knows the old key no longer, and the workers still use it."""
    fleet = rollout.fleet
    fleet.simulator.api_key = "NEW-KEY"
    wait_for(lambda: fleet.server_has("block:credentials", at_least=1), seconds=60)
    await_more(load)
    # The old one goes first: it would take the probe of a new one, and be refused again.
    rollout.stop_workers()
    rollout.start_worker({"TELNYX_API_KEY": "NEW-KEY"})


def handled(fleet: Fleet, load: Load) -> bool:
    return fleet.counts().open == 0 and fleet.counts().accepted >= len(load.notes) + len(load.failures)


def test_both_keys_are_replaced_under_load(tmp_path: Path) -> None:
    with open_fleet(tmp_path, HANDLERS, **VARIABLES) as fleet:
        fleet.simulator.api_key = fleet.environment["TELNYX_API_KEY"]
        rollout = Rollout(fleet)
        rollout.start_ingress({})
        rollout.start_worker({})
        load = Load(fleet, rollout.balancer)
        thread = threading.Thread(target=load.run)
        thread.start()
        try:
            await_more(load)
            replace_the_public_key(rollout, load)
            replace_the_api_key(rollout, load)
        finally:
            load.ended.set()
            thread.join()
        assert {code for code, _ in load.answers} == {200}, load.answers
        wait_for(lambda: handled(fleet, load), seconds=120)
        assert fleet.counts().dead == 0
        sent = [each for each in fleet.simulator.requests_to("POST", "/messages") if each.status == 200]
        assert sorted(each.body["to"] for each in sent) == sorted(load.failures.values())
        assert fleet.audit_is_clean()
