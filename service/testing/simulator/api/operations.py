"""The API operations that the simulator answers, by method and path as the OpenAPI document names them."""

from collections.abc import Callable
from dataclasses import dataclass

from service.testing.simulator import assistants
from service.testing.simulator.account import Account
from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.hosted import code_operations, eligibility, number_operations, order_operations
from service.testing.simulator.messages import (
    detail_records,
    message_operations,
    opt_outs,
    rcs_sending,
    sending,
    whatsapp_sending,
)
from service.testing.simulator.profiles import messaging_profiles, profile_numbers, url_domains
from service.testing.simulator.rcs import agents, capabilities, deeplinks, invitations, registered_agents
from service.testing.simulator.tollfree import request_operations as tollfree
from service.testing.simulator.webhooks import delivery_operations


@dataclass(frozen=True)
class Operation:
    """One operation of the API.

    `idempotent` says that it honours `Idempotency-Key`, and `reused_key` with what status it refuses one that was used
    for another request; `single_error` lists the statuses for which the document
    shows one error as the whole body, beside the usual list.
    """

    method: str
    path: str
    perform: Callable[[Account, OperationCall], Answer]
    idempotent: bool = False
    single_error: tuple[int, ...] = ()
    reused_key: int = 422


_ORDERS = "/messaging_hosted_number_orders"
_NUMBERS = "/messaging_hosted_numbers"
_REQUESTS = "/messaging_tollfree/verification/requests"
_AGENTS = "/messaging/rcs/agents"
_PROFILES = "/messaging_profiles"

OPERATIONS = (
    Operation("POST", "/messages", sending.send, idempotent=True),
    Operation("POST", "/messages/schedule", sending.schedule),
    Operation("POST", "/messages/rcs", rcs_sending.send_rcs, idempotent=True),
    Operation("POST", "/messages/whatsapp", whatsapp_sending.send_whatsapp, idempotent=True),
    Operation("POST", "/ai/assistants/{id}/chat/sms", assistants.send_sms, idempotent=True),
    Operation("POST", "/ai/assistants/{id}/chat/whatsapp", assistants.send_whatsapp, idempotent=True),
    Operation("POST", "/rcs/agents", registered_agents.create_agent, idempotent=True, reused_key=409),
    Operation("GET", "/messages/rcs/deeplinks/{agent_id}", deeplinks.generate_deeplink),
    Operation("GET", "/messages/{id}", message_operations.retrieve),
    Operation("DELETE", "/messages/{id}", message_operations.cancel, single_error=(403, 404)),
    Operation("GET", _AGENTS, agents.list_agents),
    Operation("GET", f"{_AGENTS}/{{id}}", agents.retrieve_agent),
    Operation("PATCH", f"{_AGENTS}/{{id}}", agents.update_agent),
    Operation("POST", "/messaging/rcs/bulk_capabilities", capabilities.list_bulk_capabilities),
    Operation("GET", "/messaging/rcs/capabilities/{agent_id}/{phone_number}", capabilities.retrieve_capabilities),
    Operation("PUT", "/messaging/rcs/test_number_invite/{id}/{phone_number}", invitations.invite_test_number),
    Operation("GET", _ORDERS, order_operations.list_orders),
    Operation("POST", _ORDERS, order_operations.create_order),
    Operation("POST", f"{_ORDERS}/eligibility_numbers_check", eligibility.check_eligibility, single_error=(400, 401)),
    Operation("GET", f"{_ORDERS}/{{id}}", order_operations.retrieve_order),
    Operation("DELETE", f"{_ORDERS}/{{id}}", order_operations.delete_order),
    Operation("POST", f"{_ORDERS}/{{id}}/actions/file_upload", order_operations.upload_file),
    Operation("POST", f"{_ORDERS}/{{id}}/validation_codes", code_operations.validate_codes),
    Operation("POST", f"{_ORDERS}/{{id}}/verification_codes", code_operations.create_verification_codes),
    Operation("GET", _NUMBERS, number_operations.list_numbers),
    Operation("GET", f"{_NUMBERS}/{{id}}", number_operations.retrieve_number),
    Operation("PATCH", f"{_NUMBERS}/{{id}}", number_operations.update_number),
    Operation("DELETE", f"{_NUMBERS}/{{id}}", number_operations.delete_number),
    Operation("GET", _REQUESTS, tollfree.list_requests),
    Operation("POST", _REQUESTS, tollfree.submit_request),
    Operation("GET", f"{_REQUESTS}/{{id}}", tollfree.retrieve_request),
    Operation("PATCH", f"{_REQUESTS}/{{id}}", tollfree.update_request),
    Operation("DELETE", f"{_REQUESTS}/{{id}}", tollfree.delete_request),
    Operation("GET", f"{_REQUESTS}/{{id}}/status_history", tollfree.retrieve_history),
    Operation("GET", "/messaging_url_domains", url_domains.list_url_domains),
    Operation("GET", _PROFILES, messaging_profiles.list_profiles),
    Operation("GET", f"{_PROFILES}/{{id}}", messaging_profiles.retrieve_profile),
    Operation("PATCH", f"{_PROFILES}/{{id}}", messaging_profiles.update_profile),
    Operation("GET", f"{_PROFILES}/{{id}}/phone_numbers", profile_numbers.list_phone_numbers),
    Operation("GET", f"{_PROFILES}/{{id}}/short_codes", profile_numbers.list_short_codes),
    Operation("GET", "/messaging_optouts", opt_outs.list_opt_outs),
    Operation("GET", "/detail_records", detail_records.search_detail_records),
    Operation("GET", "/webhook_deliveries", delivery_operations.list_deliveries),
    Operation("GET", "/webhook_deliveries/{id}", delivery_operations.retrieve_delivery),
)
