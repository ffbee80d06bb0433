"""An RCS brand and agent, from the file to the carriers, on an `up` that is killed between any two steps."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from service.cli import app
from service.cli.demo.stack import free_port
from service.testing.simulator import Simulator
from service.testing.simulator import running as simulating
from tests.cli.test_rcs_registration import AGENT, BRAND, LAUNCH
from tests.processes.restarted_up import BUSY, RestartedUp
from tests.waiting import wait_for

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.slow,  # real processes, killed and started again
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the server outlives a killed `up`"),
]
KINDS = ("rcs_brand", "rcs_agent", "rcs_carrier_approval")


@dataclass
class Machine:
    """One data folder, one simulator, and an `up` that may be killed."""

    folder: Path
    simulator: Simulator
    variables: dict[str, str]
    up: RestartedUp

    def run(self, *arguments: str) -> str:
        """A command that succeeds. It runs in this process, since only `up` is killed."""
        ran = CliRunner().invoke(app, arguments, env=self.variables, catch_exceptions=False)
        assert ran.exit_code == 0, ran.output
        return ran.stdout

    def changes(self) -> list[tuple[str, str]]:
        """Kind and status of every change that was raised, once the handlers of each have ended."""

        def ended() -> list[Any] | None:
            rows = [
                each
                for kind in KINDS
                for each in json.loads(self.run("events", "list", "--type", f"{kind}.status_changed", "--json"))
            ]
            return rows if all(each["state"] == "done" for each in rows) else None

        rows = wait_for(ended, seconds=BUSY)
        shown = [json.loads(self.run("events", "show", each["id"], "--json", "--reveal")) for each in rows]
        return sorted((each["type"], _payload(each)["status"]) for each in shown)


def _payload(shown: dict[str, Any]) -> Any:
    body = shown["body"]
    return (json.loads(body) if isinstance(body, str) else body)["data"]["payload"]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with _opened(tmp_path) as opened:
        yield opened


@contextmanager
def _opened(folder: Path) -> Iterator[Machine]:
    simulator = Simulator(seed=11)
    with simulating(simulator) as url:
        variables = {
            "TELNYX_BASE_URL": f"{url}/v2",
            "TELNYX_API_KEY": "KEY",
            "TELNYX_PUBLIC_KEY": simulator.public_key,
            "RINGBACK_PORT": str(free_port()),
            "RINGBACK_GRACE": "1s",
            "RINGBACK_DATA": str(folder / "data"),
        }
        up = RestartedUp(folder, variables)
        up.start()
        try:
            yield Machine(folder, simulator, variables, up)
        finally:
            up.stop()


def test_each_change_is_told_once_though_up_is_killed_between_the_steps(machine: Machine) -> None:
    file = machine.folder / "acme.toml"
    agent_table = AGENT.format(images="https://acme.example")
    file.write_text(
        BRAND + "\n".join(line for line in agent_table.splitlines() if "logo" not in line and "hero" not in line)
    )
    (machine.folder / "launch.toml").write_text(LAUNCH)
    launch = str(machine.folder / "launch.toml")
    machine.run("rcs", "register", str(file), "--yes", "--force")
    [brand], [agent] = machine.simulator.account.rcs_brands, machine.simulator.account.rcs_agents

    def decide(**decision: Any) -> None:
        machine.simulator.decide_rcs_agent(agent.id, **decision)

    steps: list[Any] = [
        lambda: machine.run("rcs", "submit", brand.id, "--yes"),
        lambda: machine.simulator.decide_rcs_brand(brand.id, status="VETTING"),
        lambda: machine.simulator.decide_rcs_brand(brand.id, status="VERIFIED"),
        lambda: machine.run("rcs", "submit", agent.id, "--yes"),
        lambda: machine.run("rcs", "launch", agent.id, launch, "--yes"),
        lambda: decide(carrier="AT&T", decision="REJECTED", reason="No opt-in"),
        lambda: decide(carrier="T-Mobile", decision="APPROVED"),
        lambda: decide(carrier="Verizon", decision="APPROVED"),
    ]
    for step in steps:
        step()
        machine.up.restart()
        for _ in range(2):
            machine.run("rcs", "status")
    assert machine.changes() == sorted(
        [
            ("rcs_brand.status_changed", "SUBMITTED"),
            ("rcs_brand.status_changed", "VETTING"),
            ("rcs_brand.status_changed", "VERIFIED"),
            ("rcs_agent.status_changed", "SUBMITTED"),
            ("rcs_agent.status_changed", "LAUNCHING"),
            ("rcs_agent.status_changed", "LAUNCHED"),
            ("rcs_agent.status_changed", "LIVE"),
            ("rcs_carrier_approval.status_changed", "REJECTED"),
            ("rcs_carrier_approval.status_changed", "APPROVED"),
            ("rcs_carrier_approval.status_changed", "APPROVED"),
        ]
    )
    machine.run("audit")
    answers = json.loads(machine.run("events", "list", "--type", "rcs_carrier_approval.status_changed", "--json"))
    # A person was notified of the rejection, and of nothing else.
    reasons = sorted(str(each["handlers"]["rcs_carrier_notice"]["reason"]) for each in answers)
    assert reasons == ["None", "nothing_to_do", "nothing_to_do"]
