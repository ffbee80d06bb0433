"""The ledger of a run: the entry of a call, and records that no cancellation and no outage cuts off."""

import asyncio
import secrets
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import structlog
from redis.exceptions import RedisError

from service.outbound.api_call import Call, digest, name_of_key
from service.outbound.handler_run_state import Run
from service.security.encryption import PLAIN, Sealer
from service.store.effects import ledger
from service.store.effects.ledger import EffectOutcome, Entry, StoredAnswer
from service.store.facts.message_states import NotAllowed, SendConditions
from service.store.scripts import is_script_error
from service.store.store import Store, run_uncancelled

log = structlog.get_logger(__name__)
T = TypeVar("T")
Begun = Literal["begun", "lost", "changed"] | NotAllowed

MAX_BYTES = 256 * 1024
"""Bytes of a request that are kept. A longer one cannot be sent again."""
MIN_RETENTION = 48 * 3600.0
PAUSE = 0.1
ANSWER_TIMEOUT = 300.0
"""Seconds for which an answer waits for Redis, with the lease or without."""


def choose(entries: Iterable[Entry], call: Call, used: Collection[str], sealer: Sealer = PLAIN) -> Entry | None:
    """Return the entry of a call: the first unused one of the same bytes, else the first unused one.

    Never by position among unlike calls: branches, skipped calls and a deploy between attempts change that.
    """
    targets, digests = sealer.forms(call.target), sealer.forms(call.digest)
    alike = [each for each in entries if each.target in targets and each.name not in used]
    same = (each for each in alike if each.digest in digests)
    return next(same, alike[0] if alike else None)


def still_unsent(entries: Sequence[Entry], call: Call, used: Mapping[str, Call], sealer: Sealer = PLAIN) -> Call:
    """Return the call to send for one that finds no unused entry. `used` has the calls that took the others.

    In an order other than that of an earlier run, a call may have taken the entry of this one. Then the bytes of this
    one went out, or go, and those of the other did not. So they go in the place of this one's, and no text goes twice.
    """
    targets, passed = sealer.forms(call.target), set[str]()
    while True:
        digests = sealer.forms(call.digest)
        own = (each for each in entries if each.name in used and each.target in targets and each.digest in digests)
        taken = [each for each in own if _keeps_its_bytes(each) and used[each.name].digest != call.digest]
        name = next((each.name for each in taken if each.name not in passed), None)
        if name is None:
            return call
        passed.add(name)
        call = used[name]


def _keeps_its_bytes(entry: Entry) -> bool:
    """Return whether what an entry holds was sent or is to be sent, whichever call takes it."""
    under_way = entry.state == "started" and (entry.unconfirmed > 0 or entry.body is not None)
    return under_way or entry.state in ("done", "resolved")


