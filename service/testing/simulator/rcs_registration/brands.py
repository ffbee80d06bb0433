"""RCS brands: the operations on them, and their review. Source: SDK 4.189, `client.rcs.brands`.

The steps between a submission and its end, and their times, are guesses.
"""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, TypeAdapter
from telnyx.types import rcs
from telnyx.types.rcs.brand_create_params import BrandCreateParams
from telnyx.types.rcs.brand_update_params import BrandUpdateParams

from service.testing.simulator.api.api_error import refusal
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.fields import ControlBody, is_web_address

if TYPE_CHECKING:
    from service.testing.simulator.account import Account

BrandStatus = Literal["CREATED", "CONFIGURED", "SUBMITTED", "REVIEWING", "VETTING", "VERIFIED", "REJECTED", "FAILED"]
"""Source: SDK 4.189, `rcs.BrandResponse`."""

HOUR, DAY = 3600.0, 86400.0
CREATE: TypeAdapter[Any] = TypeAdapter(BrandCreateParams)
UPDATE: TypeAdapter[Any] = TypeAdapter(BrandUpdateParams)
for _each in (CREATE, UPDATE):
    # The SDK names some of its shapes by texts alone.
    _each.rebuild(_types_namespace=vars(rcs))
_ABILITIES = """
brand_entity brand_verification campaigns distinct_launch_phase invite_test_devices per_carrier_approval
submission_sections
"""
CAPABILITIES = dict.fromkeys(_ABILITIES.split(), True) | {"templates": False, "vendor_webhooks": False}
"""The abilities of the provider behind Telnyx. Source of the names: SDK 4.189, `rcs.CapabilitiesResponse`."""


class BrandDecision(ControlBody):
    """A brand's new status. It holds `after` so many simulated seconds, and replaces the steps that were planned."""

    status: BrandStatus
    after: float = Field(0.0, ge=0)


@dataclass(frozen=True, slots=True)
class RcsBrand:
    """One brand. `planned` are the statuses to come, each with the time of its beginning (seconds since 1970)."""

    id: str
    fields: dict[str, Any] = field(repr=False)
    status: BrandStatus = "CREATED"
    planned: tuple[tuple[float, BrandStatus], ...] = ()

    def at(self, now: float) -> "RcsBrand":
        """Return the brand at a time."""
        begun = [status for begins, status in self.planned if begins <= now]
        left = tuple(each for each in self.planned if each[0] > now)
        return replace(self, status=begun[-1], planned=left) if begun else self

    def as_json(self) -> dict[str, Any]:
        """Return the brand as Telnyx shows it. Source: SDK 4.189, `rcs.BrandResponse`."""
        return {"profile_id": None, **self.fields, "brand_id": self.id, "status": self.status} | {
            "capabilities": CAPABILITIES
        }


def list_brands(account: "Account", _: OperationCall) -> Answer:
    """List all brands, without pages."""
    return Answer([_now(account, each).as_json() for each in account.rcs_brands])


def create_brand(account: "Account", call: OperationCall) -> Answer:
    """Create a draft. Repeating the request creates another one: no key is documented."""
    fields = call.read_as(CREATE)
    _check(fields)
    brand = RcsBrand(account.identifiers.uuid("rcs brand"), fields)
    account.rcs_brands.put(brand)
    return Answer(brand.as_json(), status=201)


def retrieve_brand(account: "Account", call: OperationCall) -> Answer:
    """Show one brand."""
    return Answer(known_brand(account, call.parameters["id"]).as_json())


def update_brand(account: "Account", call: OperationCall) -> Answer:
    """Change the given fields of a draft."""
    brand = known_brand(account, call.parameters["id"])
    fields = call.read_as(UPDATE)
    _check(fields)
    require_draft("brand", brand.status)
    changed = replace(brand, fields=brand.fields | fields)
    account.rcs_brands.put(changed)
    return Answer(changed.as_json())


def submit_brand(account: "Account", call: OperationCall) -> Answer:
    """Begin the review. One that is under review already is shown unchanged."""
    brand = known_brand(account, call.parameters["id"])
    if brand.status in {"REJECTED", "FAILED"}:
        raise locked(f"The brand is {brand.status}, which is final.")
    if brand.status == "CREATED":
        now = account.clock.now()
        planned: tuple[tuple[float, BrandStatus], ...] = (
            (now + HOUR, "REVIEWING"),
            (now + DAY, "VETTING"),
            (now + 3 * DAY, "VERIFIED"),
        )
        brand = replace(brand, status="SUBMITTED", planned=planned)
        account.rcs_brands.put(brand)
    return Answer(brand.as_json(), status=202)


def decide_brand(account: "Account", brand_id: str, decision: BrandDecision) -> RcsBrand:
    """Let a review of a brand end, or go on, as a test wants.

    Raises:
        ApiError: 404, there is no such brand.
    """
    brand = known_brand(account, brand_id)
    account.rcs_brands.put(replace(brand, planned=((account.clock.now() + decision.after, decision.status),)))
    return known_brand(account, brand_id)


def known_brand(account: "Account", brand_id: str) -> RcsBrand:
    """Return a brand in its present state.

    Raises:
        ApiError: 404, there is none.
    """
    return _now(account, account.rcs_brands.known(brand_id))


def require_draft(kind: str, status: str) -> None:
    """Raise unless a brand or an agent is a draft, which alone can be changed."""
    if status != "CREATED":
        raise locked(f"The {kind} is {status}. Only one that is CREATED can be changed.")


def locked(detail: str) -> Exception:
    """Return the refusal of a change that the status does not allow. Status and code are guesses."""
    return refusal(409, "10015", "Not possible in this status", detail)


def _now(account: "Account", brand: RcsBrand) -> RcsBrand:
    now = brand.at(account.clock.now())
    if now is not brand:
        account.rcs_brands.put(now)
    return now


def _check(fields: dict[str, Any]) -> None:
    if not is_web_address(fields.get("website_url", "https://")):
        raise refusal(400, "10015", "Bad Request", "The website_url must be an http or https URL.", "/website_url")
