"""The actions of an operator on one event: retry, settle, drop, replay."""

from service.dashboard.actions import Action, ActionResult, Choice, Fields, Question, required
from service.dashboard.visit import Visit, path_of
from service.store.inbox.dead_letters import OperatorVerdict, Replayed, drop, replay, retry

_SENT, _NOT_SENT = "It happened", "It did not happen"


def _event_path(fields: Fields) -> str:
    return path_of("events", required(fields, "event_id"))


async def _about(_: Visit, fields: Fields) -> Fields:
    return {name: fields.get(name, "") for name in ("event_id", "verdict")}


async def _ask_retry(_: Visit, fields: Fields) -> Question:
    return Question(
        "Retry this event?",
        "Its dead handlers run again, with attempts counted anew. Nothing that was sent is sent again.",
        "Retry",
        _event_path(fields),
    )


async def _retry(visit: Visit, fields: Fields) -> ActionResult:
    verdicts = await retry(visit.store, [required(fields, "event_id")], by=visit.actor, trusted=visit.settings.dry_run)
    return _outcome(fields, "retried", verdicts.count("retried"))


async def _ask_settle(_: Visit, fields: Fields) -> Question:
    return Question(
        "Did the unconfirmed effect happen?",
        "Look at Telnyx first. One that did not happen is done again. One that happened is never done again.",
        "Settle and retry",
        _event_path(fields),
        choices=(Choice("verdict", "Its effect", options=(_SENT, _NOT_SENT)),),
    )


async def _settle(visit: Visit, fields: Fields) -> ActionResult:
    verdicts: dict[str, OperatorVerdict] = {_SENT: "sent", _NOT_SENT: "not_sent"}
    word = verdicts.get(required(fields, "verdict"), "")
    ids = [required(fields, "event_id")] if word else []
    changed = await retry(visit.store, ids, by=visit.actor, word=word, trusted=visit.settings.dry_run) if ids else []
    return _outcome(fields, "retried", changed.count("retried"))


async def _ask_drop(_: Visit, fields: Fields) -> Question:
    return Question(
        "Forget this event for good?",
        "All of its data goes. This cannot be undone. If Telnyx delivers it once more, it is a new event.",
        "Drop",
        _event_path(fields),
        danger=True,
    )


async def _drop(visit: Visit, fields: Fields) -> ActionResult:
    ids = [required(fields, "event_id")]
    verdicts = await drop(visit.store, ids, by=visit.actor, keep_ids=visit.settings.retention)
    dropped = verdicts.count("dropped")
    return ActionResult("/events?state=dead", "dropped", dropped) if dropped else _outcome(fields, "dropped", 0)


async def _ask_replay(visit: Visit, fields: Fields) -> Question:
    (found,) = await _replay_it(visit, fields, act=False)
    possible = found.verdict == "replayed"
    text = (
        "It is processed once more, by all handlers that are deployed now. Nothing that was sent is sent again."
        if possible
        else "It cannot be processed once more: it is open, its body has expired, or its effects are not known."
    )
    return Question("Replay this event?", text, "Replay", _event_path(fields), is_off=not possible)


async def _replay(visit: Visit, fields: Fields) -> ActionResult:
    verdicts = [each.verdict for each in await _replay_it(visit, fields, act=True)]
    return _outcome(fields, "replayed", verdicts.count("replayed"))


async def _replay_it(visit: Visit, fields: Fields, *, act: bool) -> list[Replayed]:
    ids = [required(fields, "event_id")]
    return await replay(visit.store, ids, by=visit.actor, trusted=visit.settings.dry_run, act=act)


def _outcome(fields: Fields, notice: str, number: int) -> ActionResult:
    return ActionResult(_event_path(fields), notice if number else "unchanged", number)


ACTIONS = (
    Action("/retry", "dead retry", ("event_id",), _ask_retry, _retry, about=_about),
    Action("/settle", "dead retry", ("event_id",), _ask_settle, _settle, about=_about),
    Action("/drop", "dead drop", ("event_id",), _ask_drop, _drop, about=_about),
    Action("/replay", "events replay", ("event_id",), _ask_replay, _replay, about=_about),
)
PAGES = tuple(page for action in ACTIONS for page in action.pages())
