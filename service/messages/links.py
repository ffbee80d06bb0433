"""Warnings of links by public shorteners, which carriers block, unless they are domains of the account."""

from functools import partial
from urllib.parse import urlsplit

from telnyx import APIError, AsyncTelnyx

from service.messages.sms_text import public_shorteners
from service.outbound.list_pages import ListDoesNotEnd, rows_of
from service.store.facts.remembered import known_or_asked
from service.store.store import Store

_PAGE = 250


async def shorteners_to_warn_of(text: str, telnyx: AsyncTelnyx, store: Store) -> tuple[str, ...]:
    """Return the public shorteners in a text that are no domain of the account (`GET /messaging_url_domains`).

    Telnyx is asked only where there is one, and at most once an hour. Where it cannot tell, all of them are returned.
    A warning must not keep a message from going out.
    """
    if not public_shorteners(text):
        return ()
    try:
        own = await known_or_asked(store, store.keys.url_domains, partial(_account_domains, telnyx))
    except (APIError, ListDoesNotEnd):
        return public_shorteners(text)
    return public_shorteners(text, own)


async def _account_domains(telnyx: AsyncTelnyx) -> frozenset[str]:
    domains = rows_of(telnyx.messaging_url_domains.list(page_size=_PAGE), "URL domains")
    return frozenset([_host(domain.url_domain) async for domain in domains if domain.url_domain])


def _host(domain: str) -> str:
    return urlsplit(domain if "//" in domain else f"//{domain}").hostname or domain
