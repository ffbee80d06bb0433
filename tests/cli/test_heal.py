"""`ringback heal`, on the local Telnyx."""

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from handlers import router as built_in
from service.cli import outages
from service.healing import missed_deliveries
from service.healing.turn import POLLS, ask_polls
from service.settings import InvalidSettings
from service.store.inbox.healing import are_known
from tests.chaos.proxy import open_proxy
from tests.cli.at_stack import run_at
from tests.cli.deployment import Ran
from tests.healing.missed import HOUR, failed, installed
from tests.stack import Host, Stack, open_host, open_stack
from tests.telnyx_events import envelope, fresh_number, received_sms
from tests.waiting import wait_for


@pytest.fixture
def stack(host: Host) -> Iterator[Stack]:
    with open_stack(host, public_url=f"{host.url}/webhooks") as opened:
        installed(opened)
        yield opened


def heal(stack: Stack, *arguments: str) -> Ran:
    return run_at(stack, "heal", *arguments, RINGBACK_PUBLIC_URL=stack.settings.require_public_url())


def missed(stack: Stack, *, ago: float = HOUR) -> tuple[str, str]:
    """The ids of a missed event and of its delivery."""
    body = envelope("message.received", received_sms(fresh_number(), "a private text"))
    return body["data"]["id"], failed(stack, body, ago=ago)


def test_a_dry_run_lists_the_events_and_the_run_heals_them(stack: Stack) -> None:
    event_id, delivery = missed(stack)
    before = heal(stack, "--since", "2h", "--dry-run", "--json")
    told = json.loads(before.stdout)
    assert (before.code, told["dry_run"], told["polls"]) == (0, True, [])
    found = {"id": event_id, "type": "message.received", "found": "failed", "source": delivery}
    assert told["events"] == [found]
    assert stack.record(event_id) is None

    ran = heal(stack, "--since", "2h")
    assert (ran.code, ran.stderr) == (0, "")
    assert f"{event_id}  message.received  failed\nhealed: 1 event.\n" in ran.stdout
    assert stack.recorded(event_id).arrived_by == "healed"
    again = json.loads(heal(stack, "--since", "2h", "--json").stdout)
    assert (again["healed"], again["known"], again["types"]) == (0, 1, {})
    assert again["opt_outs"] == {"numbers": 0, "new": 0, "failed": 0}
    assert "a private text" not in before.stdout + ran.stdout


def test_it_has_the_registrations_read_at_once(stack: Stack) -> None:
    assert set(POLLS) == {name for name in built_in.periodic if name.endswith("_poll")}
    stack.start_worker(built_in)
    assert heal(stack).code == 0
    paths = {"/messaging_tollfree/verification/requests", "/messaging_hosted_number_orders"}
    wait_for(lambda: paths <= {each.path for each in stack.simulator.requests})


def test_polls_are_asked_once_for_a_turn_that_begins_again(stack: Stack) -> None:
    for _ in range(2):
        stack.ask(ask_polls)
    for _ in range(2):
        assert heal(stack).code == 0
    ids = stack.ask(lambda store: store.redis.zrange(store.keys.events, 0, -1))
    assert Counter(each.split(b":")[1].decode() for each in ids) == dict.fromkeys(POLLS, 2)


def test_a_delivery_that_cannot_be_healed_is_named_with_exit_code_1(stack: Stack) -> None:
    missed(stack)
    delivery = failed(stack, None)
    ran = heal(stack, "--json")
    told = json.loads(ran.stdout)
    assert (ran.code, told["healed"]) == (1, 1)
    assert told["failed"] == [{"source": delivery, "reason": "Telnyx shows no event in it"}]
    assert f"not healed: {delivery}: Telnyx shows no event in it" in heal(stack, "--since", "2h").stderr


def test_no_since_passes_the_first_start(stack: Stack) -> None:
    event_id, _ = missed(stack, ago=20 * HOUR)
    ran = heal(stack, "--since", "2d")
    assert (ran.code, stack.record(event_id)) == (0, None)
    assert "before, nothing is remembered" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--since", "soon"), "is neither a duration such as 15m or 2h"),
        (("--since", "2999-01-01"), "--since must not lie in the future"),
        (("--since", "-2h"), "neither a duration"),
    ],
    ids=str,
)
def test_bad_usage_exits_2(stack: Stack, arguments: tuple[str, ...], told: str) -> None:
    ran = run_at(stack, "heal", *arguments, RINGBACK_PUBLIC_URL="https://hooks.example.com", COLUMNS="200")
    assert (ran.code, told in ran.stderr, stack.simulator.requests) == (2, True, [])


def test_without_the_public_url_it_is_refused(stack: Stack) -> None:
    with pytest.raises(InvalidSettings, match="RINGBACK_PUBLIC_URL is not set"):
        run_at(stack, "heal", "--since", "2h")
    assert stack.simulator.requests == []


def test_a_refused_key_ends_it(stack: Stack) -> None:
    stack.simulator.add_fault(kind="status", status=401, path="/webhook_deliveries", times=None)
    ran = heal(stack)
    assert (ran.code, ran.stderr.startswith("Telnyx: 401")) == (1, True)


def test_while_telnyx_is_out_it_waits(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outages, "FIRST_PAUSE", 0.01)
    event_id, _ = missed(stack)
    stack.simulator.add_fault(kind="status", status=503, path="/webhook_deliveries", times=None)
    ended: list[Ran] = []
    running = threading.Thread(target=lambda: ended.append(heal(stack)))
    running.start()
    wait_for(lambda: len(stack.simulator.requests) > 3)
    assert ended == []
    stack.simulator.clear_faults()
    running.join(timeout=20)
    [ran] = ended
    assert (ran.code, "Trying again in" in ran.stderr) == (0, True)
    assert stack.recorded(event_id).arrived_by == "healed"


def test_while_redis_is_out_it_waits(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    with (
        open_proxy(Path(urlsplit(redis_url).path)) as proxy,
        open_host(redis_url) as host,
        open_stack(host, public_url=f"{host.url}/webhooks") as stack,
    ):
        installed(stack)
        event_id, _ = missed(stack)

        async def ask_in_vain(*arguments: Any) -> list[bool]:
            if not told:
                proxy.refuse()
            return await are_known(*arguments)

        def mend(*lines: str, err: bool) -> None:
            told.extend(lines)
            proxy.mend()

        monkeypatch.setattr(missed_deliveries, "are_known", ask_in_vain)
        monkeypatch.setattr(outages, "say", mend)
        monkeypatch.setattr(outages, "FIRST_PAUSE", 0.01)
        proxied = f"redis://127.0.0.1:{proxy.port}"
        url = stack.settings.require_public_url()
        ran = run_at(stack, "heal", RINGBACK_PUBLIC_URL=url, REDIS_URL=proxied)
        healed = stack.recorded(event_id)
    assert (ran.code, healed.arrived_by, len(told)) == (0, "healed", 1)
    assert told[0].endswith("Trying again in 0.01 s.")


def test_the_page_shows_the_output_of_the_command(stack: Stack) -> None:
    missed(stack)
    page = (Path(__file__).parents[2] / "docs/heal.md").read_text()
    [shown] = re.findall(r"^\$ ringback heal --since 2h\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    told = _shape(heal(stack, "--since", "2h").stdout)
    assert {line for line in _shape(shown) if not line.startswith("Asked")} - told == set()


def _shape(output: str) -> set[str]:
    """The lines of an output, without their numbers, times and rows."""
    lines = (re.sub(r"\d[\d,:TZ-]*|events?\b", "N", " ".join(each.split())) for each in output.splitlines())
    return {each for each in lines if " message." not in each}
