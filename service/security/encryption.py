"""Encryption of private values before they are stored, and keyed hashes of numbers in keys and fields.

Pure. A `Sealer` holds the keys of `RINGBACK_ENCRYPTION_KEY`: the first seals and hides, all of them open and find. One
without keys stores everything in the clear.

A mark at the beginning of a stored value says whether it is sealed or hidden. Foreign text that begins with such a mark
gets another one, and cannot pass for sealed. Numbers always have one: `p:` plain, `h:` hidden.

A sealed value is bound to its place (`place_of`): moved to another record or field, it does not open.
"""

import base64
import hashlib
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from nacl import bindings
from nacl.exceptions import CryptoError
from nacl.utils import random

KEY_BYTES = bindings.crypto_aead_xchacha20poly1305_ietf_KEYBYTES

_MARK = b"\x01"
_CLEAR_MARK = b"\x02"
_NONCE_BYTES = bindings.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
_NAME_BYTES = 4
_NONCE_AT = len(_MARK) + _NAME_BYTES
_SEALED_AT = _NONCE_AT + _NONCE_BYTES
_TAG_BYTES = bindings.crypto_aead_xchacha20poly1305_ietf_ABYTES
_TEXT_MARK = "sealed:"
_CLEAR_TEXT_MARK = "clear:"
_HIDDEN_MARK = "h:"
_PLAIN_MARK = "p:"
_HIDDEN_BYTES = 16


