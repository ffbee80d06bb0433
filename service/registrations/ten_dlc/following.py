"""Brands, campaigns and numbers, followed: read from the API, compared, and their changes raised once."""

from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from telnyx import AsyncTelnyx

from service import clock
from service.events import read_time
from service.outbound.list_pages import rows_of
from service.registrations.status_changes import Change, Known, Reading
from service.registrations.ten_dlc import kinds, readings
from service.registrations.ten_dlc.updates import NOTHING, Said
from service.security.encryption import Sealer, place_of
from service.store.facts.remembered import SUBJECT_BYTES, all_known, compare_and_set, snapshot
from service.store.store import Store

T = TypeVar("T")

PAGE = 500
"""Rows in a page, as many as Telnyx gives. Source: SDK 4.189, `messaging_10dlc.brand.list`."""
MOST_AT_ONCE = 100
"""Registrations that one run reads one by one, up to four calls each, so that it stays within its time-out."""
QUARTER_HOUR = 900.0
_ACCOUNT = ("ten_dlc", "account")
"""The kind and name under which it is kept that all registrations of the account were read once."""


@dataclass(frozen=True)
class TenDlc:
    """The 10DLC registrations of an account."""

    telnyx: AsyncTelnyx
    store: Store

    async def follow(self, kind: kinds.Kind, given: str, said: Said = NOTHING) -> list[Change] | None:
        """Read a registration by any of its ids, or a number, and raise its changes. None: there is no such one.

        Raises:
            telnyx.APIError: Telnyx refuses, or cannot be reached.
            service.registrations.status_changes.TooMuchChange: others kept learning of it meanwhile.
        """
        if kind == kinds.NUMBER:
            return await self._follow_number(given, said)
        subject = await self._subject(kind, given)
        if subject is None:
            return None
        followed, told = kinds.followed(self.store, kind), await self._still_true(subject, said.about(kind))
        is_news = await self._account_known()

        async def read() -> Reading:
            before = await followed.last_known(subject)
            reading = readings.overlaid(await self._read(kind, subject, before), before, told)
            return readings.as_news(reading) if is_news else reading

        return await followed.raise_changes(subject, read)

    async def follow_number_and_campaign(self, number: str) -> None:
        """Read the assignment of a number and the campaign that it names, and raise their changes.

        Raises:
            telnyx.APIError: Telnyx refuses, or cannot be reached.
            service.registrations.status_changes.TooMuchChange: others kept learning of them meanwhile.
        """
        await self.follow(kinds.NUMBER, number)
        assignment = await self.known_number(number)
        if assignment is not None and assignment.about.get("campaign"):
            await self.follow(kinds.CAMPAIGN, str(assignment.about["campaign"]))

    async def known(self, kind: kinds.Kind, given: str) -> Known | None:
        """Return the last known state of a brand or a campaign by either id."""
        stored = await snapshot(self.store, kind, given)
        if stored is not None:
            return Known.parse(stored)
        found = await self.all_known(kind)
        return next((each for each in found.values() if each.about.get("tcr_id") == given), None)

    async def known_number(self, number: str) -> Known | None:
        """Return the last known state of a number's assignment."""
        subject = await self._subject_of_number(number)
        return await kinds.followed(self.store, kinds.NUMBER).last_known(subject)

    async def all_known(self, kind: kinds.Kind) -> dict[str, Known]:
        """Return the last known state of every registration of a kind."""
        return {name: Known.parse(value) for name, value in (await all_known(self.store, kind)).items()}

    async def follow_all(self, watched: Collection[str]) -> None:
        """Follow whatever changed since the last time.

        Of campaigns whose numbers are `watched`, the state at each carrier is read too. Where too many have to be read
        one by one, each quarter of an hour has its share of them.

        Raises:
            telnyx.APIError: Telnyx refuses, or cannot be reached.
            service.registrations.status_changes.TooMuchChange: others kept learning of one meanwhile.
        """
        # The known states are read before the API is.
        is_news, brands_before = await self._account_known(), await all_known(self.store, kinds.BRAND)
        asked = self.telnyx.messaging_10dlc.brand.list(records_per_page=PAGE)
        brands = [each async for each in rows_of(asked, "brands") if each.brand_id]
        one_by_one = await self._learn_numbers(watched, brands, is_news=is_news)
        one_by_one += await self._learn_brands(brands_before, brands, is_news=is_news)
        for each in share(one_by_one, int(clock.now() / QUARTER_HOUR)):
            await self.follow(*each)
        if not is_news:
            await compare_and_set(self.store, *_ACCOUNT, before=None, after=b"read")

    async def _account_known(self) -> bool:
        """Return whether all registrations were read before, so that a new one is a change."""
        return await snapshot(self.store, *_ACCOUNT) is not None

    async def _subject(self, kind: kinds.Kind, given: str) -> str | None:
        """Return the id under which a brand or a campaign is followed, whichever of its ids was given."""
        if await snapshot(self.store, kind, given) is not None:
            return given
        known = await self.all_known(kind)
        alias = next((subject for subject, each in known.items() if each.about.get("tcr_id") == given), None)
        if alias is not None:
            return alias
        if kind == kinds.BRAND:
            brand = await readings.find_brand(self.telnyx, given)
            return None if brand is None else brand.brand_id or given
        campaign = await readings.find_campaign(self.telnyx, given)
        return None if campaign is None else campaign.id

    async def _read(self, kind: kinds.Kind, subject: str, before: Known | None) -> Reading:
        if kind == kinds.BRAND:
            brand = await readings.find_brand(self.telnyx, subject)
            return readings.gone(kinds.DELETED, before) if brand is None else readings.brand_reading(brand)
        reading = await self._read_campaign(subject, before)
        if before is not None and before.status == kinds.DORMANT:
            since = float(before.about.get("overlay_since") or 0)
            # A number that was assigned has woken it up.
            is_awake = await self._has_new_numbers(subject, since)
            return replace(reading, version=f"{reading.version}+") if is_awake else reading
        return reading

    async def _read_campaign(self, subject: str, before: Known | None) -> Reading:
        campaign = await readings.find_campaign(self.telnyx, subject)
        if campaign is None:
            return readings.gone(kinds.DELETED, before)
        carriers = await readings.suspending_carriers(self.telnyx, subject)
        reading = readings.campaign_reading(campaign.row, suspended_by=carriers)
        if reading.history[-1].status != kinds.SUSPENDED:
            return reading
        # It may have been suspended as a whole between the two readings. Together they would show another change.
        again = await readings.find_campaign(self.telnyx, subject)
        if again is None:
            return readings.gone(kinds.DELETED, before)
        return readings.campaign_reading(again.row, suspended_by=carriers)

    async def _still_true(self, subject: str, said: Said) -> Said:
        """Return what an update says, without a dormancy that is over: a number was assigned since."""
        if said.meaning == "dormant" and said.at is not None and await self._has_new_numbers(subject, said.at):
            return replace(said, meaning="")
        return said

    async def _has_new_numbers(self, campaign_id: str, since: float) -> bool:
        asked = self.telnyx.messaging_10dlc.phone_number_campaigns.list(filter={"telnyx_campaign_id": campaign_id})
        async for each in rows_of(asked, "numbers of a campaign"):
            assigned_at = read_time(each.updated_at or each.created_at)
            if each.assignment_status == "ASSIGNED" and assigned_at and assigned_at.timestamp() > since:
                return True
        return False

    async def _follow_number(self, number: str, said: Said) -> list[Change]:
        followed = kinds.followed(self.store, kinds.NUMBER)
        subject, is_news = await self._subject_of_number(number), await self._account_known()

        async def read() -> Reading:
            before = await followed.last_known(subject)
            row = await readings.find_number(self.telnyx, number)
            reading = readings.gone(kinds.UNASSIGNED, before) if row is None else readings.number_reading(row)
            named = with_number(reading, number, subject, self.store.encryption, before)
            reading = readings.overlaid(named, before, said.about(kinds.NUMBER))
            return readings.as_news(reading) if is_news else reading

        return await followed.raise_changes(subject, read)

    async def _subject_of_number(self, number: str) -> str:
        for each in digests_of(number, self.store.encryption):
            if await snapshot(self.store, kinds.NUMBER, each) is not None:
                return each
        return digests_of(number, self.store.encryption)[0]

    async def _learn_numbers(
        self, watched: Collection[str], brands: list[Any], *, is_news: bool
    ) -> list[tuple[kinds.Kind, str]]:
        """Learn all numbers and campaigns from their lists. Return those that have to be read one by one."""
        numbers = await all_known(self.store, kinds.NUMBER)
        campaigns = await all_known(self.store, kinds.CAMPAIGN)
        listed, busy = dict[str, Reading](), set[str]()
        api = self.telnyx.messaging_10dlc.phone_number_campaigns
        async for row in rows_of(api.list(records_per_page=PAGE), "numbers of campaigns"):
            forms = digests_of(row.phone_number, self.store.encryption)
            subject = next((each for each in forms if each in numbers), forms[0])
            reading = readings.number_reading(row)
            busy |= {str(reading.about.get("campaign"))} if row.phone_number in watched else set()
            before = Known.parse(numbers[subject]) if subject in numbers else None
            listed[subject] = with_number(reading, row.phone_number, subject, self.store.encryption, before)
        await self._learn(kinds.NUMBER, numbers, listed, is_news=is_news)
        lost = [
            number_of(subject, Known.parse(numbers[subject]), self.store.encryption)
            for subject in missing(numbers, listed)
        ]
        more = await self._learn_campaigns(campaigns, busy, brands, is_news=is_news)
        return [*((kinds.NUMBER, each) for each in lost if each), *more]

    async def _learn_campaigns(
        self, stored: Mapping[str, bytes], busy: Collection[str], brands: list[Any], *, is_news: bool
    ) -> list[tuple[kinds.Kind, str]]:
        listed = {each.id: readings.campaign_reading(each.row) async for each in self._campaigns(brands)}
        # The list does not show all about these.
        alone = {name for name, value in stored.items() if Known.parse(value).status in _ALONE and name in listed}
        alone |= {name for name in busy if name in listed}
        shown = {name: listed[name] for name in listed if name not in alone}
        await self._learn(kinds.CAMPAIGN, stored, shown, is_news=is_news)
        return [(kinds.CAMPAIGN, each) for each in (*sorted(alone), *missing(stored, listed))]

    async def _learn_brands(
        self, stored: Mapping[str, bytes], brands: list[Any], *, is_news: bool
    ) -> list[tuple[kinds.Kind, str]]:
        listed = {each.brand_id: readings.brand_reading(each) for each in brands}
        await self._learn(kinds.BRAND, stored, listed, is_news=is_news)
        return [(kinds.BRAND, each) for each in missing(stored, listed)]

    async def _learn(
        self, kind: kinds.Kind, stored: Mapping[str, bytes], listed: Mapping[str, Reading], *, is_news: bool
    ) -> None:
        followed = kinds.followed(self.store, kind)
        for subject, row in listed.items():
            before = stored.get(subject)
            reading = readings.overlaid(row, Known.parse(before) if before else None, NOTHING)
            # Where another process has learnt of it since, its reading is at least as new.
            await followed.learn(subject, before, readings.as_news(reading) if is_news else reading)

    async def _campaigns(self, brands: list[Any]) -> AsyncIterator[readings.Campaign]:
        """Yield all campaigns of all brands, and those that others share with the account."""
        ten_dlc = self.telnyx.messaging_10dlc
        # The count has Telnyx's spelling. Where it is missing, the campaigns are asked for.
        for brand in (each for each in brands if each.assigned_campaings_count != 0):
            asked = ten_dlc.campaign.list(brand_id=brand.brand_id, records_per_page=PAGE)
            async for row in rows_of(asked, "campaigns of a brand"):
                if row.campaign_id:
                    yield readings.Campaign(row.campaign_id, row)
        async for row in rows_of(ten_dlc.partner_campaigns.list(records_per_page=PAGE), "shared campaigns"):
            yield readings.Campaign(row.tcr_campaign_id, row)


