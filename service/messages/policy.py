"""The policy of the SMS fallback: which messages fall back, when, as what, and from whom.

Pure. A policy is data: `policy_file` reads it from TOML. The first rule that fits a message and its recipient decides.
"""

import re
from dataclasses import dataclass
from datetime import time
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pydantic
from phonenumbers import SUPPORTED_REGIONS
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationInfo

from service.events import Message
from service.events.opt_out_words import HELP_WORDS, OPT_IN_WORDS, normalise
from service.messages.quiet_hours import opens_at
from service.messages.templates import Template
from service.outbound.phone_numbers import country_of, time_zones_of
from service.settings.values import Sender, seconds

Occasion = Literal["failed", "expired", "unconfirmed", "undelivered", "window_closed"]
"""Why an SMS may be called for: the message failed, expired, was never confirmed, or was not delivered in time.

`window_closed`: WhatsApp refused a text more than 24 hours after the recipient's last message.
"""
Trigger = Literal["failed", "expired", "unconfirmed", "window_closed"]
Channel = Literal["rcs", "whatsapp"]

MIN_UNDELIVERED = 10.0
"""Seconds. Telnyx reports a delivery within a few."""
MOST_SEGMENTS = 6
_MAX_AGE = {"otp": "10m", "transactional": "1h", "marketing": "1h"}
_MAX_WAIT = {"otp": "10m", "transactional": "12h", "marketing": "12h"}
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


