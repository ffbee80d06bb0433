"""The development key: lets `ringback trigger` sign for a Ringback on this machine, and nobody outside it."""

import base64
import os
from collections.abc import Sequence
from pathlib import Path

from nacl.signing import SigningKey

from service.processes.loopback import is_loopback
from service.security.private_files import Exposed, require_private
from service.security.telnyx_signature import PublicKey, public_key_text
from service.settings import InvalidSettings, Settings

_FILE = "development.key"


def make_key(settings: Settings) -> SigningKey:
    """Return the key in the data folder. Make one if there is none.

    Raises:
        InvalidSettings: Ringback is bound to more than loopback, where others could use such a key.
    """
    if not is_loopback(settings.host):
        raise InvalidSettings(f"--dev works on loopback only, and RINGBACK_HOST is {settings.host}: unset one of them")
    path = key_file(settings)
    if not path.exists():
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(bytes(SigningKey.generate())))
    return _read(path)


def known_key(settings: Settings) -> SigningKey:
    """Return the key that `ringback up --dev` has made.

    Raises:
        InvalidSettings: there is none.
    """
    path = key_file(settings)
    if not path.exists():
        raise InvalidSettings(f"there is no development key in {settings.data}: start `ringback up --dev` there first")
    return _read(path)


def development_key_in(settings: Settings, keys: Sequence[PublicKey]) -> PublicKey | None:
    """Return the one among these public keys that is the development key, None where it is not in force."""
    if not os.path.exists(key_file(settings)):
        return None
    own = bytes(known_key(settings).verify_key)
    return next((key for key in keys if key.raw == own), None)


def key_file(settings: Settings) -> Path:
    """Return the path of the key."""
    return settings.data / _FILE


def refuse_public_development_key(settings: Settings) -> None:
    """Refuse the development key beyond loopback, also where its public half was copied into `TELNYX_PUBLIC_KEY`.

    Raises:
        InvalidSettings: Ringback listens beyond loopback and takes the key in `RINGBACK_DATA`.
    """
    if is_loopback(settings.host) or settings.public_key is None or not os.path.exists(key_file(settings)):
        return
    if public_key_text(known_key(settings)) in settings.public_key.split(","):
        raise InvalidSettings(
            f"TELNYX_PUBLIC_KEY holds the development key of {key_file(settings)}, and RINGBACK_HOST is"
            f" {settings.host}. Copy the account's key from Mission Control, Keys & Credentials, Public Key"
        )


def _read(path: Path) -> SigningKey:
    try:
        require_private(path.parent)
        require_private(path, secret=True)
    except Exposed as error:
        raise InvalidSettings(f"RINGBACK_DATA: {error}") from None
    try:
        return SigningKey(base64.b64decode(path.read_bytes(), validate=True))
    except (OSError, ValueError) as error:
        raise InvalidSettings(
            f"{path} holds no key that can be read ({type(error).__name__}): remove it, then start `ringback up --dev`"
        ) from None
