"""The API operations that the simulator answers, by method and path as the OpenAPI document names them."""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

from service.testing.simulator import billing, profiles, rcs
from service.testing.simulator.account import Account
from service.testing.simulator.api.api_error import refusal
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.hosted import numbers, order_operations
from service.testing.simulator.messages import (
    detail_records,
    inbound,
    rich_sending,
    sending,
    sending_by_kind,
    whatsapp_numbers,
)
from service.testing.simulator.rcs_registration import agent_operations
from service.testing.simulator.rcs_registration import brands as rcs_brands
from service.testing.simulator.ten_dlc import brands, campaign_operations, vetting
from service.testing.simulator.ten_dlc import numbers as campaign_numbers
from service.testing.simulator.tollfree import requests as tollfree
from service.testing.simulator.webhooks import deliveries


@dataclass(frozen=True)
class Operation:
    """One operation of the API.

    An `idempotent` one honours `Idempotency-Key`. `reused_key` is the status for a key that was used for another
    request. For the statuses in `single_error` the document shows one error as the whole body, beside the usual list.
    `also` are other paths of the same operation.
    """

    method: str
    path: str
    perform: Callable[[Account, OperationCall], Answer]
    idempotent: bool = False
    single_error: tuple[int, ...] = ()
    reused_key: int = 422
    also: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """All paths at which it answers."""
        return (self.path, *self.also)


_ORDERS = "/messaging_hosted_number_orders"
_NUMBERS = "/messaging_hosted_numbers"
_REQUESTS = "/messaging_tollfree/verification/requests"
_AGENTS = "/messaging/rcs/agents"
_PROFILES = "/messaging_profiles"
_CAMPAIGN = "/10dlc/campaign/{campaign_id}"
_PARTNER = "/10dlc/partner_campaigns"
_CAMPAIGN_NUMBERS = "/10dlc/phone_number_campaigns"
_WINDOW = "/whatsapp/phone_numbers/{phone_number}/conversation_window"
_WHATSAPP_NUMBER = "/v2/whatsapp/phone_numbers/{phone_number}"
_RCS_AGENTS = "/rcs/agents"
_RCS_BRANDS = "/rcs/brands"

