"""A run's view of the ledger: which entry a call belongs to, and writing to it whatever is cut off or away."""

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import structlog
from redis.exceptions import RedisError

from service.outbound.api_call import Call, digest, key_header, name_of_key
from service.outbound.handler_run_state import Run
from service.security.encryption import PLAIN, Sealer
from service.store.cancellation import run_uncancelled
from service.store.effects import ledger
from service.store.effects.ledger import EffectOutcome, Entry, StoredAnswer
from service.store.effects.send_conditions import NotAllowed, SendConditions
from service.store.scripts import is_script_error
from service.store.store import Store

log = structlog.get_logger(__name__)
T = TypeVar("T")
Begun = Literal["begun", "lost", "changed"] | NotAllowed

MOST_BYTES = 256 * 1024
"""Bytes of a request that are kept; a longer one cannot be sent again."""
AT_LEAST_KEPT = 48 * 3600.0
PAUSE = 0.1
ANSWER_PATIENCE = 300.0
"""Seconds for which an answer waits for Redis to come back, be the lease held or not."""


def choose(entries: Iterable[Entry], call: Call, used: set[str], sealer: Sealer = PLAIN) -> Entry | None:
    """Which entry of a handler a call belongs to: the first unused one of the same bytes, else the first unused one.

    Never by position among unlike calls: branches, skipped calls and a deploy between attempts change that.
    """
    targets, digests = sealer.forms(call.target), sealer.forms(call.digest)
    alike = [each for each in entries if each.target in targets and each.name not in used]
    same = (each for each in alike if each.digest in digests)
    return next(same, alike[0] if alike else None)


