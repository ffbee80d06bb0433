"""Checks of the way in: the declared URLs, and the agents and profiles that should deliver there."""

from urllib.parse import urlsplit

from service.doctor.deployment import Deployment
from service.doctor.finding import CheckFailed, Warned, raise_any
from service.registrations.webhook_destinations import all_destinations
from service.registrations.webhook_repair import Unanswered, refuse_dead_ends
from service.registrations.webhook_urls import Comparison, Declared

_UNSET = (
    "RINGBACK_PUBLIC_URL is not set, so that nobody can check where Telnyx delivers, and no gap is healed."
    " Next: set it to the URL at which Telnyx reaches this Ringback"
)


async def public_url(at: Deployment) -> str:
    """Send a probe to each declared URL, from this machine."""
    if at.settings.public_url is None:
        raise Warned(_UNSET)
    try:
        await refuse_dead_ends(at.settings)
    except Unanswered as error:
        raise CheckFailed(f"{error}. Start an ingress there, or correct the URL and the proxy before it") from None
    host = urlsplit(at.settings.public_url).hostname
    if at.settings.probe_key is None:
        return f"a Ringback answers at {host}. With RINGBACK_PROBE_KEY the check also proves that it is this one"
    return f"{host} answers the probe as this Ringback"


async def destinations(at: Deployment) -> str:
    """Compare the agents and messaging profiles at Telnyx with the declared URLs."""
    if at.settings.public_url is None:
        return "not compared, since RINGBACK_PUBLIC_URL is not set"
    declared = Declared.of(at.settings)
    found = [declared.compare(each) for each in await all_destinations(at.telnyx)]
    raise_any(CheckFailed, [*_unknown(at.settings.managed_ids(), found), *_drifted(found)])
    ours = [each for each in found if each.state == "in step"]
    if not ours:
        raise Warned(
            "no agent or messaging profile delivers here."
            " Next: name them in RINGBACK_MANAGE, then run `ringback webhooks apply`"
        )
    return f"{len(ours)} agents and profiles deliver here, {len(found) - len(ours)} are not managed"


def _unknown(named: frozenset[str] | None, found: list[Comparison]) -> list[str]:
    unknown = (named or frozenset()) - {"*"} - {each.destination.id for each in found}
    return [f"RINGBACK_MANAGE names {each}, which the account does not have: remove it" for each in sorted(unknown)]


def _drifted(found: list[Comparison]) -> list[str]:
    names = [f"{each.destination.kind} {each.destination.id}" for each in found if each.state == "drift"]
    if not names:
        return []
    return [
        f"{', '.join(names)} differ from the declared URLs: `ringback webhooks plan` shows how, `apply` changes them"
    ]
