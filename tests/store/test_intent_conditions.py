"""What the script that writes an intent asks in the same step: the lease aside, consent, state, right and budget."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from service.events.consent import ConsentChange
from service.events.message import MessageStatus, RecipientStatus
from service.events.opt_out_words import Said
from service.security.encryption import EncryptionKey, Sealer
from service.store.effects import ledger
from service.store.effects.ledger import Entry
from service.store.facts.consent import record_consent
from service.store.facts.message_states import (
    InsteadOf,
    NotAllowed,
    Recipient,
    RecipientState,
    SendConditions,
    read_state,
)
from tests.pending import pending
from tests.store.test_sms_budget import Budget

ANN = "+13125550101"
ENTRY = Entry("sms", "e", "one", True, "POST", "/messages", "", "t", "", "d", "started", b"{}")
INSTEAD = InsteadOf("m", 100.0, 1, 10, keep=60)


class Intents(Budget):
    """Attempts of one leased event to send to Ann in the place of message m."""

    def intend(self, entry: Entry = ENTRY, *, instead_of: InsteadOf | None = INSTEAD, again: bool = False) -> object:
        conditions = SendConditions((ANN,), instead_of)
        return self.ask(
            lambda store: ledger.begin(store, self.lease, entry, "run", again=again, keep=60, conditions=conditions)
        )

    def told(self, status: str, *, message_type: str = "RCS") -> None:
        said = MessageStatus("m", message_type, (RecipientStatus(ANN, status),))
        self.ask(lambda store: read_state(store, "m", [], by="other", said=said))

    def state(self, by: str = "other") -> RecipientState:
        asked = [Recipient(ANN, "sms")]
        return self.ask(lambda store: read_state(store, "m", asked, by=by)).recipients[ANN]

    def hear(self, said: Said, at: float) -> None:
        word = ConsentChange(ANN, said, at)
        self.ask(lambda store: record_consent(store, [word], now=at))

    def entry_state(self) -> object:
        return self.ask(lambda store: pending(store.redis.hget(f"{store.namespace}:effect:sms", "state")))


@pytest.fixture
def intents(redis_url: str) -> Iterator[Intents]:
    opened = Intents(redis_url)
    yield opened
    opened.runner.run(opened.store.redis.aclose())
    opened.runner.close()


@pytest.mark.parametrize("status", ["delivered", "read"])
def test_no_intent_is_written_after_a_delivery(intents: Intents, status: str) -> None:
    intents.told(status)
    assert intents.intend() == NotAllowed("already_delivered")
    assert (intents.entry_state(), intents.state().right, intents.sum()) == (None, "", 0)


def test_no_intent_is_written_after_a_stop_and_one_is_after_a_start(intents: Intents) -> None:
    intents.hear("out", 50.0)
    assert intents.intend() == NotAllowed("opted_out")
    assert intents.intend(instead_of=None) == NotAllowed("opted_out")
    intents.hear("in", 60.0)
    assert intents.intend() == "begun"


def test_a_stop_since_the_message_calls_it_off_though_a_start_came_after_it(intents: Intents) -> None:
    intents.hear("out", 150.0)
    intents.hear("in", 160.0)
    assert intents.intend() == NotAllowed("opted_out")
    assert intents.intend(instead_of=None) == "begun"


def test_the_intent_takes_the_right_and_the_segments(intents: Intents) -> None:
    assert intents.intend() == "begun"
    assert (intents.state().right, intents.state().reason, intents.sum()) == ("e", "already_sent", 1)


def test_a_resend_asks_again(intents: Intents) -> None:
    intents.intend()
    intents.end("sms", "unknown")
    intents.told("delivered")
    assert intents.intend(replace(ENTRY, version=2), again=True) == NotAllowed("already_delivered")
    assert intents.sum() == 1, "it was perhaps sent"


def test_who_holds_the_right_is_said(intents: Intents) -> None:
    intents.intend()
    intents.end("sms", "refused")
    assert (intents.state().reason, intents.state().right) == ("right_held", "e")


def test_an_effect_that_telnyx_put_off_is_not_said_to_be_sent(intents: Intents) -> None:
    intents.intend()
    intents.end("sms", "deferred")
    assert intents.state().reason == "right_held"
    state = intents.state(by="e")
    assert (state.sent, state.perhaps) == (False, False)


def test_a_native_fallback_is_the_only_sms(intents: Intents) -> None:
    intents.told("sent", message_type="SMS")
    assert intents.intend() == NotAllowed("native_fallback")


def test_an_effect_that_was_forgotten_takes_its_segments_once_more(intents: Intents) -> None:
    instead_of = replace(INSTEAD, limit=3)
    assert intents.intend(instead_of=instead_of) == "begun"
    intents.end("sms", "done")
    for generation, expected in ((1, "begun"), (2, "begun"), (3, NotAllowed("over_budget"))):
        assert intents.ask(lambda store: ledger.forget(store, "e", "one")) == 1
        found = intents.ask(lambda store: ledger.read_entry(store, "e", "sms", "run")).entry
        assert found is not None
        again = replace(found, state="started", body=b"{}")
        assert (found.generation, intents.intend(again, instead_of=instead_of)) == (generation, expected)
        assert intents.sum() == min(generation + 1, 3)
        intents.end("sms", "done")


def test_a_dry_run_takes_nothing(intents: Intents) -> None:
    assert intents.intend(replace(ENTRY, state="would")) == "begun"
    assert (intents.state().right, intents.sum()) == ("", 0)


def test_who_lacks_a_key_writes_no_intent(intents: Intents) -> None:
    key = EncryptionKey(b"k" * 32)
    plain, intents.store = intents.store, replace(intents.store, encryption=Sealer((key,)))
    intents.hear("out", 50.0)
    intents.store = plain
    assert intents.intend() == NotAllowed("encryption_key_missing", (key.name,))


def test_who_lacks_the_key_of_a_recipient_writes_no_intent(intents: Intents) -> None:
    key = EncryptionKey(b"k" * 32)
    plain, intents.store = intents.store, replace(intents.store, encryption=Sealer((key,)))
    intents.told("sent")
    intents.store = plain
    assert intents.intend() == NotAllowed("encryption_key_missing", (key.name,))
