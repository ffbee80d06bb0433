"""Events with random numbers and texts, on every path that an event can take, and handlers that see to the paths."""

import random
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
from telnyx import Telnyx

from service.security.telnyx_signature import sign
from tests.processes.fleet import Fleet
from tests.telnyx_events import Body, envelope, finalized_rcs, received_rcs, received_sms
from tests.testing.simulator.submission import SUBMISSION

HANDLERS = """
from handlers import router as built_in
from service import Context, Discard, Event, Retry, Router
from service.events import Message
from service.outcome import Dead

router = Router(built_in)

@router.on("message.received", max_attempts=1)
async def tell_all(event: Event[Message], ctx: Context) -> None:
    text, number = event.payload.text or "", event.payload.from_.phone_number
    ctx.log.info("received", message=repr(event.payload), seen=repr(event))
    if text.startswith("raise"):
        raise ValueError(f"{number} wrote {text}")
    if text.startswith("group"):
        raise ExceptionGroup(text, [ValueError(number), KeyError(text)])
    if text.startswith("reply"):
        await ctx.reply(text)
    if text.startswith("chain"):
        try:
            {}[text]
        except KeyError as error:
            raise RuntimeError(number) from error
    if text.startswith("telnyx"):
        await ctx.telnyx.messages.send(to=number, from_="+1" + "5" * 20, text=text)
    if text.startswith("twice"):
        for each in (text, text + " again"):
            await ctx.telnyx.messages.send(to=number, from_="+13125550199", text=each)
    if text.startswith("dead"):
        raise Dead("by_hand", f"{number} cannot be served")
    if text.startswith("discard"):
        raise Discard(f"not for {number}")
    if text.startswith("later"):
        raise Retry(after=3600, reason="later")
    if text.startswith("schedule"):
        await ctx.schedule("test.reminder", {"to": number, "text": text}, after=3600, key=event.id)
    if text.startswith("emit"):
        await ctx.emit("test.derived", {"to": number, "text": text}, key=event.id)

@router.on("test.derived")
async def derived(event: Event, ctx: Context) -> None:
    ctx.log.info("derived", seen=repr(event))
    await ctx.telnyx.messages.send(to=event.payload["to"], from_="+13125550199", text=event.payload["text"])

@router.on("message.received", max_attempts=1)
async def typed(event: Event[int], ctx: Context) -> None: ...
"""
HOW = (
    *("raise", "group", "reply", "chain", "telnyx", "twice", "dead", "discard", "later", "schedule", "emit"),
    "nothing",
)
SECRET = re.compile(rb"secret[0-9a-f]{32}")
DIGITS = re.compile(rb"1(?:312|877)\d{7}")


@dataclass
class Private:
    """What nobody may find afterwards: the numbers and texts that the events bore."""

    numbers: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)

    def number(self, area: str = "312") -> str:
        """A number that was never used before."""
        number = f"+1{area}{random.randrange(2_000_000, 9_999_999)}"
        self.numbers.add(number)
        return number

    def text(self) -> str:
        """A text that was never used before."""
        text = f"secret{uuid.uuid4().hex}"
        self.texts.add(text)
        return text

    def found_in(self, content: bytes) -> set[str]:
        """Which of them some content tells."""
        numbers = {f"+{each.decode()}" for each in DIGITS.findall(content)} & self.numbers
        return numbers | ({each.decode() for each in SECRET.findall(content)} & self.texts)

    def events(self, count: int) -> Iterator[Body]:
        """Bodies as Telnyx sends them, each of another kind than the one before."""
        kinds = (self._inbound, self._outbound, self._strange)
        for position in range(count):
            yield kinds[position % 3](position // 3)

    def _inbound(self, position: int) -> Body:
        number, text = self.number(), self.text()
        how = HOW[position % len(HOW)]
        if position % 17 == 0:
            return envelope("message.received", received_rcs(number, f"{how} {text}"))
        stop = {"autoresponse_type": "STOP"} if position % 11 == 0 else {}
        return envelope("message.received", received_sms(number, "STOP" if stop else f"{how} {text}", **stop))

    def _outbound(self, position: int) -> Body:
        statuses = ("delivery_failed", "expired", "delivered", "sending_failed")
        text = self.text() * (60 if position % 13 == 0 else 1)
        return envelope("message.finalized", finalized_rcs(statuses[position % 4], self.number(), text=text))

    def _strange(self, position: int) -> Body:
        payloads: list[tuple[str, Any]] = [
            ("test.unknown", {"deep": [{"somewhere": f"call {self.number()}"}], "text": self.text()}),
            ("message.sent", {"id": str(uuid.uuid4()), "to": self.number(), "text": self.text()}),
            ("10dlc.phone_number.update", {"phoneNumber": self.number(), "text": self.text()}),
            (
                "messaging_hosted_numbers_orders.updated",
                {"order_id": str(uuid.uuid4()), "numbers": [{"number": self.number()}], "text": self.text()},
            ),
            ("toll_free_verification.updated", {"phoneNumber": self.number(), "text": self.text()}),
        ]
        return envelope(*payloads[position % len(payloads)])


def register(fleet: Fleet, private: Private) -> list[Body]:
    """A hosted order and a toll-free request at the local Telnyx, and the webhooks that lead to them."""
    with Telnyx(api_key="KEY", base_url=fleet.environment["TELNYX_BASE_URL"], max_retries=0) as telnyx:
        order = telnyx.messaging_hosted_number_orders.create(phone_numbers=[private.number()])
        submitted = {
            **SUBMISSION,
            "phone_numbers": [{"phone_number": private.number("877")}],
            "business_name": private.text(),
        }
        request_id = telnyx.messaging_tollfree.verification.requests.create(**submitted).id
    assert order.data is not None
    order_id = str(order.data.id)
    fleet.simulator.move_order(order_id, status="carrier_rejected")
    fleet.simulator.decide(request_id, status="Rejected", reason=private.text(), shape=None)
    return [
        envelope("messaging_hosted_numbers_orders.updated", {"order_id": order_id}),
        envelope("toll_free_verification.updated", {"verificationRequestId": request_id}),
    ]


def deliver_all(fleet: Fleet, bodies: Iterable[Body]) -> None:
    """Sign and send them over one connection, and insist that they are accepted."""
    with httpx.Client(base_url=f"http://127.0.0.1:{fleet.port}", trust_env=False, verify=False) as http:
        for body in bodies:
            raw = orjson.dumps(body)
            answer = http.post("/webhooks", content=raw, headers=sign(raw, fleet.key, int(time.time())))
            assert answer.status_code == 200


def add_faults(fleet: Fleet, private: Private) -> None:
    """Answers of Telnyx that quote numbers and texts, each some times."""
    quoted: Mapping[tuple[int, str], str] = {
        (422, "40310"): "The number {number} cannot get {text}",
        (400, "10015"): "{text} is not for {number}",
        (400, "40300"): "Blocked: {number} has sent STOP",
        (404, "10005"): "{number}: no such {text}",
    }
    for (status, code), detail in quoted.items():
        told = detail.format(number=private.number(), text=private.text())
        fleet.simulator.add_fault(kind="status", path="/messages", status=status, code=code, detail=told, times=5)
