"""Reading a policy from its file. Errors name the file, the line and the field."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, ValidationError

from service.messages.policy import Manner, OptOutWord, Policy, Rule, Table, default_policy
from service.settings import InvalidSettings

LARGEST = 64 * 1024
_TOML_LINE = re.compile(r" \(at line (\d+), column \d+\)$")
_PLAINER = {
    "extra_forbidden": "means nothing here: is it misspelt?",
    "missing": "is missing",
    "too_short": "is missing: a policy has at least one [[rules]]",
}

Location = tuple[int | str, ...]
T = TypeVar("T", bound=Table)


class InvalidPolicy(InvalidSettings):
    """A policy with errors. Each line of the text names the file, the line and the field."""


@dataclass(frozen=True, slots=True)
class _Problem:
    location: Location
    what: str


class _File(Table):
    defaults: Manner = Field(default_factory=Manner)
    rules: list[dict[str, Any]] = Field(default_factory=list, min_length=1, validate_default=True)
    opt_out_words: list[OptOutWord] = Field(default_factory=list)


@cache
def policy_of(path: Path | None, sms_from: str | None) -> Policy | None:
    """Return the policy in force, or None where nothing arms the fallback. The file is read once in a process.

    Raises:
        InvalidPolicy: the file cannot be read, or does not fit.
    """
    if path is not None:
        try:
            return read_policy(path, sms_from=sms_from)
        except InvalidPolicy as error:
            raise InvalidPolicy(f"RINGBACK_POLICY: {error}") from None
    return default_policy(sms_from) if sms_from is not None else None


def read_policy(path: Path, *, sms_from: str | None) -> Policy:
    """Read a policy. `sms_from` sends where the file names nobody.

    Raises:
        InvalidPolicy: it cannot be read, or does not fit.
    """
    text = _text(path)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = _TOML_LINE.search(str(error))
        place = f"{path}:{line[1] if line else len(text.splitlines())}"
        raise InvalidPolicy(f"{place}: {_TOML_LINE.sub('', str(error))}") from None
    policy, problems = _policy(content, sms_from)
    if problems:
        raise InvalidPolicy("\n".join(_shown(path, text, problem) for problem in problems))
    return policy


def _text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        text = raw.decode()
    except OSError as error:
        raise InvalidPolicy(f"{path} cannot be read ({error.strerror}): it should be a policy in TOML") from None
    except UnicodeDecodeError:
        raise InvalidPolicy(f"{path}: a policy is UTF-8") from None
    if len(raw) > LARGEST:
        raise InvalidPolicy(f"{path}: a policy has at most {LARGEST // 1024} KiB")
    return text.replace("\r\n", "\n")


def _policy(content: Mapping[str, Any], sms_from: str | None) -> tuple[Policy, list[_Problem]]:
    file, problems = _fit(_File, content, ())
    if any(problem.location[0] != "defaults" or len(problem.location) == 1 for problem in problems):
        return Policy(()), problems
    defaults = content.get("defaults", {})
    wrong = frozenset(problem.location[1] for problem in problems)
    rules: list[Rule] = []
    for number, table in enumerate(content["rules"]):
        rule, found = _fit(Rule, _merged(sms_from, defaults, table), ("rules", number))
        problems += _own(found, defaults, table, wrong)
        rules += [rule] if rule is not None else []
    if not problems:
        problems += [*_same_names(rules), *_never_reached(rules)]
    return Policy(tuple(rules), tuple(file.opt_out_words) if file is not None else ()), problems


def _merged(sms_from: str | None, defaults: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rule with what it leaves to the defaults, or to the environment."""
    merged = {"from": sms_from, **defaults, **table}
    if merged.get("class") == "otp" and "quiet_hours" not in table:
        # Those of all others are not meant for codes that somebody waits for.
        merged.pop("quiet_hours", None)
    return merged


def _fit(model: type[T], content: Mapping[str, Any], at: Location) -> tuple[T | None, list[_Problem]]:
    try:
        return model.model_validate(content), []
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        return None, [
            _Problem((*at, *each["loc"]), _PLAINER.get(each["type"]) or each["msg"].removeprefix("Value error, "))
            for each in found
        ]


def _own(
    found: list[_Problem], defaults: Mapping[str, Any], table: Mapping[str, Any], wrong: frozenset[int | str]
) -> Iterator[_Problem]:
    """Yield the problems of a rule, without those of defaults that are reported already (`wrong`)."""
    for problem in found:
        field = problem.location[2:]
        if not field or field[0] in table or field[0] not in defaults:
            yield problem
        elif field[0] not in wrong:
            yield _Problem(problem.location, f"{problem.what} (it stands in [defaults])")


def _same_names(rules: list[Rule]) -> Iterator[_Problem]:
    names = [rule.name for rule in rules]
    for number, name in enumerate(names):
        if name in names[:number]:
            yield _Problem(("rules", number, "name"), "another rule has that name")


def _never_reached(rules: list[Rule]) -> Iterator[_Problem]:
    all_of_it: dict[str, int] = {}
    for number, rule in enumerate(rules):
        before = all_of_it.get(rule.channel)
        if before is not None:
            what = f"never reached: rules[{before}] before it fits everything, and the first that fits decides"
            yield _Problem(("rules", number), what)
            return
        if rule.fits_everything:
            all_of_it[rule.channel] = number


def _shown(path: Path, text: str, problem: _Problem) -> str:
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem.location)
    return f"{path}:{line_of(text, problem.location)}: {field.removeprefix('.') or 'policy'}: {problem.what}"


def line_of(text: str, location: Location) -> int:
    """Return the line of a field or, where it is missing, of the table that should hold it.

    tomllib tells no lines. Parsing ever longer beginnings of the file shows where a key appears.
    """
    lines = text.split("\n")
    found = _said_by(tomllib.loads(text), location)
    begins = 1
    for end in range(1, len(lines) + 1):
        try:
            content = tomllib.loads("\n".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue
        if _said_by(content, found) == found:
            return begins if found else 1
        begins = end + 1
    return 1


def _said_by(content: Any, location: Location) -> Location:
    """Return the part of a location that exists."""
    for depth, part in enumerate(location):
        try:
            content = content[part]
        except (LookupError, TypeError):
            return location[:depth]
    return location
