"""What docs/simulator.md shows is what runs: its commands, its controls, its examples; and it leaves nothing out."""

import inspect
import os
import re
import shlex
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
import telnyx
from pydantic import BaseModel

from service.cli.demo.stack import free_port
from service.cli.run.simulator import simulator as command
from service.testing.simulator import Simulator
from service.testing.simulator import running as simulating
from service.testing.simulator.api.faults import Fault, FaultKind, WebhookFault, WebhookFaultKind
from service.testing.simulator.api.operations import OPERATIONS
from service.testing.simulator.control import (
    CONTROLS,
    PREFIX,
    Advance,
    Balance,
    CapabilityOfPhone,
    EligibilityOfNumber,
    NumberOfProfile,
    RateOfProduct,
    TimeOfDay,
)
from service.testing.simulator.hosted.orders import OrderStep, TransferStep
from service.testing.simulator.messages.inbound import InboundMessage
from service.testing.simulator.messages.lifecycle import MessageOutcome
from service.testing.simulator.messages.message import OutcomeStatus
from service.testing.simulator.rcs import Capability
from service.testing.simulator.rcs_registration.brands import BrandDecision
from service.testing.simulator.rcs_registration.reviews import AgentDecision
from service.testing.simulator.ten_dlc.brands import BrandStep
from service.testing.simulator.ten_dlc.campaign_operations import SharedCampaign
from service.testing.simulator.ten_dlc.carriers import CarrierOfPhone
from service.testing.simulator.ten_dlc.numbers import NumberStep
from service.testing.simulator.ten_dlc.review import CampaignStep
from service.testing.simulator.tollfree.requests import ReviewDecision
from tests.processes.running import clean_environment, running
from tests.testing.simulator import registration
from tests.testing.simulator.submission import SUBMISSION
from tests.testing.simulator.ten_dlc import NUMBER, provisioned
from tests.waiting import wait_for

