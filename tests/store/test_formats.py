"""Stored data that a later version has written: a field more is passed over, and another format is left alone."""

import pytest
from redis.exceptions import ResponseError

from service import Context, Event, Router
from service.store.inbox.leases import ClaimRequest, claim
from service.store.inbox.workers import FORMATS
from service.store.server_checks import trouble_with_format
from service.worker import retired_handlers
from service.worker.readiness import trouble_with_account
from tests.doctor.looking import look
from tests.stack import Stack
from tests.telnyx_events import envelope

router = Router()


@router.on("test.*")
async def note(event: Event, ctx: Context) -> None:
    """Do nothing."""


def set_format(stack: Stack, number: int) -> None:
    stack.ask(lambda store: store.redis.set(store.keys.format, number))


def test_a_worker_takes_no_event_while_the_data_has_a_format_that_it_does_not_read(stack: Stack) -> None:
    stack.start_worker(router)
    stack.deliver(before := envelope("test.one", {}))
    stack.ended(before)
    set_format(stack, max(FORMATS) + 1)
    assert stack.deliver(event := envelope("test.one", {})).status_code == 200
    request = ClaimRequest("another", 1, lease=60, limit=1, routes={"note": ["test.*"]})
    with pytest.raises(ResponseError, match="NEWERFORMAT"):
        stack.ask(lambda store: claim(store, request))
    assert not stack.recorded(event["data"]["id"]).handlers
    found = look(stack, "redis")
    assert (found.status, "install that version" in found.told) == ("failed", True)
    assert "install that version" in (stack.ask(trouble_with_account) or "")
    set_format(stack, max(FORMATS))
    assert stack.ended(event).state == "done"
    assert stack.ask(trouble_with_format) is None


def test_what_is_pending_under_a_retired_handler_ends_as_retired(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retired_handlers, "RETIRED", frozenset({"old_news"}))
    stack.deliver(event := envelope("test.one", {}))
    request = ClaimRequest("old", 1, lease=0.001, limit=1, routes={"note": ["test.*"], "old_news": ["test.*"]})
    stack.ask(lambda store: claim(store, request))
    stack.start_worker(router)
    record = stack.ended(event)
    assert {name: (each.state, each.reason) for name, each in record.handlers.items()} == {
        "note": ("done", None),
        "old_news": ("done", "retired"),
    }
