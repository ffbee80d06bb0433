"""10DLC brands: the operations on them, and scripted steps of their registration."""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, create_model
from telnyx.types.messaging_10dlc import BrandIdentityStatus, EntityType

from service.testing.simulator.api.api_error import bad_request
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.fields import ControlBody
from service.testing.simulator.simulated_clock import iso
from service.testing.simulator.ten_dlc.events import Shape, send_update
from service.testing.simulator.ten_dlc.records import WebhookUrls, records, target
from service.testing.simulator.webhooks.deliveries import WebhookTarget

if TYPE_CHECKING:
    from service.testing.simulator.account import Account

CSP_ID = "SIMCSP"
REGISTRATION_TIME = 60.0
"""Simulated seconds until a new brand is verified."""

_StepStatus = Literal["OK", "REGISTRATION_FAILED", "VETTING_FAILED", BrandIdentityStatus]

_OPTIONAL = """
altBusinessId altBusinessIdType businessContactEmail city companyName ein firstName ipAddress lastName mobilePhone phone
postalCode state stockExchange stockSymbol street website
"""


class _RequiredFields(WebhookUrls):
    country: str = Field(pattern="^[A-Z]{2}$")
    displayName: str = Field(min_length=1)  # noqa: N815 - Telnyx's name
    email: str = Field(min_length=3)
    entityType: EntityType  # noqa: N815 - Telnyx's name
    vertical: str
    isReseller: bool = False  # noqa: N815 - Telnyx's name
    mock: bool = False


_optional: dict[str, Any] = dict.fromkeys(_OPTIONAL.split(), (str | None, None))
BrandFields = create_model("BrandFields", __base__=_RequiredFields, **_optional)
"""The body of POST and PUT. Five fields are required. Source: SDK 4.189, `BrandCreateParams`, `BrandUpdateParams`."""


@dataclass(frozen=True, slots=True)
class Brand:
    """One brand. `run` counts the steps that were scripted: the automatic ones end with the first."""

    id: str
    tcr_id: str
    fields: dict[str, Any]
    created_at: float
    updated_at: float
    status: Literal["OK", "REGISTRATION_PENDING", "REGISTRATION_FAILED"] = "REGISTRATION_PENDING"
    identity_status: str = "UNVERIFIED"
    failure_reasons: str | None = None
    run: int = field(default=0, compare=False)

    @property
    def destination(self) -> WebhookTarget:
        """The URLs that its webhooks go to."""
        return target(self.fields)

    def as_json(self) -> dict[str, Any]:
        """Return the brand as GET shows it. Source: SDK 4.189, `TelnyxBrand`."""
        ids = {"brandId": self.id, "tcrBrandId": self.tcr_id, "cspId": CSP_ID, "referenceId": self.id}
        states = {"status": self.status, "identityStatus": self.identity_status}
        times = {"createdAt": iso(self.created_at), "updatedAt": iso(self.updated_at)}
        shown = {"brandRelationship": "BASIC_ACCOUNT", "failureReasons": self.failure_reasons}
        return {**self.fields, **ids, **states, **times, **shown}

    def row(self, campaigns: int) -> dict[str, Any]:
        """Return the brand as the list shows it, with Telnyx's spelling. Source: SDK 4.189, `BrandListResponse`."""
        names = "brandId companyName createdAt displayName email entityType failureReasons identityStatus status "
        whole = self.as_json()
        found = {name: whole.get(name) for name in (names + "tcrBrandId updatedAt website").split()}
        return found | {"assignedCampaingsCount": campaigns}


class BrandStep(ControlBody):
    """A step of a brand's registration or vetting, and the form of the webhook (null: none)."""

    status: _StepStatus
    reason: str | None = None
    shape: Shape | None = "enveloped"


def move_brand(account: "Account", brand_id: str, step: BrandStep) -> Brand:
    """Take a step, and send the webhook to the brand's URLs.

    Raises:
        ApiError: 404, there is no such brand.
    """
    brand = account.brands.known(brand_id)
    return _move(account, replace(brand, run=brand.run + 1), step)


