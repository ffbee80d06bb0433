"""`ringback tollfree`: what does not fit is named and not sent; what is sent back is whole; nobody is un-verified."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import telnyx
from telnyx.types.messaging_tollfree.verification import request_create_params, request_update_params

from service.registrations.toll_free_submission import WIRE_NAMES, TollFreeSubmission, read_submission
from service.registrations.toll_free_wording import doubts
from service.testing.simulator.tollfree.requests import VerificationStatus
from tests.cli.at_stack import asked, run_at
from tests.cli.deployment import Ran
from tests.stack import Stack
from tests.testing.simulator.submission import SUBMISSION

REQUESTS = "/messaging_tollfree/verification/requests"

EVERYTHING = {
    **SUBMISSION,
    "business_addr2": "14th Floor",
    "isv_reseller": "None",
    "webhook_url": "https://hooks.example/webhooks",
    "business_registration_number": "12-3456789",
    "business_registration_type": "EIN",
    "business_registration_country": "US",
    "doing_business_as": "Acme",
    "entity_type": "PRIVATE_PROFIT",
    "opt_in_confirmation_response": "You are in. Reply STOP to opt out.",
    "help_message_response": "Call us",
    "privacy_policy_url": "https://acme.example/privacy",
    "terms_and_condition_url": "https://acme.example/terms",
    "opt_in_keywords": "START",
    "age_gated_content": True,
}

REGISTERED = {
    **SUBMISSION,
    **{name: value for name, value in EVERYTHING.items() if name.startswith("business_registration")},
}


@pytest.fixture
def client(stack: Stack) -> Iterator[telnyx.Telnyx]:
    with telnyx.Telnyx(api_key="KEY", base_url=stack.settings.base_url) as client:
        yield client


def run(stack: Stack, *arguments: str, answer: str | None = None) -> Ran:
    return run_at(stack, "tollfree", *arguments, answer=answer)


def submitted(client: telnyx.Telnyx, **changes: Any) -> str:
    return str(client.messaging_tollfree.verification.requests.create(**{**EVERYTHING, **changes}).id)


def decide(stack: Stack, request_id: str, status: VerificationStatus, reason: str | None = None) -> None:
    stack.simulator.decide(request_id, status=status, reason=reason, shape=None)


def write(tmp_path: Path, fields: dict[str, Any]) -> str:
    """A TOML file; JSON's values are TOML's."""
    path = tmp_path / "request.toml"
    path.write_text("\n".join(f"{name} = {_toml(value)}" for name, value in fields.items()))
    return str(path)


def _toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_toml(each)}" for name, each in value.items()) + "}"
    return json.dumps(value)


def sent(stack: Stack, method: str) -> list[Any]:
    return [each.body for each in asked(stack, method) if each.path.startswith(REQUESTS)]


@pytest.mark.parametrize(
    "params", [request_create_params.RequestCreateParams, request_update_params.RequestUpdateParams]
)
def test_our_fields_are_those_of_the_sdk(params: Any) -> None:
    from typing import get_type_hints

    from telnyx._utils import PropertyInfo

    hints = get_type_hints(params, include_extras=True)
    names = {}
    for name, hint in hints.items():
        inner = hint if hasattr(hint, "__metadata__") else hint.__args__[0]
        [info] = [each for each in inner.__metadata__ if isinstance(each, PropertyInfo)]
        names[name] = info.alias
    assert names == WIRE_NAMES
    required = {name for name, field in TollFreeSubmission.model_fields.items() if field.is_required()}
    assert required == {name for name, hint in params.__annotations__.items() if "Required[" in str(hint)}
    assert len(required) == 18


def test_the_login_in_a_webhook_url_is_hidden_however_it_is_shown(stack: Stack, client: telnyx.Telnyx) -> None:
    request = submitted(client, webhook_url="https://me:secret@hooks.example/webhooks")
    shown = [run(stack, "list", "--json", "--reveal"), run(stack, "show", request, "--json", "--reveal")]
    shown += [run(stack, "show", request, "--reveal"), run(stack, "show", request)]
    shown += [
        run(stack, "resubmit", request, "--set", "webhook_url=https://me:secret@other.example/hook", answer="n\n")
    ]
    for each in shown:
        assert ("https://•••@hooks.example/webhooks" in each.stdout, "secret" in each.stdout) == (True, False), each


def test_a_submission_in_either_spelling_is_sent_whole(stack: Stack, tmp_path: Path) -> None:
    wire = {WIRE_NAMES[name]: value for name, value in EVERYTHING.items()}
    for fields in (EVERYTHING, wire | {"phoneNumbers": ["+18775550001", "+18775550002"]}):
        ran = run(stack, "submit", write(tmp_path, fields), "--yes", "--force")
        assert (ran.code, ran.stderr) == (0, ""), ran.stderr
        assert "submitted: In Progress" in ran.stdout
    one, other = sent(stack, "POST")
    assert one == other
    assert set(one) == set(wire)
    assert one["phoneNumbers"] == [{"phoneNumber": "+18775550001"}, {"phoneNumber": "+18775550002"}]


WRONG = [
    ("message_volume", "100000", 'messageVolume: write "100,000"'),
    ("message_volume", "1,000,000+", "messageVolume: "),
    ("use_case", "2fa", 'useCase: write "2FA"'),
    ("business_state", "TX", "businessState: must be the full name of the state: Texas"),
    ("business_contact_phone", "555-0100", "businessContactPhone: must be a number such as +1"),
    ("phone_numbers", ["+13125550100"], "phoneNumbers: must be a toll-free number"),
    ("phone_numbers", [], "phoneNumbers: "),
    ("corporate_website", "acme.example", "corporateWebsite: must be an address with its scheme"),
    ("business_contact_email", "ann", "businessContactEmail: must be an e-mail address"),
    ("opt_in_workflow_image_urls", [], "optInWorkflowImageURLs: "),
    ("business_name", "", "businessName: "),
    ("use_case_summary", "x" * 501, "useCaseSummary: "),
    ("business_nmae", "Acme", "business_nmae: there is no such field: did you mean business_name?"),
    ("business_registration_country", "USA", "businessRegistrationCountry: "),
    ("use_case", "Political", "campaignVerifyAuthorizationToken: the use case Political needs one"),
    ("opt_in_workflow", "Consent is required to buy", "optInWorkflow: opt-in must be optional"),
    ("opt_in_workflow", "By accepting our terms you get texts", "optInWorkflow: consent to texts must not be bundled"),
    ("opt_in_workflow", "The box is pre-checked", "optInWorkflow: people must opt in themselves"),
    ("opt_in_workflow", "We use purchased lists", "optInWorkflow: numbers must come from people"),
]


@pytest.mark.parametrize(("field", "value", "said"), WRONG, ids=[f"{each[0]}-{each[2][-12:]}" for each in WRONG])
def test_what_does_not_fit_is_named_and_nothing_is_sent(
    stack: Stack, tmp_path: Path, field: str, value: Any, said: str
) -> None:
    ran = run(stack, "submit", write(tmp_path, {**SUBMISSION, field: value}), "--yes")
    assert (ran.code, said in ran.stderr) == (2, True), ran.stderr
    assert stack.simulator.requests == []
    assert "555-0100" not in ran.stderr


@pytest.mark.parametrize("name", sorted(SUBMISSION))
def test_every_required_field_is_asked_for(stack: Stack, tmp_path: Path, name: str) -> None:
    ran = run(stack, "submit", write(tmp_path, {k: v for k, v in SUBMISSION.items() if k != name}), "--yes")
    assert (ran.code, f"{WIRE_NAMES[name]}: is required" in ran.stderr) == (2, True), ran.stderr


@pytest.mark.parametrize(
    "text",
    [
        "Consent is not required to buy. People tick a box that is not pre-checked, and must confirm by a code.",
        "People text START after reading our terms; texts are agreed to in a box of their own.",
        "A form on our page, where opting in is optional and numbers never come from third parties.",
    ],
)
def test_wording_as_it_should_be_is_let_through(text: str) -> None:
    from service.registrations.toll_free_wording import refuse_wrong_opt_in

    refuse_wrong_opt_in(read_submission({**SUBMISSION, "opt_in_workflow": text}))


def test_doubts_are_told_and_hold_nothing_up(stack: Stack, tmp_path: Path) -> None:
    doubtful = {
        **SUBMISSION,
        "business_contact_email": "ann@mail.example",
        "phone_numbers": [f"+1877555000{number}" for number in range(6)],
    }
    ran = run(stack, "submit", write(tmp_path, doubtful), "--yes", "--force")
    assert ran.code == 0
    for said in ("Reply STOP", "domain of corporateWebsite", "more than five", "businessRegistrationNumber"):
        assert said in ran.stderr
    assert list(doubts(read_submission(EVERYTHING))) == []


@pytest.mark.parametrize("content", ["this is = no = toml", "\udcff", None], ids=["no toml", "no utf-8", "no file"])
def test_a_file_that_cannot_be_read_is_named(stack: Stack, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "request.toml"
    if content is not None:
        path.write_bytes(content.encode(errors="surrogateescape"))
    ran = run(stack, "submit", str(path), "--yes")
    assert (ran.code, str(path) in ran.stderr) == (2, True)


def test_without_consent_nothing_is_sent(stack: Stack, tmp_path: Path, client: telnyx.Telnyx) -> None:
    request = submitted(client)
    assert run(stack, "submit", write(tmp_path, REGISTERED), answer="n\n").code == 1
    assert run(stack, "resubmit", request, "--set", "businessName=Acme Inc", answer="n\n").code == 1
    assert run(stack, "delete", request, answer="").code == 1
    assert {each.method for each in stack.simulator.requests[1:]} == {"GET"}


def test_a_dry_run_changes_nothing(stack: Stack, tmp_path: Path, client: telnyx.Telnyx) -> None:
    request, file = submitted(client), write(tmp_path, REGISTERED)
    for arguments in (["submit", file], ["resubmit", request, "--set", "businessName=Acme Inc"], ["delete", request]):
        ran = run_at(stack, "tollfree", *arguments, "--yes", RINGBACK_DRY_RUN="true")
        assert (ran.code, "RINGBACK_DRY_RUN" in ran.stderr) == (1, True)
    applied = run_at(
        stack,
        "webhooks",
        "apply",
        "--yes",
        RINGBACK_PUBLIC_URL=stack.host.url,
        RINGBACK_MANAGE="*",
        RINGBACK_DRY_RUN="1",
    )
    assert (applied.code, "RINGBACK_DRY_RUN" in applied.stderr) == (1, True)
    assert {each.method for each in stack.simulator.requests[1:]} == {"GET"}


def test_a_submission_does_not_un_verify_a_number_unless_forced(
    stack: Stack, tmp_path: Path, client: telnyx.Telnyx
) -> None:
    request = submitted(client)
    decide(stack, request, "Verified")
    file = write(tmp_path, REGISTERED)
    refused = run(stack, "submit", file, "--yes")
    assert (refused.code, request in refused.stderr, "--force" in refused.stderr) == (1, True, True)
    assert len(sent(stack, "POST")) == 1
    assert run(stack, "submit", file, "--yes", "--force").code == 0


REGISTRATION = ("business_registration_number", "business_registration_type", "business_registration_country")


@pytest.mark.parametrize("missing", REGISTRATION)
def test_a_submission_without_the_business_registration_is_refused_unless_forced(
    stack: Stack, tmp_path: Path, missing: str
) -> None:
    file = write(tmp_path, {name: value for name, value in REGISTERED.items() if name != missing})
    refused = run(stack, "submit", file, "--yes")
    assert refused.code == 2
    assert f"{WIRE_NAMES[missing]}: is required since 17 February 2026" in refused.stderr
    assert stack.simulator.requests == []
    assert run(stack, "submit", file, "--yes", "--force").code == 0
    assert len(sent(stack, "POST")) == 1


@pytest.mark.parametrize("missing", REGISTRATION)
def test_a_resubmission_without_the_business_registration_is_refused_unless_forced(
    stack: Stack, client: telnyx.Telnyx, missing: str
) -> None:
    request = submitted(client, **{missing: telnyx.omit})
    arguments = ("resubmit", request, "--set", "businessName=Acme Inc", "--yes")
    refused = run(stack, *arguments)
    assert (refused.code, WIRE_NAMES[missing] in refused.stderr) == (2, True)
    assert sent(stack, "PATCH") == []
    assert run(stack, *arguments, "--force").code == 0
    assert len(sent(stack, "PATCH")) == 1


def test_a_lost_answer_warns_of_trying_again(stack: Stack, tmp_path: Path) -> None:
    stack.simulator.add_fault(kind="reset", when="after", method="POST")
    ran = run(stack, "submit", write(tmp_path, REGISTERED), "--yes")
    assert (ran.code, "ringback tollfree list" in ran.stderr) == (1, True)
    assert len(asked(stack, "POST")) == 1


def test_a_resubmission_holds_every_field_with_only_the_named_ones_changed(stack: Stack, client: telnyx.Telnyx) -> None:
    request = submitted(client)
    decide(stack, request, "Rejected", "Email domain")
    arguments = ("--set", "business_contact_email=bob@acme.example", "--set", "doingBusinessAs=")
    ran = run(stack, "resubmit", request, *arguments, "--yes")
    assert ran.code == 0, ran.stderr
    [before], [after] = sent(stack, "POST"), sent(stack, "PATCH")
    del before["doingBusinessAs"]
    assert after == before | {"businessContactEmail": "bob@acme.example"}
    assert "- businessContactEmail: ann@acme.example\n+ businessContactEmail: bob@acme.example\n" in ran.stdout
    assert "- doingBusinessAs: Acme\n+ doingBusinessAs: unset\n" in ran.stdout
    assert "businessName" not in ran.stdout


def test_lists_and_switches_are_set_in_a_line(stack: Stack, client: telnyx.Telnyx) -> None:
    request = submitted(client)
    arguments = ("--set", "phoneNumbers=+18775550003, +18775550004", "--set", "ageGatedContent=false")
    ran = run(stack, "resubmit", request, *arguments, "--yes")
    [after] = sent(stack, "PATCH")
    assert after["phoneNumbers"] == [{"phoneNumber": "+18775550003"}, {"phoneNumber": "+18775550004"}]
    assert after["ageGatedContent"] is False
    assert "+18775550003" not in ran.stdout


def test_a_verified_request_is_sent_back_only_by_force(stack: Stack, client: telnyx.Telnyx) -> None:
    request = submitted(client)
    decide(stack, request, "Verified")
    refused = run(stack, "resubmit", request, "--set", "businessName=Acme Inc", "--yes")
    assert (refused.code, "un-verifies" in refused.stderr) == (1, True)
    assert sent(stack, "PATCH") == []
    assert run(stack, "resubmit", request, "--set", "businessName=Acme Inc", "--yes", "--force").code == 0


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("businessName", "businessName: write FIELD=VALUE"),
        ("businessNmae=Acme", "businessNmae: there is no such field: did you mean businessName?"),
        ("businessState=TX", "businessState: must be the full name of the state: Texas"),
        ("businessName=", "businessName: is required"),
        ("messageVolume=100000", 'messageVolume: write "100,000"'),
        ("phoneNumbers=8775550001", "phoneNumbers: must be a toll-free number"),
        ("ageGatedContent=perhaps", "ageGatedContent: "),
        ("optInWorkflow=Customers are required to opt in.", "optInWorkflow: opt-in must be optional"),
        ("businessName=Acme LLC", "nothing would change"),
        ("verificationStatus=Verified", "verificationStatus: there is no such field"),
    ],
)
def test_a_change_that_does_not_fit_is_named_and_not_sent(
    stack: Stack, client: telnyx.Telnyx, assignment: str, said: str
) -> None:
    request = submitted(client)
    ran = run(stack, "resubmit", request, "--set", assignment, "--yes")
    assert (ran.code, said in ran.stderr) == (2, True), ran.stderr
    assert sent(stack, "PATCH") == []


def test_an_old_field_that_no_longer_fits_is_a_doubt_and_no_obstacle(stack: Stack, client: telnyx.Telnyx) -> None:
    request = submitted(client, business_contact_email="ann at acme")
    ran = run(stack, "resubmit", request, "--set", "businessName=Acme Inc", "--yes")
    assert (ran.code, "businessContactEmail: must be an e-mail address" in ran.stderr) == (0, True)


def test_an_old_opt_in_that_is_always_sent_back_is_a_doubt_and_no_obstacle(stack: Stack, client: telnyx.Telnyx) -> None:
    request = submitted(client, opt_in_workflow="Customers are required to opt in.")
    ran = run(stack, "resubmit", request, "--set", "businessName=Acme Inc", "--yes")
    assert (ran.code, "optInWorkflow: opt-in must be optional" in ran.stderr) == (0, True)


def test_deleting_is_done_when_it_is_gone_and_explained_when_it_is_not_rejected(
    stack: Stack, client: telnyx.Telnyx
) -> None:
    request = submitted(client)
    refused = run(stack, "delete", request, "--yes")
    assert (refused.code, refused.stderr) == (1, f"{request} is In Progress: Telnyx deletes only what is Rejected\n")
    decide(stack, request, "Rejected")
    deleted, gone = (run(stack, "delete", request, "--yes") for _ in range(2))
    assert (deleted.code, deleted.stdout) == (0, f"{request} deleted\n")
    assert (gone.code, gone.stdout) == (0, f"{request}: there is none, deleted already or never there\n")
    assert len(stack.simulator.account.verification_requests) == 0


def test_lists_and_requests_are_masked_unless_revealed(stack: Stack, client: telnyx.Telnyx) -> None:
    request = submitted(client)
    decide(stack, request, "Rejected", "Call +18005550100")
    private = ("+18775550001", "+18005550100", "Your code is 123456", "Reply STOP")
    for arguments in (["list"], ["list", "--json"], ["show", request], ["show", request, "--json"]):
        masked, revealed = run(stack, *arguments), run(stack, *arguments, "--reveal")
        assert (masked.code, revealed.code) == (0, 0)
        assert not [each for each in private if each in masked.stdout], arguments
        assert "+18775550001" in revealed.stdout
    assert "Your code is 123456" in run(stack, "show", request, "--reveal").stdout
    shown = json.loads(run(stack, "show", request, "--json").stdout)
    assert [each["verificationStatus"] for each in shown["statusHistory"]] == ["Rejected", "In Progress"]
    assert shown["phoneNumbers"][0]["phoneNumber"] == "+1877•••0001"


def test_a_list_has_all_pages_and_can_be_narrowed(stack: Stack, client: telnyx.Telnyx) -> None:
    requests = [submitted(client) for _ in range(101)]
    decide(stack, requests[100], "Rejected")
    assert len(json.loads(run(stack, "list", "--json").stdout)) == 101
    [only] = json.loads(run(stack, "list", "--json", "--status", "Rejected").stdout)
    assert only["id"] == requests[100]


def test_an_unknown_request_is_told_in_a_line(stack: Stack) -> None:
    for arguments in (["show", "nothing"], ["resubmit", "nothing", "--set", "businessName=Acme"]):
        ran = run(stack, *arguments)
        assert (ran.code, ran.stderr.startswith("Telnyx: 404")) == (1, True), ran.stderr
