"""10DLC brands and campaigns, checked before they are sent.

Names and conditions: SDK 4.189, `messaging_10dlc.BrandCreateParams` and `CampaignBuilderSubmitParams`.
"""

import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator
from telnyx.types.messaging_10dlc.entity_type import EntityType
from telnyx.types.messaging_10dlc.stock_exchange import StockExchange
from telnyx.types.messaging_10dlc.vertical import Vertical

from service.registrations.submission_fields import (
    Email,
    PhoneNumber,
    SubmissionTable,
    Text,
    Url,
    matching,
    one_of,
    readable,
)

_COMPANIES = frozenset({"NON_PROFIT", "PRIVATE_PROFIT", "PUBLIC_PROFIT"})
_REQUIRED = {
    **dict.fromkeys(_COMPANIES, ("company_name",)),
    "NON_PROFIT": ("company_name", "ein"),
    "PUBLIC_PROFIT": ("company_name", "stock_exchange", "stock_symbol", "business_contact_email"),
    "SOLE_PROPRIETOR": ("first_name", "last_name", "mobile_phone"),
}
"""The fields that each kind of business needs. The code that proves a sole proprietor goes to the mobile phone."""
_IN_THE_US = {"ein": r"\d{9}|\d{2}-\d{7}", "state": r"[A-Z]{2}", "postal_code": r"\d{5}"}
_FORMS = {
    "ein": "must have nine digits, such as 12-3456789",
    "state": "must be a state in two letters, such as TX",
    "postal_code": "must have five digits",
}
_Keywords = Annotated[
    Text, matching(re.compile(r"[^,\s]+(,[^,\s]+)*"), "must be words with commas between them, and no blanks")
]
_LongText = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(readable)]
_Message = Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(readable)]


class WebhookTable(SubmissionTable):
    """A submission with webhook URLs."""

    webhook_url: Annotated[Url | None, Field(alias="webhookURL")] = None
    webhook_failover_url: Annotated[Url | None, Field(alias="webhookFailoverURL")] = None


class TenDlcBrand(WebhookTable):
    """The business in whose name numbers send."""

    country: Annotated[str, matching(re.compile(r"[A-Z]{2}"), "must be a country in two letters, such as US")]
    display_name: Text
    email: Email
    entity_type: Annotated[str, one_of(EntityType)]
    vertical: Annotated[str, one_of(Vertical)]

    business_contact_email: Email | None = None
    city: Text | None = None
    company_name: Text | None = None
    ein: Text | None = None
    first_name: Text | None = None
    ip_address: Text | None = None
    is_reseller: bool | None = None
    last_name: Text | None = None
    mobile_phone: PhoneNumber | None = None
    mock: bool | None = None
    phone: PhoneNumber | None = None
    postal_code: Text | None = None
    state: Text | None = None
    stock_exchange: Annotated[str, one_of(StockExchange)] | None = None
    stock_symbol: Text | None = None
    street: Text | None = None
    website: Text | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for name in _REQUIRED.get(self.entity_type, ()):
            if getattr(self, name) is None:
                raise ValueError(f"{type(self).model_fields[name].alias}: is required for {self.entity_type}")
        for name, form in _IN_THE_US.items():
            given = getattr(self, name)
            if self.country == "US" and given is not None and not re.fullmatch(form, given):
                raise ValueError(f"{type(self).model_fields[name].alias}: {_FORMS[name]}")
        return self


class TenDlcCampaign(WebhookTable):
    """The messages of a brand, and how people agreed to them."""

    brand_id: Text
    description: _LongText
    usecase: Annotated[Text, matching(re.compile(r"[A-Z0-9_]+"), "must be a use case such as MIXED, in capitals")]

    age_gated: bool | None = None
    auto_renewal: bool | None = None
    direct_lending: bool | None = None
    embedded_link: bool | None = None
    embedded_link_sample: Text | None = None
    embedded_phone: bool | None = None
    help_keywords: _Keywords | None = None
    help_message: _Message | None = None
    message_flow: _LongText | None = None
    mno_ids: list[int] | None = None
    number_pool: bool | None = None
    optin_keywords: _Keywords | None = None
    optin_message: _Message | None = None
    optout_keywords: _Keywords | None = None
    optout_message: _Message | None = None
    privacy_policy_link: Url | None = None
    reference_id: Text | None = None
    reseller_id: Text | None = None
    sample1: _Message | None = None
    sample2: _Message | None = None
    sample3: _Message | None = None
    sample4: _Message | None = None
    sample5: _Message | None = None
    subscriber_help: bool | None = None
    subscriber_optin: bool | None = None
    subscriber_optout: bool | None = None
    sub_usecases: list[Text] | None = None
    tag: list[Text] | None = None
    terms_and_conditions: bool | None = None
    terms_and_conditions_link: Url | None = None
