"""The limits of carriers and of Google on an RCS agent, which Telnyx's SDK does not document.

Sources: Google's reference of `brands.agents` (RCS for Business), and public requirements of carriers' partners. Names
have at most 40 characters, and descriptions 100. A logo has 224 x 224 pixels and 50 KB. A hero image has 1440 x 448
pixels and 200 KB. A colour has a contrast of 4.5 to white.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from service.outbound.tls import tls_context
from service.registrations.rcs_submission import RcsFile

LONGEST_NAME, LONGEST_DESCRIPTION = 40, 100
FEWEST_EXAMPLES = 3
"""Examples of messages in Telnyx's own samples of a launch."""
CONTRAST = 4.5
_RATIO_TOLERANCE = 0.01
_LARGEST_READ = 5_000_000
_WANTED = ("description", "brand_color", "logo_url", "hero_url", "privacy_policy_url", "terms_and_conditions_url")
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class ImageLimit:
    """The least size of an image in pixels, whose ratio it must have, and the most bytes."""

    width: int
    height: int
    most_bytes: int


IMAGES = {"logo_url": ImageLimit(224, 224, 50_000), "hero_url": ImageLimit(1440, 448, 200_000)}


def doubts(file: RcsFile) -> Iterator[tuple[str, str]]:
    """Yield the fields that a carrier may send back, each with the reason."""
    if file.agent is not None:
        basics = file.agent.basics
        if len(file.agent.display_name) > LONGEST_NAME:
            yield "agent.display_name", f"has more than {LONGEST_NAME} characters"
        if basics.description and len(basics.description) > LONGEST_DESCRIPTION:
            yield "agent.basics.description", f"has more than {LONGEST_DESCRIPTION} characters"
        if basics.brand_color and contrast_to_white(basics.brand_color) < CONTRAST:
            yield "agent.basics.brand_color", f"has a contrast to white below {CONTRAST}: take a darker colour"
        for each in _WANTED:
            if getattr(basics, each) is None:
                yield f"agent.basics.{each}", "is missing, and carriers ask for it"
    if file.campaign is not None and len(file.campaign.message_examples) < FEWEST_EXAMPLES:
        yield "campaign.message_examples", f"has fewer than {FEWEST_EXAMPLES} examples"


async def image_doubts(file: RcsFile) -> list[tuple[str, str]]:
    """Fetch the images of the agent. Return those that a carrier may send back, each with the reason."""
    basics = file.agent.basics if file.agent else None
    found = []
    async with httpx.AsyncClient(verify=tls_context(), timeout=10, follow_redirects=True) as client:
        for field, limit in IMAGES.items():
            url = getattr(basics, field, None)
            doubt = await _doubt(client, url, limit) if url else None
            if doubt:
                found.append((f"agent.basics.{field}", doubt))
    return found


def contrast_to_white(colour: str) -> float:
    """Return the contrast of a colour `#RRGGBB` to white, from 1 to 21. Source: WCAG 2.2, relative luminance."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts)
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


def image_size(content: bytes) -> tuple[int, int] | None:
    """Return width and height of a PNG or JPEG in pixels, or None for anything else."""
    if content.startswith(_PNG) and len(content) >= 24:
        width, height = struct.unpack(">II", content[16:24])
        return width, height
    place = 2 if content.startswith(_JPEG) else len(content)
    while place + 9 <= len(content):
        marker, length = content[place + 1], struct.unpack(">H", content[place + 2 : place + 4])[0]
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack(">HH", content[place + 5 : place + 9])
            return width, height
        place += 2 + length
    return None


async def _doubt(client: httpx.AsyncClient, url: str, limit: ImageLimit) -> str | None:
    try:
        content = await _fetch(client, url)
    except httpx.HTTPError as error:
        return f"cannot be fetched ({type(error).__name__})"
    size = image_size(content)
    if size is None:
        return "is neither PNG nor JPEG"
    width, height = size
    wanted = f"{limit.width} x {limit.height}"
    if width < limit.width or height < limit.height:
        return f"has {width} x {height} pixels, fewer than {wanted}"
    if abs(width * limit.height / (height * limit.width) - 1) > _RATIO_TOLERANCE:
        return f"has {width} x {height} pixels, another ratio than {wanted}"
    if len(content) > limit.most_bytes:
        return f"has more than {limit.most_bytes // 1000} KB"
    return None


async def _fetch(client: httpx.AsyncClient, url: str) -> bytes:
    content = bytearray()
    async with client.stream("GET", url) as response:
        response.raise_for_status()
        async for piece in response.aiter_bytes():
            content += piece
            if len(content) > _LARGEST_READ:
                break
    return bytes(content)
