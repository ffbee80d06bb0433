"""`ringback up --dev`: handlers reload, tracebacks and the dashboard are shown. With --simulator nothing is needed."""

import asyncio
import os
import re
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from structlog.testing import capture_logs

from service.cli.demo.stack import free_port
from service.cli.run.local_telnyx import choose_port, claim_data
from service.cli.run.reload import supervise
from service.cli.signed_delivery import deliver
from service.processes.supervisor import Child
from service.settings import InvalidSettings, Settings
from service.settings.development_key import known_key
from service.testing.samples import sample
from tests.documented import block_with
from tests.processes.children import runs
from tests.processes.running import clean_environment, ringback, running
from tests.waiting import wait_for

HANDLERS = """
import handlers
from service import Context, Event, Router

router = Router(handlers.router)


@router.on("message.received")
async def mine(event: Event, ctx: Context) -> None:
    await ctx.reply("one")
"""
RELOADED_WITHIN = 2.0


@dataclass
class Development:
    """`ringback up --dev --simulator`, and what it has said."""

    folder: Path
    log: Path
    variables: dict[str, str]

    def trigger(self, *arguments: str) -> str:
        ended = ringback("trigger", *arguments, cwd=self.folder, **self.variables)
        assert ended.returncode == 0, ended.stderr + self.log.read_text()
        return ended.stdout

    def requests(self) -> list[Any]:
        return [each["body"] for each in self._control("requests", {"method": "POST"}).json()]

    def texts(self) -> list[str]:
        return [each["text"] for each in self.requests()]

    def seconds_until_saved_code_answers(self, text: str) -> float:
        """Save handlers that answer with another text, and deliver messages until one is answered so."""
        key = known_key(Settings(data=self.folder / "data"))
        url = f"http://127.0.0.1:{self.variables['RINGBACK_PORT']}/webhooks"
        saved = time.monotonic()
        (self.folder / "my_handlers.py").write_text(HANDLERS.replace('"one"', f'"{text}"'))

        def is_answered() -> bool:
            assert deliver(url, sample("sms.received"), key)[0] == 200
            return text in self.texts()

        wait_for(is_answered, seconds=90)
        return time.monotonic() - saved

    def dashboard(self, path: str) -> str:
        """The text of a page of the dashboard, at the address that the log names."""
        wait_for(lambda: self.says('"event": "dashboard on"'), seconds=90)
        line = next(each for each in self.log.read_text().splitlines() if '"event": "dashboard on"' in each)
        address = orjson.loads(line)["url"]
        return httpx.get(f"{address}{path}", trust_env=False, timeout=30).raise_for_status().text

    def heals_what_the_local_telnyx_gave_up(self) -> None:
        """Try the page on healing, with the variables that an error names."""
        refused = ringback("heal", cwd=self.folder, **self.variables)
        assert refused.returncode == 2
        shown = dict(re.findall(r"((?:TELNYX|RINGBACK)_[A-Z_]+)=(\S+)", refused.stderr))
        assert set(shown) == {"TELNYX_API_KEY", "TELNYX_BASE_URL", "RINGBACK_PUBLIC_URL"}
        *controls, command = map(shlex.split, block_with("heal.md", "sh", "webhook_faults").splitlines())
        for _, url, _, body in controls:
            self._do(url.rpartition("/")[2], orjson.loads(body))
        healed = ringback(*command[1:], "--json", cwd=self.folder, **self.variables, **shown)
        assert healed.returncode == 0, healed.stderr
        assert [each["found"] for each in orjson.loads(healed.stdout)["events"]] == ["failed"]

    def says(self, words: str) -> bool:
        return words in self.log.read_text()

    def _control(self, name: str, query: dict[str, str]) -> httpx.Response:
        return httpx.get(self._address(name), params=query, trust_env=False)

    def _do(self, name: str, body: Any) -> None:
        httpx.post(self._address(name), json=body, trust_env=False, timeout=30).raise_for_status()

    def _address(self, name: str) -> str:
        _, _, rest = self.log.read_text().partition("simulator: ")
        return f"{rest.split('/v2', 1)[0]}/_simulator/{name}"


@contextmanager
def developing(folder: Path) -> Iterator[Development]:
    (folder / "my_handlers.py").write_text(HANDLERS)
    log = folder / "up.log"
    variables = {"RINGBACK_PORT": str(free_port()), "HANDLERS": "my_handlers:router"}
    with running("up", "--dev", "--simulator", cwd=folder, log=log, environment=clean_environment(**variables)):
        wait_for(lambda: "worker ready" in log.read_text(), seconds=90)
        yield Development(folder, log, variables)


