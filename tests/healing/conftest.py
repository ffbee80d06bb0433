from collections.abc import Iterator

import pytest

from tests.stack import Host, Stack, open_stack


@pytest.fixture
def public_stack(host: Host) -> Iterator[Stack]:
    """A stack that declares where Telnyx should deliver."""
    standby = "https://standby.example.com/webhooks/failover"
    with open_stack(host, public_url=f"{host.url}/webhooks", failover_url=standby) as opened:
        yield opened
