"""The development key: lets `ringback trigger` sign for a Ringback on this machine, and nobody outside it."""

import base64
import os

from nacl.signing import SigningKey

from service.loopback import is_loopback
from service.settings import InvalidSettings, Settings

_FILE = "development.key"


def make_key(settings: Settings) -> SigningKey:
    """The key in the data folder, made if there is none.

    Raises:
        InvalidSettings: Ringback is bound to more than loopback, where such a key would let strangers in.
    """
    if not is_loopback(settings.host):
        raise InvalidSettings(f"--dev works on loopback only, and RINGBACK_HOST is {settings.host}: unset one of them")
    path = settings.data / _FILE
    if not path.exists():
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(bytes(SigningKey.generate())))
    return SigningKey(base64.b64decode(path.read_bytes()))


def known_key(settings: Settings) -> SigningKey:
    """The key that `ringback up --dev` has made.

    Raises:
        InvalidSettings: there is none.
    """
    path = settings.data / _FILE
    if not path.exists():
        raise InvalidSettings(f"there is no development key in {settings.data}: start `ringback up --dev` there first")
    return SigningKey(base64.b64decode(path.read_bytes()))
