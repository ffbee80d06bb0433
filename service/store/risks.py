"""What a Redis that is set up otherwise than it should be puts at risk."""

from redis.asyncio import Redis


async def risks(redis: "Redis") -> list[str]:
    """In words, what may be lost with this server; empty where it is set up as it should be.

    Raises:
        redis.exceptions.RedisError: the server cannot be reached, or refuses.
    """
    persistence, memory = await redis.info("persistence"), await redis.info("memory")
    found = []
    if not int(persistence.get("aof_enabled", 0)):
        found.append(
            "Redis keeps no append-only file: a crash of the server loses events that were answered with 200;"
            " set appendonly yes and appendfsync always"
        )
    policy = memory.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        found.append(f"Redis may throw events away when its memory is full ({policy}): set maxmemory-policy noeviction")
    return found
