"""One deployment's data in Redis: the connection, the names of its keys, and its encryption."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from service.security.encryption import Sealer
from service.settings import Settings
from service.store.keys import Keys
from service.store.scripts import Argument, script


@dataclass(frozen=True)
class Store:
    """The place of all data. It cannot be built without its encryption, so none is written in the clear by mistake."""

    redis: "Redis"
    namespace: str
    encryption: Sealer = field(repr=False)

    @classmethod
    def of(cls, redis: "Redis", settings: Settings) -> Self:
        """Return the store of the deployment that the settings describe."""
        return cls(redis, settings.namespace, settings.sealer())

    @cached_property
    def keys(self) -> Keys:
        """The names of the keys."""
        return Keys(self.namespace)

    async def run(self, name: str, *args: Argument, needs_room: bool = False) -> Any:
        """Call the script `lua/<name>.lua`. Return the answer that its own header describes.

        Raises:
            redis.exceptions.RedisError: the server cannot be reached, or refuses.
        """
        wanted = script(name, needs_room=needs_room)
        # One of our keys: some servers refuse a script without, and a cluster places it by that.
        call = (wanted.digest, 1, self.keys.counts, *args)
        try:
            return await self.redis.evalsha(*call)  # type: ignore[arg-type, misc]
        except NoScriptError:
            await self.redis.script_load(wanted.text)
            return await self.redis.evalsha(*call)  # type: ignore[arg-type, misc]
