"""The users with few rights that docs/redis.md describes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis

from service.processes import embedded_server

PASSWORD = "hunter2"
DOCUMENTED = (Path(__file__).parents[2] / "docs" / "redis.md").read_text()


def documented_rules(namespace: str, *, user: str = "ringback") -> list[str]:
    """Return the rules that docs/redis.md gives a user, for another namespace."""
    blocks = [each for each in DOCUMENTED.split("```") if each.startswith(f"acl\nuser {user} ")]
    [words] = [each.split()[3:] for each in blocks]
    return [word.replace("ringback", namespace) for word in words if not word.startswith(">")]


def make_user(server: embedded_server.EmbeddedServer, *rules: str, name: str = "app") -> str:
    """Make a user with these rules. Return the URL by which it connects."""
    with Redis.from_url(server.url) as redis:
        redis.execute_command("ACL", "SETUSER", name, "reset", "on", f">{PASSWORD}", *rules)
        redis.execute_command("ACL", "LOG", "RESET")
    return server.url.replace("unix://", f"unix://{name}:{PASSWORD}@")


@contextmanager
def minimal_server(folder: Path, *namespaces: str) -> Iterator[str]:
    """Run a server until the block ends. Give the URL of its minimal user, for namespaces by patterns."""
    rules = [rule for each in namespaces for rule in documented_rules(each)]
    with embedded_server.start(folder) as server:
        yield make_user(server, *dict.fromkeys(rules))
