"""All checks, in the order in which they are shown."""

from service.doctor import account, configuration, delivery, healing, inbox, sender, server
from service.doctor.examination import Check, examine
from service.doctor.finding import Finding
from service.settings import Settings

_LISTS = 60.0
"""Seconds for a check that reads whole lists at Telnyx, page by page."""
_REDIS, _ACCOUNT = "redis", "account"

CHECKS = (
    Check("variables", configuration.variables),
    Check("files", configuration.files),
    Check("data folder", configuration.data_folder),
    Check("handlers", configuration.handlers),
    Check("policy", configuration.policy),
    Check("dry run", configuration.dry_run),
    Check("development", configuration.development),
    Check("public key", configuration.public_key),
    Check("traces", configuration.traces),
    Check(_ACCOUNT, account.api_key),
    Check("clock", account.telnyx_clock, after=_ACCOUNT),
    Check("balance", account.balance, after=_ACCOUNT),
    Check("public url", delivery.public_url),
    Check("destinations", delivery.destinations, after=_ACCOUNT, seconds=_LISTS),
    Check("fallback sender", sender.fallback_sender, after=_ACCOUNT, seconds=_LISTS),
    Check(_REDIS, server.redis),
    Check("redis clock", server.redis_clock, after=_REDIS),
    Check("persistence", server.persistence, after=_REDIS),
    Check("replicas", server.replicas, after=_REDIS),
    Check("memory", server.memory, after=_REDIS),
    Check("encryption", server.encryption, after=_REDIS, seconds=_LISTS),
    Check("key types", inbox.key_types, after=_REDIS),
    Check("queue", inbox.queue, after=_REDIS),
    Check("workers", inbox.workers, after=_REDIS),
    Check("silence", inbox.silence, after=_REDIS),
    Check("dead events", inbox.dead, after=_REDIS),
    Check("blocks", inbox.blocks, after=_REDIS),
    Check("conservation", inbox.conservation, after=_REDIS),
    Check("healing", healing.healing, after=_REDIS),
    Check("idempotency", account.idempotency, after=_REDIS),
)


async def examine_deployment(settings: Settings) -> list[Finding]:
    """Return the findings of all checks. Nothing is sent and nothing changed."""
    return await examine(settings, CHECKS)
