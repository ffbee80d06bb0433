"""The commands of `ringback rcs` that register brands and agents, beside those of `rcs.py`."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import anyio
import typer
from redis.exceptions import RedisError
from telnyx import APIError, AsyncTelnyx, NotFoundError

from service.cli.masked_output import print_json, say_fields, show_list, shown, shown_within
from service.cli.options import JsonOption, RevealOption, YesOption, e164
from service.cli.output import BAD_USAGE, confirm, fail, say
from service.cli.rich_output import Cell
from service.cli.telnyx.rcs import rcs
from service.cli.telnyx.session import with_telnyx
from service.cli.telnyx.toml_file import read_toml
from service.events.tolerant_model import list_of
from service.outbound.errors import classify_error
from service.processes.data_folder import NotRunning
from service.registrations.rcs_limits import doubts, image_doubts
from service.registrations.rcs_register import CannotRegister, Plan, RegistrationStep, carry_out, plan
from service.registrations.rcs_registration import follow_all, sections_of
from service.registrations.rcs_submission import RcsFile, read_file
from service.registrations.status_changes import TooMuchChange
from service.registrations.submission_fields import InvalidSubmission
from service.settings import load
from service.store.connection import connect, locate
from service.store.store import Store

SECONDS = 5.0

BrandId = Annotated[str | None, typer.Argument(metavar="[ID]", help="The id of a brand, to see it whole.")]
AgentId = Annotated[str | None, typer.Argument(metavar="[ID]", help="The id of an agent, to see it whole.")]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A TOML file with the fields.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Also what carriers may send back.")]


@rcs.command("brands")
def brands(brand_id: BrandId = None, *, as_json: JsonOption = False, reveal: RevealOption = False) -> None:
    """List the brands under registration, or show one.

    Exit codes: 0 shown, 1 there is none of that id, or Telnyx refuses, 2 bad usage.
    """
    if brand_id is not None:
        one = with_telnyx(lambda telnyx: telnyx.rcs.brands.retrieve(brand_id))
        print_json(one, reveal=reveal) if as_json else say_fields(one, reveal=reveal)
        return
    found = list_of(with_telnyx(lambda telnyx: _and_tell(telnyx, telnyx.rcs.brands.list)))
    none = "There are no brands: `ringback rcs register FILE` creates one."
    show_list(found, "id, status, name, legal name", _brand_row, none, as_json=as_json, reveal=reveal)


@rcs.command("register")
def register(file: FileArgument, *, force: ForceOption = False, yes: YesOption = False) -> None:
    """Check a brand and its agent in full, images too, and create or correct their drafts.

    Doing it again creates nothing twice.

    Exit codes: 0 registered, 1 refused or not confirmed, 2 the file is invalid and nothing was sent.
    """
    checked = _checked(file, force=force)
    try:
        wanted = with_telnyx(lambda telnyx: plan(telnyx, checked))
    except CannotRegister as error:
        fail(str(error))
    for kind, step in _steps(wanted):
        say(f"{kind}: {step.action} {step.id or step.fields['display_name']}" + _names(step))
    if all(step.action == "keep" for _, step in _steps(wanted)):
        say("Telnyx has all of it already.")
        return
    confirm("Send this to Telnyx? It begins no review.", yes=yes, dry_run=load().dry_run)
    brand_id, agent_id = with_telnyx(lambda telnyx: _and_tell(telnyx, partial(carry_out, telnyx, wanted)))
    say(f"brand {brand_id}", *([f"agent {agent_id}"] if agent_id else []))
    say(f"next: ringback rcs submit {brand_id}", err=True)


@rcs.command("submit")
def submit(
    subject: Annotated[str, typer.Argument(metavar="ID", help="The id of a brand or an agent.")],
    *,
    yes: YesOption = False,
) -> None:
    """Submit a brand, or an agent of a VERIFIED brand, for review. Its fields are locked from then on.

    Exit codes: 0 submitted, 1 refused or not confirmed, 2 bad usage.
    """
    kind, found = with_telnyx(lambda telnyx: _brand_or_agent(telnyx, subject))
    if kind == "agent":
        brand = with_telnyx(lambda telnyx: telnyx.rcs.brands.retrieve(found.brand_id))
        if brand.status != "VERIFIED":
            fail(f"the brand {found.brand_id} is {brand.status}: an agent is submitted once its brand is VERIFIED")
    question = f"Submit the {kind} {found.display_name} ({found.status}) for review? This locks its fields."
    confirm(question, yes=yes, dry_run=load().dry_run)
    after = with_telnyx(lambda telnyx: _and_tell(telnyx, partial(_submit, telnyx, kind, subject)))
    say(f"{kind} {subject}: {after.status}")


@rcs.command("launch")
def launch(
    agent_id: Annotated[str, typer.Argument(metavar="ID", help="The id of an agent.")],
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A TOML file with [campaign] and [testing].")
    ] = None,
    *,
    force: ForceOption = False,
    yes: YesOption = False,
) -> None:
    """Submit an agent to the carriers. Without a file, its own draft has the campaign and the evidence.

    Exit codes: 0 submitted, 1 refused or not confirmed, 2 the file is invalid and nothing was sent.
    """
    agent = with_telnyx(lambda telnyx: telnyx.rcs.agents.retrieve(agent_id))
    if agent.status == "CREATED":
        fail(f"the agent {agent_id} is CREATED: `ringback rcs submit {agent_id}` comes first")
    parts = _checked(file, force=force, launching=True).launch_fields() if file else _drafted(agent)
    question = f"Submit {agent.display_name} ({agent.status}) to the carriers?"
    confirm(question, yes=yes, dry_run=load().dry_run)
    after = with_telnyx(lambda telnyx: _and_tell(telnyx, lambda: telnyx.rcs.agents.launch(agent_id, **parts)))
    say(f"agent {agent_id}: {after.status}")


@rcs.command("status")
def status(agent_id: AgentId = None, *, as_json: JsonOption = False, reveal: RevealOption = False) -> None:
    """Show how far agents have come, with the answer of each carrier.

    Exit codes: 0 shown, 1 there is none of that id, or Telnyx refuses, 2 bad usage.
    """
    if agent_id is not None:
        one = with_telnyx(lambda telnyx: _and_tell(telnyx, partial(telnyx.rcs.agents.retrieve, agent_id)))
        print_json(one, reveal=reveal) if as_json else _say_agent(one, reveal=reveal)
        return
    found = list_of(with_telnyx(lambda telnyx: _and_tell(telnyx, telnyx.rcs.agents.list)))
    none = "There are no agents under registration: `ringback rcs register FILE` creates one."
    show_list(found, "id, name, status, sections, carriers", _agent_row, none, as_json=as_json, reveal=reveal)


@rcs.command("devices")
def devices(
    agent_id: Annotated[str, typer.Argument(metavar="ID", help="The id of an agent.")],
    *,
    add: Annotated[str | None, typer.Option("--add", help="A number to invite.", parser=e164)] = None,
    remove: Annotated[str | None, typer.Option("--remove", help="A number to remove.", parser=e164)] = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
    reveal: RevealOption = False,
) -> None:
    """List the test numbers of an agent under registration. Invite one, or remove one.

    Exit codes: 0 done, 1 refused or not confirmed, 2 bad usage.
    """
    if add and remove:
        raise typer.BadParameter("give either --add or --remove")
    if number := add or remove:
        change = "Invite" if add else "Remove"
        confirm(f"{change} {shown(number, reveal=reveal)}?", yes=yes, dry_run=load().dry_run)
        with_telnyx(lambda telnyx: _and_tell(telnyx, partial(_change_device, telnyx, agent_id, add, remove)))
    found = list_of(with_telnyx(lambda telnyx: telnyx.rcs.agents.test_devices.list(agent_id)))

    def row(each: Any) -> tuple[str, str]:
        return shown(each.phone_number, reveal=reveal), each.invite_status.lower()

    show_list(found, "number, invitation", row, "The agent has no test numbers.", as_json=as_json, reveal=reveal)


async def _and_tell(telnyx: AsyncTelnyx, act: Any) -> Any:
    """Act, and let the Ringback that runs here know of all changes at once. Otherwise its poll finds them."""
    done = await act()
    settings = load()
    try:
        async with connect(locate(settings), timeout=SECONDS, connections=2) as redis:
            await follow_all(telnyx, Store.of(redis, settings))
    except NotRunning:
        pass
    except RedisError:
        _say_later("Redis cannot be reached")
    except APIError as error:
        _say_later(f"Telnyx: {classify_error(error).detail}")
    except TooMuchChange:
        _say_later("Another process reads the same registrations")
    return done


def _say_later(why: str) -> None:
    say(f"{why}: Ringback's poll finds the change within a day", err=True)


async def _brand_or_agent(telnyx: AsyncTelnyx, subject: str) -> tuple[str, Any]:
    try:
        return "agent", await telnyx.rcs.agents.retrieve(subject)
    except NotFoundError:
        return "brand", await telnyx.rcs.brands.retrieve(subject)


async def _submit(telnyx: AsyncTelnyx, kind: str, subject: str) -> Any:
    if kind == "agent":
        return await telnyx.rcs.agents.submit(subject)
    return await telnyx.rcs.brands.submit(subject)


async def _change_device(telnyx: AsyncTelnyx, agent_id: str, add: str | None, remove: str | None) -> None:
    if add is not None:
        await telnyx.rcs.agents.test_devices.create(agent_id, phone_number=add)
        return
    known = list_of(await telnyx.rcs.agents.test_devices.list(agent_id))
    for each in known:
        if each.phone_number == remove:
            await telnyx.rcs.agents.test_devices.delete(each.test_device_id, id=agent_id)


def _checked(path: Path, *, force: bool, launching: bool = False) -> RcsFile:
    """Return the content of a file, or end the command with a line for each problem."""
    try:
        file = read_file(read_toml(path), launching=launching)
    except InvalidSubmission as error:
        fail(*(f"{path}: {field}: {said}" for field, said in error.problems.items()), code=BAD_USAGE)
    found = [*doubts(file), *anyio.run(image_doubts, file)]
    lines = [f"{path}: {field}: {said}" for field, said in found]
    if lines and not force:
        fail(*lines, "Carriers may send this back: --force sends it all the same", code=BAD_USAGE)
    if lines:
        say(*lines, err=True)
    return file


def _drafted(agent: Any) -> dict[str, Any]:
    """Return the campaign and the evidence in an agent's draft, in the form of a request."""
    parts = {name: getattr(agent.configuration, name) for name in ("campaign", "testing")}
    if None in parts.values():
        raise typer.BadParameter("the agent has no campaign and evidence yet: give a FILE with [campaign], [testing]")
    return {name: part.to_dict(mode="json", exclude_none=True) for name, part in parts.items()}


