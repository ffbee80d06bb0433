"""Countries that `ctx.reply` may go to. Anybody can write, and answers to some countries are expensive."""

import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from redis.exceptions import RedisError
from telnyx import AsyncTelnyx, NotFoundError

from service.events.event import InvalidBody
from service.events.message import read_message_status
from service.messages.reply_address import Address
from service.outbound.list_pages import ListDoesNotEnd, rows_of
from service.outbound.phone_numbers import country_of
from service.settings import Settings
from service.store.facts.remembered import has_sent_to, known_or_asked, note_sent
from service.store.inbox.accept import FROM_TELNYX
from service.store.inbox.leases import Lease
from service.store.store import Store

_PAGE = 250


@dataclass(frozen=True)
class ReplyCountries:
    """The countries that replies may go to."""

    telnyx: AsyncTelnyx
    store: Store
    settings: Settings

    async def is_abroad(self, address: Address) -> bool:
        """Return whether an answer may not go there: `RINGBACK_REPLY_COUNTRIES`, else the countries of our own numbers.

        Without that variable a region that we have sent to within the retention counts as ours.

        Raises:
            telnyx.APIError: Telnyx does not tell the numbers of the profile.
        """
        if address.channel == "WHATSAPP":
            return False
        region = country_of(address.to)
        if self.settings.reply_countries:
            return region not in self.settings.reply_countries
        home = country_of(address.sender) if address.sender.startswith("+") else None
        if region is None:
            return True
        if region == home or await has_sent_to(self.store, region, within=self.settings.retention):
            return False
        if home is not None or address.messaging_profile_id is None:
            return True
        profile = address.messaging_profile_id
        ask = partial(self._asked, profile)
        countries = await known_or_asked(self.store, self.store.keys.profile_countries(profile), ask)
        # Of a profile without numbers nobody can tell its country: the budget alone holds.
        return bool(countries) and region not in countries

    async def _asked(self, profile_id: str) -> frozenset[str]:
        """Ask Telnyx. Source: SDK 4.189, `messaging_profiles.list_phone_numbers` and `list_short_codes`."""
        profiles = self.telnyx.messaging_profiles
        try:
            numbers = rows_of(profiles.list_phone_numbers(profile_id, page_size=_PAGE), "numbers of a profile")
            found = {each.country_code async for each in numbers}
            codes = rows_of(profiles.list_short_codes(profile_id, page_size=_PAGE), "short codes of a profile")
            found |= {each.country_code async for each in codes}
        except (NotFoundError, ListDoesNotEnd):
            return frozenset()
        return frozenset(each.upper() for each in found if each)


REGIONS_NOTED = frozenset({"message.sent", "message.finalized"})
"""Types of the events that tell whom our own messages go to."""
_PAUSE = 3600.0
"""Seconds for which a process does not note a region again: the retention is many times as long."""
_noted: dict[tuple[str, str], float] = {}


async def note_regions_of(store: Store, lease: Lease) -> None:
    """Note the regions of the recipients of our own messages, where the body can be read."""
    if lease.record.type not in REGIONS_NOTED or lease.record.arrived_by not in FROM_TELNYX:
        return
    try:
        message = read_message_status(lease.record.type, lease.event.payload)
    except InvalidBody:
        return
    # WhatsApp answers go anywhere, so that they open no country for others.
    if message is None or not message.type:
        return
    countries = {country_of(each.number) for each in message.recipients if each.number is not None}
    now = time.monotonic()
    latest = {each: _noted.get((store.namespace, each)) for each in countries if each is not None}
    regions = [each for each, at in latest.items() if at is None or at < now - _PAUSE]
    # Where Redis cannot be reached, the next message notes them.
    with suppress(RedisError, OSError):
        await note_sent(store, regions)
        _noted.update({(store.namespace, each): now for each in regions})
