"""The fields that the launch of an RCS agent needs: the campaign, and evidence that the agent works.

Names, kinds and conditions: SDK 4.189, `rcs.AgentLaunchParams`.
"""

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from service.processes.loopback import is_loopback
from service.registrations.submission_fields import readable


def _https(url: str) -> str:
    """Accept an https URL. Plain http is for addresses of this machine, which only a local Telnyx can read."""
    parts = urlsplit(url)
    if not parts.hostname or re.search(r"\s", url):
        raise ValueError("must be an address such as https://example.com/logo.png")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ValueError("must be an https address")
    return url


Text = Annotated[str, Field(min_length=1), AfterValidator(readable)]
Url = Annotated[str, AfterValidator(_https)]


class LaunchTable(BaseModel):
    """A table of the file: an unknown key is an error, and no error quotes what was given."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True, frozen=True)


def _require_for_other(kind: str, description: str | None) -> None:
    if kind == "OTHER" and not description:
        raise ValueError("description: is required for OTHER")


class Interaction(LaunchTable):
    """One kind of messages of the agent."""

    interaction_type: Literal[
        "TRANSACTIONAL_UPDATES",
        "CUSTOMER_SUPPORT",
        "LOYALTY_OR_REWARD",
        "MARKETING_OR_PROMOTIONAL",
        "ACCOUNT_ALERTS",
        "TWO_WAY_CONVERSATION",
        "OTHER",
    ]
    description: Text | None = None

    @model_validator(mode="after")
    def _described(self) -> Self:
        _require_for_other(self.interaction_type, self.description)
        return self


class OptInMethod(LaunchTable):
    """One way by which people agree."""

    method_type: Literal["SMS", "WEBSITE", "MOBILE_APP", "QR_CODE", "SALE_POINT", "OTHER"]
    description: Text | None = None

    @model_validator(mode="after")
    def _described(self) -> Self:
        _require_for_other(self.method_type, self.description)
        return self


class ConsentSection(LaunchTable):
    """How people agree to the messages, and end them."""

    call_to_action: Text
    call_to_action_url: Url | None = None
    call_to_action_media_url: Url | None = None
    double_opt_in: bool
    double_opt_in_message: Text | None = None
    help_response: Text
    opt_in_message: Text
    opt_in_methods: Annotated[list[OptInMethod], Field(min_length=1)]
    opt_out_response: Text

    @model_validator(mode="after")
    def _complete(self) -> Self:
        methods = {each.method_type for each in self.opt_in_methods}
        if self.double_opt_in and not self.double_opt_in_message:
            raise ValueError("double_opt_in_message: is required where double_opt_in is true")
        if "WEBSITE" in methods and not self.call_to_action_url:
            raise ValueError("call_to_action_url: is required where an opt-in method is WEBSITE")
        if methods & {"WEBSITE", "MOBILE_APP"} and not self.call_to_action_media_url:
            raise ValueError("call_to_action_media_url: is required where an opt-in method is WEBSITE or MOBILE_APP")
        return self


class CampaignSection(LaunchTable):
    """The messages of the agent, for the carriers' review."""

    company_overview: Text
    agent_overview: Text
    interactions: Annotated[list[Interaction], Field(min_length=1)]
    message_examples: Annotated[list[Text], Field(min_length=1)]
    consent_settings: ConsentSection
    additional_information: Text | None = None


class Testing(LaunchTable):
    """Evidence that the agent works, for the carriers' review."""

    __test__ = False

    test_url: Url
    message_id: Text | None = None
    additional_information: Text | None = None
