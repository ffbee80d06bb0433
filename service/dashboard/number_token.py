"""Tokens that stand for numbers in URLs. A token begins with a keyed digest of its number, which seals the rest.

The same number has the same token, so that its page can be kept as a bookmark. Only the deployment's secret opens it:
no store of numbers is needed, and nothing has to be erased.
"""

import base64
import binascii
import hashlib

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox


def token_of(number: str, secret: bytes) -> str:
    """Return the token of a number."""
    digest = hashlib.blake2b(number.encode(), key=secret, digest_size=SecretBox.NONCE_SIZE, person=b"token").digest()
    return base64.urlsafe_b64encode(_box(secret).encrypt(number.encode(), digest)).decode().rstrip("=")


def number_of(token: str, secret: bytes) -> str | None:
    """Return the number that a token stands for, None where it is no token of this deployment."""
    try:
        sealed = base64.b64decode(token.encode() + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
        return _box(secret).decrypt(sealed).decode()
    except (binascii.Error, ValueError, CryptoError):
        return None


def _box(secret: bytes) -> SecretBox:
    return SecretBox(hashlib.blake2b(secret, digest_size=SecretBox.KEY_SIZE, person=b"box").digest())
