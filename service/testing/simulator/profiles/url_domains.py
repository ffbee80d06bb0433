"""`GET /messaging_url_domains`: the domains that Telnyx shortens links with."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from service.testing.simulator.api.call import Answer, OperationCall
from service.testing.simulator.api.pages import page

if TYPE_CHECKING:
    from service.testing.simulator.account import Account


@dataclass(frozen=True, slots=True)
class UrlDomain:
    """One domain. Source: the SDK's `MessagingURLDomainListResponse`."""

    id: str
    url_domain: str
    use_case: str
    record_type: str = "messaging_url_domain"


def list_url_domains(account: "Account", call: OperationCall) -> Answer:
    """List the domains.

    Raises:
        ApiError: 400, a page is out of range.
    """
    return page(call, [asdict(domain) for domain in account.url_domains])