def _duration(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError('give a duration in quotes, such as "90s", "15m" or "12h"')
    return seconds(value)


def _long_enough(duration: float) -> float:
    if duration < MIN_UNDELIVERED:
        raise ValueError(
            f"give at least {MIN_UNDELIVERED:g}s: that a message was delivered is known a few seconds later"
        )
    return duration


def _clock_time(value: object) -> object:
    if isinstance(value, time) and value.tzinfo is None:
        return value
    if isinstance(value, str) and _CLOCK.fullmatch(value):
        return time.fromisoformat(value)
    quotes = "" if isinstance(value, str) else " in quotes"
    raise ValueError(f'give a time of day{quotes} from "00:00" to "23:59", such as "21:00"')


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("there is no such time zone: give one such as Europe/Paris") from None
    return name


def _country(name: str) -> str:
    if name not in SUPPORTED_REGIONS:
        raise ValueError("give countries by two capital letters of ISO 3166, such as US or GB")
    return name


def _opt_out_word(word: str) -> str:
    said = normalise(word)
    if not said:
        raise ValueError("give a word of letters or digits, as people write it: not a sentence")
    if said in OPT_IN_WORDS | HELP_WORDS:
        raise ValueError("this word already opts in or asks for help: give another one")
    return word


Duration = Annotated[float, BeforeValidator(_duration), Field(gt=0, allow_inf_nan=False)]
ClockTime = Annotated[time, BeforeValidator(_clock_time)]
NonEmptyStr = Annotated[str, Field(min_length=1, strict=True)]
OptOutWord = Annotated[NonEmptyStr, AfterValidator(_opt_out_word)]


class Table(BaseModel):
    """A table of a policy: a key that means nothing is an error, and no error quotes what was given."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, arbitrary_types_allowed=True)


class QuietHours(Table):
    """From when until when nobody is to be disturbed, by the clocks of the recipient, or of `time_zone`."""

    begin: ClockTime = Field(alias="from")
    end: ClockTime = Field(alias="to")
    time_zone: Annotated[NonEmptyStr, AfterValidator(_time_zone)] | None = None

    @pydantic.model_validator(mode="after")
    def _some_hours(self) -> "QuietHours":
        if self.begin == self.end:
            raise ValueError("from and to are the same: leave quiet_hours out, or give two times")
        return self

    @property
    def seconds(self) -> float:
        """How long they last."""
        begin, end = (each.hour * 3600 + each.minute * 60 + each.second for each in (self.begin, self.end))
        return float((end - begin) % 86_400)

    def opens_at(self, number: str, at: float) -> float | None:
        """Return the first moment from `at` on at which a number may be written to. None: not within two days."""
        zones = (ZoneInfo(self.time_zone),) if self.time_zone else time_zones_of(number)
        return opens_at(self.begin, self.end, zones, at)


class Manner(Table):
    """Fields of `[defaults]` and of each rule. Durations are seconds."""

    kind: Literal["otp", "transactional", "marketing"] = Field("transactional", alias="class")
    triggers: list[Trigger] = ["failed", "expired"]
    max_age: Duration | None = None
    max_wait: Duration | None = None
    max_segments: int = Field(MOST_SEGMENTS, ge=1, le=10, strict=True)
    undelivered_after: Annotated[Duration, AfterValidator(_long_enough)] | None = None
    quiet_hours: QuietHours | None = None
    sender: Sender = Field(None, alias="from")
    sent_as: Literal["sms", "mms", "auto"] = Field("sms", alias="as")
    template: Annotated[Template | None, PlainValidator(Template.parse)] = None


class Rule(Manner):
    """One rule: which messages it is for, and what becomes of them. An empty condition asks for nothing."""

    name: NonEmptyStr
    agents: list[NonEmptyStr] = Field(default_factory=list)
    messaging_profiles: list[NonEmptyStr] = Field(default_factory=list)
    tags: list[NonEmptyStr] = Field(default_factory=list)
    countries: list[Annotated[NonEmptyStr, AfterValidator(_country)]] = Field(default_factory=list)
    channel: Channel = Field("rcs", validate_default=True)
    max_age: Duration = 0.0
    max_wait: Duration = 0.0
    quiet_hours: QuietHours | None = Field(None, validate_default=True)
    sender: Sender = Field(None, alias="from", validate_default=True)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _by_class(cls, values: Any) -> Any:
        """Set the defaults of durations by class."""
        # Where the field is read, an error names a value that is no class.
        kind = str(values.get("class", "transactional"))
        ages = {"max_age": _MAX_AGE.get(kind, "1h"), "max_wait": _MAX_WAIT.get(kind, "12h")}
        return {**ages, **values}

    @pydantic.field_validator("agents", "messaging_profiles", "tags", "countries")
    @classmethod
    def _asks_for_something(cls, wanted: list[str]) -> list[str]:
        if not wanted:
            raise ValueError("an empty list would fit nothing: leave it out to fit everything")
        return wanted

    @pydantic.field_validator("channel")
    @classmethod
    def _as_the_channel_demands(cls, channel: Channel, info: ValidationInfo) -> Channel:
        given = info.data
        if channel == "whatsapp" and "template" in given and given["template"] is None:
            raise ValueError(
                "give a template: a WhatsApp template bears only parameters, so the SMS needs its own text"
            )
        if channel == "whatsapp" and given.get("agents"):
            raise ValueError("agents send RCS messages alone: leave them out, or take messaging_profiles")
        if channel == "rcs" and "window_closed" in given.get("triggers", ()):
            raise ValueError('window_closed is a trigger of channel = "whatsapp" alone')
        return channel

    @pydantic.field_validator("undelivered_after")
    @classmethod
    def _before_it_is_too_old(cls, duration: float | None, info: ValidationInfo) -> float | None:
        max_age = info.data.get("max_age")
        if duration is not None and max_age is not None and duration >= max_age:
            raise ValueError("by then the message would be older than max_age: give less, or a longer max_age")
        return duration

    @pydantic.field_validator("quiet_hours")
    @classmethod
    def _as_the_class_demands(cls, quiet: QuietHours | None, info: ValidationInfo) -> QuietHours | None:
        kind = info.data.get("kind")
        if kind == "marketing" and quiet is None:
            raise ValueError('marketing must keep quiet hours: quiet_hours = { from = "21:00", to = "08:00" }')
        if kind == "otp" and quiet is not None:
            raise ValueError("a one-time code cannot wait for the morning: leave quiet_hours out")
        return quiet

    @pydantic.field_validator("sender")
    @classmethod
    def _somebody_sends(cls, number: str | None, info: ValidationInfo) -> str | None:
        if number is None and (info.data.get("triggers") or info.data.get("undelivered_after")):
            raise ValueError("nobody sends: give from here or in [defaults], or set RINGBACK_SMS_FROM")
        return number

    @property
    def warnings(self) -> list[str]:
        """Yield warnings of settings that are allowed and rarely meant."""
        quiet = self.quiet_hours
        if quiet is None or quiet.seconds <= self.max_wait:
            return []
        longest, waits = (f"{each / 60:g}m" for each in (quiet.seconds, self.max_wait))
        lost = f"quiet_hours last {longest} and max_wait is {waits}: what fails early in them is never sent"
        return [f"{lost}: give a max_wait of at least {longest}"]

    @property
    def fits_everything(self) -> bool:
        """Whether it asks for nothing."""
        return not (self.agents or self.messaging_profiles or self.tags or self.countries)

    def fits(self, message: Message, number: str) -> bool:
        """Return whether the rule is for this message to this number."""
        return (
            (message.type == "WHATSAPP") == (self.channel == "whatsapp")
            and (not self.agents or message.from_.agent_id in self.agents)
            and (not self.messaging_profiles or message.messaging_profile_id in self.messaging_profiles)
            and (not self.tags or not set(self.tags).isdisjoint(message.tags))
            and (not self.countries or country_of(number) in self.countries)
        )

    def acts_on(self, occasion: Occasion | None) -> bool:
        """Return whether this is an occasion for an SMS."""
        return occasion in self.triggers or (occasion == "undelivered" and self.undelivered_after is not None)

    def goes_out_at(self, number: str, at: float, *, by: float) -> float | None:
        """Return when an SMS may go out from `at` on. None: not until `by` (all in seconds since 1970)."""
        moment = self.quiet_hours.opens_at(number, at) if self.quiet_hours else at
        return moment if moment is not None and moment <= by else None


NO_RULE = Rule.model_validate({"name": "no rule", "triggers": []})
"""The rule for a message that no rule of a policy matches: it has no occasion for an SMS."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules in their order, and the opt-out words that are added to those of the law."""

    rules: tuple[Rule, ...]
    opt_out_words: tuple[str, ...] = ()

    @property
    def types(self) -> frozenset[str]:
        """The types of messages that a rule may be for. RCS is always one of them."""
        return frozenset({"RCS", *(rule.channel.upper() for rule in self.rules)})

    def rule_for(self, message: Message, number: str) -> Rule:
        """Return the first rule that fits, or `NO_RULE`, by which nothing is sent."""
        return next((rule for rule in self.rules if rule.fits(message, number)), NO_RULE)


def default_policy(sms_from: str) -> Policy:
    """Return the policy without a file: failed and expired messages become an SMS from this sender, within an hour."""
    return Policy((Rule.model_validate({"name": "default", "from": sms_from}),))
