"""A toll-free request, a hosted order and a WhatsApp fallback to their ends, on an `up` that is killed at each step."""

import itertools
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import telnyx

from tests.registrations.test_campaign_up import Machine, in_time, machine
from tests.testing.simulator.submission import SUBMISSION

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

PHONE = "+16465550142"
HANDLERS = """
import handlers
from handlers.hosted_numbers import hosted_numbers_poll
from handlers.toll_free import toll_free_poll
from service import Router

often = Router()
for poll, name in ((toll_free_poll, "often"), (hosted_numbers_poll, "orders_often")):
    often.cron(minute=None, second=set(range(60)), name=name)(poll)
router = Router(handlers.router, often)
"""
POLICY = """
[[rules]]
name = "WhatsApp"
channel = "whatsapp"
from = "+13125550199"
triggers = ["failed", "window_closed"]
template = "Your order has news"
"""


def statuses(here: Machine, kind: str) -> list[tuple[str | None, str]]:
    return [(each["previous"], each["status"]) for each in here.payloads(f"{kind}.status_changed")]


def is_told(here: Machine, kind: str, number: int) -> bool:
    return len(statuses(here, kind)) == number


def told_in_order(here: Machine, kind: str, steps: list[str], take: Any, *, polls: bool) -> None:
    """Take each step, with `up` dead where a poll is to find it, and killed after it otherwise. Each is told once."""
    for number, status in enumerate(steps[1:], start=1):
        if polls:
            here.up.kill()
        take(status)
        if polls:
            here.up.start()
        in_time(partial(is_told, here, kind, number))
        if not polls:
            here.up.restart()
    assert statuses(here, kind) == list(itertools.pairwise(steps))


@pytest.mark.parametrize("polls", [False, True], ids=["by webhooks", "by polls alone"])
def test_requests_and_orders_are_followed_to_their_end(tmp_path: Path, *, polls: bool) -> None:
    with machine(tmp_path, polls=polls) as here, telnyx.Telnyx(api_key="KEY", base_url=f"{here.url}/v2") as client:
        (tmp_path / "my_handlers.py").write_text(HANDLERS)
        if not polls:
            here.simulator.webhook_url = here.webhooks
            here.simulator.reset()
        here.up.start()
        told: dict[str, Any] = {"shape": None} if polls else {}
        requests = client.messaging_tollfree.verification.requests
        fields = SUBMISSION if polls else {**SUBMISSION, "webhook_url": here.webhooks}
        request = str(requests.create(**fields).id)
        order = client.messaging_hosted_number_orders.create(phone_numbers=["+13125550188"]).data
        assert order is not None
        here.simulator.decide(request, status="In Progress", **told)
        here.simulator.move_order(str(order.id), status="pending")
        here.await_poll() if polls else in_time(lambda: here.payloads("toll_free_verification.status_update"))

        def decide(status: str) -> None:
            here.simulator.decide(request, status=status, reason="No consent" if "C" in status else None, **told)

        steps = ["In Progress", "Waiting For Customer", "Waiting For Telnyx", "Verified"]
        told_in_order(here, "toll_free_verification", steps, decide, polls=polls)
        walk = ["pending", "loa_file_invalid", "provisioning", "successful"]
        told_in_order(
            here,
            "hosted_number_order",
            walk,
            lambda status: here.simulator.move_order(str(order.id), status=status),
            polls=polls,
        )
        assert here.run("audit").returncode == 0


def test_a_whatsapp_message_falls_back_once_though_up_is_killed(tmp_path: Path) -> None:
    with machine(tmp_path, polls=False) as here, telnyx.Telnyx(api_key="KEY", base_url=f"{here.url}/v2") as client:
        (tmp_path / "policy.toml").write_text(POLICY)
        here.up.variables["RINGBACK_POLICY"] = "policy.toml"
        here.up.start()
        here.simulator.set_outcome(PHONE, "delivery_failed", type="WHATSAPP")
        here.simulator.add_webhook_fault(kind="duplicate", event_type="message.finalized")
        template: Any = {"type": "template", "template": {"name": "welcome", "language": {"code": "en_US"}}}
        client.messages.whatsapp(from_="+13125550101", to=PHONE, whatsapp_message=template, webhook_url=here.webhooks)
        here.up.restart()
        in_time(lambda: [each for each in here.simulator.account.messages if each.type == "SMS"])
        here.up.restart()
        in_time(lambda: here.run("events", "list", "--state", "open", "--json").stdout.strip() == "[]")
        [sms] = [each for each in here.simulator.account.messages if each.type == "SMS"]
        assert (sms.to, sms.text) == (PHONE, "Your order has news")
        assert here.run("audit").returncode == 0
