"""The text of an SMS: RCS content made readable, its segments, and links that carriers block.

Pure. Field names are those of `agent_message.content_message` (OpenAPI `RCSContentMessage`). Parts without the
published shape are left out rather than refused. Half a message is better than none. An empty text says that nothing
could be read.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

_WEB = ("https://", "http://")


def readable(content: Mapping[str, Any], *, pictures: bool = True) -> str:
    """Return an RCS message as plain text: cards, carousels and files, with the links and numbers of suggestions.

    `content` is a `content_message`, or the `body` of an RCS message in an event or in the answer of
    `GET /messages/{id}`. A whole `agent_message` is unwrapped. Suggested replies are left out, since an SMS has nothing
    to tap. Without `pictures`, the links to the media of cards that say something else are left out too.

    Answers `''` where nothing can be said.
    """
    inner = content.get("content_message")
    content = inner if isinstance(inner, Mapping) else content
    blocks = [
        [_text(content.get("text"))],
        *(_card(card, pictures=pictures) for card in _cards(_mapping(content.get("rich_card")))),
        [_file(content.get("content_info"))],
        list(_suggestions(content)),
    ]
    texts = [dict.fromkeys(filter(None, block)) for block in blocks]
    return "\n\n".join("\n".join(lines) for lines in texts if lines)


def _cards(rich_card: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    standalone = _mapping(_mapping(rich_card.get("standalone_card")).get("card_content"))
    carousel = _mappings(_mapping(rich_card.get("carousel_card")).get("card_contents"))
    return [card for card in (standalone, *carousel) if card]


def _card(card: Mapping[str, Any], *, pictures: bool) -> list[str]:
    said = [_text(card.get("title")), _text(card.get("description")), *_suggestions(card)]
    media = _file(_mapping(card.get("media")).get("content_info"))
    return [*said[:2], media, *said[2:]] if pictures or not any(said) else said


def _file(content_info: object) -> str:
    return _text(_mapping(content_info).get("file_url"))


def _suggestions(owner: Mapping[str, Any]) -> Iterator[str]:
    """Yield a text such as `Book a table: https://diner.example/book` for each suggested action with a target."""
    for suggestion in _mappings(owner.get("suggestions")):
        action = _mapping(suggestion.get("action"))
        label, target = _text(action.get("text")), _target(action)
        if target:
            yield f"{label}: {target}" if label else target


def _target(action: Mapping[str, Any]) -> str:
    """Return the target of an action: a number, a link, a place, or its `fallback_url`."""
    number = _text(_mapping(action.get("dial_action")).get("phone_number"))
    url = _text(_mapping(action.get("open_url_action")).get("url"))
    fallback_url = _text(action.get("fallback_url"))
    web = url if url.lower().startswith(_WEB) else ""
    return number or web or fallback_url or url or _place(_mapping(action.get("view_location_action")))


def _place(location: Mapping[str, Any]) -> str:
    named = ", ".join(name for name in (_text(location.get("label")), _text(location.get("query"))) if name)
    point = _mapping(location.get("lat_long"))
    latitude, longitude = point.get("latitude"), point.get("longitude")
    if named or not isinstance(latitude, int | float) or not isinstance(longitude, int | float):
        return named
    return f"{latitude}, {longitude}"


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list | tuple) else []


_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")


def is_gsm7(text: str) -> bool:
    """Return whether every character is in the GSM 03.38 alphabet or its extension."""
    return all(character in _BASIC or character in _EXTENSION for character in text)


def segments(text: str, *, gsm7: bool | None = None) -> int:
    """Return the number of segments that carriers charge for, or 0 for no text. `gsm7` decides on the encoding."""
    if is_gsm7(text) if gsm7 is None else gsm7:
        return _count([2 if character in _EXTENSION else 1 for character in text], alone=160, part=153)
    return _count([2 if ord(character) > 0xFFFF else 1 for character in text], alone=70, part=67)


def _count(sizes: list[int], *, alone: int, part: int) -> int:
    if not sizes:
        return 0
    return 1 if sum(sizes) <= alone else _parts(sizes, part)


def _parts(sizes: Iterable[int], part: int) -> int:
    count, used = 1, 0
    for size in sizes:
        if used + size > part:
            count, used = count + 1, 0
        used += size
    return count


_SHARED = """
adf.ly alturl.com app.link bc.vc bit.do bit.ly bitly.com bitly.ws bl.ink budurl.com buff.ly clck.ru clicky.me cutt.ly
dlvr.it fb.me goo.gl goo.su is.gd kutt.it lc.chat linki.la lnkd.in mcaf.ee minm.xyz ow.ly qr.ae qrco.de rb.gy rebrand.ly
reurl.cc rotf.lol s.id s2r.co shorturl.at shrtco.de snip.ly soo.gd surl.li t.co t.ly t2m.io tiny.cc tiny.one tinyurl.com
trib.al u.to urlz.fr v.gd vurl.com x.co
"""
PUBLIC_SHORTENERS = frozenset(_SHARED.split())
"""Shorteners that everybody may use. US carriers block them, and ask for a domain of one's own.

Source: T-Mobile's code of conduct."""

_LINK = re.compile(
    r"(?:https?://|(?<![\w/.@-]))((?:[a-z0-9-]+\.)+[a-z]{2,24})(?=[/:?#\s]|[.,;!)]*(?:\s|$)|\"|')", re.IGNORECASE
)


def public_shorteners(text: str, own_domains: Collection[str] = ()) -> tuple[str, ...]:
    """Return the public shorteners that a text links to, each once, except domains of the account."""
    own = {domain.lower().removeprefix("www.") for domain in own_domains}
    hosts = (host.lower().removeprefix("www.") for host in _LINK.findall(text))
    return tuple(dict.fromkeys(host for host in hosts if host in PUBLIC_SHORTENERS and host not in own))