class MissingEncryptionKey(Exception):
    """No present key opens this. `key` is the name of the one that does."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"sealed under the encryption key {key}, which RINGBACK_ENCRYPTION_KEY does not hold: add it, after a comma"
        )
        self.key = key


class SealDamaged(Exception):
    """The key is at hand and does not open this: it was altered, or belongs to another record or field."""

    def __init__(self) -> None:
        super().__init__("its seal is damaged: it was altered, or belongs to another record")


class UnopenedText(str):
    """Words in place of a text that could not be opened. `stored` is the sealed text."""

    __slots__ = ("stored",)

    stored: str

    @classmethod
    def of(cls, stored: str, why: Exception) -> "UnopenedText":
        """Return the words for `stored`, which could not be opened because of `why`."""
        text = cls(f"({why})")
        text.stored = stored
        return text


class Form(str):
    """The name that stands for a number or a digest in Redis, marked plain or hidden (`Sealer.forms`)."""

    __slots__ = ()

    @property
    def key(self) -> str | None:
        """The name of the key that it is hidden under, or None."""
        return self.split(":")[1] if self.startswith(_HIDDEN_MARK) else None

    @property
    def plain(self) -> str | None:
        """The text itself. None if it is hidden, or if this is no form."""
        return self[len(_PLAIN_MARK) :] if self.startswith(_PLAIN_MARK) else None


def place_of(kind: str, name: str, field_name: str) -> bytes:
    """Return the place to which a sealed value is bound: kind and name of its record, and its field."""
    return f"{kind}:{len(name)}:{name}:{field_name}".encode()


@dataclass(frozen=True)
class EncryptionKey:
    """One key: 32 bytes, from which the key of the hashes is derived. `name` is a public identifier."""

    secret: bytes = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "EncryptionKey":
        """Read base64.

        Raises:
            ValueError: it is not that of 32 bytes.
        """
        try:
            secret = base64.b64decode(text.strip(), validate=True)
        except ValueError:
            raise ValueError("each key must be base64 of 32 random bytes") from None
        if len(secret) != KEY_BYTES:
            raise ValueError(f"each key must be base64 of 32 random bytes, one has {len(secret)}")
        return cls(secret)

    @cached_property
    def name(self) -> str:
        """Eight hexadecimal digits."""
        return self._derive(b"ringback-name", _NAME_BYTES).hex()

    def seal(self, content: bytes, place: bytes, nonce: bytes) -> bytes:
        """Return the content sealed for its place."""
        sealed = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(content, place, nonce, self._sealing)
        return self.prefix + nonce + sealed

    def open(self, stored: bytes, place: bytes) -> bytes:
        """Return the content of what `seal` returned.

        Raises:
            nacl.exceptions.CryptoError: it was altered, or sealed for another place.
        """
        nonce, sealed = stored[_NONCE_AT:_SEALED_AT], stored[_SEALED_AT:]
        if len(sealed) < _TAG_BYTES:
            raise CryptoError("cut short")
        return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, place, nonce, self._sealing)

    @cached_property
    def prefix(self) -> bytes:
        """The beginning of every text that this key has sealed."""
        return _MARK + bytes.fromhex(self.name)

    def hidden(self, text: str) -> Form:
        """Return the keyed hash of a text, with the name of the key."""
        hashed = hashlib.blake2b(text.encode(), key=self._hiding, digest_size=_HIDDEN_BYTES)
        return Form(f"{_HIDDEN_MARK}{self.name}:{hashed.hexdigest()}")

    def brief(self, content: bytes, size: int) -> bytes:
        """Return a keyed digest of `size` bytes."""
        return hashlib.blake2b(content, key=self._hiding, digest_size=size).digest()

    def nonce_for(self, content: bytes) -> bytes:
        """Derive a nonce from the content. Equal contents look alike, and nothing else is revealed."""
        return hashlib.blake2b(content, key=self._nonces, digest_size=_NONCE_BYTES).digest()

    @cached_property
    def _hiding(self) -> bytes:
        return self._derive(b"ringback-hide", KEY_BYTES)

    @cached_property
    def _sealing(self) -> bytes:
        return self._derive(b"ringback-seal", KEY_BYTES)

    @cached_property
    def _nonces(self) -> bytes:
        return self._derive(b"ringback-nonce", KEY_BYTES)

    def _derive(self, purpose: bytes, size: int) -> bytes:
        return hashlib.blake2b(key=self.secret, person=purpose, digest_size=size).digest()


@dataclass(frozen=True)
class Sealer:
    """Keys: the first one seals and hides, and all open and find."""

    keys: tuple[EncryptionKey, ...] = ()

    @property
    def active(self) -> bool:
        """Whether there is a key."""
        return bool(self.keys)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the keys, the first one's first."""
        return tuple(each.name for each in self.keys)

    def seal(self, content: bytes, place: bytes) -> bytes:
        """Return `content` in its stored form, bound to its place."""
        if not self.keys:
            return _CLEAR_MARK + content if content[:1] in (_MARK, _CLEAR_MARK) else content
        return self.keys[0].seal(content, place, random(_NONCE_BYTES))

    def seal_alike(self, content: bytes, place: bytes) -> bytes:
        """Seal so that equal contents of one place are stored alike and can be counted."""
        if not self.keys:
            return self.seal(content, place)
        key = self.keys[0]
        return key.seal(content, place, key.nonce_for(place + b"\0" + content))

    def open(self, stored: bytes, place: bytes) -> bytes:
        """Return the content of what was stored, sealed or not.

        Raises:
            Sealed: the key that it is sealed under is not here.
            SealDamaged: the key is here, and does not open it in this place.
        """
        if not is_sealed(stored):
            return stored.removeprefix(_CLEAR_MARK)
        fitting = [key for key in self.keys if stored.startswith(key.prefix)]
        for key in fitting:
            with suppress(CryptoError):
                return key.open(stored, place)
        if fitting or len(stored) < _NONCE_AT:
            raise SealDamaged
        raise MissingEncryptionKey(stored[len(_MARK) : _NONCE_AT].hex())

    def seal_text(self, text: str, place: bytes) -> str:
        """Return a text in its stored form. One that could not be opened keeps that form."""
        if isinstance(text, UnopenedText):
            return text.stored
        if self.keys and text:
            return _TEXT_MARK + base64.b64encode(self.seal(text.encode(), place)).decode()
        return _CLEAR_TEXT_MARK + text if text.startswith((_TEXT_MARK, _CLEAR_TEXT_MARK)) else text

    def open_text(self, stored: str, place: bytes) -> str:
        """Return a text that was stored. One that cannot be opened comes back as `UnopenedText`."""
        if not stored.startswith(_TEXT_MARK):
            return stored.removeprefix(_CLEAR_TEXT_MARK)
        try:
            return self.open(_sealed_bytes(stored), place).decode()
        except (MissingEncryptionKey, SealDamaged) as why:
            return UnopenedText.of(stored, why)
        except UnicodeDecodeError:
            return UnopenedText.of(stored, SealDamaged())

    def hide(self, text: str) -> Form:
        """Return the form that replaces a number in keys and fields."""
        return self.keys[0].hidden(text) if self.keys else _plain(text)

    def briefs(self, content: bytes, size: int) -> tuple[bytes, ...]:
        """Return all digests of `size` bytes to search for: of the first key first, without a key last."""
        plain = hashlib.blake2b(content, digest_size=size).digest()
        return (*(key.brief(content, size) for key in self.keys), plain)

    def brief(self, content: bytes, size: int) -> bytes:
        """Return the digest of `size` bytes to store."""
        if self.keys:
            return self.keys[0].brief(content, size)
        return hashlib.blake2b(content, digest_size=size).digest()

    def forms(self, text: str) -> tuple[Form, ...]:
        """Return all forms of a number to search for: of the first key first, the number itself last."""
        return (*(key.hidden(text) for key in self.keys), _plain(text))


def is_sealed(stored: bytes) -> bool:
    """Return whether a stored value is sealed."""
    return stored.startswith(_MARK)


def _plain(text: str) -> Form:
    return Form(_PLAIN_MARK + text)


def _sealed_bytes(stored: str) -> bytes:
    try:
        sealed = base64.b64decode(stored.removeprefix(_TEXT_MARK), validate=True)
    except ValueError:
        raise SealDamaged from None
    if not is_sealed(sealed):
        raise SealDamaged
    return sealed


def parse_keys(text: str) -> tuple[EncryptionKey, ...]:
    """Read one key or several, with commas between them.

    Raises:
        ValueError: one does not fit.
    """
    return tuple(EncryptionKey.parse(entry) for entry in text.split(","))


@lru_cache(maxsize=16)
def sealer_of(text: str | None) -> Sealer:
    """Return the sealer of a setting. It is cached, because deriving its keys takes time."""
    return Sealer(() if text is None else parse_keys(text))


PLAIN = Sealer()
"""Stores everything unchanged."""
