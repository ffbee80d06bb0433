"""Consent and the state of messages, as Python writes it for scripts and reads their answers."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from redis.asyncio import Redis

from service.events.consent import ConsentChange
from service.events.message import MessageStatus, RecipientStatus
from service.security.encryption import PLAIN, EncryptionKey, Sealer
from service.store.effects.rate_limits import AdmissionRequest, Blocked, Deferred, Granted, Room
from service.store.facts import consent as module
from service.store.facts import message_states as states
from service.store.facts.consent import Consent, KeyMissing, Opposed, OptOut, encode_words, opt_out_page, opt_outs
from service.store.facts.message_states import (
    InsteadOf,
    NotAllowed,
    PlannedSend,
    Recipient,
    RecipientState,
    SendConditions,
    Shown,
    conditions_argument,
    encode_status,
    parse_refusal,
)
from service.store.place import Place
from service.store.store import Store
from tests.store.half_way import new_world
from tests.store.test_script_words import scripts

A, B, USER = "+13125550142", "+13125550143", "US.13491208655302741918"
SEALER = Sealer((EncryptionKey(b"k" * 32),))
OUT, IN = Opposed(5.0, 4.0, "message"), Opposed(4.0, 5.0, "message")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Opposed(), False),
        (Opposed(5.0), True),
        (Opposed(5.0, 5.0), True),
        (Opposed(5.0, 5.001), False),
        (Opposed(None, 5.0), False),
    ],
)
def test_of_two_words_at_one_time_the_opt_out_counts(kind: Opposed, *, expected: bool) -> None:
    assert kind.opted_out is expected


def test_of_each_kind_of_word_the_latest_counts() -> None:
    assert Opposed(5.0, None, "a").merged(Opposed(6.0, 3.0, "b")) == Opposed(6.0, 3.0, "b")
    assert Opposed(5.0, 7.0, "a").merged(Opposed(5.0, 3.0, "b")) == Opposed(5.0, 7.0, "a")
    assert Opposed(None, None, "-").merged(Opposed(None, 3.0, "b")) == Opposed(None, 3.0, "-")
    assert Consent(OUT, IN).merged(Consent(IN, OUT)) == Consent(
        Opposed(5.0, 5.0, "message"), Opposed(5.0, 5.0, "message")
    )


@pytest.mark.parametrize(
    ("stored", "consent"),
    [
        (None, Consent()),
        (b"5000 4000 message - 6500 import sealed", Consent(OUT, Opposed(None, 6.5, "import"))),
        (b"- - - 5 - operator", Consent(Opposed(), Opposed(0.005, None, "operator"))),
        (b"odd", Consent(Opposed(0.001, None, "unreadable"))),
        (b"5 x message - - -", Consent(Opposed(0.001, None, "unreadable"))),
        (b"\xff", Consent(Opposed(0.001, None, "unreadable"))),
    ],
)
def test_a_value_is_read_as_the_scripts_write_it(stored: bytes | None, consent: Consent) -> None:
    assert Consent.parse(stored) == consent


def test_the_opt_out_in_force_is_the_latest_that_holds() -> None:
    assert Consent().in_force is None
    assert Consent(OUT, IN).in_force is OUT
    later = Opposed(9.0, None, "operator")
    assert Consent(OUT, later).in_force is later
    assert Consent(later, OUT).in_force is later
    assert Consent(OUT).opted_out
    assert not Consent(IN, IN).opted_out


def test_an_opt_in_is_right_after_the_latest_opt_out() -> None:
    assert Consent(OUT, Opposed(7.0)).opt_in_time(3.0) == 7.001
    assert Consent(Opposed(8.0), OUT).opt_in_time(3.0) == 8.001
    assert Consent().opt_in_time(3.0) == 3.0
    assert Consent().opt_in_time(0.0) == 0.0
    assert Consent(Opposed(7.0), Opposed(8.002)).opt_in_time(3.0) == 7.001, "what is impossible gives way"


def test_a_stop_within_the_same_millisecond_counts() -> None:
    lifted = Consent(IN, Opposed(3.5, 9.0))
    assert [lifted.opted_out_since(each) for each in (3.9, 4.0, 4.0005, 4.001)] == [True, True, True, False]
    assert Consent(OUT).opted_out_since(99)
    assert not Consent().opted_out_since(0)


def test_words_are_written_with_all_forms_of_a_number_and_its_time() -> None:
    words = (
        ConsentChange("+1 (312) 555-0142", "out", 5.0005),
        ConsentChange("ACME", "out", 1),
        ConsentChange(B, "out", -9.0),
        ConsentChange(USER, "in", None),
    )
    assert encode_words(words, PLAIN) == [
        [(f"p:{A}",), "", "out", 5000, "message"],
        [(f"p:{B}",), "", "out", 0, "message"],
        [(f"p:{module._USER}{USER}",), "", "in", -1, "message"],
    ]
    [_, _, [forms, sealed, *rest]] = encode_words(words, SEALER, now=7.0)
    assert (len(forms), rest) == (2, ["in", 7000, "message"])
    assert SEALER.open_text(sealed, module._place(SEALER.hide(f"{module._USER}{USER}"))) == f"{module._USER}{USER}"


@pytest.fixture
def store(server: "Redis") -> Store:
    return Store(server, new_world(server).keys.namespace, PLAIN)


@pytest.mark.anyio
async def test_the_list_shows_numbers_that_are_opted_out_the_latest_first(store: Store) -> None:
    words = [ConsentChange(A, "out", 5.0), ConsentChange(B, "out", 6.0), ConsentChange(USER, "out", 7.0)]
    assert await module.record_consent(store, [*words, ConsentChange("ACME", "out", 1.0)], now=9.0) == 3
    await module.record_consent(
        store, [ConsentChange("+13125550144", "out", 8.0), ConsentChange("+13125550144", "in", 9.0)], now=9.0
    )
    assert await module.record_consent(store, [ConsentChange("ACME", "out", 1.0)], now=9.0) == 0
    first, second = OptOut(A, 5.0, "message", f"p:{A}".encode()), OptOut(B, 6.0, "message", f"p:{B}".encode())
    assert sorted([each async for each in opt_outs(store)], key=lambda each: each.since) == [first, second]
    pages = [await opt_out_page(store, limit=9), await opt_out_page(store, limit=2), await opt_out_page(store, limit=1)]
    assert [(each.opt_outs, each.next, each.number) for each in pages] == [
        ([second, first], None, 3),
        ([second], Place(6000, 1), 3),
        ([], Place(7000, 1), 3),
    ]
    last = await opt_out_page(store, limit=2, after=Place(6000, 1))
    assert (last.opt_outs, last.next) == ([first], None)
    assert await module.opted_out(store, A)
    assert await module.opted_out(store, B, datetime.fromtimestamp(99, UTC))
    assert not await module.opted_out(store, "ACME")
    assert (await module.consent_of(store, A)).said == Opposed(5.0, None, "message")
    assert A not in repr(first)


@pytest.mark.anyio
async def test_numbers_move_under_the_first_key_and_are_missed_without_it(store: Store) -> None:
    sealed = Store(store.redis, store.namespace, SEALER)
    await module.record_consent(store, [ConsentChange(A, "out", 5.0), ConsentChange(B, "out", 6.0)], now=9.0)
    assert await module.move_opt_outs(store) == 0
    assert await module.move_opt_outs(sealed) == 2
    assert await module.move_opt_outs(sealed) == 0
    assert [each.number async for each in opt_outs(sealed)] != []
    assert {each.number async for each in opt_outs(sealed)} == {A, B}
    hidden = [each async for each in opt_outs(store)]
    assert [(each.readable, each.hidden, each.number.startswith("h:")) for each in hidden] == [(False, True, True)] * 2
    with pytest.raises(KeyMissing, match=SEALER.names[0]):
        await module.consent_of(store, A)
    await module.remove_opt_out(store, hidden[0])
    assert len([each async for each in opt_outs(store)]) == 1


STATUS = MessageStatus("m", "RCS", (RecipientStatus(A, "sent", "AT&T"), RecipientStatus(None, "read")))


def test_the_state_of_a_message_is_written_as_scripts_merge_it() -> None:
    told = {"id": "m", "type": "RCS", "keep": 172_800_000, "to": [((f"p:{A}",), "sent", "AT&T"), ((), "read", "")]}
    assert encode_status(STATUS, PLAIN, keep=5) == told
    assert encode_status(STATUS, PLAIN, keep=172_800.5)["keep"] == 172_800_500


ADMISSION = AdmissionRequest("t", "one", ["outage"], "sms", 2.0, requeued=True, max_wait=1.5, probe_timeout=5.0)
PLANNED = PlannedSend(True, 1.5, 2.5, 3, 4, ADMISSION)
ANSWER = [b"sent", b"", b"two", b"1500", b"sent", []]


@pytest.mark.anyio
async def test_a_state_is_asked_for_with_what_would_be_sent() -> None:
    store = scripts(message=[[[], [b"AT&T"], ANSWER, [b"", b"right_held", b"x", b"", b"", []]]])
    to = [Recipient(A, "e1", PLANNED), Recipient(B, "e2")]
    state = await states.read_state(store, "m", to, by="one", keep=5, purpose="hold", at=1.5, said=STATUS)
    assert state.double_deliveries == ("AT&T",)
    assert state.recipients == {
        A: RecipientState("sent", "", "two", 1.5, sent=True),
        B: RecipientState("", "right_held", "x", None),
    }
    [(_, *words)] = store.asked
    assert words[:6] == ["m", 172_800_000, "hold", "one", 1500, b"[]"]
    assert (orjson.loads(words[7]), words[8], words[10:]) == ([f"p:{A}"], "e1", [orjson.dumps([f"p:{B}"]), "e2", b""])
    assert orjson.loads(words[9]) == {
        "awake": True,
        "since": 1500,
        "segments": 3,
        "limit": 4,
        "window": 3_600_000,
        "fresh_until": 2500,
        "admission": {
            "product": "sms",
            "limit": 2.0,
            "requeued": True,
            "event": "one",
            "ticket": "t",
            "blocks": ["outage"],
            "max_wait": 1500,
        },
    }
    with pytest.raises(KeyMissing, match="k1"):
        await states.read_state(scripts(message=[[[b"k1"], []]]), "m", [], by="")
    assert A not in repr(to)


def test_a_plan_without_times_says_so() -> None:
    told = orjson.loads(states._planned(PlannedSend(False, None, None, 3, 4, ADMISSION)))
    assert (told["awake"], told["since"], told["fresh_until"]) == (False, -1, -1)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ([1, 0, [], [1, 0, 0], [b"granted", 0, b"1"]], (True, False, (), Room(True, 0.0, False), Granted(0.0), True)),
        ([0, 1, [b"k"], [], []], (False, True, ("k",), None, None, False)),
        ([0, 0, [], [0, 1500, 1], []], (False, False, (), Room(False, 1.5, True), None, False)),
        ([0, 0, [], [1, 0, 0], [b"deferred", 900]], (False, False, (), Room(True, 0.0, False), Deferred(0.9), False)),
        (
            [0, 0, [], [1, 0, 0], [b"blocked", b"outage", b"d", b"a"]],
            (False, False, (), Room(True, 0.0, False), Blocked("outage", "d", "a"), False),
        ),
        ([0, 0, [], [1, 0, 0], [b"granted", 0, b""]], (False, False, (), Room(True, 0.0, False), Granted(0.0), False)),
    ],
)
def test_a_preflight_is_read(answer: list[Any], expected: tuple[Any, ...]) -> None:
    found = states._preflight(answer, PLAIN)
    told = (found.known, found.opted_out, found.consent_missing, found.room, found.admission, found.clear)
    assert told == expected


def test_conditions_are_written_for_the_script() -> None:
    assert conditions_argument(None, PLAIN, only_asks=True) == b""
    bare = {"keys": [], "recipients": [[f"p:{A}"]], "only_asks": False, "regions": ["US"]}
    conditions = SendConditions((A, "ACME"), regions=("US",))
    assert orjson.loads(conditions_argument(conditions, PLAIN, only_asks=False)) == bare
    shown = Shown(STATUS, (ConsentChange(A, "out", 5.0),))
    whole = SendConditions((A,), InsteadOf("m", None, 2, 5, 5.0, shown), replies_per_hour=7)
    told = orjson.loads(conditions_argument(whole, PLAIN, only_asks=True))
    assert told["reply"] == {"limit": 7, "window": 3_600_000}
    assert told["message"] == {
        "id": "m",
        "since": -1,
        "segments": 2,
        "limit": 5,
        "window": 3_600_000,
        "keep": 172_800_000,
    }
    assert told["shown"]["words"] == [[[f"p:{A}"], "", "out", 5000, "message"]]
    assert (told["shown"]["state"]["id"], told["only_asks"], told["regions"]) == ("m", True, [])
    assert A not in repr(whole)
    assert parse_refusal([b"right_held", b"two"]) == NotAllowed("right_held", ("two",))
    assert parse_refusal([b"opted_out"]) == NotAllowed("opted_out")
