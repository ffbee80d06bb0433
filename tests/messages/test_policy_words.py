"""The opt-out words that a policy adds: heeded at acceptance, by the handler and by `ctx.reply`, in one normal form."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from handlers import router as built_in
from service import Context, Event, Router
from service.events.opt_out_words import opt_out_words
from service.messages.policy_file import InvalidPolicy, read_policy
from service.store.facts.consent import opted_out
from tests.messages.policies import SMS_FROM, policy, write_policy
from tests.stack import Host, Stack, open_stack
from tests.telnyx_events import envelope, fresh_number, received_rcs, received_sms

WORDS = 'opt_out_words = ["ARRÊT", "no más"]\n\n[[rules]]\nname = "all"\n'
SPELT = ["arrêt", "ARRET!", "«Arrêt»", "no mas", "No  más…"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_policy(tmp_path, WORDS)


@pytest.fixture
def worded(host: Host, file: Path) -> Iterator[Stack]:
    """A stack whose ingress and workers have a policy that adds words."""
    with open_stack(host, policy=file) as opened:
        yield opened


def is_out(stack: Stack, number: str) -> bool:
    return stack.ask(lambda store: opted_out(store, number))


@pytest.mark.parametrize("text", SPELT)
@pytest.mark.parametrize("made", [received_sms, received_rcs])
def test_an_added_word_holds_from_the_200_on(worded: Stack, made: Any, text: str) -> None:
    number = fresh_number()
    assert worded.deliver(envelope("message.received", made(number, text))).status_code == 200
    assert is_out(worded, number)


def test_the_words_of_the_law_stay(worded: Stack) -> None:
    number = fresh_number()
    assert worded.deliver(envelope("message.received", received_sms(number, "revoke"))).status_code == 200
    assert is_out(worded, number)


@pytest.mark.parametrize("text", SPELT)
def test_the_handler_heeds_a_word_that_the_ingress_did_not_know(stack: Stack, file: Path, text: str) -> None:
    number = fresh_number()
    event = envelope("message.received", received_sms(number, text))
    assert stack.deliver(event).status_code == 200
    assert not is_out(stack, number)
    stack.start_worker(built_in, policy=file)
    assert stack.ended(event).handlers["consent"].reason is None
    assert is_out(stack, number)


def test_an_added_word_gets_no_answer(worded: Stack) -> None:
    router, told = Router(), []

    @router.on("message.received")
    async def answer(event: Event[dict[str, Any]], ctx: Context) -> None:
        told.append(await ctx.reply("Thanks, we will call you back."))

    worded.start_worker(router)
    event = envelope("message.received", received_sms(fresh_number(), "Arret."))
    worded.deliver(event)
    assert (worded.ended(event).state, told) == ("done", [False])
    assert worded.simulator.requests == []


def test_a_policy_names_its_words(tmp_path: Path) -> None:
    assert policy(tmp_path, WORDS).opt_out_words == ("ARRÊT", "no más")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ('["…"]', "give a word of letters or digits"),
        ('["start"]', "already opts in or asks for help"),
        ('["Help!"]', "already opts in or asks for help"),
        ("[5]", "valid string"),
        ('"ARRET"', "valid list"),
        (f'["{"a " * 13}"]', "give a word of letters or digits"),
    ],
)
def test_a_word_that_means_nothing_is_told_by_its_line(tmp_path: Path, words: str, problem: str) -> None:
    path = write_policy(tmp_path, f'opt_out_words = {words}\n[[rules]]\nname = "all"\n')
    with pytest.raises(InvalidPolicy, match=problem) as raised:
        read_policy(path, sms_from=SMS_FROM)
    assert str(raised.value).startswith(f"{path}:1: opt_out_words")


@pytest.mark.parametrize("content", [None, b"opt_out_words = [", b"\xff\xfe"])
def test_a_policy_that_cannot_be_read_stops_no_reception_and_is_told(
    host: Host, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "policy.toml"
    if content is not None:
        path.write_bytes(content)
    number = fresh_number()
    with capture_logs() as logs, open_stack(host, policy=path) as opened:
        assert opened.deliver(envelope("message.received", received_sms(number, "STOP"))).status_code == 200
        assert is_out(opened, number)
    [told] = [each for each in logs if each["log_level"] == "error"]
    assert told["file"] == str(path)


def test_without_a_policy_no_word_is_added() -> None:
    assert opt_out_words(None) == frozenset()
