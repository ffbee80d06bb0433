"""The digests by which an event is found: of its type and of the numbers in its body, four bytes each."""

import hashlib
from functools import lru_cache

from service.security.encryption import Sealer
from service.security.number_digests import DIGEST_BYTES, digests


@lru_cache(maxsize=1024)
def type_digest(event_type: str) -> bytes:
    """The digest of an event type."""
    return hashlib.blake2b(event_type.encode(), digest_size=DIGEST_BYTES).digest()


def index_terms(event_type: str, body: bytes, sealer: Sealer) -> bytes:
    """All digests of an event, that of its type first."""
    return type_digest(event_type) + digests(body, sealer)