@dataclass(frozen=True)
class RunLedger:
    """The ledger, for one run; entries under callers' own keys are kept for `retention` seconds, at least 48 hours."""

    store: Store
    run: Run
    retention: float

    async def entry_of(self, call: Call) -> Entry:
        """The entry that a call belongs to, from now on taken by it; a blank one (version 0) where there is none."""
        if call.caller_key is not None:
            return _blank(
                self.run,
                name_of_key(call.caller_key, call.method, call.path),
                call,
                self.store.encryption,
                caller_key=True,
            )
        # Calls of one run may be concurrent: without the lock two would read the entries and take the same one.
        async with self.run.turns[""]:
            if self.run.entries is None:
                self.run.entries = await self._own_entries()
        entry = choose(self.run.entries, call, self.run.used, self.store.encryption)
        if entry is None:
            entry = self._new_entry(self.run.entries, call)
        self.run.used.add(entry.name)
        return entry

    async def known(self, entry: Entry) -> Entry | None:
        """The entry as the ledger has it now; None while another run that lives has it in hand."""
        asking = self.store, self.run.event_id, entry.name, self.run.id
        found = await self._insist(lambda: ledger.look(*asking))
        return None if found.busy else found.entry or replace(entry, version=0, state="withdrawn")

    def intended(self, entry: Entry, call: Call) -> Entry:
        """The entry as a new intent to send this call's bytes."""
        return replace(
            entry,
            state="started",
            path=call.shown_path,
            recipient=call.shown_recipient,
            content_type=call.content_type,
            digest=self.store.encryption.hide(call.digest),
            body=call.body if len(call.body) <= MOST_BYTES else None,
            answer=None,
        )

    def has_bytes_of(self, entry: Entry, call: Call) -> bool:
        """Whether an entry is of just this call's bytes."""
        return entry.digest in self.store.encryption.forms(call.digest)

    def header(self, entry: Entry, call: Call) -> str | None:
        """Return the `Idempotency-Key` that Telnyx is to know the request by; None where it takes none."""
        return key_header(call, entry.name, entry.generation)

    async def begin(
        self, entry: Entry, *, again: bool, conditions: SendConditions | None = None
    ) -> Literal["begun", "changed"] | NotAllowed:
        """Write the intent; `changed` where the entry has changed since it was seen, or why it may not be sent now.

        Raises:
            LeaseLost: nothing may be sent.
        """
        writing = run_uncancelled(self._begin(entry, conditions, again=again))
        try:
            # The intent may be in Redis although the handler is cancelled: then it has to be withdrawn.
            begun = await asyncio.shield(writing)
        except asyncio.CancelledError:
            self.take_back(entry, writing)
            raise
        if begun == "lost":
            raise self.run.lose_lease()
        return begun

    def take_back(self, entry: Entry, writing: "asyncio.Task[Begun] | None" = None) -> None:
        """Note, when it can be, that nothing was sent after all; what still writes the intent is waited for."""
        self.run.taking_back[entry.name] = run_uncancelled(self._take_back(entry, writing))

    async def taken_back(self, entry: Entry) -> None:
        """Wait until it is noted of an entry whose call was cut off that nothing was sent."""
        noting = self.run.taking_back.pop(entry.name, None)
        if noting is not None:
            await asyncio.wait({noting})

    async def end(self, entry: Entry, outcome: EffectOutcome, answer: StoredAnswer, *, sent_at: int, why: str) -> str:
        """Note what came of a request, and answer the entry's state; an answer waits for Redis longer than a lease.

        Raises:
            LeaseLost: Redis is away for so long that somebody else may have the event; the answer is noted later.
        """
        # An answer is true even without the lease, so neither cancellation nor a lost lease ends its writing.
        writing = run_uncancelled(self._end(entry, outcome, answer, sent_at=sent_at, why=why))
        while not writing.done() and self.run.holds_lease():
            await asyncio.wait({writing}, timeout=PAUSE)
        if not writing.done() or (state := writing.result()) is None:
            raise self.run.lose_lease()
        return state

    async def _own_entries(self) -> list[Entry]:
        effects = await self._insist(lambda: ledger.effects_of(self.store, self.run.event_id))
        return [each for each in effects if each.handler == self.run.handler and not each.caller_key]

    def _new_entry(self, entries: list[Entry], call: Call) -> Entry:
        targets = self.store.encryption.forms(call.target)
        ordinal = sum(each.target in targets for each in entries)
        name = digest("effect", self.run.event_id, self.run.handler, call.target, str(ordinal))
        entry = _blank(self.run, name, call, self.store.encryption, caller_key=False)
        entries.append(entry)
        return entry

    async def _begin(self, entry: Entry, conditions: SendConditions | None, *, again: bool) -> Begun:
        keep = max(self.retention, AT_LEAST_KEPT)
        begin = self.store, self.run.lease, entry, self.run.id
        begun: Begun = await self._insist(lambda: ledger.begin(*begin, again=again, keep=keep, conditions=conditions))
        if begun == "changed" and await self._is_ours(entry):
            # The reply to an intent of ours was lost, and it was written again.
            return "begun"
        return begun

    async def _is_ours(self, entry: Entry) -> bool:
        asking = self.store, self.run.event_id, entry.name, self.run.id
        found = (await self._insist(lambda: ledger.look(*asking))).entry
        return found is not None and found.run == self.run.id and found.version == entry.version + 1

    async def _take_back(self, entry: Entry, writing: "asyncio.Task[Begun] | None") -> None:
        if writing is None or await writing == "begun":
            await self._end(entry, "withdrawn", StoredAnswer(0), sent_at=0, why="it was cut off before it was sent")

    async def _end(
        self, entry: Entry, outcome: EffectOutcome, answer: StoredAnswer, *, sent_at: int, why: str
    ) -> str | None:
        deadline, note = time.monotonic() + ANSWER_PATIENCE, secrets.token_hex(8)
        told = self.store, entry.name, outcome, answer
        while time.monotonic() < deadline:
            try:
                return (await ledger.end(*told, sent_at=sent_at, why=why, note=note))[0]
            except (RedisError, OSError) as error:
                if is_script_error(error):
                    break
                await asyncio.sleep(PAUSE)
        log.error("what became of an effect was not noted", event_id=self.run.event_id, handler=self.run.handler)
        return None

    async def _insist(self, step: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Do it as often as Redis is away, as long as the lease is held.

        Raises:
            redis.exceptions.ResponseError: what Redis holds is damaged.
            LeaseLost: it was away for too long.
        """
        while True:
            try:
                # A cancelled handler must not leave a half-read reply on the connection.
                return await asyncio.shield(run_uncancelled(step()))
            except (RedisError, OSError) as error:
                # No waiting mends a damaged value.
                if is_script_error(error):
                    raise
                if not self.run.holds_lease():
                    raise self.run.lose_lease() from None
                await asyncio.sleep(PAUSE)


def _blank(run: Run, name: str, call: Call, sealer: Sealer, *, caller_key: bool) -> Entry:
    return Entry(
        name=name,
        event_id=run.event_id,
        handler=run.handler,
        caller_key=caller_key,
        method=call.method,
        path=call.shown_path,
        recipient=call.shown_recipient,
        target=sealer.hide(call.target),
        content_type=call.content_type,
        digest=sealer.hide(call.digest),
        state="withdrawn",
    )
