"""Whether a message may be sent at all: the rules that SMS, MMS, RCS and WhatsApp share."""

from service.testing.simulator.account import Account
from service.testing.simulator.api.api_error import refusal
from service.testing.simulator.messages.message import Message
from service.testing.simulator.phone_numbers import is_e164, is_whatsapp_user_id


def admit(account: Account, message: Message) -> dict[str, str]:
    """Let `message` pass, and return the `x-ratelimit-*` headers of the answer.

    Raises:
        ApiError: 400, the recipient is no phone number; 403 with 40312 (profile disabled), 40300 (STOP) or 40329
        (toll-free
            number not verified); 429 with 10011, too many requests. The status of the 403s is not documented.
    """
    headers = account.rates.admit(message.type, account.clock.now())
    if not (is_e164(message.to) or (message.type == "WHATSAPP" and is_whatsapp_user_id(message.to))):
        raise refusal(400, "40310", "Invalid 'to' address", "The 'to' address must be in +E.164 format.", "/to")
    _check_profile(account, message)
    account.opt_outs.check(message.messaging_profile_id, message.to)
    _check_verification(account, message)
    return headers


def _check_profile(account: Account, message: Message) -> None:
    profile = account.profiles.find(message.messaging_profile_id)
    if profile is not None and not profile.enabled:
        raise refusal(403, "40312", "Messaging profile is disabled", "The messaging profile has been disabled.")


def _check_verification(account: Account, message: Message) -> None:
    if account.verification_requests.is_unverified(message.sender):
        detail = "The toll-free number is not verified and cannot send messages."
        raise refusal(403, "40329", "Toll-free number not verified", detail, "/from")