def _move(account: "Account", brand: Brand, step: BrandStep) -> Brand:
    moved = replace(brand, updated_at=account.clock.now(), **_after(step))
    account.brands.put(moved)
    send_update(account, "brand", {"brandId": brand.id, **_told(brand, step)}, brand.destination, step.shape)
    return moved


def _after(step: BrandStep) -> dict[str, Any]:
    """Return what changes. A failed vetting shows nowhere in the brand."""
    if step.status == "VETTING_FAILED":
        return {}
    if step.status == "REGISTRATION_FAILED":
        return {"status": step.status, "failure_reasons": step.reason}
    identity = {} if step.status == "OK" else {"identity_status": step.status}
    return {"status": "OK", "failure_reasons": None, **identity}


def _told(brand: Brand, step: BrandStep) -> dict[str, Any]:
    reasons = [{"fields": ["ein"], "description": step.reason or "The brand could not be registered"}]
    if step.status == "VETTING_FAILED":
        return {"type": "ORDER_EXTERNAL_VETTING", "status": "failed", "reasons": reasons}
    if step.status == "REGISTRATION_FAILED":
        return {"type": "REGISTRATION", "status": "failed", "reasons": reasons}
    name = "BRAND_ADD" if step.status == "OK" else "BRAND_REVET"
    named = {"brandName": brand.fields["displayName"], "tcrBrandId": brand.tcr_id, "eventType": name}
    return {**named, "type": "TCR_BRAND_UPDATE", "status": "success", "description": f"Brand {brand.tcr_id} is updated"}


def create_brand(account: "Account", call: OperationCall) -> Answer:
    """Create a brand, which is verified after a minute unless a step says otherwise."""
    fields, now = _fields(call), account.clock.now()
    tcr_id = f"B{account.identifiers.digits('brand', 6)}"
    brand = Brand(account.identifiers.uuid("brand"), tcr_id, fields, now, now)
    account.brands.put(brand)
    account.background.start(partial(_verify, account, brand))
    return Answer(brand.as_json())


def list_brands(account: "Account", call: OperationCall) -> Answer:
    """List the brands that fit the filters."""
    rows = [brand.row(len(account.campaigns.of_brand(brand.id))) for brand in account.brands]
    names = ("brandId", "tcrBrandId", "displayName", "entityType", "country", "state")
    return records(call, (row for row in rows if all(call.query.get(each) in (None, row.get(each)) for each in names)))


def retrieve_brand(account: "Account", call: OperationCall) -> Answer:
    """Show one brand, by either id."""
    brand = account.brands.known(call.parameters["brand_id"])
    return Answer(brand.as_json() | {"assignedCampaignsCount": len(account.campaigns.of_brand(brand.id))})


def update_brand(account: "Account", call: OperationCall) -> Answer:
    """Replace the fields that are given. Five are required. Source: SDK 4.189, `BrandUpdateParams`."""
    brand = account.brands.known(call.parameters["brand_id"])
    fields = brand.fields | _fields(call)
    changed = replace(brand, fields=fields, updated_at=account.clock.now())
    account.brands.put(changed)
    return Answer(changed.as_json())


def delete_brand(account: "Account", call: OperationCall) -> Answer:
    """Delete a brand without campaigns."""
    brand = account.brands.known(call.parameters["brand_id"])
    if account.campaigns.of_brand(brand.id):
        raise bad_request("A brand with campaigns cannot be deleted.")
    account.brands.remove(brand.id)
    return Answer(None)


def get_feedback(account: "Account", call: OperationCall) -> Answer:
    """Tell what stands against a brand. Source: SDK 4.189, `BrandGetFeedbackResponse`."""
    brand = account.brands.known(call.parameters["brand_id"])
    told = {"id": "TAX_ID", "displayName": "Tax ID", "fields": ["ein"], "description": brand.failure_reasons}
    return Answer({"brandId": brand.id, "category": [] if brand.failure_reasons is None else [told]})


def _fields(call: OperationCall) -> dict[str, Any]:
    return call.read(BrandFields).model_dump(exclude_unset=True)


async def _verify(account: "Account", created: Brand) -> None:
    await account.clock.until(created.created_at + REGISTRATION_TIME)
    brand = account.brands.find(created.id)
    if brand is not None and brand.run == created.run:
        _move(account, brand, BrandStep(status="VERIFIED"))
