"""A password in a file, read again for each new connection. So it can be replaced without a restart."""

from dataclasses import dataclass
from pathlib import Path

from redis.credentials import CredentialProvider
from redis.exceptions import ConnectionError


@dataclass(frozen=True)
class PasswordFile(CredentialProvider):
    """The login of a user whose password is the content of a file, without white space at its ends."""

    path: Path
    username: str | None = None

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """Return the words of AUTH.

        Raises:
            redis.exceptions.ConnectionError: the file holds no password now, perhaps since it is being replaced.
        """
        password = _read(self.path)
        if not password:
            raise ConnectionError("password_file holds no password")
        return (self.username, password) if self.username else (password,)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        """Return the same for a task."""
        return self.get_credentials()


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, ValueError):
        return ""
