"""The deliveries of the demo, the expected result of each, and the check of it."""

import copy
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from nacl.signing import SigningKey

from service.cli.demo.stack import DemoStack
from service.security.masking import mask_number
from service.security.telnyx_signature import TOLERANCE, sign
from service.store.inbox.records import EventRecord
from service.testing.samples import envelope, inbound_sms, outbound_rcs

FAILED, REACHED, INBOUND, FORGED, STALE, INTERRUPTED = (f"+1312555{n:04d}" for n in range(101, 107))


@dataclass(frozen=True)
class DemoRow:
    """One row of the demo's table."""

    title: str
    answer: str
    record: str
    recorded: int
    seen: int
    expected: str
    held: bool


@dataclass(frozen=True)
class DemoDelivery:
    """One webhook: the body, and the expected result.

    `about` are all events that concern the same recipient: together they say how many SMS that number got, and the
    local Telnyx must have just as many. `sms` is how many that must be, and `own` how many of them by this event; None
    leaves it to the handlers. `kills` has the worker killed after the local Telnyx took the SMS and before its answer.
    """

    title: str
    body: dict[str, Any]
    number: str
    answer: str
    sms: int | None
    about: tuple[str, ...]
    expects: Callable[[EventRecord | None], bool]
    age: int = 0
    key: SigningKey | None = None
    own: int | None = None
    kills: bool = False

    def tell(self, stack: DemoStack) -> DemoRow:
        """Deliver, wait for the end, and compare the two witnesses with each other and with what must be."""
        if self.kills:
            stack.hold_answers_to(self.number)
        answer = self._deliver(stack)
        event_id = self.body["data"]["id"]
        killed = stack.kill_worker_mid_send(event_id, self.number) if self.kills else True
        record = stack.ended(event_id) if answer.startswith("200") else stack.record(event_id)
        recorded = sum(map(stack.sends, self.about))
        seen = stack.messages_to(self.number)
        counted = recorded == seen and self.sms in {None, seen} and self.own in {None, stack.sends(event_id)}
        return DemoRow(
            title=self.title,
            answer=answer,
            record=_described(record),
            recorded=recorded,
            seen=seen,
            expected="any" if self.sms is None else str(self.sms),
            held=answer == self.answer and self.expects(record) and counted and killed,
        )

    def _deliver(self, stack: DemoStack) -> str:
        raw = json.dumps(self.body).encode()
        signed = sign(raw, self.key or stack.signing_key, int(time.time()) - self.age)
        headers = {**signed, "content-type": "application/json"}
        request = urllib.request.Request(f"{stack.ingress_url}/webhooks", raw, headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return f"{response.status} {json.load(response)['status']}"
        except urllib.error.HTTPError as error:
            return f"{error.code} refused"


def deliveries(*, chaos: bool) -> Iterator[DemoDelivery]:
    """The webhooks of the demo, in order; with `chaos`, the worker is killed in the middle of a send."""
    yield from _failures()
    if chaos:
        yield _interrupted()
    yield _reached()
    yield _refused("A forged webhook (signed by another key)", FORGED, key=SigningKey.generate())
    yield _refused(f"A stale webhook (signed {TOLERANCE + 1} s ago)", STALE, age=TOLERANCE + 1)
    yield _inbound()


def _failures() -> Iterator[DemoDelivery]:
    first = envelope("message.finalized", outbound_rcs("delivery_failed", FAILED))
    again = copy.deepcopy(first)
    again["meta"]["attempt"] = 2
    other = envelope("message.finalized", first["data"]["payload"])
    ids = (first["data"]["id"], other["data"]["id"])
    yield DemoDelivery(
        f"RCS to {mask_number(FAILED)} ended delivery_failed", first, FAILED, "200 accepted", 1, ids, _done(), own=1
    )
    yield DemoDelivery(
        "The same, delivered again (meta.attempt 2)", again, FAILED, "200 duplicate", 1, ids, _done(2), own=1
    )
    yield DemoDelivery("A second failing event of that message", other, FAILED, "200 accepted", 1, ids, _done(), own=0)


def _interrupted() -> DemoDelivery:
    event = envelope("message.finalized", outbound_rcs("delivery_failed", INTERRUPTED))
    title = "Another failure; the worker is killed after Telnyx took the SMS and before its answer"
    ids = (event["data"]["id"],)
    return DemoDelivery(title, event, INTERRUPTED, "200 accepted", 1, ids, _done(), own=1, kills=True)


def _reached() -> DemoDelivery:
    event = envelope("message.finalized", outbound_rcs("delivered", REACHED))
    title = f"RCS to {mask_number(REACHED)} was delivered"
    return DemoDelivery(title, event, REACHED, "200 accepted", 0, (event["data"]["id"],), _done(), own=0)


def _refused(title: str, number: str, *, age: int = 0, key: SigningKey | None = None) -> DemoDelivery:
    event = envelope("message.finalized", outbound_rcs("delivery_failed", number))
    return DemoDelivery(
        title, event, number, "401 refused", 0, (event["data"]["id"],), lambda record: record is None, age, key
    )


def _inbound() -> DemoDelivery:
    event = envelope("message.received", inbound_sms(INBOUND))
    return DemoDelivery(
        f"An inbound SMS from {mask_number(INBOUND)}",
        event,
        INBOUND,
        "200 accepted",
        None,
        (event["data"]["id"],),
        _reached_a_handler,
    )


def _done(deliveries: int = 1) -> Callable[[EventRecord | None], bool]:
    """Done, after so many deliveries."""

    def expects(record: EventRecord | None) -> bool:
        return record is not None and record.state in {"done", "ignored"} and record.deliveries == deliveries

    return expects


def _reached_a_handler(record: EventRecord | None) -> bool:
    return record is not None and record.state == "done"


def _described(record: EventRecord | None) -> str:
    if record is None:
        return "none"
    handlers = (
        f"{name} {each.state}{f' ({each.reason})' if each.reason else ''}" for name, each in record.handlers.items()
    )
    return f"{record.state}: {', '.join(handlers)}" if record.handlers else record.state
