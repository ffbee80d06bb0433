"""`ringback demo`."""

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import typer
from nacl.signing import SigningKey

from service.cli.demo.stack import DemoFailed, DemoStack, demo_stack
from service.cli.output import say, say_block
from service.cli.rich_output import Cell, coloured, console, print_boxed_table, print_coloured
from service.cli.signed_delivery import deliver
from service.security.masking import mask_number
from service.security.telnyx_signature import TOLERANCE
from service.store.inbox.records import EventRecord
from service.testing.samples import Subject, sample

COLUMNS = ("Webhook", "Answer", "The event's record", "SMS: ledger / Telnyx / expected", "")
WIDTH = 132


FAILED, REACHED, INBOUND, FORGED, STALE, INTERRUPTED = (f"+1312555{n:04d}" for n in range(101, 107))


@dataclass(frozen=True)
class DemoRow:
    """One row of the demo's table."""

    title: str
    answer: str
    record: str
    counts: str
    held: bool


def _is_done(record: EventRecord | None, deliveries: int = 1) -> bool:
    return record is not None and record.state in {"done", "ignored"} and record.deliveries == deliveries


@dataclass(frozen=True)
class DemoDelivery:
    """One webhook: the body, and the expected result.

    `about` are all events of the same recipient, or none for this one alone. Their ledgers count the SMS to that
    number, and the local Telnyx must count the same. `sms` is the expected number of SMS, and `own` how many of them
    are this event's. None leaves it to the handlers. With `kills` the worker is killed after the local Telnyx took the
    SMS and before its answer.
    """

    title: str
    body: dict[str, Any]
    number: str
    sms: int | None
    own: int | None = None
    answer: str = "200 accepted"
    about: tuple[str, ...] = ()
    expects: Callable[[EventRecord | None], bool] = _is_done
    age: int = 0
    key: SigningKey | None = None
    kills: bool = False

    def tell(self, stack: DemoStack) -> DemoRow:
        """Deliver, wait for the end, and compare ledger, local Telnyx and expectation."""
        if self.kills:
            stack.hold_answers_to(self.number)
        status, text = deliver(f"{stack.ingress_url}/webhooks", self.body, self.key or stack.signing_key, age=self.age)
        answer = f"{status} {json.loads(text)['status'] if status == 200 else 'refused'}"
        event_id = self.body["data"]["id"]
        killed = stack.kill_worker_mid_send(event_id, self.number) if self.kills else True
        record = stack.ended(event_id) if status == 200 else stack.record(event_id)
        recorded = sum(map(stack.sends, self.about or (event_id,)))
        seen = stack.messages_to(self.number)
        counted = recorded == seen and self.sms in {None, seen} and self.own in {None, stack.sends(event_id)}
        counts = f"{recorded} / {seen} / {'any' if self.sms is None else self.sms}"
        held = answer == self.answer and self.expects(record) and counted and killed
        return DemoRow(self.title, answer, _described(record), counts, held)


def deliveries(*, chaos: bool) -> Iterator[DemoDelivery]:
    """Yield the webhooks of the demo, in order. With `chaos`, the worker is killed in the middle of a send."""
    yield from _failures()
    if chaos:
        title = "Another failure: the worker is killed after Telnyx took the SMS and before its answer"
        yield DemoDelivery(title, sample("rcs.failed", number=INTERRUPTED), INTERRUPTED, sms=1, own=1, kills=True)
    title = f"RCS to {mask_number(REACHED)} was delivered"
    yield DemoDelivery(title, sample("rcs.delivered", number=REACHED), REACHED, sms=0, own=0)
    yield _refused("A forged webhook (signed by another key)", FORGED, key=SigningKey.generate())
    yield _refused(f"A stale webhook (signed {TOLERANCE + 1} s ago)", STALE, age=TOLERANCE + 1)
    inbound, title = sample("sms.received", number=INBOUND), f"An inbound SMS from {mask_number(INBOUND)}"
    yield DemoDelivery(
        title, inbound, INBOUND, sms=None, expects=lambda record: record is not None and record.state == "done"
    )


def _failures() -> Iterator[DemoDelivery]:
    message = Subject(number=FAILED)
    first, other = (sample("rcs.failed", subject=message) for _ in range(2))
    again = copy.deepcopy(first)
    again["meta"]["attempt"] = 2
    ids = (first["data"]["id"], other["data"]["id"])
    title = f"RCS to {mask_number(FAILED)} ended delivery_failed"
    yield DemoDelivery(title, first, FAILED, sms=1, own=1, about=ids)
    title, twice = "The same, delivered again (meta.attempt 2)", partial(_is_done, deliveries=2)
    yield DemoDelivery(title, again, FAILED, sms=1, own=1, answer="200 duplicate", about=ids, expects=twice)
    yield DemoDelivery("A second failing event of that message", other, FAILED, sms=1, own=0, about=ids)


def _refused(title: str, number: str, *, age: int = 0, key: SigningKey | None = None) -> DemoDelivery:
    absent, answer = (lambda record: record is None), "401 refused"
    return DemoDelivery(
        title, sample("rcs.failed", number=number), number, sms=0, answer=answer, expects=absent, age=age, key=key
    )


def _described(record: EventRecord | None) -> str:
    if record is None:
        return "none"
    reasons = {name: f" ({each.reason})" if each.reason else "" for name, each in record.handlers.items()}
    handlers = [f"{name} {each.state}{reasons[name]}" for name, each in record.handlers.items()]
    return f"{record.state}: {', '.join(handlers)}" if handlers else record.state


def demo(
    *,
    chaos: Annotated[bool, typer.Option(help="Kill the demo's worker in the middle of a send.")] = True,
    dashboard: Annotated[bool, typer.Option("--dashboard", help="Leave the dashboard open on its events.")] = False,
) -> None:
    """Send signed webhooks through an ingress and a worker to a local Telnyx.

    Shows the result of each. It counts the SMS twice: those of the local Telnyx, and those in the ledger of effects.
    Needs no account. HANDLERS may name a router of yours to try. No other variable is used.

    Exit codes: 0 all correct, 1 not.
    """
    try:
        with ExitStack() as opened:
            with console().status("Starting a server, an ingress, a worker and a local Telnyx …"):
                stack = opened.enter_context(demo_stack())
                rows = [delivery.tell(stack) for delivery in deliveries(chaos=chaos)]
            held = _print_rows(rows)
            if dashboard:
                _leave_open(stack)
    except DemoFailed as error:
        say_block(str(error), err=True)
        raise typer.Exit(1) from None
    if not held:
        raise typer.Exit(1)


def _print_rows(rows: Sequence[DemoRow]) -> bool:
    """Print the table and the result. Return whether all rows held."""
    print_boxed_table(COLUMNS, map(_cells, rows), width=WIDTH)
    failed = [each.title for each in rows if not each.held]
    if failed:
        print_coloured(coloured("Failed:", "red"), "; ".join(failed))
    else:
        print_coloured(coloured(f"All {len(rows)} held.", "green"))
    return not failed


def _leave_open(stack: DemoStack) -> None:
    """Serve the dashboard until Ctrl-C."""
    say(f"The dashboard is open at {stack.open_dashboard()} until Ctrl-C.")
    with suppress(KeyboardInterrupt):
        stack.wait_for_end()


def _cells(row: DemoRow) -> tuple[Cell, ...]:
    held = coloured("✓", "green") if row.held else coloured("✗", "red")
    return row.title, row.answer, row.record, row.counts, held
