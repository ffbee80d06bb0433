"""The refusals of Telnyx that concern the account: they park work until a person acts. See `account_blocks.toml`."""

import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal


@dataclass(frozen=True, slots=True)
class AccountBlock:
    """A refusal with this `status` and `code` (None: any), and the calls that it parks.

    `kind` is the reason of parked handlers. `advice` tells a person what to do.
    """

    kind: str
    concerns: Literal["every call", "sends by that path", "sends of that messaging profile", "sends of that number"]
    advice: str
    status: int | None = None
    code: str | None = None

    def explains(self, status: int, codes: Collection[str], *, is_send: bool) -> bool:
        """Return whether an answer is this refusal."""
        fits = self.status in (None, status) and (self.code is None or self.code in codes)
        return fits and (is_send or self.concerns not in ("sends by that path", "sends of that number"))


_BLOCKS = tomllib.loads((files(__package__) / "account_blocks.toml").read_text("utf-8"))
ACCOUNT_BLOCKS = tuple(AccountBlock(**each) for each in _BLOCKS["block"])


def account_reason(status: int, codes: Collection[str], *, is_send: bool) -> str | None:
    """Return the kind of the block that an answer opens, if any."""
    found = [each for each in ACCOUNT_BLOCKS if each.explains(status, codes, is_send=is_send)]
    # A code that is documented for any status says more than one that depends on the status.
    return min(found, key=lambda each: each.status is not None).kind if found else None