OPERATIONS = (
    Operation("POST", "/messages", sending.send, idempotent=True),
    Operation("POST", "/messages/schedule", sending.schedule),
    Operation("POST", "/messages/long_code", sending_by_kind.send_long_code, idempotent=True),
    Operation("POST", "/messages/short_code", sending_by_kind.send_short_code, idempotent=True),
    Operation("POST", "/messages/number_pool", sending_by_kind.send_number_pool, idempotent=True),
    Operation("POST", "/messages/alphanumeric_sender_id", sending_by_kind.send_alphanumeric, idempotent=True),
    Operation("POST", "/messages/group_mms", sending_by_kind.send_group_mms, idempotent=True),
    Operation("GET", "/messages/group/{message_id}", sending_by_kind.list_group),
    Operation("POST", "/messages/rcs", rich_sending.send_rcs, idempotent=True),
    Operation("POST", "/messages/whatsapp", rich_sending.send_whatsapp, idempotent=True),
    # The SDK writes the version twice, but not everywhere. Source: SDK 4.189, `whatsapp.phone_numbers`.
    Operation("GET", f"/v2{_WINDOW}", rich_sending.retrieve_window, also=(_WINDOW,)),
    Operation("GET", "/v2/whatsapp/phone_numbers", whatsapp_numbers.list_numbers, also=("/whatsapp/phone_numbers",)),
    Operation("GET", "/whatsapp/phone_numbers/{phone_number}", whatsapp_numbers.retrieve_number),
    Operation("DELETE", _WHATSAPP_NUMBER, whatsapp_numbers.delete_number),
    Operation("POST", f"{_WHATSAPP_NUMBER}/verify", whatsapp_numbers.verify_number),
    Operation("POST", f"{_WHATSAPP_NUMBER}/resend_verification", whatsapp_numbers.resend_code),
    Operation("GET", f"{_WHATSAPP_NUMBER}/profile", whatsapp_numbers.retrieve_profile),
    Operation("PATCH", f"{_WHATSAPP_NUMBER}/profile", whatsapp_numbers.update_profile),
    Operation("GET", f"{_WHATSAPP_NUMBER}/calling_settings", whatsapp_numbers.retrieve_calling),
    Operation("PATCH", f"{_WHATSAPP_NUMBER}/calling_settings", whatsapp_numbers.update_calling),
    Operation("POST", "/ai/assistants/{id}/chat/sms", sending.send_assistant_sms, idempotent=True),
    Operation("POST", "/ai/assistants/{id}/chat/whatsapp", sending.send_assistant_whatsapp, idempotent=True),
    Operation("GET", "/messages/rcs/deeplinks/{agent_id}", rcs.generate_deeplink),
    Operation("GET", "/messages/{id}", sending.retrieve),
    Operation("DELETE", "/messages/{id}", sending.cancel, single_error=(403, 404)),
    Operation("GET", _AGENTS, rcs.list_agents),
    Operation("GET", f"{_AGENTS}/{{id}}", rcs.retrieve_agent),
    Operation("PATCH", f"{_AGENTS}/{{id}}", rcs.update_agent),
    Operation("POST", "/messaging/rcs/bulk_capabilities", rcs.list_bulk_capabilities),
    Operation("GET", "/messaging/rcs/capabilities/{agent_id}/{phone_number}", rcs.retrieve_capabilities),
    Operation("PUT", "/messaging/rcs/test_number_invite/{id}/{phone_number}", rcs.invite_test_number),
    Operation("GET", _RCS_BRANDS, rcs_brands.list_brands),
    Operation("POST", _RCS_BRANDS, rcs_brands.create_brand),
    Operation("GET", f"{_RCS_BRANDS}/{{id}}", rcs_brands.retrieve_brand),
    Operation("PATCH", f"{_RCS_BRANDS}/{{id}}", rcs_brands.update_brand),
    Operation("POST", f"{_RCS_BRANDS}/{{id}}/submit", rcs_brands.submit_brand),
    Operation("GET", _RCS_AGENTS, agent_operations.list_agents),
    Operation("POST", _RCS_AGENTS, agent_operations.create_agent, idempotent=True, reused_key=409),
    Operation("GET", f"{_RCS_AGENTS}/{{id}}", agent_operations.retrieve_agent),
    Operation("PATCH", f"{_RCS_AGENTS}/{{id}}", agent_operations.update_agent),
    Operation("POST", f"{_RCS_AGENTS}/{{id}}/submit", agent_operations.submit_agent),
    Operation("POST", f"{_RCS_AGENTS}/{{id}}/launch", agent_operations.launch_agent),
    Operation("GET", f"{_RCS_AGENTS}/{{id}}/carrier_approvals", agent_operations.list_approvals),
    Operation("GET", f"{_RCS_AGENTS}/{{id}}/test_devices", agent_operations.list_devices),
    Operation("POST", f"{_RCS_AGENTS}/{{id}}/test_devices", agent_operations.add_device),
    Operation("DELETE", f"{_RCS_AGENTS}/{{id}}/test_devices/{{test_device_id}}", agent_operations.remove_device),
    Operation("GET", _ORDERS, order_operations.list_orders),
    Operation("POST", _ORDERS, order_operations.create_order),
    Operation("POST", f"{_ORDERS}/eligibility_numbers_check", numbers.check_eligibility, single_error=(400, 401)),
    Operation("GET", f"{_ORDERS}/{{id}}", order_operations.retrieve_order),
    Operation("DELETE", f"{_ORDERS}/{{id}}", order_operations.delete_order),
    Operation("POST", f"{_ORDERS}/{{id}}/actions/file_upload", order_operations.upload_file),
    Operation("POST", f"{_ORDERS}/{{id}}/validation_codes", order_operations.validate_codes),
    Operation("POST", f"{_ORDERS}/{{id}}/verification_codes", order_operations.create_verification_codes),
    Operation("GET", _NUMBERS, numbers.list_numbers),
    Operation("GET", f"{_NUMBERS}/{{id}}", numbers.retrieve_number),
    Operation("PATCH", f"{_NUMBERS}/{{id}}", numbers.update_number),
    Operation("DELETE", f"{_NUMBERS}/{{id}}", numbers.delete_number),
    Operation("GET", _REQUESTS, tollfree.list_requests),
    Operation("POST", _REQUESTS, tollfree.submit_request),
    Operation("GET", f"{_REQUESTS}/{{id}}", tollfree.retrieve_request),
    Operation("PATCH", f"{_REQUESTS}/{{id}}", tollfree.update_request),
    Operation("DELETE", f"{_REQUESTS}/{{id}}", tollfree.delete_request),
    Operation("GET", f"{_REQUESTS}/{{id}}/status_history", tollfree.retrieve_history),
    Operation("GET", "/messaging_url_domains", profiles.list_url_domains),
    Operation("GET", _PROFILES, profiles.list_profiles),
    Operation("GET", f"{_PROFILES}/{{id}}", profiles.retrieve_profile),
    Operation("PATCH", f"{_PROFILES}/{{id}}", profiles.update_profile),
    Operation("GET", f"{_PROFILES}/{{id}}/phone_numbers", profiles.list_phone_numbers),
    Operation("GET", f"{_PROFILES}/{{id}}/short_codes", profiles.list_short_codes),
    Operation("GET", "/10dlc/brand", brands.list_brands),
    Operation("POST", "/10dlc/brand", brands.create_brand),
    Operation("GET", "/10dlc/brand/{brand_id}", brands.retrieve_brand),
    Operation("PUT", "/10dlc/brand/{brand_id}", brands.update_brand),
    Operation("DELETE", "/10dlc/brand/{brand_id}", brands.delete_brand),
    Operation("GET", "/10dlc/brand/feedback/{brand_id}", brands.get_feedback),
    Operation("PUT", "/10dlc/brand/{brand_id}/revet", vetting.revet_brand),
    Operation("GET", "/10dlc/brand/{brand_id}/externalVetting", vetting.list_vettings),
    Operation("POST", "/10dlc/brand/{brand_id}/externalVetting", vetting.order_vetting),
    Operation("PUT", "/10dlc/brand/{brand_id}/externalVetting", vetting.import_vetting),
    Operation("GET", "/10dlc/brand/{brand_id}/smsOtp", vetting.retrieve_code_status),
    Operation("POST", "/10dlc/brand/{brand_id}/smsOtp", vetting.send_code),
    Operation("PUT", "/10dlc/brand/{brand_id}/smsOtp", vetting.verify_code),
    Operation("GET", "/10dlc/brand/smsOtp/{reference_id}", vetting.retrieve_code_by_reference),
    Operation("POST", "/10dlc/brand/{brand_id}/2faEmail", vetting.resend_email),
    Operation("POST", "/10dlc/campaignBuilder", campaign_operations.submit_campaign),
    Operation("GET", "/10dlc/campaign", campaign_operations.list_campaigns),
    Operation("GET", _CAMPAIGN, campaign_operations.retrieve_campaign),
    Operation("PUT", _CAMPAIGN, campaign_operations.update_campaign),
    Operation("DELETE", _CAMPAIGN, campaign_operations.deactivate_campaign),
    Operation("POST", f"{_CAMPAIGN}/appeal", campaign_operations.submit_appeal),
    Operation("GET", f"{_CAMPAIGN}/operationStatus", campaign_operations.get_operation_status),
    Operation("GET", f"{_CAMPAIGN}/mnoMetadata", campaign_operations.get_mno_metadata),
    Operation("GET", _PARTNER, campaign_operations.list_partner_campaigns),
    Operation("GET", f"{_PARTNER}/{{campaign_id}}", campaign_operations.retrieve_partner_campaign),
    Operation("PATCH", f"{_PARTNER}/{{campaign_id}}", campaign_operations.update_partner_campaign),
    Operation("GET", _CAMPAIGN_NUMBERS, campaign_numbers.list_numbers),
    Operation("POST", _CAMPAIGN_NUMBERS, campaign_numbers.assign_number),
    Operation("GET", f"{_CAMPAIGN_NUMBERS}/{{phone_number}}", campaign_numbers.retrieve_number),
    Operation("DELETE", f"{_CAMPAIGN_NUMBERS}/{{phone_number}}", campaign_numbers.delete_number),
    Operation("GET", "/phone_numbers/messaging", profiles.list_messaging_numbers),
    Operation("GET", "/short_codes", profiles.list_all_short_codes),
    Operation("GET", "/balance", billing.retrieve_balance),
    Operation("GET", "/messaging_optouts", inbound.list_opt_outs),
    Operation("GET", "/detail_records", detail_records.search_detail_records),
    Operation("GET", "/webhook_deliveries", deliveries.list_deliveries),
    Operation("GET", "/webhook_deliveries/{id}", deliveries.retrieve_delivery),
)


def absent_operations() -> list[Operation]:
    """Return the operations of the SDK's messaging that are not here. Each says so."""
    listed: list[str] = tomllib.loads((files(__package__) / "absent_operations.toml").read_text("utf-8"))["operations"]
    return [Operation(method, path, _refuse) for method, path in (each.split() for each in listed)]


def _refuse(_: Account, call: OperationCall) -> Answer:
    detail = f"The simulator does not have {call.method} {call.path}. Its page names the operations that it has."
    raise refusal(405, "10405", "Not in the simulator", detail)