_ALONE = frozenset({kinds.SUSPENDED, kinds.DORMANT})


def share(listed: list[T], turn: int) -> list[T]:
    """Return all of a short list. Of a long one, return the share of this turn."""
    begin = turn * MOST_AT_ONCE % max(1, len(listed))
    return (listed[begin:] + listed[:begin])[:MOST_AT_ONCE]


def missing(stored: Mapping[str, bytes], listed: Collection[str]) -> list[str]:
    """Return what is known and not listed, unless that is known too."""
    ended = {kinds.DELETED, kinds.UNASSIGNED}
    return [name for name, value in stored.items() if name not in listed and Known.parse(value).status not in ended]


def digests_of(number: str, encryption: Sealer) -> tuple[str, ...]:
    """Return the digests that stand for a number, the one that is stored today first."""
    return tuple(each.hex() for each in encryption.briefs(number.encode(), SUBJECT_BYTES))


def with_number(reading: Reading, number: str, subject: str, encryption: Sealer, before: Known | None) -> Reading:
    """Return a reading with the number in its details, and sealed in what is remembered."""
    # A second seal of the same number would look like a change.
    sealed = before.about.get("number") if before is not None else None
    sealed = sealed or encryption.seal_text(number, place_of(kinds.NUMBER, subject, "number"))
    about = {**reading.about, "number": sealed}
    return replace(reading, details={**reading.details, "phone_number": number}, about=about)


def number_of(subject: str, known: Known, encryption: Sealer) -> str:
    """Return the number that a digest stands for, or an empty text where its key is missing."""
    sealed = known.about.get("number") or ""
    opened = encryption.open_text(sealed, place_of(kinds.NUMBER, subject, "number"))
    return opened if opened.startswith("+") else ""
