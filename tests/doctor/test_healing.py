"""How far healing has come."""

from service import clock
from service.store.inbox.healing import begin, note_progress, note_turn
from tests.doctor.looking import look, status
from tests.stack import Stack

URL = "https://hooks.example.com/webhooks"


def test_healing_that_is_off_late_or_failed_is_a_warning(stack: Stack) -> None:
    assert "RINGBACK_PUBLIC_URL" in look(stack, "healing").told
    assert status(stack, "healing") == "warning"
    assert look(stack, "healing", public_url=URL).told == "begins with the first start of a worker"
    now = clock.now()
    stack.ask(lambda store: begin(store, now - 86_400))
    late = look(stack, "healing", public_url=URL)
    assert (late.status, "run ringback heal" in late.told) == ("warning", True)
    stack.ask(lambda store: note_progress(store, now))
    assert status(stack, "healing", public_url=URL) == "ok"
    stack.ask(lambda store: note_turn(store, now, failed=2))
    assert "2 could not be" in look(stack, "healing", public_url=URL).told
