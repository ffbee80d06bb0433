"""Sealing what is private before it is stored, and hiding numbers that things are kept under.

Pure. A `Sealer` holds the keys of `RINGBACK_ENCRYPTION_KEY`: the first seals and hides, all of them open and find. One
without keys stores everything as it is. What is sealed begins with a mark that no JSON begins with, so that what was
stored before there was a key stays readable.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from nacl.exceptions import CryptoError
from nacl.secret import SecretBox

KEY_BYTES = SecretBox.KEY_SIZE

_MARK = b"\x01rb1"
_NAME_BYTES = 4
_HEAD = len(_MARK) + _NAME_BYTES
_TEXT_MARK = "sealed:"
_HIDDEN_MARK = "h:"
_HIDDEN_BYTES = 16


class Sealed(Exception):  # noqa: N818 - a state
    """No key at hand opens this; `key` is the name of the one that does."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"sealed under the encryption key {key}, which RINGBACK_ENCRYPTION_KEY does not hold: add it, after a comma"
        )
        self.key = key


@dataclass(frozen=True)
class EncryptionKey:
    """One key: 32 bytes, from which what hides numbers is derived; `name` tells keys apart and gives nothing away."""

    secret: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "EncryptionKey":
        """Read base64.

        Raises:
            ValueError: it is not that of 32 bytes.
        """
        try:
            secret = base64.b64decode(text.strip(), validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("each key must be base64 of 32 random bytes") from None
        if len(secret) != KEY_BYTES:
            raise ValueError(f"each key must be base64 of 32 random bytes, one has {len(secret)}")
        return cls(secret)

    @cached_property
    def name(self) -> str:
        """Eight hexadecimal digits."""
        return self._derive(b"ringback-name", _NAME_BYTES).hex()

    @cached_property
    def box(self) -> SecretBox:
        """What seals and opens."""
        return SecretBox(self.secret)

    @cached_property
    def prefix(self) -> bytes:
        """What everything begins with that this key has sealed."""
        return _MARK + bytes.fromhex(self.name)

    def hidden(self, text: str) -> str:
        """The keyed hash of a text, which bears the name of the key."""
        hashed = hashlib.blake2b(text.encode(), key=self._hiding, digest_size=_HIDDEN_BYTES)
        return f"{_HIDDEN_MARK}{self.name}:{hashed.hexdigest()}"

    def brief(self, content: bytes, size: int) -> bytes:
        """A keyed digest of `size` bytes."""
        return hashlib.blake2b(content, key=self._hiding, digest_size=size).digest()

    def nonce_for(self, content: bytes) -> bytes:
        """A nonce that no other content has: equal contents then look alike, and that is all that can be told."""
        return hashlib.blake2b(content, key=self._nonces, digest_size=SecretBox.NONCE_SIZE).digest()

    @cached_property
    def _hiding(self) -> bytes:
        return self._derive(b"ringback-hide", KEY_BYTES)

    @cached_property
    def _nonces(self) -> bytes:
        return self._derive(b"ringback-nonce", KEY_BYTES)

    def _derive(self, purpose: bytes, size: int) -> bytes:
        return hashlib.blake2b(key=self.secret, person=purpose, digest_size=size).digest()


@dataclass(frozen=True)
class Sealer:
    """Seals and hides under its first key, opens and finds under all."""

    keys: tuple[EncryptionKey, ...] = ()

    @property
    def active(self) -> bool:
        """Whether there is a key."""
        return bool(self.keys)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the keys, the first one's first."""
        return tuple(each.name for each in self.keys)

    def seal(self, content: bytes) -> bytes:
        """What to store in the place of `content`."""
        if not self.keys:
            return content
        key = self.keys[0]
        return key.prefix + bytes(key.box.encrypt(content))

    def seal_alike(self, content: bytes) -> bytes:
        """Like `seal`, but equal contents are stored alike, so that they can be counted."""
        if not self.keys:
            return content
        key = self.keys[0]
        return key.prefix + bytes(key.box.encrypt(content, key.nonce_for(content)))

    def open(self, stored: bytes) -> bytes:
        """What was sealed; what never was comes back as it is.

        Raises:
            Sealed: none of the keys opens it.
        """
        if not stored.startswith(_MARK):
            return stored
        for key in self.keys:
            if stored.startswith(key.prefix):
                try:
                    return key.box.decrypt(stored[_HEAD:])
                except CryptoError:
                    continue
        raise Sealed(stored[len(_MARK) : _HEAD].hex())

    def seal_text(self, text: str) -> str:
        """What to store in the place of a text; one that is sealed already stays as it is."""
        if not self.keys or not text or text.startswith(_TEXT_MARK):
            return text
        return _TEXT_MARK + base64.b64encode(self.seal(text.encode())).decode()

    def open_text(self, stored: str) -> str:
        """A text that was stored; one that none of the keys opens comes back sealed, as it is."""
        if not stored.startswith(_TEXT_MARK):
            return stored
        try:
            return self.open(base64.b64decode(stored.removeprefix(_TEXT_MARK), validate=True)).decode()
        except (Sealed, ValueError):
            return stored

    def hide(self, text: str) -> str:
        """What to keep something under in the place of a number."""
        return self.keys[0].hidden(text) if self.keys else text

    def briefs(self, content: bytes, size: int) -> tuple[bytes, ...]:
        """All digests of `size` bytes to find something by: that of today first, the one without a key last."""
        plain = hashlib.blake2b(content, digest_size=size).digest()
        return (*(key.brief(content, size) for key in self.keys), plain)

    def brief(self, content: bytes, size: int) -> bytes:
        """The digest of `size` bytes that something is to be found by."""
        if self.keys:
            return self.keys[0].brief(content, size)
        return hashlib.blake2b(content, digest_size=size).digest()

    def forms(self, text: str) -> tuple[str, ...]:
        """All that something about a number may be kept under: that of today first, the number itself last."""
        return (*(key.hidden(text) for key in self.keys), text)


def key_of_form(form: str) -> str | None:
    """The name of the key under which a number is hidden; None where it is not."""
    mark, name, *rest = form.split(":") if form.startswith(_HIDDEN_MARK) else ("", "")
    return name if mark and len(name) == 2 * _NAME_BYTES and len(rest) == 1 else None


def parse_keys(text: str) -> tuple[EncryptionKey, ...]:
    """Read one key or several, with commas between them.

    Raises:
        ValueError: one does not fit.
    """
    return tuple(EncryptionKey.parse(entry) for entry in text.split(","))


@lru_cache(maxsize=16)
def sealer_of(text: str | None) -> Sealer:
    """The sealer of a setting; made once, since what is derived from its keys is then at hand."""
    return Sealer(() if text is None else parse_keys(text))


PLAIN = Sealer()
"""Stores everything as it is."""
