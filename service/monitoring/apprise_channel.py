"""The services that `RINGBACK_NOTIFY` names, by Apprise (the extra `notify`)."""

import asyncio
import logging

import structlog
from apprise import Apprise, AppriseAsset
from apprise.plugins import NotifyBase

from service.settings import InvalidSettings

log = structlog.get_logger(__name__)

# At INFO and below it logs every delivery and, where one fails, its URL and answer. Failures are logged here.
logging.getLogger("apprise").setLevel(logging.CRITICAL)


class AppriseServices:
    """Apprise's services. Each gets a message separately, so that a failed one makes no other send it twice.

    Raises:
        InvalidSettings: an entry is no URL that Apprise knows.
    """

    def __init__(self, urls: str) -> None:
        services = Apprise(asset=AppriseAsset(app_id="Ringback", app_desc="Ringback", app_url=""))
        if not services.add(urls):
            raise InvalidSettings(
                "RINGBACK_NOTIFY: an entry is no URL that Apprise knows, such as slack://… or mailto://…"
                " (try it with `apprise --title test --body test URL`)"
            )
        self._services: list[NotifyBase] = list(services)

    async def tell(self, title: str, body: str) -> bool:
        """Send to every service, and return whether one took the message. Log the kinds of those that did not."""
        took = await asyncio.gather(*(each.async_notify(title=title, body=body) for each in self._services))
        for service, taken in zip(self._services, took, strict=True):
            if not taken:
                log.warning("a service took no notification", service=service.service_name)
        return any(took)
