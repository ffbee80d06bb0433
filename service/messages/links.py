"""Links in texts: public shorteners, which carriers block, unless they are domains of the account."""

import re
from collections.abc import Collection
from urllib.parse import urlsplit

from redis.asyncio import Redis
from telnyx import APIError, AsyncTelnyx

from service.outbound.list_pages import ListDoesNotEnd, rows_of
from service.store.facts.url_domains import known_url_domains, remember_url_domains
from service.store.keys import Keys

_SHARED = """
adf.ly alturl.com app.link bc.vc bit.do bit.ly bitly.com bitly.ws bl.ink budurl.com buff.ly clck.ru clicky.me cutt.ly
dlvr.it fb.me goo.gl goo.su is.gd kutt.it lc.chat linki.la lnkd.in mcaf.ee minm.xyz ow.ly qr.ae qrco.de rb.gy rebrand.ly
reurl.cc rotf.lol s.id s2r.co shorturl.at shrtco.de snip.ly soo.gd surl.li t.co t.ly t2m.io tiny.cc tiny.one tinyurl.com
trib.al u.to urlz.fr v.gd vurl.com x.co
"""
PUBLIC_SHORTENERS = frozenset(_SHARED.split())
"""Shorteners that everybody may use: US carriers block them, and ask for a domain of one's own (T-Mobile's code of
conduct)."""

_LINK = re.compile(
    r"(?:https?://|(?<![\w/.@-]))((?:[a-z0-9-]+\.)+[a-z]{2,24})(?=[/:?#\s]|[.,;!)]*(?:\s|$)|\"|')", re.IGNORECASE
)
_PAGE = 250


def public_shorteners(text: str, own_domains: Collection[str] = ()) -> tuple[str, ...]:
    """The public shorteners that a text links to, each once, without those that are domains of the account."""
    own = {domain.lower().removeprefix("www.") for domain in own_domains}
    hosts = (host.lower().removeprefix("www.") for host in _LINK.findall(text))
    return tuple(dict.fromkeys(host for host in hosts if host in PUBLIC_SHORTENERS and host not in own))


async def shorteners_to_warn_of(text: str, telnyx: AsyncTelnyx, redis: "Redis", keys: Keys) -> tuple[str, ...]:
    """The public shorteners in a text that are no domain of the account (`GET /messaging_url_domains`).

    Telnyx is asked only where there is one, and at most once an hour; where it cannot tell, all of them are answered:
    this is about a warning, which must not keep a message from going out.
    """
    if not public_shorteners(text):
        return ()
    own = await known_url_domains(redis, keys)
    if own is None:
        try:
            own = await _account_domains(telnyx)
        except (APIError, ListDoesNotEnd):
            return public_shorteners(text)
        await remember_url_domains(redis, keys, own)
    return public_shorteners(text, own)


async def _account_domains(telnyx: AsyncTelnyx) -> frozenset[str]:
    domains = rows_of(telnyx.messaging_url_domains.list(page_size=_PAGE), "URL domains")
    return frozenset([_host(domain.url_domain) async for domain in domains if domain.url_domain])


def _host(domain: str) -> str:
    return urlsplit(domain if "//" in domain else f"//{domain}").hostname or domain
