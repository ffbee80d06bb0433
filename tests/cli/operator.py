"""What an operator does about the events of a stack: commands, each followed by an audit that must find nothing."""

from dataclasses import dataclass

from redis import Redis

from tests.cli.deployment import Deployment, Ran
from tests.stack import Stack


@dataclass(frozen=True)
class Operator:
    """Runs commands on a stack's deployment."""

    stack: Stack
    deployment: Deployment

    @classmethod
    def of(cls, stack: Stack) -> "Operator":
        url = stack.host.redis_url
        return cls(stack, Deployment(url, stack.keys, Redis.from_url(url)))

    def run(self, *arguments: str, code: int = 0) -> Ran:
        """A command that ends with this code; whatever it did, nothing may be out of its place."""
        ran = self.deployment.run(*arguments)
        assert ran.code == code, ran.stdout + ran.stderr
        audited = self.deployment.run("audit")
        assert audited.code == 0, audited.stdout + audited.stderr
        return ran
