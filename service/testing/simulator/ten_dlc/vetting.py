"""10DLC brands that are vetted: again, by outside providers, or by a code that a sole proprietor gets."""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import Field

from service.testing.simulator.api.api_error import bad_request, not_found
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.fields import RequestBody
from service.testing.simulator.simulated_clock import iso
from service.testing.simulator.ten_dlc.brands import Brand
from service.testing.simulator.ten_dlc.events import send_update

if TYPE_CHECKING:
    from service.testing.simulator.account import Account

VETTING_TIME = 60.0
"""Simulated seconds until a vetting has ended. They are ours."""
SCORE = 75
PIN = "123456"
"""The code that everybody gets. It is ours."""


class _Order(RequestBody):
    """The body of an order. Source: SDK 4.189, `ExternalVettingOrderParams`."""

    evpId: str  # noqa: N815 - Telnyx's name
    vettingClass: str  # noqa: N815 - Telnyx's name


class _Import(RequestBody):
    """The body of an import. Source: SDK 4.189, `ExternalVettingImportsParams`."""

    evpId: str  # noqa: N815 - Telnyx's name
    vettingId: str  # noqa: N815 - Telnyx's name
    vettingToken: str | None = None  # noqa: N815 - Telnyx's name


class _Code(RequestBody):
    """The texts with the code and after it. Source: SDK 4.189, `BrandTriggerSMSOtpParams`."""

    pinSms: str = Field(pattern="@OTP_PIN@")  # noqa: N815 - Telnyx's name
    successSms: str  # noqa: N815 - Telnyx's name


class _Pin(RequestBody):
    otpPin: str  # noqa: N815 - Telnyx's name


@dataclass(frozen=True, slots=True)
class SentCode:
    """A code that was sent to a sole proprietor's mobile phone."""

    id: str
    brand_id: str
    mobile_phone: str
    sent_at: float
    verified_at: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as GET shows it. Source: SDK 4.189, `BrandSMSOtpStatus`."""
        names = {"brandId": self.brand_id, "referenceId": self.id, "mobilePhone": self.mobile_phone}
        status = {"deliveryStatus": "DELIVERED_HANDSET", "deliveryStatusDate": iso(self.sent_at)}
        verified = None if self.verified_at is None else iso(self.verified_at)
        return {**names, **status, "requestDate": iso(self.sent_at), "verifyDate": verified}


@dataclass
class BrandVettings:
    """The vettings and the codes of all brands, by the brand's id."""

    external: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    codes: dict[str, SentCode] = field(default_factory=dict)


def revet_brand(account: "Account", call: OperationCall) -> Answer:
    """Vet a brand once more, which takes a minute."""
    brand = replace(_brand(account, call), identity_status="UNVERIFIED")
    account.brands.put(brand)
    account.background.start(partial(_revet, account, brand, account.clock.now()))
    return Answer(brand.as_json())


def order_vetting(account: "Account", call: OperationCall) -> Answer:
    """Order a vetting by an outside provider, which takes a minute."""
    brand, order = _brand(account, call), call.read(_Order)
    vetting = order.model_dump() | {"vettingId": account.identifiers.uuid("vetting"), "createDate": account.clock.iso()}
    _vettings(account, brand).append(vetting)
    account.background.start(partial(_vet, account, brand, vetting, account.clock.now()))
    return Answer(dict(vetting))


def import_vetting(account: "Account", call: OperationCall) -> Answer:
    """Import a vetting that a provider has made before."""
    brand, given = _brand(account, call), call.read(_Import)
    vetting = given.model_dump(exclude_none=True) | _ended(account) | {"createDate": account.clock.iso()}
    _vettings(account, brand).append(vetting)
    return Answer(vetting)


def list_vettings(account: "Account", call: OperationCall) -> Answer:
    """List the vettings of a brand by outside providers."""
    return Answer(_vettings(account, _brand(account, call)))


def send_code(account: "Account", call: OperationCall) -> Answer:
    """Send a code to the mobile phone of a sole proprietor. It is `PIN`."""
    brand = _brand(account, call)
    call.read(_Code)
    phone = brand.fields.get("mobilePhone")
    if brand.fields["entityType"] != "SOLE_PROPRIETOR" or not phone:
        raise bad_request("Only a sole proprietor's brand with a mobilePhone gets a code.")
    code = SentCode(account.identifiers.uuid("otp"), brand.id, phone, account.clock.now())
    account.vettings.codes[brand.id] = code
    return Answer({"brandId": brand.id, "referenceId": code.id})


def verify_code(account: "Account", call: OperationCall) -> Answer:
    """Take the code, and verify the brand."""
    brand, pin = _brand(account, call), call.read(_Pin)
    code = _code(account, brand)
    if pin.otpPin != PIN:
        raise bad_request("This is not the code.", "/otpPin")
    account.vettings.codes[brand.id] = replace(code, verified_at=account.clock.now())
    account.brands.put(replace(brand, status="OK", identity_status="VERIFIED"))
    return Answer(None, 204)


def retrieve_code_status(account: "Account", call: OperationCall) -> Answer:
    """Show what became of the code of a brand."""
    return Answer(_code(account, _brand(account, call)).as_json())


def retrieve_code_by_reference(account: "Account", call: OperationCall) -> Answer:
    """Show what became of a code, by its reference."""
    codes = (each for each in account.vettings.codes.values() if each.id == call.parameters["reference_id"])
    found = next(codes, None)
    if found is None:
        raise not_found()
    return Answer(found.as_json())


def resend_email(account: "Account", call: OperationCall) -> Answer:
    """Send the mail of a public company's second factor once more: nothing is sent here."""
    _brand(account, call)
    return Answer(None)


def _brand(account: "Account", call: OperationCall) -> Brand:
    return account.brands.known(call.parameters["brand_id"])


def _code(account: "Account", brand: Brand) -> SentCode:
    code = account.vettings.codes.get(brand.id)
    if code is None:
        raise not_found("No code was sent for this brand.")
    return code


def _vettings(account: "Account", brand: Brand) -> list[dict[str, Any]]:
    return account.vettings.external.setdefault(brand.id, [])


def _ended(account: "Account") -> dict[str, Any]:
    return {"vettedDate": account.clock.iso(), "vettingScore": SCORE}


async def _revet(account: "Account", begun: Brand, at: float) -> None:
    await account.clock.until(at + VETTING_TIME)
    brand = account.brands.find(begun.id)
    if brand is not None and brand.run == begun.run:
        account.brands.put(replace(brand, identity_status="VERIFIED", updated_at=account.clock.now()))
        _tell(account, brand, "REVET")


async def _vet(account: "Account", brand: Brand, vetting: dict[str, Any], at: float) -> None:
    await account.clock.until(at + VETTING_TIME)
    vetting.update(_ended(account))
    _tell(account, brand, "ORDER_EXTERNAL_VETTING")


def _tell(account: "Account", brand: Brand, kind: str) -> None:
    send_update(
        account, "brand", {"brandId": brand.id, "type": kind, "status": "success"}, brand.destination, "enveloped"
    )