@pytest.mark.slow
def test_one_command_needs_nothing_and_reloads_what_is_saved(tmp_path: Path) -> None:
    with developing(tmp_path) as dev:
        assert "done" in dev.trigger("rcs.failed", "--follow").splitlines()[-1]
        assert dev.texts() == ["Your table is ready"]
        assert "sms_fallback" in dev.dashboard("events?type=message.finalized")
        dev.trigger("sms.received", "--follow")
        dev.trigger("rcs.carrier-rejected", "--follow")
        wait_for(lambda: dev.says("a carrier rejected an RCS agent"), seconds=90)
        assert dev.texts()[-1] == "one"
        dev.heals_what_the_local_telnyx_gave_up()

        took = [dev.seconds_until_saved_code_answers(text) for text in ("two", "three", "four")]
        # On a machine that others use too, everything takes longer.
        assert min(took) <= RELOADED_WITHIN * max(1, os.getloadavg()[0] / (os.cpu_count() or 1))

        (tmp_path / "my_handlers.py").write_text(HANDLERS.replace("await ctx", "awat ctx"))
        wait_for(lambda: dev.says("SyntaxError: invalid syntax"))
        (tmp_path / "my_handlers.py").write_text(HANDLERS.replace('await ctx.reply("one")', '{}["CRM_KEY"]'))
        wait_for(lambda: dev.trigger("sms.received") and dev.says("KeyError: 'CRM_KEY'"))
        assert dev.says("line 10, in mine")

    assert dev.says('"event": "loading the handlers again"')
    assert not [pid for pid in pids(dev.log) if runs(pid)]
    real = ringback("up", cwd=tmp_path, TELNYX_API_KEY="KEY", TELNYX_PUBLIC_KEY="x", **dev.variables)
    assert real.returncode == 2


def pids(log: Path) -> list[int]:
    return [int(each) for each in re.findall(r'"pid": (\d+)', log.read_text())]


def test_the_simulator_is_for_development_only(tmp_path: Path) -> None:
    ended = ringback("up", "--simulator", cwd=tmp_path)
    assert (ended.returncode, "--dev" in ended.stderr) == (2, True)


def test_events_of_telnyx_and_of_the_simulator_are_kept_apart(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data")
    claim_data(settings, simulated=False)
    claim_data(settings, simulated=True)
    claim_data(settings, simulated=True)
    with pytest.raises(InvalidSettings, match="events of the simulator"):
        claim_data(settings, simulated=False)
    real = Settings(data=tmp_path / "real")
    (real.data / "appendonlydir").mkdir(parents=True)
    with pytest.raises(InvalidSettings, match="RINGBACK_DATA"):
        claim_data(real, simulated=True)
    with pytest.raises(InvalidSettings, match="REDIS_URL"):
        claim_data(Settings(redis_url="redis://127.0.0.1"), simulated=True)


def test_the_local_telnyx_takes_another_port_where_its_own_is_taken() -> None:
    first = choose_port()
    with socket.create_server(("127.0.0.1", first.port)):
        assert choose_port().port != first.port


def test_settings_lead_to_the_local_telnyx_and_arm_the_fallback_unless_a_sender_is_named() -> None:
    telnyx = choose_port()
    bare = telnyx.configure(Settings())
    assert (bare.base_url, bare.sms_from) == (telnyx.base_url, "+13125550199")
    assert bare.public_url == "http://127.0.0.1:8080/webhooks"
    assert bare.require_public_keys()
    assert bare.require_api_key() == "KEY-of-nobody"
    assert telnyx.configure(Settings(sms_from="profile")).sms_from == "profile"
    assert telnyx.configure(Settings(policy=Path("policy.toml"))).sms_from is None


def test_without_the_library_files_are_not_watched_and_all_else_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    monkeypatch.delitem(sys.modules, "service.processes.file_watch", raising=False)
    # A child that ends before it was ready ends all.
    child = Child("short-lived", (sys.executable, "-c", ""), 1.0, ready=lambda: False)
    with capture_logs() as logs:
        assert asyncio.run(supervise([[child]], reloads=True)) == 1
    assert any("files are not watched" in each["event"] for each in logs)
