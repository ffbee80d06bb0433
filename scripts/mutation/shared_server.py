"""One server for the runs of many mutants. Each run finds it empty, even after a script that looped for ever."""

from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from service.processes import embedded_server
from service.processes.embedded_server import EmbeddedServer

SECONDS = 3.0
"""How long the server may take to answer, before another takes its place."""


@dataclass
class SharedServer:
    """A server that is replaced where a run has broken it."""

    folder: Path
    started: list[EmbeddedServer] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start the first one."""
        self._start()

    @property
    def url(self) -> str:
        """The address of the present one."""
        return self.started[-1].url

    def clean(self) -> None:
        """Remove all keys and scripts."""
        redis = Redis.from_url(self.url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS)
        try:
            redis.flushall()
            redis.script_flush()
        except RedisError:
            self.stop()
            self._start()
        finally:
            redis.close()

    def stop(self) -> None:
        """Kill the present one, which may not listen any more."""
        self.started[-1].process.kill()
        self.started[-1].stop()

    def _start(self) -> None:
        self.started.append(embedded_server.start(self.folder / str(len(self.started))))