@dataclass(frozen=True)
class RunLedger:
    """The ledger, for one run. Entries under callers' own keys are kept for `retention` seconds, at least 48 hours."""

    store: Store
    run: Run
    retention: float

    async def entry_of(self, call: Call) -> Entry:
        """Take the entry of a call, or a blank one (version 0), and return it. `Run.used` holds what is to be sent."""
        if call.caller_key is not None:
            return self._blank(name_of_key(call.caller_key, call.method, call.path), call, caller_key=True)
        # Calls of one run may be concurrent: without the lock two would read the entries and take the same one.
        async with self.run.locks[""]:
            if self.run.entries is None:
                effects = await self._retry_while_leased(lambda: ledger.effects_of(self.store, self.run.event_id))
                mine = [each for each in effects if each.handler == self.run.handler and not each.caller_key]
                self.run.entries = mine
        entry = choose(self.run.entries, call, self.run.used, self.store.encryption)
        if entry is None:
            call = still_unsent(self.run.entries, call, self.run.used, self.store.encryption)
            entry = self._new_entry(self.run.entries, call)
        self.run.used[entry.name] = call
        return entry

    async def entry_now(self, entry: Entry) -> Entry | None:
        """Return the entry from Redis, or None while another live run works on it."""
        found = await self._read_entry(entry)
        return None if found.busy else found.entry or replace(entry, version=0, state="withdrawn")

    def intended(self, entry: Entry, call: Call) -> Entry:
        """Return the entry with a new intent to send this call's bytes."""
        return replace(
            entry,
            state="started",
            path=call.shown_path,
            recipient=call.shown_recipient,
            content_type=call.content_type,
            digest=self.store.encryption.hide(call.digest),
            body=call.body if len(call.body) <= MAX_BYTES else None,
            answer=None,
        )

    def has_bytes_of(self, entry: Entry, call: Call) -> bool:
        """Return whether an entry is of just this call's bytes."""
        return entry.digest in self.store.encryption.forms(call.digest)

    async def begin(
        self, entry: Entry, *, again: bool, conditions: SendConditions | None = None
    ) -> Literal["begun", "changed"] | NotAllowed:
        """Write the intent. Return `changed` where the entry has changed meanwhile, or why it may not be sent now.

        Raises:
            LeaseLost: nothing may be sent.
        """
        writing = run_uncancelled(self._begin(entry, conditions, again=again))
        try:
            # The intent may be in Redis although the handler is cancelled: then it has to be withdrawn.
            begun = await asyncio.shield(writing)
        except asyncio.CancelledError:
            self.withdraw(entry, writing)
            raise
        if begun == "lost":
            raise self.run.lose_lease()
        return begun

    def withdraw(self, entry: Entry, writing: "asyncio.Task[Begun] | None" = None) -> None:
        """Start to record that nothing was sent after all, once the intent is written."""
        self.run.withdrawals[entry.name] = run_uncancelled(self._withdraw(entry, writing))

    async def await_withdrawal(self, entry: Entry) -> None:
        """Wait until the withdrawal of a call that was cut off is recorded."""
        noting = self.run.withdrawals.pop(entry.name, None)
        if noting is not None:
            await asyncio.wait({noting})

    async def end(self, entry: Entry, outcome: EffectOutcome, answer: StoredAnswer, *, sent_at: int, why: str) -> str:
        """Record the outcome of a request, and return the entry's state. An answer waits for Redis longer than a lease.

        Raises:
            LeaseLost: Redis was out for longer than the lease. The answer is recorded later.
        """
        # An answer is true even without the lease, so neither cancellation nor a lost lease ends its writing.
        writing = run_uncancelled(self._end(entry, outcome, answer, sent_at=sent_at, why=why))
        while not writing.done() and self.run.holds_lease():
            await asyncio.wait({writing}, timeout=PAUSE)
        if not writing.done() or (state := writing.result()) is None:
            raise self.run.lose_lease()
        return state

    def _new_entry(self, entries: list[Entry], call: Call) -> Entry:
        targets = self.store.encryption.forms(call.target)
        ordinal = sum(each.target in targets for each in entries)
        name = digest("effect", self.run.event_id, self.run.handler, call.target, str(ordinal))
        entry = self._blank(name, call, caller_key=False)
        entries.append(entry)
        return entry

    async def _begin(self, entry: Entry, conditions: SendConditions | None, *, again: bool) -> Begun:
        keep = max(self.retention, MIN_RETENTION)
        begin = self.store, self.run.lease, entry, self.run.id
        begun: Begun = await self._retry_while_leased(
            lambda: ledger.begin(*begin, again=again, keep=keep, conditions=conditions)
        )
        if begun == "changed":
            found = (await self._read_entry(entry)).entry
            if found is not None and found.run == self.run.id and found.version == entry.version + 1:
                # The reply to an intent of ours was lost, and it was written again.
                return "begun"
        return begun

    async def _read_entry(self, entry: Entry) -> ledger.Found:
        return await self._retry_while_leased(
            lambda: ledger.read_entry(self.store, self.run.event_id, entry.name, self.run.id)
        )

    async def _withdraw(self, entry: Entry, writing: "asyncio.Task[Begun] | None") -> None:
        if writing is None or await writing == "begun":
            await self._end(entry, "withdrawn", StoredAnswer(0), sent_at=0, why="it was cut off before it was sent")

    async def _end(
        self, entry: Entry, outcome: EffectOutcome, answer: StoredAnswer, *, sent_at: int, why: str
    ) -> str | None:
        deadline, note = time.monotonic() + ANSWER_TIMEOUT, secrets.token_hex(8)
        arguments = self.store, entry.name, outcome, answer
        while time.monotonic() < deadline:
            try:
                return (await ledger.end(*arguments, sent_at=sent_at, why=why, note=note))[0]
            except (RedisError, OSError) as error:
                if is_script_error(error):
                    break
                await asyncio.sleep(PAUSE)
        log.error("the outcome of an effect was not recorded", event_id=self.run.event_id, handler=self.run.handler)
        return None

    async def _retry_while_leased(self, step: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Take a step, repeatedly while Redis cannot be reached and the lease is held.

        Raises:
            redis.exceptions.ResponseError: a value in Redis is damaged.
            LeaseLost: the lease ended first.
        """
        while True:
            try:
                # A cancelled handler must not leave a half-read reply on the connection.
                found = await asyncio.shield(run_uncancelled(step()))
            except (RedisError, OSError) as error:
                # No waiting repairs a damaged value.
                if is_script_error(error):
                    raise
                if not self.run.holds_lease():
                    raise self.run.lose_lease() from None
                self.run.redis_failure = error
                await asyncio.sleep(PAUSE)
            else:
                self.run.redis_failure = None
                return found

    def _blank(self, name: str, call: Call, *, caller_key: bool) -> Entry:
        encryption = self.store.encryption
        return Entry(
            name=name,
            event_id=self.run.event_id,
            handler=self.run.handler,
            caller_key=caller_key,
            method=call.method,
            path=call.shown_path,
            recipient=call.shown_recipient,
            target=encryption.hide(call.target),
            content_type=call.content_type,
            digest=encryption.hide(call.digest),
            state="withdrawn",
        )
