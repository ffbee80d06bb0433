"""A campaign from its submission to a suspension and back, on a real `up` that is killed before and after each step."""

import itertools
import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import telnyx

from service.cli.demo.stack import free_port
from service.testing.simulator import Simulator
from service.testing.simulator import running as simulating
from tests.processes.running import RINGBACK, clean_environment, ringback
from tests.testing.simulator.ten_dlc import new_brand, submit_campaign
from tests.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SMS_FROM, PHONE = "+13125550199", "+16465550142"
STARTS = 60.0
"""Seconds for which a process may take to start on a busy machine; no test is about that."""
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
    port: int
    polls: bool
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def webhooks(self) -> str:
        return f"http://127.0.0.1:{self.port}/webhooks"

    @property
    def variables(self) -> dict[str, str]:
        return {
            "TELNYX_BASE_URL": f"{self.url}/v2",
            "TELNYX_PUBLIC_KEY": self.simulator.public_key,
            "TELNYX_API_KEY": "KEY",
            "RINGBACK_SMS_FROM": SMS_FROM,
            "RINGBACK_PORT": str(self.port),
            "RINGBACK_GRACE": "2",
            "RINGBACK_LEASE": "3s",
            "NO_PROXY": "*",
            **({"HANDLERS": "my_handlers:router"} if self.polls else {}),
        }

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            environment = clean_environment(**self.variables)
            process = subprocess.Popen([*RINGBACK, "up"], cwd=self.folder, env=environment, stdout=log, stderr=log)
        self.processes.append(process)
        wait_for(self._is_ready, seconds=STARTS)

    def kill(self) -> None:
        self.processes[-1].kill()
        self.processes[-1].wait()

    def payloads(self, event_type: str) -> list[dict[str, Any]]:
        """The payloads of all events of a type, the oldest first."""
        told = ringback("events", "export", "--raw", "--type", event_type, cwd=self.folder, **self.variables)
        events = [json.loads(line) for line in told.stdout.splitlines()]
        return [json.loads(each["body"])["data"]["payload"] for each in reversed(events)]

    def parked(self) -> bool:
        told = ringback("events", "list", "--json", "--handler", "sms_fallback", cwd=self.folder, **self.variables)
        return any(each["handlers"]["sms_fallback"]["state"] == "parked" for each in json.loads(told.stdout or "[]"))

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz", trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False


@contextmanager
def machine(folder: Path, *, polls: bool) -> Iterator[Machine]:
    simulator, port = Simulator(), free_port()
    (folder / "my_handlers.py").write_text(HANDLERS)
    with ExitStack() as stack:
        found = Machine(folder, simulator, stack.enter_context(simulating(simulator)), port, polls)
        try:
            yield found
        finally:
            for each in found.processes:
                each.terminate()
                each.wait(30)


@pytest.mark.parametrize("polls", [False, True], ids=["by webhooks", "by polls alone"])
def test_each_step_of_a_campaign_is_told_once_however_often_up_is_killed(tmp_path: Path, *, polls: bool) -> None:
    with machine(tmp_path, polls=polls) as here, telnyx.Telnyx(api_key="KEY", base_url=f"{here.url}/v2") as client:
        here.start()
        told: dict[str, Any] = {"shape": None} if polls else {}
        urls = {} if polls else {"webhook_url": here.webhooks}
        campaign = submit_campaign(client, new_brand(client, here.simulator), **urls)

        def step(status: str, **more: Any) -> None:
            """Take a step, while nothing runs where a poll is to find it. Else what has seen it is killed after it."""
            if polls:
                here.kill()
            here.simulator.move_campaign(campaign, status=status, **told, **more)
            if polls:
                here.start()
            wanted = {"SUSPENDED": "MNO_SUSPENDED", "UNSUSPENDED": "MNO_PROVISIONED"}.get(status, status)
            wait_for(lambda: [e["status"] for e in here.payloads("campaign.status_changed")][-1:] == [wanted])
            if not polls:
                here.kill()
                here.start()

        if polls:
            # The first sight of a campaign is no change.
            wait_for(lambda: len([e for e in here.simulator.requests if e.path.endswith("/10dlc/campaign")]) >= 2)
        else:
            here.simulator.move_campaign(campaign, status="TCR_PENDING")
            wait_for(lambda: here.payloads("10dlc.campaign.update"))
        for status in ("TCR_ACCEPTED", "TELNYX_ACCEPTED", "MNO_PENDING", "MNO_PROVISIONED"):
            step(status)
        client.messaging_10dlc.phone_number_campaigns.create(campaign_id=campaign, phone_number=SMS_FROM)
        here.simulator.move_campaign_number(SMS_FROM, status="ASSIGNED", **told)
        if polls:
            wait_for(lambda: here.simulator.requests[-1].path.endswith("/operationStatus"))
        else:
            wait_for(lambda: here.payloads("10dlc.phone_number.update"))
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
        wait_for(here.parked)
        assert [each for each in here.simulator.account.messages if each.type == "SMS"] == []
        step("UNSUSPENDED", carrier="AT&T")
        wait_for(
            lambda: [each.status for each in here.simulator.account.messages if each.type == "SMS"] == ["delivered"]
        )

        steps = [(each["previous"], each["status"]) for each in here.payloads("campaign.status_changed")]
        names = ["TCR_PENDING", "TCR_ACCEPTED", "TELNYX_ACCEPTED", "MNO_PENDING", "MNO_PROVISIONED"]
        names += ["MNO_SUSPENDED", "MNO_PROVISIONED"]
        assert steps == list(itertools.pairwise(names))
        audit = ringback("audit", cwd=tmp_path, **here.variables)
        assert audit.returncode == 0, audit.stdout
