"""One reading of Telnyx's deliveries: every event of ours that is not in the store is accepted."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from telnyx import AsyncTelnyx

from service import clock
from service.events.opt_out_words import opt_out_words
from service.healing.deliveries import ListedDelivery, OurUrls, UnreadableDelivery, delivery_pages, read_delivery
from service.healing.feed import Feed
from service.healing.report import Healed, HealReport, Unhealed
from service.outbound.effect_rules import KEY_IS_HONOURED
from service.settings import Settings
from service.store.facts.said import keep_said
from service.store.inbox.healing import MissedEvent, are_known
from service.store.store import Store

WINDOW = 3600.0
"""Seconds of deliveries in one list. The progress is noted after each, so that a killed turn goes on there."""
SLICE = 10
"""Rows that are parsed in one go, in about a millisecond."""
OVERLAP = 1800.0
"""Seconds that a turn looks back behind the last one. A delivery may take minutes to end, and clocks differ."""


@dataclass(frozen=True)
class MissedDeliveries:
    """The deliveries to our URLs, and the way of the missed ones into the inbox."""

    telnyx: AsyncTelnyx
    store: Store
    settings: Settings
    ours: OurUrls
    feed: Feed
    _contents: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    _healed: set[str] = field(default_factory=set)
    """Deliveries that were healed before an earlier reading was cut off."""

    async def heal(self, report: HealReport) -> AsyncIterator[None]:
        """Heal the deliveries that the report has not reached, oldest hour first. Yield after each hour.

        Raises:
            service.outbound.list_pages.ListDoesNotEnd: Telnyx's list does not end.
            telnyx.APIError: Telnyx refuses, or cannot be reached.
            redis.exceptions.RedisError: Redis cannot be reached.
        """
        # The last list has no end. A turn that fails behind it and goes on must not read it again.
        windows = [] if report.is_read else _windows(report.reached, report.until)
        self._healed.update(each.source for each in report.healed)
        if self.feed.act:
            for since, until in windows:
                await self._keep_what_is_said(since, until)
        for since, until in windows:
            with report.counted_whole(keep_healed=self.feed.act):
                async for rows in self._pages(since, until):
                    await self._heal_page(rows, report)
            report.reached = report.until if until is None else until
            yield

    async def _pages(self, since: float, until: float | None) -> AsyncIterator[list[dict[str, Any]]]:
        pages = delivery_pages(self.telnyx, _iso(since), None if until is None else _iso(until))
        async with aclosing(pages) as listed:
            async for rows in listed:
                yield rows

    async def _heal_page(self, rows: list[dict[str, Any]], report: HealReport) -> None:
        report.deliveries += len(rows)
        read, unknown = await self._unknown(rows, report.failed)
        report.ours += len(read)
        missing = [each for each in unknown if not self._is_repeated(each)]
        report.known += len(read) - len(missing) - sum(each.id in self._healed for each in read)
        if not self.feed.uncertain_too:
            report.uncertain += [each.missed.event.identity for each in missing if _is_uncertain(each)]
            missing = [each for each in missing if not _is_uncertain(each)]
        answers = await self.feed.put([each.missed for each in missing])
        for delivery, (verdict, event_id) in zip(missing, answers, strict=True):
            if verdict == "healed":
                found = "lost" if delivery.status == "delivered" else "failed"
                report.healed.append(Healed(event_id, delivery.missed.event.type, found, delivery.id))
            else:
                setattr(report, verdict, getattr(report, verdict) + 1)

    async def _unknown(
        self, rows: list[dict[str, Any]], failed: list[Unhealed]
    ) -> tuple[list[ListedDelivery], list[ListedDelivery]]:
        """Return our deliveries among the rows, and those of them that are not known. `failed` gets unreadable rows."""
        read: list[ListedDelivery] = []
        for start in range(0, len(rows), SLICE):
            read += self._read(rows[start : start + SLICE], failed)
            # The events of a worker run in the same loop, and have their turn.
            await asyncio.sleep(0)
        return read, await self._without_known(await self._without_known(read), twins=True)

    def _read(self, rows: list[dict[str, Any]], failed: list[Unhealed]) -> Iterator[ListedDelivery]:
        words = opt_out_words(self.settings.policy)
        for row in rows:
            try:
                delivery = read_delivery(
                    row,
                    self.ours,
                    max_body=self.settings.max_body,
                    keep=self.settings.retention,
                    opt_out_words=words,
                )
            except UnreadableDelivery as error:
                failed.append(Unhealed(str(row.get("id")), str(error)))
                continue
            if delivery is not None:
                yield delivery

    async def _keep_what_is_said(self, since: float, until: float | None) -> None:
        """Keep what missed events say of consent and messages before any of them is handled.

        A failure may be listed hours before the STOP or the delivery that calls its SMS off. An uncertain event is not
        raised, but its STOP holds.
        """
        async for rows in self._pages(since, until):
            _, unknown = await self._unknown(rows, [])
            await self._keep_said([each.missed for each in unknown])

    async def _keep_said(self, missing: Sequence[MissedEvent]) -> None:
        words = [
            replace(each, at=each.at or missed.last_at / 1000) for missed in missing for each in missed.event.words
        ]
        events = [each.event for each in missing]
        messages = [(each.identity, each.message) for each in events if each.message is not None]
        await keep_said(self.store, words, messages, keep=self.settings.retention)

    def _is_repeated(self, delivery: ListedDelivery) -> bool:
        """Return whether equal content without an id was found in this turn already, within an hour of its attempts."""
        if delivery.twin is None:
            return False
        times = self._contents[delivery.missed.event.identity]
        if any(delivery.missed.is_near(each) for each in times):
            return True
        times.append(delivery.missed.first_at)
        return False

    async def _without_known(self, read: list[ListedDelivery], *, twins: bool = False) -> list[ListedDelivery]:
        asked = {at: (each.twin if twins else each.missed) for at, each in enumerate(read)}
        events = {at: each for at, each in asked.items() if each is not None}
        flags = await are_known(self.store, list(events.values())) if events else []
        known = {at for at, is_known in zip(events, flags, strict=True) if is_known}
        return [each for at, each in enumerate(read) if at not in known]


def _is_uncertain(delivery: ListedDelivery) -> bool:
    """Return whether a lost event was taken so long ago that Telnyx would not recognise what it sends again."""
    return delivery.status == "delivered" and clock.now() - delivery.missed.last_at / 1000 > KEY_IS_HONOURED / 1000


def _windows(since: float, until: float) -> list[tuple[float, float | None]]:
    """Return the spans of lists. The last one has no end, since Telnyx's clock may be ahead."""
    windows: list[tuple[float, float | None]] = []
    while since + WINDOW < until:
        windows.append((since, since + WINDOW))
        since += WINDOW
    return [*windows, (since, None)]


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
