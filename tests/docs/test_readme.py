"""What the README shows is what runs: its settings, its handler, its commands."""

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from nacl.signing import SigningKey
from telnyx import Telnyx

from service.cli.demo.stack import free_port
from service.processes.mounts import volatile_storage
from service.security.telnyx_signature import public_key_text, sign
from service.testing.simulator import Simulator
from service.testing.simulator import running as simulating
from tests.processes.running import clean_environment, ringback, running
from tests.telnyx_events import envelope, finalized_rcs, fresh_number, received_sms
from tests.testing.simulator.ten_dlc import provisioned
from tests.waiting import wait_for

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
README_KEY = SigningKey(bytes(32))


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    return [line for block in blocks("sh") for line in block.splitlines()]


@dataclass
class Installation:
    """`ringback up`, as the README starts it, in a folder that holds nothing but what the README says."""

    folder: Path
    url: str
    simulator: Simulator
    variables: dict[str, str]

    def deliver(self, body: dict[str, Any]) -> dict[str, Any]:
        raw = orjson.dumps(body)
        headers = sign(raw, README_KEY, int(time.time()))
        answer = httpx.post(f"{self.url}/webhooks", content=raw, headers=headers, trust_env=False)
        return {"status": answer.status_code, **answer.json()} if answer.status_code != 200 else dict(answer.json())

    def run(self, command: str) -> Any:
        return ringback(*command.split()[1:], cwd=self.folder, **self.variables)

    def event(self, event_id: str) -> dict[str, Any] | None:
        listed = json.loads(self.run("ringback events list --json").stdout)
        return next((each for each in listed if each["id"] == event_id), None)

    def ended(self, body: dict[str, Any]) -> dict[str, Any]:
        def has_ended() -> dict[str, Any] | None:
            event = self.event(body["data"]["id"])
            return event if event is not None and event["state"] != "open" else None

        return wait_for(has_ended, seconds=30)

    def messages_to(self, number: str) -> list[Any]:
        return [each.body for each in self.simulator.requests if (each.body or {}).get("to") == number]


@contextmanager
def installed(folder: Path, **variables: str) -> Iterator[Installation]:
    """Run `ringback up` with the README's `.env`, against a local Telnyx."""
    (folder / ".env").write_text(blocks("ini")[0])
    simulator, port = Simulator(), free_port()
    with ExitStack() as stack:
        address = stack.enter_context(simulating(simulator))
        # The number that the README sends from is registered, as `ringback doctor` wants it.
        with Telnyx(api_key="KEY", base_url=f"{address}/v2", http_client=httpx.Client(trust_env=False)) as account:
            provisioned(account, simulator, "+13125550199")
        variables = {"TELNYX_BASE_URL": f"{address}/v2", "RINGBACK_PORT": str(port), "RINGBACK_GRACE": "5", **variables}
        environment = clean_environment(**variables)
        log = folder / "up.log"
        process = stack.enter_context(running("up", cwd=folder, log=log, environment=environment))
        url = f"http://127.0.0.1:{port}"

        def ready() -> bool:
            assert process.poll() is None, log.read_text()
            return _is_ready(url)

        wait_for(ready)
        yield Installation(folder, url, simulator, variables)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def test_the_keys_in_the_readme_fit_the_tests() -> None:
    assert f"TELNYX_PUBLIC_KEY={public_key_text(README_KEY)}\n" in blocks("ini")[0]


def test_ci_runs_the_two_commands_of_the_readme_first() -> None:
    assert commands()[:2] == [
        "python3 -m venv .venv && .venv/bin/pip install -e . && .venv/bin/ringback demo",
        ".venv/bin/pip install -e '.[test]' && .venv/bin/pytest",
    ]


def test_the_settings_of_the_readme_are_in_force(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(blocks("ini")[0])
    shown = ringback("config", cwd=tmp_path)

    assert shown.returncode == 0, shown.stderr
    assert public_key_text(README_KEY) in shown.stdout.replace("\n", "")
    assert "KEY0123456789ABCDEF" not in shown.stdout


@pytest.mark.slow
def test_up_as_the_readme_shows_it_sends_the_fallback_and_its_operation_commands_answer(tmp_path: Path) -> None:
    with installed(tmp_path) as ringback_:
        number = fresh_number()
        event = envelope("message.finalized", finalized_rcs("delivery_failed", number))
        assert ringback_.deliver(event) == {"status": "accepted"}
        assert ringback_.ended(event)["state"] == "done"
        assert [body["from"] for body in ringback_.messages_to(number)] == ["+13125550199"]

        operate = blocks("sh")[-1].splitlines()
        assert operate[:3] == ["ringback events list", "ringback dead list", "ringback pause"]
        for command in operate:
            ended = ringback_.run(command)
            failed = [each for each in ended.stdout.splitlines() if each.startswith("failed ")]
            # Only where the tests themselves run in a container without a volume, which the doctor has to tell.
            volatile = command == "ringback doctor" and volatile_storage(tmp_path / "data") is not None
            excused = volatile and all("data folder: " in each for each in failed)
            assert ended.returncode == 0 or excused, (command, failed, ended.stderr)


@pytest.mark.slow
def test_the_handler_of_the_readme_answers_from_a_folder_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "my_handlers.py").write_text(blocks("python")[0])
    assert "HANDLERS=my_handlers:router ringback up" in commands()
    with installed(tmp_path, HANDLERS="my_handlers:router") as ringback_:
        number = fresh_number()
        event = envelope("message.received", received_sms(number, "Are you open?"))
        ringback_.deliver(event)
        handlers = ringback_.ended(event)["handlers"]
        assert {name: each["state"] for name, each in handlers.items()} == {"auto_reply": "done", "consent": "done"}
        assert [body["text"] for body in ringback_.messages_to(number)] == ["Thanks, we will call you back."]


@pytest.mark.slow
@pytest.mark.parametrize("role", ["up", "ingress", "worker"])
def test_the_roles_of_the_image_refuse_to_start_unconfigured(tmp_path: Path, role: str) -> None:
    ended = ringback(role, cwd=tmp_path)

    assert ended.returncode == 2
    assert "is not set" in ended.stderr


def test_the_prose_of_the_readme_is_read_in_two_minutes() -> None:
    text = re.sub(r"^```.*?^```$|!\[.*?\]\(.*?\)|^\|.*?$", "", README, flags=re.MULTILINE | re.DOTALL)
    words = re.findall(r"\w[\w'-]*", re.sub(r"\]\(.*?\)", "", text))
    assert len(words) <= 2 * 238, "adults read 238 words a minute (Brysbaert 2019, doi:10.1016/j.jml.2019.104047)"


def test_every_command_of_the_readme_is_known() -> None:
    known = {"config", "up", "events", "dead", "audit", "healthcheck", "demo", "pause", "resume", "doctor"}
    assert {command.split()[1] for command in commands() if command.startswith("ringback ")} <= known
    assert os.access(ROOT / "Dockerfile", os.R_OK)
