"""Opt-outs: who said STOP to whom, and `GET /messaging_optouts`.

Source: Telnyx's pages on opt-in and opt-out: the block holds for one messaging profile, and START lifts it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from service.testing.simulator.api.api_error import refusal
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.filters import time_filter
from service.testing.simulator.api.pages import page
from service.testing.simulator.simulated_clock import iso

if TYPE_CHECKING:
    from service.testing.simulator.account import Account

_KEYWORDS = {
    "STOP": {"STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT"},
    "START": {"START", "UNSTOP"},
    "HELP": {"HELP", "INFO"},
}


def autoresponse_type(text: str) -> str | None:
    """`STOP`, `START` or `HELP` if the whole text is such a keyword, which Telnyx then answers itself."""
    said = text.strip().upper()
    return next((kind for kind, words in _KEYWORDS.items() if said in words), None)


@dataclass(frozen=True, slots=True)
class ReceivedOptOut:
    """One block: `to` opted out of messages from `sender`. Source: the SDK's `MessagingOptoutListResponse`."""

    sender: str
    to: str
    keyword: str
    messaging_profile_id: str
    created_at: float

    def as_json(self) -> dict[str, Any]:
        """The row as Telnyx shows it."""
        return {
            "from": self.sender,
            "to": self.to,
            "keyword": self.keyword,
            "messaging_profile_id": self.messaging_profile_id,
            "created_at": iso(self.created_at),
        }


class OptOuts:
    """The blocks in force, by messaging profile and number."""

    def __init__(self) -> None:
        self._opt_outs: dict[tuple[str, str], ReceivedOptOut] = {}

    def __iter__(self) -> Iterator[ReceivedOptOut]:
        return iter(list(self._opt_outs.values()))

    def add(self, opt_out: ReceivedOptOut) -> None:
        """Block the messages of that profile to that number."""
        self._opt_outs[opt_out.messaging_profile_id, opt_out.to] = opt_out

    def lift(self, profile_id: str, number: str) -> None:
        """Let that profile write to that number again."""
        self._opt_outs.pop((profile_id, number), None)

    def check(self, profile_id: str, number: str) -> None:
        """Let a message pass.

        Raises:
            ApiError: code 40300, the number said STOP to this profile. Reports of the HTTP status differ (400, 403,
            409);
                here it is 403.
        """
        if (profile_id, number) in self._opt_outs:
            detail = "Messages cannot be sent to this number due to an existing block rule."
            raise refusal(403, "40300", "Blocked due to STOP message", detail, "/to")


def list_opt_outs(account: "Account", call: OperationCall) -> Answer:
    """List the blocks that fit the filters.

    Raises:
        ApiError: 400, a filter does not fit or a page is out of range.
    """
    in_time = time_filter(call, "created_at[gte]", "created_at[lte]")
    found = [opt_out for opt_out in account.opt_outs if in_time(opt_out.created_at) and _fits(opt_out, call)]
    return page(call, [opt_out.as_json() for opt_out in found])


def _fits(opt_out: ReceivedOptOut, call: OperationCall) -> bool:
    return call.query.get("filter[messaging_profile_id]") in (None, opt_out.messaging_profile_id) and call.query.get(
        "filter[from]"
    ) in (None, opt_out.sender)
