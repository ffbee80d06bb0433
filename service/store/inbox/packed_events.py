"""Packing: one event is one argument of a script (see `lua/lib/packed_event.lua`)."""

from collections.abc import Mapping
from typing import Any

import orjson

LENGTH_BYTES = 4


def pack(
    identity: str, event_type: str, arrived_by: str, *, terms: bytes, more: Mapping[str, Any], body: bytes
) -> bytes:
    """Return one argument that holds an event, with its index terms, values for JSON and a (sealed) body."""
    parts = (identity.encode(), event_type.encode(), arrived_by.encode(), terms, orjson.dumps(more) if more else b"")
    return b"".join([piece for part in parts for piece in (len(part).to_bytes(LENGTH_BYTES), part)]) + body


def identity_of(packed: bytes) -> str:
    """Return the identity of a packed event."""
    return packed[LENGTH_BYTES : LENGTH_BYTES + int.from_bytes(packed[:LENGTH_BYTES])].decode()
