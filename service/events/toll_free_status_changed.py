"""The payload of `toll_free_verification.status_changed`, which Ringback raises."""

from datetime import datetime

from pydantic import Field

from service.events.tolerant_model import TolerantModel


class TollFreeStatusChanged(TolerantModel):
    """One change of a verification request's status, raised once; `previous` is None where none was known."""

    id: str
    status: str
    previous: str | None = None
    reason: str | None = None
    changed_at: datetime | None = None
    phone_numbers: list[str] = Field(default_factory=list)
    business_name: str | None = None
