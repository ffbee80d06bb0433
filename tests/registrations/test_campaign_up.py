"""A campaign from its submission to a suspension and back, on a real `up` that is killed before and after each step."""

import itertools
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import telnyx

from service.cli.demo.stack import free_port
from service.testing.simulator import Simulator
from service.testing.simulator import running as simulating
from tests.processes.restarted_up import BUSY, RestartedUp
from tests.processes.running import ringback
from tests.testing.simulator.ten_dlc import new_brand, submit_campaign
from tests.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SMS_FROM, PHONE = "+13125550199", "+16465550142"
in_time = partial(wait_for, seconds=BUSY)
# The built-in handlers, and the built-in poll every second in place of every 15 minutes.
HANDLERS = """
import handlers
from handlers.campaigns import campaigns_poll
from service import Router

often = Router()
often.cron(minute=None, second=set(range(60)), name="often")(campaigns_poll)
router = Router(handlers.router, often)
"""


@dataclass
class Machine:
    """One machine with `up`, which is killed and started again, beside a local Telnyx that lives on."""

    folder: Path
    simulator: Simulator
    url: str
    up: RestartedUp

    @property
    def webhooks(self) -> str:
        return f"http://127.0.0.1:{self.up.variables['RINGBACK_PORT']}/webhooks"

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return ringback(*arguments, cwd=self.folder, **self.up.variables)

    def payloads(self, event_type: str) -> list[dict[str, Any]]:
        """The payloads of all events of a type, the oldest first."""
        told = self.run("events", "export", "--raw", "--type", event_type)
        events = [json.loads(line) for line in told.stdout.splitlines()]
        return [json.loads(each["body"])["data"]["payload"] for each in reversed(events)]

    def done(self, event_type: str) -> list[dict[str, Any]]:
        """The events of a type that are done."""
        told = self.run("events", "list", "--json", "--type", event_type, "--state", "done")
        listed: list[dict[str, Any]] = json.loads(told.stdout or "[]")
        return listed

    def parked(self) -> bool:
        told = self.run("events", "list", "--json", "--handler", "sms_fallback")
        return any(each["handlers"]["sms_fallback"]["state"] == "parked" for each in json.loads(told.stdout or "[]"))

    def await_poll(self) -> None:
        """Wait for the end of a poll that begins from now on."""
        now = 1000 * time.time()

        def has_polled() -> bool:
            return any(float(each["id"].rpartition(":")[2]) > now for each in self.done("ringback.cron.often"))

        in_time(has_polled)


@contextmanager
def machine(folder: Path, *, polls: bool) -> Iterator[Machine]:
    simulator = Simulator()
    (folder / "my_handlers.py").write_text(HANDLERS)
    with simulating(simulator) as url:
        variables = {
            "TELNYX_BASE_URL": f"{url}/v2",
            "TELNYX_PUBLIC_KEY": simulator.public_key,
            "TELNYX_API_KEY": "KEY",
            "RINGBACK_SMS_FROM": SMS_FROM,
            "RINGBACK_PORT": str(free_port()),
            "RINGBACK_GRACE": "2",
            "RINGBACK_LEASE": "3s",
            "NO_PROXY": "*",
            **({"HANDLERS": "my_handlers:router"} if polls else {}),
        }
        up = RestartedUp(folder, variables)
        try:
            yield Machine(folder, simulator, url, up)
        finally:
            up.stop()


@pytest.mark.parametrize("polls", [False, True], ids=["by webhooks", "by polls alone"])
def test_each_step_of_a_campaign_is_told_once_however_often_up_is_killed(tmp_path: Path, *, polls: bool) -> None:
    with machine(tmp_path, polls=polls) as here, telnyx.Telnyx(api_key="KEY", base_url=f"{here.url}/v2") as client:
        here.up.start()
        told: dict[str, Any] = {"shape": None} if polls else {}
        urls = {} if polls else {"webhook_url": here.webhooks}
        campaign = submit_campaign(client, new_brand(client, here.simulator), **urls)

        def step(status: str, **more: Any) -> None:
            """Take a step, while nothing runs where a poll is to find it. Else what has seen it is killed after it."""
            if polls:
                here.up.kill()
            here.simulator.move_campaign(campaign, status=status, **told, **more)
            if polls:
                here.up.start()
            wanted = {"SUSPENDED": "MNO_SUSPENDED", "UNSUSPENDED": "MNO_PROVISIONED"}.get(status, status)
            in_time(lambda: [e["status"] for e in here.payloads("campaign.status_changed")][-1:] == [wanted])
            if not polls:
                here.up.restart()

        if polls:
            # The first sight of a campaign is no change.
            here.await_poll()
        else:
            here.simulator.move_campaign(campaign, status="TCR_PENDING")
            # Where it was read late, the next step would be the first sight, which is no change.
            in_time(lambda: here.done("10dlc.campaign.update"))
        for status in ("TCR_ACCEPTED", "TELNYX_ACCEPTED", "MNO_PENDING", "MNO_PROVISIONED"):
            step(status)
        client.messaging_10dlc.phone_number_campaigns.create(campaign_id=campaign, phone_number=SMS_FROM)
        here.simulator.move_campaign_number(SMS_FROM, status="ASSIGNED", **told)
        if polls:
            here.await_poll()
        else:
            in_time(lambda: here.payloads("10dlc.phone_number.update"))
        here.simulator.set_carrier(PHONE, "AT&T")
        here.simulator.set_outcome(PHONE, "delivery_failed", type="RCS")
        step("SUSPENDED", carrier="AT&T")
        profile = here.simulator.account.profiles.default_id
        client.messages.rcs.send(
            agent_id="acme_agent",
            to=PHONE,
            messaging_profile_id=profile,
            agent_message={"content_message": {"text": "Your table is ready"}},
            webhook_url=here.webhooks,
        )
        in_time(here.parked)
        assert [each for each in here.simulator.account.messages if each.type == "SMS"] == []
        step("UNSUSPENDED", carrier="AT&T")
        in_time(
            lambda: [each.status for each in here.simulator.account.messages if each.type == "SMS"] == ["delivered"]
        )

        steps = [(each["previous"], each["status"]) for each in here.payloads("campaign.status_changed")]
        names = ["TCR_PENDING", "TCR_ACCEPTED", "TELNYX_ACCEPTED", "MNO_PENDING", "MNO_PROVISIONED"]
        names += ["MNO_SUSPENDED", "MNO_PROVISIONED"]
        assert steps == list(itertools.pairwise(names))
        audit = here.run("audit")
        assert audit.returncode == 0, audit.stdout
