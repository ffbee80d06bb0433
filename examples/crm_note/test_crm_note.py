import httpx
import pytest
from crm_note import CrmSettings, crm_note, router

from service.testing import make_event

OWN = CrmSettings(crm_url="https://crm.example", crm_key="made-up")


@pytest.fixture
def crm():
    """A CRM that keeps a note once per key, and answers as `answers` says, then 201."""

    class Crm:
        notes, answers = {}, []

        def take(self, request):
            if self.answers:
                return self.answers.pop(0)
            self.notes.setdefault(request.headers["idempotency-key"], request.content)
            return httpx.Response(201)

    made = Crm()
    made.client = httpx.AsyncClient(base_url="https://crm.example", transport=httpx.MockTransport(made.take))
    return made


def test_a_message_is_noted_once_even_if_the_handler_runs_again(run_handler, crm):
    message = make_event("message.received", text="Hello", event_id="event-1")
    for _ in range(2):
        ran = run_handler(crm_note, message, router=router, state=crm.client, own_settings=OWN)
        assert ran.outcome == "done"
    assert list(crm.notes) == ["event-1/crm_note"]


def test_a_busy_crm_costs_no_attempt(run_handler, crm):
    crm.answers.append(httpx.Response(429, headers={"retry-after": "30"}))
    ran = run_handler(crm_note, make_event("message.received"), router=router, state=crm.client, own_settings=OWN)
    assert (ran.outcome, ran.reason, round(ran.after)) == ("waiting", "crm_busy", 30)


def test_a_crm_that_fails_is_asked_again(run_handler, crm):
    crm.answers.append(httpx.Response(500))
    ran = run_handler(crm_note, make_event("message.received"), router=router, state=crm.client, own_settings=OWN)
    assert (ran.outcome, ran.reason) == ("waiting", "error")
