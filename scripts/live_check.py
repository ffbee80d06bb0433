"""Compare the shapes of answers of Telnyx's live API and of the simulator, and send one SMS to oneself.

Usage: `TELNYX_API_KEY=… scripts/live-check --yes [--from NUMBER --to NUMBER]`. Without both numbers no SMS is sent. No
value of an answer is printed, only names of fields and kinds of values.

Exit codes: 0 no difference, 1 a difference or a failed call, 2 bad usage.
"""

import argparse
import json
import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from scripts.answer_shapes import Answer, Finding, compare, rows_of
from service.events.phone_number import canonical_number
from service.settings import InvalidSettings, load
from service.testing.simulator import Simulator, running

TABLE = tomllib.loads(Path(__file__).with_name("live_calls.toml").read_text())
SECONDS = 20.0
TEXT = "Ringback compares the API with its simulator. You can ignore this message."
OURS, OTHERS, OPTED_OUT = "+13125550001", "+13125550002", "+13125550003"
"""The simulator's numbers."""


_AFTERWARDS: dict[str, Callable[[Simulator, dict[str, Any]], object]] = {
    "/10dlc/brand": lambda simulator, row: simulator.move_brand(row["brandId"], status="VERIFIED", shape=None),
    "/10dlc/campaignBuilder": lambda simulator, row: simulator.move_campaign(
        row["campaignId"], status="MNO_PROVISIONED", shape=None
    ),
    "/messaging_hosted_number_orders": lambda simulator, row: simulator.move_order(
        row["id"], status="successful", number_status="successful"
    ),
    "/rcs/brands": lambda simulator, row: simulator.decide_rcs_brand(row["brand_id"], status="VERIFIED"),
}
"""Changes of the simulated account after a row is added, so that the next one can be."""


@dataclass(frozen=True)
class Call:
    """One reading call. `source` is the call whose first row has `key`, which fills the braces."""

    path: str
    query: dict[str, str]
    source: str | None
    key: str

    @classmethod
    def of(cls, row: dict[str, Any]) -> "Call":
        """Return a row of the table as a call."""
        return cls(row["path"], row.get("query", {}), row.get("from"), row.get("field", "id"))


@dataclass
class Api:
    """An API to ask, and its answers so far by the paths of the table."""

    http: httpx.Client
    answers: dict[str, Answer] = field(default_factory=dict)

    def read(self, call: Call) -> Answer | None:
        """Return the answer to a call, or None without a row to ask about."""
        filled = ""
        if call.source is not None:
            rows = rows_of(self.answers.get(call.source))
            if not rows or not rows[0].get(call.key):
                return None
            filled = str(rows[0][call.key])
        path = re.sub(r"\{\w+\}", quote(filled, safe=""), call.path)
        query = {name: re.sub(r"\{\w+\}", filled, value) for name, value in call.query.items()}
        self.answers[call.path] = self.ask("GET", path, params=query)
        return self.answers[call.path]

    def ask(self, method: str, path: str, **request: Any) -> Answer:
        """Return the answer to a request.

        Raises:
            httpx.HTTPError: there is none.
        """
        response = self.http.request(method, path, **request)
        try:
            return Answer(response.status_code, response.json())
        except ValueError:
            return Answer(response.status_code, None)


def main(arguments: list[str]) -> int:
    """Carry out the command. Return its exit code."""
    given = _parser().parse_args(arguments)
    if (refused := _why_not(given)) is not None:
        print(refused, file=sys.stderr)
        return 2
    settings = load()
    headers = {"authorization": f"Bearer {settings.require_api_key()}"}
    with (
        running(simulator := Simulator()) as address,
        _client(f"{address}/v2", {"authorization": "Bearer simulated"}) as simulated,
        _client(settings.base_url, headers) as live,
    ):
        local = Api(simulated)
        add_rows(simulator, local)
        findings = list(compare_all(Api(live), local))
        if given.sender is not None:
            findings += _compare_sms(Api(live), local, given.sender, given.to)
    _show(findings, as_json=given.json)
    return 1 if any(each.is_bad for each in findings) or all(each.result == "refused" for each in findings) else 0


