"""The types of the keys that stand alone. Every script that reaches one of another type fails."""

from service.store.store import Store

TYPES = {
    "string": (
        *("confirmed", "dashboard_secret", "dead_checked_until", "forgotten_until", "format", "heal_turn"),
        *("idempotency_probe", "maintenance", "optouts_latest_read", "optouts_read", "optouts_reader", "readyz"),
        "url_domains",
    ),
    "hash": (
        *("blocked", "causes", "counts", "heal", "issues", "optout_keys", "optouts", "pruning", "rcs_agents"),
        *("silence", "turns", "workers"),
    ),
    "zset": (
        *("bodies", "dead", "ended", "events", "failures", "jobs", "jobs_due", "notices", "optout_times", "queue"),
        *("reply_budget", "sent_regions", "sms_budget", "under_way", "unkeyed"),
    ),
    "set": ("backlog", "blocks", "erasing", "paused", "rcs_unapproved"),
    "list": ("wake",),
    "stream": ("audit_log",),
}


async def keys_of_other_types(store: Store) -> list[str]:
    """Return the keys that hold a value of another type than they should, each with both types.

    Raises:
        redis.exceptions.RedisError: the server cannot be reached.
    """
    wanted = {f"{store.keys.namespace}:{name}": kind for kind, names in TYPES.items() for name in names}
    async with store.redis.pipeline(transaction=False) as pipeline:
        for key in wanted:
            pipeline.type(key)
        found = [kind.decode() for kind in await pipeline.execute()]
    odd = zip(wanted.items(), found, strict=True)
    return [f"{key} is a {kind}, not a {right}" for (key, right), kind in odd if kind not in (right, "none")]
