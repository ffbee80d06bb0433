"""The carriers of phones by one name each, since every list spells them in its own way. See `carriers.toml`."""

import re
import tomllib
from functools import lru_cache
from importlib.resources import files

_PATTERNS = {
    name: re.compile(pattern, re.IGNORECASE)
    for name, pattern in tomllib.loads((files(__package__) / "carriers.toml").read_text("utf-8")).items()
}


def carrier_name(listed: str) -> str:
    """Return the one name of a carrier. One that is not in the table has its listed name in small letters."""
    return carrier_of(listed) or " ".join(listed.casefold().split())


@lru_cache(maxsize=1000)
def carrier_of(listed: str | None) -> str | None:
    """Return the one name of a carrier, or None where it is unknown."""
    return next((name for name, pattern in _PATTERNS.items() if listed and pattern.search(listed)), None)