_ROOT = Path(__file__).parents[3]
DOCUMENT = (_ROOT / "docs" / "simulator.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:12111"

BODIES: dict[str, type[BaseModel]] = {
    "/advance": Advance,
    "/clock": TimeOfDay,
    "/faults": Fault,
    "/webhook_faults": WebhookFault,
    "/outcomes": MessageOutcome,
    "/inbound": InboundMessage,
    "/rates": RateOfProduct,
    "/capabilities": CapabilityOfPhone,
    "/eligibility": EligibilityOfNumber,
    "/numbers": NumberOfProfile,
    "/rcs_brands/{id}/decisions": BrandDecision,
    "/rcs_agents/{id}/decisions": AgentDecision,
    "/balance": Balance,
    "/hosted_number_orders/{id}/steps": OrderStep,
    "/hosted_number_orders/{id}/transfer": TransferStep,
    "/verification_requests/{id}/decisions": ReviewDecision,
    "/brands/{id}/steps": BrandStep,
    "/campaigns/{id}/steps": CampaignStep,
    "/campaign_numbers/{phone_number}/steps": NumberStep,
    "/shared_campaigns": SharedCampaign,
    "/carriers": CarrierOfPhone,
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)


def commands(program: str) -> list[str]:
    return [line for block in blocks("sh") for line in block.splitlines() if line.startswith(f"{program} ")]


def rows(title: str) -> list[list[str]]:
    """The cells of the table whose first heading begins so."""
    table = DOCUMENT.split(f"\n| {title}", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def curl(line: str, **ids: str) -> tuple[str, str, str | None]:
    """Method, path and body of a curl command, as curl itself would read it."""
    program, *words = shlex.split(line)
    method, body, urls = None, None, []
    while words:
        word = words.pop(0)
        if word == "-X":
            method = words.pop(0)
        elif word == "--json":
            body = words.pop(0)
        else:
            urls.append(re.sub(r"\$([A-Z]+)", lambda name: ids[name[1]], word))
    (url,) = urls
    assert program == "curl"
    assert url.startswith(ADDRESS)
    return method or ("GET" if body is None else "POST"), url.removeprefix(ADDRESS), body


def asked(http: httpx.Client, line: str, **ids: str) -> httpx.Response:
    method, path, body = curl(line, **ids)
    declared = {} if body is None else {"content-type": "application/json"}
    return http.request(method, path, content=body, headers={"authorization": "", **declared})


def launched_agent(client: telnyx.Telnyx, simulator: Simulator) -> tuple[str, str]:
    """The ids of an RCS brand and of its agent, which has a test number and waits for the carriers."""
    brand = client.rcs.brands.create(**registration.BRAND).brand_id
    simulator.decide_rcs_brand(brand, status="VERIFIED")
    agent = client.rcs.agents.create(brand_id=brand, idempotency_key="agent", **registration.AGENT).agent_id
    client.rcs.agents.submit(agent)
    client.rcs.agents.test_devices.create(agent, phone_number="+13125550102")
    client.rcs.agents.launch(agent, campaign=registration.CAMPAIGN, testing=registration.TESTING)  # type: ignore[arg-type]
    return brand, agent


@pytest.mark.parametrize("line", commands("curl"))
def test_every_curl_command_is_answered(
    http: httpx.Client, sync_client: telnyx.Telnyx, simulator: Simulator, line: str
) -> None:
    order = sync_client.messaging_hosted_number_orders.create(phone_numbers=["+13125550101"]).data
    request = sync_client.messaging_tollfree.verification.requests.create(**SUBMISSION)
    assert order is not None
    campaign = provisioned(sync_client, simulator, NUMBER)
    brand = str(sync_client.messaging_10dlc.campaign.retrieve(campaign).brand_id)
    rcs_brand, rcs_agent = launched_agent(sync_client, simulator)
    ids = {"BRAND": brand, "CAMPAIGN": campaign, "RCSBRAND": rcs_brand, "RCSAGENT": rcs_agent}
    response = asked(http, line, ORDER=str(order.id), REQUEST=request.id, **ids)
    assert response.status_code == 200, response.text


def test_the_faults_strike_as_the_document_says(
    http: httpx.Client, sync_client: telnyx.Telnyx, simulator: Simulator
) -> None:
    lost, timed_out, limited = [line for line in commands("curl") if "/_simulator/faults --json" in line][:3]
    for line in (lost, limited):
        asked(http, line)
    with pytest.raises(telnyx.APIConnectionError):
        sync_client.messages.send(to="+13125550102", from_="+13125550101", text="Hi")
    for _ in range(3):
        with pytest.raises(telnyx.RateLimitError) as caught:
            sync_client.messages.send(to="+13125550102", from_="+13125550101", text="Hi")
        assert caught.value.response.headers["retry-after"] == "2"
    asked(http, timed_out)
    with pytest.raises(telnyx.APITimeoutError):
        sync_client.messages.send(to="+13125550102", from_="+13125550101", text="Hi", timeout=0.2)
    assert len(simulator.account.messages) == 2


def test_the_operations_are_those_that_are_served() -> None:
    documented = {(method, cells[0].strip("`")) for cells in rows("path") for method in cells[1].split(", ")}
    assert documented == {(operation.method, path) for operation in OPERATIONS for path in operation.paths}
    keyed = {cells[0].strip("`") for cells in rows("path") if "Idempotency-Key" in cells[2]}
    assert keyed == {operation.path for operation in OPERATIONS if operation.idempotent}


def test_the_controls_are_those_that_are_served() -> None:
    documented = [tuple(cells[0].replace("`", "").split()) for cells in rows("control")]
    assert sorted(documented) == sorted((method, path) for method, path in CONTROLS)


def test_each_control_is_a_method_with_the_arguments_of_the_document() -> None:
    methods = [cells[2].strip("`") for cells in rows("control")]
    assert len(set(methods)) == len(CONTROLS)
    for method in methods:
        name, _, arguments = method.rstrip(")").partition("(")
        found = getattr(Simulator, name)
        if not isinstance(found, property):
            parameters = inspect.signature(found).parameters
            assert set(filter(None, arguments.replace("**", "").split(", "))) <= set(parameters), method


@pytest.mark.parametrize("path", BODIES)
def test_the_body_of_a_control_has_the_fields_of_the_document(path: str) -> None:
    (shown,) = [cells[1] for cells in rows("control") if cells[0] == f"POST `{path}`"]
    required, _, optional = shown.partition("[")
    fields = BODIES[path].model_fields
    assert set(re.findall(r"`(\w+)`", required)) == {name for name, field in fields.items() if field.is_required()}
    assert set(re.findall(r"`(\w+)`", optional)) == {name for name, field in fields.items() if not field.is_required()}


def test_every_control_with_a_body_is_checked() -> None:
    assert {path for method, path in CONTROLS if method == "POST"} - set(BODIES) == {"/reset"}


@pytest.mark.parametrize("kinds", [FaultKind, WebhookFaultKind, OutcomeStatus, Capability])
def test_everything_that_can_be_scripted_is_named(kinds: Any) -> None:
    controls = DOCUMENT.split("\n## Controls\n")[1].split("\n## ")[0]
    assert set(get_args(kinds)) <= set(re.findall(r"\w+", controls))


@pytest.mark.slow
def test_the_command_runs_and_its_options_are_all_there(tmp_path: Path) -> None:
    (line,) = commands("ringback")
    parameters = inspect.signature(command).parameters
    assert re.findall(r"--([\w-]+)", line) == [name.replace("_", "-") for name in parameters]
    assert f"--port {parameters['port'].default} " in line
    log, arguments = tmp_path / "log", line.replace("--port 12111", "--port 0").split()[1:]
    with running(*arguments, cwd=tmp_path, log=log, environment=clean_environment()):
        wait_for(lambda: log.read_text().endswith("\n"))
        assert re.fullmatch(r"simulator: http://127\.0\.0\.1:\d+/v2\n", log.read_text())


@pytest.mark.slow
def test_a_handler_is_developed_as_the_document_shows(tmp_path: Path) -> None:
    settings, inbound = blocks("ini")[0], commands("curl")[1]
    assert "`HANDLERS=my_handlers:router ringback up`" in DOCUMENT
    port = free_port()
    simulator = Simulator(webhook_url=f"http://127.0.0.1:{port}/webhooks")
    assert f"TELNYX_PUBLIC_KEY={simulator.public_key}\n" in settings
    (tmp_path / "my_handlers.py").write_text(blocks("python")[0])
    with ExitStack() as stack:
        url = stack.enter_context(simulating(simulator))
        (tmp_path / ".env").write_text(settings.replace(ADDRESS, url))
        environment = clean_environment(
            HANDLERS="my_handlers:router", RINGBACK_PORT=str(port), RINGBACK_GRACE="5", NO_PROXY="*"
        )
        stack.enter_context(running("up", cwd=tmp_path, log=tmp_path / "log", environment=environment))
        http = stack.enter_context(httpx.Client(base_url=url, trust_env=False))
        wait_for(lambda: _is_ready(port))
        assert asked(http, inbound).status_code == 200
        (sent,) = wait_for(lambda: asked(http, commands("curl")[2]).json())
    assert (sent["body"]["text"], sent["body"]["to"]) == ("Thanks, we will call you back.", "+13125550102")


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def test_the_sdk_is_pointed_at_it_by_the_environment(
    url: str, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TELNYX_BASE_URL", f"{url}/v2")
    with httpx.Client(trust_env=False) as http:
        profiles = telnyx.Telnyx(api_key="KEY", http_client=http).messaging_profiles.list().data
    assert [profile.name for profile in profiles or []] == ["Marketing", "Alerts", "Support"]
    assert "(Marketing, which owns every number, Alerts, Support)" in DOCUMENT
    assert all(f"`{agent.agent_id}`" in DOCUMENT for agent in simulator.account.agents)


@pytest.mark.slow
@pytest.mark.parametrize(("edit", "outcome"), [("", "1 passed"), (', idempotency_key="hi-1"', "1 failed")])
def test_the_example_of_a_test_runs_and_fails_without_the_key(tmp_path: Path, edit: str, outcome: str) -> None:
    (plugins,) = re.findall(r"`(pytest_plugins = .*?)`", DOCUMENT)
    (tmp_path / "conftest.py").write_text(f"{plugins}\n")
    (tmp_path / "test_example.py").write_text(blocks("python")[1].replace(edit, ""))
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=clean_environment(PYTHONPATH=str(_ROOT), NO_PROXY="127.0.0.1", PATH=os.environ["PATH"]),
    )
    assert outcome in run.stdout, run.stdout


def test_the_links_within_the_document_lead_somewhere() -> None:
    titles = re.findall(r"^#+ (.*)$", DOCUMENT, re.MULTILINE)
    anchors = {re.sub(r"[^a-z -]", "", title.lower()).replace(" ", "-") for title in titles}
    links = set(re.findall(r"\]\(#(.*?)\)", DOCUMENT))
    assert links
    assert links <= anchors


def test_the_controls_are_under_the_prefix_of_the_document() -> None:
    assert f"| control, after `{PREFIX}` |" in DOCUMENT