def compare_all(live: Api, local: Api) -> Iterator[Finding]:
    """Yield the result of each reading call of the table."""
    for call in map(Call.of, TABLE["call"]):
        name = f"GET {call.path}"
        try:
            answer = live.read(call)
        except httpx.HTTPError as error:
            yield Finding(name, "failed", [type(error).__name__])
            continue
        yield compare(name, answer, local.read(call))


def add_rows(simulator: Simulator, local: Api) -> None:
    """Give the simulator rows to show, since it begins with hardly any."""
    for number, row in enumerate(TABLE["row"]):
        body = {name: _filled(value, local) for name, value in row["body"].items()}
        key = {"idempotency-key": f"row-{number}"}
        answer = local.ask("POST", row["path"], json=body, headers=key)
        local.answers[row["path"]] = answer
        if row["path"] in _AFTERWARDS:
            _AFTERWARDS[row["path"]](simulator, rows_of(answer)[0])
    simulator.receive(sender=OPTED_OUT, to=OURS, text="STOP")
    simulator.assign_number(OURS, next(iter(simulator.account.profiles)).id)


def _filled(value: Any, local: Api) -> Any:
    if not isinstance(value, str) or not value.startswith("{"):
        return value
    path, name = value.strip("{}").split()
    return rows_of(local.answers[path])[0][name]


def _compare_sms(live: Api, local: Api, sender: str, to: str) -> Iterator[Finding]:
    """Send one SMS. Compare the answer to that, and the message that is shown afterwards."""
    sent = live.ask("POST", "/messages", json={"from": sender, "to": to, "text": TEXT})
    simulated = local.ask("POST", "/messages", json={"from": OURS, "to": OTHERS, "text": TEXT})
    yield compare("POST /messages", sent, simulated)
    if sent.status == 200:
        ids = [rows_of(each)[0]["id"] for each in (sent, simulated)]
        shown = [api.ask("GET", f"/messages/{id_}") for api, id_ in zip((live, local), ids, strict=True)]
        yield compare("GET /messages/{id}", *shown)


def _show(findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([vars(each) for each in findings], indent=2))
        return
    for each in findings:
        print(f"{each.result:12} {each.call}")
        for title, places in (
            ("differs: ", each.differing),
            ("only at Telnyx: ", each.only_at_telnyx),
            ("only simulated: ", each.only_simulated),
        ):
            for place in places:
                print(f"{'':12}   {title}{place}")


def _client(url: str, headers: dict[str, str]) -> httpx.Client:
    return httpx.Client(base_url=url, headers=headers, timeout=SECONDS, trust_env=False)


def _why_not(given: argparse.Namespace) -> str | None:
    """Return why the check does not run, and what to do."""
    if os.environ.get("CI"):
        return "This asks a real account, so it does not run in CI"
    if (given.sender is None) != (given.to is None):
        return "An SMS needs both --from and --to: a number of the account, and a phone of yours"
    if not given.yes:
        sends = "sends one SMS and " if given.sender else ""
        return f"This {sends}reads the account of TELNYX_API_KEY with {len(TABLE['call'])} calls. Add --yes to do it"
    try:
        load().require_api_key()
    except InvalidSettings as error:
        return str(error)
    return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/live-check", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--yes", action="store_true", help="ask the account")
    parser.add_argument("--from", dest="sender", metavar="NUMBER", type=_number, help="a number of the account")
    parser.add_argument("--to", metavar="NUMBER", type=_number, help="a phone of yours, for one SMS")
    parser.add_argument("--json", action="store_true", help="print JSON for machines")
    return parser


def _number(text: str) -> str:
    number = canonical_number(text)
    if number is None or not number.startswith("+"):
        raise argparse.ArgumentTypeError("a number is written like +13125550001")
    return number


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
