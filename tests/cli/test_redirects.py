"""Commands that call Telnyx go to TELNYX_BASE_URL alone: the API key and customers' data follow no redirect."""

import pytest
from typer.testing import CliRunner

from service.cli import app
from tests.outbound.odd_telnyx import JSON, odd_telnyx, raw


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "command",
    [
        "webhooks deliveries",
        "rcs agents",
        "tollfree list",
        "hosted list",
        "tollfree show 5b3a0c59",
        "hosted delete-number 5 --yes",
    ],
)
def test_a_redirect_is_told_of_and_not_followed(monkeypatch: pytest.MonkeyPatch, status: int, command: str) -> None:
    with odd_telnyx([raw(200, b'{"data":[]}', JSON)]) as elsewhere:
        location = f"location: {elsewhere.url}/caught".encode()
        with odd_telnyx([raw(status, b"", location)]) as telnyx:
            monkeypatch.setenv("TELNYX_BASE_URL", telnyx.url)
            monkeypatch.setenv("TELNYX_API_KEY", "KEY-hush")
            ran = CliRunner().invoke(app, command.split())
        assert telnyx.asked
        assert elsewhere.asked == []
    assert ran.exit_code == 1
    assert "redirect" in ran.stderr
