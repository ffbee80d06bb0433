"""docs/migrate.md, step by step: its settings and its commands, with `ringback up` and a service beside it."""

import re
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from nacl.signing import SigningKey
from standardwebhooks import Webhook

from service.cli.demo.stack import free_port
from service.security.telnyx_signature import sign
from service.testing.simulator import Simulator
from service.testing.simulator import running as simulating
from tests.documented import block_with, blocks
from tests.handlers.receiving import Receiver, receiving
from tests.processes.running import clean_environment, ringback, running
from tests.telnyx_events import envelope, fresh_number, received_sms
from tests.waiting import wait_for

PAGE = "migrate.md"
KEY = SigningKey(bytes(32))


class Deployment:
    """One folder with a `.env`, in which `ringback up` runs for as long as a step takes."""

    def __init__(self, folder: Path, telnyx: str) -> None:
        self.folder, self.port = folder, free_port()
        self.variables = {
            "TELNYX_BASE_URL": f"{telnyx}/v2",
            "RINGBACK_PORT": str(self.port),
            "RINGBACK_GRACE": "5",
        }

    def add_to_env(self, text: str) -> None:
        with (self.folder / ".env").open("a") as file:
            file.write(text)

    def events_end_as(self, bodies: list[dict[str, Any]]) -> list[tuple[str, dict[str, str | None]]]:
        """The state of each event and the reason of each of its handlers, after one run of `ringback up`."""
        environment = clean_environment(**self.variables)
        with running("up", cwd=self.folder, log=self.folder / "up.log", environment=environment):
            wait_for(lambda: self._status("GET", "/readyz") == 200)
            for body in bodies:
                assert self._deliver(body) == 200
            return [wait_for(lambda: self._ending(body["data"]["id"])) for body in bodies]

    def _deliver(self, body: dict[str, Any]) -> int:
        raw = orjson.dumps(body)
        return self._status("POST", "/webhooks", content=raw, headers=sign(raw, KEY, int(time.time())))

    def _status(self, method: str, path: str, **options: Any) -> int:
        try:
            return httpx.request(method, f"http://127.0.0.1:{self.port}{path}", trust_env=False, **options).status_code
        except httpx.HTTPError:
            return 0

    def _ending(self, event_id: str) -> tuple[str, dict[str, str | None]] | None:
        listed = ringback("events", "list", "--json", cwd=self.folder, **self.variables)
        [event] = [each for each in orjson.loads(listed.stdout) if each["id"] == event_id]
        if event["state"] == "open":
            return None
        return event["state"], {name: each["reason"] for name, each in event["handlers"].items()}


def inbound(number: str) -> dict[str, Any]:
    return envelope("message.received", received_sms(number, "Are you open?"))


@pytest.mark.slow
def test_the_three_steps(tmp_path: Path) -> None:
    everything, one_type, dropped = blocks(PAGE, "ini")
    simulator, number = Simulator(), fresh_number()
    with ExitStack() as stack:
        receiver: Receiver = stack.enter_context(receiving())
        deployment = Deployment(tmp_path, stack.enter_context(simulating(simulator)))
        deployment.add_to_env(everything.replace("http://127.0.0.1:5000/webhooks", receiver.url))

        first = inbound(number)
        ended = deployment.events_end_as([first])
        assert ended == [("done", {"consent": "nothing_said", "forward": None})]
        assert [orjson.loads(posted.body) for posted in receiver.posted] == [first]
        secret = re.findall("SECRET=(.+)", everything)[0]
        assert Webhook(secret).verify(receiver.posted[0].body, receiver.posted[0].headers) == first

        (tmp_path / "my_handlers.py").write_text(block_with(PAGE, "python", "auto_reply"))
        deployment.add_to_env(one_type)
        second, other = inbound(number), envelope("10dlc.campaign.update", {})
        assert deployment.events_end_as([second, other]) == [
            ("done", {"auto_reply": None, "consent": "nothing_said", "forward": "not_selected"}),
            ("done", {"campaigns": None, "forward": None}),
        ]
        assert [orjson.loads(posted.body) for posted in receiver.posted[1:]] == [other]
        assert [each.body["to"] for each in simulator.requests if each.method == "POST"] == [number]

        deployment.add_to_env(dropped)
        third = envelope("10dlc.campaign.update", {})
        assert deployment.events_end_as([third]) == [("done", {"campaigns": None})]
        assert len(receiver.posted) == 2


@pytest.mark.slow
def test_the_commands_of_the_page(tmp_path: Path) -> None:
    make_secret, show, start = block_with(PAGE, "sh", "ringback up").splitlines()
    made = subprocess.run(make_secret, shell=True, capture_output=True, text=True, check=True).stdout.strip()
    (tmp_path / ".env").write_text(re.sub("SECRET=.+", f"SECRET={made}", blocks(PAGE, "ini")[0]))
    shown = ringback(*show.split()[1:], cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert made not in shown.stdout
    assert start == "ringback up"