def _steps(wanted: Plan) -> Iterable[tuple[str, RegistrationStep]]:
    yield "brand", wanted.brand
    if wanted.agent is not None:
        yield "agent", wanted.agent


def _names(step: RegistrationStep) -> str:
    return f" ({', '.join(step.fields)})" if step.action == "update" else ""


def _brand_row(brand: Any) -> tuple[Cell, ...]:
    return brand.brand_id, brand.status, brand.display_name, brand.legal_name


def _agent_row(agent: Any) -> tuple[Cell, ...]:
    sections = [f"{name} {answer.lower()}" for name, answer in sections_of(agent).items()]
    return agent.agent_id, agent.display_name, agent.status, sections or "-", _carriers(agent, reveal=False) or "-"


def _carriers(agent: Any, *, reveal: bool) -> list[str]:
    return [
        f"{each.carrier or each.scope_type} {each.status.lower()}"
        + (f": {shown_within(each.rejected_reason, reveal=reveal)}" if each.rejected_reason else "")
        for each in agent.carrier_approvals or ()
    ]


def _say_agent(agent: Any, *, reveal: bool) -> None:
    say(f"{agent.display_name} ({agent.agent_id}): {agent.status}", f"brand: {agent.brand_id}")
    say(*(f"{name}: {answer.lower()}" for name, answer in sections_of(agent).items()), *_carriers(agent, reveal=reveal))
    for each in agent.test_devices or ():
        say(f"test number {shown(each.phone_number, reveal=reveal)}: {each.invite_status.lower()}")
