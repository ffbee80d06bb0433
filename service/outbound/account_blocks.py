"""The refusals of Telnyx that concern the account: they park work until a person acts. Each is one row here."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

_RESUMES = "It is probed once a minute, and parked events resume afterwards"


@dataclass(frozen=True, slots=True)
class AccountBlock:
    """A refusal with this `status` and `code` (None: any), and the calls that it parks.

    `kind` is the reason of parked handlers. `advice` tells a person what to do.
    """

    kind: str
    status: int | None
    code: str | None
    concerns: Literal["every call", "sends by that path", "sends of that messaging profile"]
    advice: str

    def explains(self, status: int, codes: Collection[str], *, is_send: bool) -> bool:
        """Return whether an answer is this refusal."""
        fits = self.status in (None, status) and (self.code is None or self.code in codes)
        return fits and (is_send or self.concerns != "sends by that path")


ACCOUNT_BLOCKS = (
    AccountBlock(
        "credentials",
        401,
        None,
        "every call",
        "Telnyx refuses the API key (401): set TELNYX_API_KEY to a valid key and restart the worker. Parked events"
        " resume afterwards",
    ),
    AccountBlock(
        "permission",
        403,
        "10010",
        "sends by that path",
        "Telnyx does not let this account send here (403, 10010). Enable it in Mission Control or by Telnyx's support,"
        f" or use another key. {_RESUMES}",
    ),
    AccountBlock(
        "profile_disabled",
        None,
        "40312",
        "sends of that messaging profile",
        f"the messaging profile is disabled (40312): enable it in Mission Control, Messaging. {_RESUMES}",
    ),
    AccountBlock(
        "spending_limit",
        None,
        "40333",
        "sends of that messaging profile",
        "the spending limit of the messaging profile is reached (40333): raise it in Mission Control, or wait for its"
        f" reset. {_RESUMES}",
    ),
)
"""Source of the codes: knowledge base, messaging error code reference."""


def account_reason(status: int, codes: Collection[str], *, is_send: bool) -> str | None:
    """Return the kind of the block that an answer opens, if any."""
    found = [each for each in ACCOUNT_BLOCKS if each.explains(status, codes, is_send=is_send)]
    # A code that is documented for any status says more than one that depends on the status.
    return min(found, key=lambda each: each.status is not None).kind if found else None
