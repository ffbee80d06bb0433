"""Faults of webhooks on demand: they come twice, late, in another order, or not at all."""

from fnmatch import fnmatchcase
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

WebhookFaultKind = Literal["duplicate", "late", "reordered", "lost"]


class WebhookFault(BaseModel):
    """One scripted fault of webhooks.

    `duplicate` delivers the event once more; `late` delivers it after `seconds` of simulated time; `reordered` holds
    it back until another event has been delivered; `lost` delivers it never, and no record of it is kept. It strikes
    the next `times` events (null: all) whose type matches `event_type` (a pattern with `*`), each with the
    probability `rate`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: WebhookFaultKind
    event_type: str = "*"
    times: int | None = Field(1, ge=1)
    rate: float = Field(1.0, ge=0, le=1)
    seconds: float = Field(0.0, ge=0)

    def matches(self, event_type: str) -> bool:
        """Whether events of that type are struck."""
        return fnmatchcase(event_type, self.event_type)
