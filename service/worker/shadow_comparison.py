"""The difference between what handlers did with an event and what other handlers would do. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.outbound.api_call import Call, json_object
from service.outbound.handler_run_state import NOTIFIED, notified
from service.security.encryption import Sealer
from service.store.effects.ledger import Entry
from service.store.inbox.handler_records import HandlerRecord
from service.store.inbox.records import EventRecord
from service.worker.shadow_run import ShadowRun

ABSENT = "no such handler"
_QUIET = frozenset({ABSENT, "done"})


@dataclass(frozen=True, slots=True)
class ShadowDifference:
    """One handler of one event that would do something else. Calls are for people, with numbers masked.

    `was` and `now` are outcomes with their reasons. `lost` calls went out and would not, `gained` ones are new.
    The causes of notifications stand with them.
    `changed` ones would go to the same place with another content. `revealed` are the gained and changed ones whole.
    """

    event_id: str
    type: str
    handler: str
    was: str
    now: str
    error: str | None
    lost: tuple[str, ...]
    gained: tuple[str, ...]
    changed: tuple[str, ...]
    revealed: tuple[Mapping[str, Any], ...]


def compare(
    record: EventRecord, effects: Sequence[Entry], runs: Mapping[str, ShadowRun], sealer: Sealer, *, only: str | None
) -> list[ShadowDifference]:
    """Return the differences of an event, by the handlers of either side."""
    names = [each for each in dict.fromkeys([*record.handlers, *runs]) if only in (None, each)]
    found = (_compare_handler(record, effects, name, runs.get(name), sealer) for name in names)
    return [each for each in found if each is not None]


def _compare_handler(
    record: EventRecord, effects: Sequence[Entry], name: str, run: ShadowRun | None, sealer: Sealer
) -> ShadowDifference | None:
    sent = [each for each in effects if each.handler == name and each.sends > 0]
    lost, gained, changed = _differing(sent, run.calls if run else (), sealer)
    was, now = _outcome(record.handlers.get(name)), _outcome(run.outcome if run else None)
    is_same = was == now or (ABSENT in (was, now) and {was.partition(" (")[0], now.partition(" (")[0]} <= _QUIET)
    was_told, is_told = _notified(record.handlers.get(name)), dict.fromkeys(map(notified, run.notified if run else ()))
    silent, told = (
        [each for each in was_told if each not in is_told],
        [each for each in is_told if each not in was_told],
    )
    if is_same and not (lost or gained or changed or silent or told):
        return None
    return ShadowDifference(
        record.id,
        record.type,
        name,
        was,
        now,
        run.outcome.error if run else None,
        (*(f"{each.method} {each.path}{f' for {each.recipient}' if each.recipient else ''}" for each in lost), *silent),
        (*map(_shown, gained), *told),
        tuple(map(_shown, changed)),
        tuple(_whole(each) for each in (*gained, *changed)),
    )


def _differing(
    sent: Iterable[Entry], calls: Iterable[Call], sealer: Sealer
) -> tuple[list[Entry], list[Call], list[Call]]:
    """Return what only went out, what only would go out, and what would go out with another content."""
    left, gained, changed = list(sent), [], []
    rest = []
    for call in calls:
        same = next((each for each in left if _is_target(each, call, sealer) and _is_content(each, call, sealer)), None)
        if same is None:
            rest.append(call)
        else:
            left.remove(same)
    for call in rest:
        alike = next((each for each in left if _is_target(each, call, sealer)), None)
        if alike is None:
            gained.append(call)
        else:
            left.remove(alike)
            changed.append(call)
    return left, gained, changed


def _is_target(entry: Entry, call: Call, sealer: Sealer) -> bool:
    return entry.target in sealer.forms(call.target)


def _is_content(entry: Entry, call: Call, sealer: Sealer) -> bool:
    return entry.digest in sealer.forms(call.digest)


def _notified(handler: HandlerRecord | None) -> list[str]:
    """Return the notifications of all runs of a handler, each cause once."""
    remarks = (remark for run in handler.runs for remark in run.remarks) if handler else ()
    return list(dict.fromkeys(each for each in remarks if each.startswith(NOTIFIED)))


def _outcome(handler: HandlerRecord | None) -> str:
    if handler is None:
        return ABSENT
    return f"{handler.state} ({handler.reason})" if handler.reason else handler.state


def _shown(call: Call) -> str:
    return f"{call.method} {call.shown_path}{f' for {call.shown_recipient}' if call.recipient else ''}"


def _whole(call: Call) -> Mapping[str, Any]:
    return {"method": call.method, "path": call.path, "body": json_object(call.body)}
