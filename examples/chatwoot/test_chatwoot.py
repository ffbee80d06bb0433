import json

import httpx
import pytest
from chatwoot import ChatwootSettings, chatwoot, router
from telnyx import Telnyx

from service.testing import make_event

OWN = ChatwootSettings(chatwoot_url="https://chatwoot.example", chatwoot_inbox="made-up")
NUMBER = "+13125550142"


class Inbox:
    """As much of Chatwoot as the handler uses."""

    def __init__(self):
        self.contacts, self.said = [], []
        self.client = httpx.AsyncClient(base_url="https://chatwoot.example", transport=httpx.MockTransport(self.take))

    def take(self, request):
        body = json.loads(request.content)
        if request.url.path.endswith("/contacts"):
            self.contacts.append(body["identifier"])
            return httpx.Response(200, json={"source_id": "contact-1"})
        if request.url.path.endswith("/conversations"):
            return httpx.Response(200, json={"id": 7})
        self.said.append((request.url.path, body["content"]))
        return httpx.Response(200, json={})


def test_messages_of_a_number_are_one_conversation(run_handler):
    inbox = Inbox()
    for text in ("Hello", "Anybody there?"):
        message = make_event("message.received", text=text, from_={"phone_number": NUMBER})
        ran = run_handler(chatwoot, message, router=router, state=inbox.client, own_settings=OWN)
        assert (ran.outcome, ran.error) == ("done", None)
    path = "/contacts/contact-1/conversations/7/messages"
    assert inbox.contacts == [NUMBER]
    assert inbox.said == [(path, "Hello"), (path, "Anybody there?")]


@pytest.fixture
def replies(monkeypatch, local_telnyx, ringback_bench):
    """A client of the application that sends answers, beside the local Telnyx."""
    for name, value in {"TELNYX_API_KEY": "KEY", "CHATWOOT_TOKEN": "token", "SMS_FROM": "+13125550199"}.items():
        monkeypatch.setenv(name, value)
    import replies

    monkeypatch.setattr(replies, "telnyx", Telnyx(api_key="KEY", base_url=f"{ringback_bench.telnyx_url}/v2"))
    return replies.app.test_client()


ANSWER = {
    "event": "message_created",
    "message_type": "outgoing",
    "private": False,
    "id": 12,
    "content": "We are.",
    "conversation": {"meta": {"sender": {"phone_number": NUMBER}}},
}


def test_an_answer_is_sent_once_however_often_chatwoot_calls(replies, local_telnyx):
    assert [replies.post("/chatwoot/token", json=ANSWER).status_code for _ in range(2)] == [204, 204]
    assert len({each.idempotency_key for each in local_telnyx.requests}) == 1
    assert local_telnyx.requests[0].body["text"] == "We are."


@pytest.mark.parametrize("change", [{"private": True}, {"message_type": "incoming"}, {"event": "message_updated"}])
def test_notes_and_inbound_messages_are_not_sent(replies, local_telnyx, change):
    replies.post("/chatwoot/token", json={**ANSWER, **change})
    assert local_telnyx.requests == []


def test_a_stranger_sends_nothing(replies, local_telnyx):
    assert replies.post("/chatwoot/guess", json=ANSWER).status_code == 401
    assert local_telnyx.requests == []
