"""Reading a policy: what holds by default, and how a mistake is told."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.messages.policy import NO_RULE, QuietHours, Rule
from service.messages.policy_file import InvalidPolicy, line_of, policy_of, read_policy
from tests.messages.policies import policy, write_policy


def problems(folder: Path, text: str, *, sms_from: str | None = "+13125550199") -> list[str]:
    path = write_policy(folder, text)
    with pytest.raises(InvalidPolicy) as raised:
        read_policy(path, sms_from=sms_from)
    return [line.removeprefix(f"{path}:") for line in str(raised.value).splitlines()]


def test_without_a_file_failed_and_expired_messages_fall_back_within_an_hour() -> None:
    found = policy_of(None, "+13125550199")
    assert found is not None
    [rule] = found.rules
    assert (rule.kind, rule.triggers, rule.undelivered_after) == ("transactional", ["failed", "expired"], None)
    assert (rule.sender, rule.sent_as, rule.max_segments) == ("+13125550199", "sms", 6)
    assert (rule.max_age, rule.max_wait, rule.quiet_hours) == (3600, 12 * 3600, None)


def test_with_neither_a_file_nor_a_sender_nothing_is_armed() -> None:
    assert policy_of(None, None) is None


def test_a_rule_takes_what_it_leaves_out_from_the_defaults(tmp_path: Path) -> None:
    found = policy(
        tmp_path,
        """
        [defaults]
        from = "profile"
        max_age = "2h"
        quiet_hours = { from = "21:00", to = "08:00", time_zone = "Europe/Paris" }

        [[rules]]
        name = "codes"
        class = "otp"
        tags = ["login"]

        [[rules]]
        name = "others"
        from = "12345"
        max_age = "90m"
        """,
    )
    codes, others = found.rules
    assert (codes.sender, codes.max_age, codes.max_wait, codes.quiet_hours) == ("profile", 7200, 600, None)
    assert (others.sender, others.max_age, others.max_wait) == ("12345", 5400, 12 * 3600)
    assert others.quiet_hours is not None
    assert others.quiet_hours.time_zone == "Europe/Paris"


RULE = '[[rules]]\nname = "a"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "1: rules: is missing: a policy has at least one [[rules]]"),
        ("rules = 3", "1: rules: Input should be a valid list"),
        ("[[rules]]", "1: rules[0].name: is missing"),
        (f"# a comment\n\n{RULE}max_wiat = '1h'", "5: rules[0].max_wiat: means nothing here: is it misspelt?"),
        ("[default]\nfrom = 'profile'\n" + RULE, "1: default: means nothing here: is it misspelt?"),
        (RULE + "class = 'otp'\nquiet_hours = {from = '21:00', to = '08:00'}", "4: rules[0].quiet_hours: a one-time"),
        (RULE + "class = 'marketing'", "1: rules[0].quiet_hours: marketing must keep quiet hours"),
        (RULE + "class = 'spam'", "3: rules[0].class: Input should be 'otp', 'transactional' or 'marketing'"),
        (RULE + "class = ['otp']", "3: rules[0].class: Input should be 'otp', 'transactional' or 'marketing'"),
        (RULE + "quiet_hours = {from = '9:00', to = '21:00'}", "3: rules[0].quiet_hours.from: give a time of day"),
        (RULE + "quiet_hours = {from = 21, to = 08:00:00}", "3: rules[0].quiet_hours.from: give a time of day"),
        (RULE + "quiet_hours = {from = '21:00'}", "3: rules[0].quiet_hours.to: is missing"),
        (RULE + "quiet_hours = {from = '21:00', to = '21:00'}", "3: rules[0].quiet_hours: from and to are the same"),
        (
            RULE + "[rules.quiet_hours]\nfrom = '21:00'\nto = '08:00'\ntime_zone = 'Paris'",
            "6: rules[0].quiet_hours.time_zone: there is no such time zone",
        ),
        (RULE + "undelivered_after = '9s'", "3: rules[0].undelivered_after: give at least 10s"),
        (RULE + "quiet_hours = {from = '25:00', to = '8:00'}", "3: rules[0].quiet_hours.from: give a time of day from"),
        (
            RULE + "quiet_hours = {from = 21, to = '08:00'}",
            "3: rules[0].quiet_hours.from: give a time of day in quotes",
        ),
        (RULE + "undelivered_after = '1h'", "3: rules[0].undelivered_after: by then the message would be older"),
        (RULE + "max_age = 3600", "3: rules[0].max_age: give a duration in quotes"),
        (RULE + "max_age = '0s'", "3: rules[0].max_age: Input should be greater than 0"),
        (RULE + "max_segments = 11", "3: rules[0].max_segments: Input should be less than or equal to 10"),
        (RULE + "max_segments = true", "3: rules[0].max_segments: Input should be a valid integer"),
        (RULE + "from = 'Diner'", "3: rules[0].from: give a number such as"),
        (RULE + "as = 'fax'", "3: rules[0].as: Input should be 'sms', 'mms' or 'auto'"),
        (
            RULE + "triggers = ['failed', 'read']",
            "3: rules[0].triggers[1]: Input should be 'failed', 'expired', 'unconfirmed' or",
        ),
        (RULE + "countries = ['US', 'usa']", "3: rules[0].countries[1]: give countries by two capital letters"),
        (RULE + "agents = []", "3: rules[0].agents: an empty list would fit nothing"),
        (RULE + "agents = [\n  'one',\n  2,\n]\ntags = ['']", "3: rules[0].agents[1]: Input should be a valid string"),
        (RULE + "template = '{{ txt }}'", "3: rules[0].template: there is no 'txt'"),
        (RULE + "template = '''\nmax_age = {{\n'''", "3: rules[0].template: "),
        (RULE + "template = '{{ text.to_a_tee() }}'", "3: rules[0].template: it cannot be filled in (UndefinedError)"),
        (RULE + "channel = 'email'", "3: rules[0].channel: Input should be 'rcs' or 'whatsapp'"),
        (RULE + "channel = 'whatsapp'", "3: rules[0].channel: give a template: a WhatsApp template bears only"),
        (
            RULE + "channel = 'whatsapp'\ntemplate = 'x'\nagents = ['one']",
            "3: rules[0].channel: agents send RCS messages alone",
        ),
        (RULE + "triggers = ['window_closed']", "1: rules[0].channel: window_closed is a trigger of channel"),
        (
            RULE + "channel = 'whatsapp'\ntemplate = 'x'\n[[rules]]\nname = 'b'\n[[rules]]\nname = 'c'",
            "7: rules[2]: never reached: rules[1] before it fits everything",
        ),
        (RULE + "[[rules]]\nname = 'b'", "3: rules[1]: never reached: rules[0] before it fits everything"),
        (RULE + "tags = ['x']\n[[rules]]\nname = 'a'", "5: rules[1].name: another rule has that name"),
        ("[defaults]\nmax_age = 'soon'\n" + RULE, "2: defaults.max_age: give a duration such as"),
        ("[defaults]\nclass = 'marketing'\n" + RULE, "3: rules[0].quiet_hours: marketing must keep"),
        (RULE + 'max_age = "1h', "3: "),
        (RULE + 'max_age = "1h"\nmax_age = "2h"', "4: Cannot overwrite a value"),
    ],
)
def test_a_mistake_is_told_by_line_and_field(tmp_path: Path, text: str, told: str) -> None:
    assert problems(tmp_path, text)[0].startswith(told)


def test_all_mistakes_are_told_at_once_and_no_value_is_quoted(tmp_path: Path) -> None:
    text = RULE + "from = '+1312 secret'\nmax_age = 'secret'\n\n[[rules]]\nname = 'b'\nas = 'secret'\n"
    told = problems(tmp_path, text)
    assert [line.split(": ")[:2] for line in told] == [
        ["4", "rules[0].max_age"],
        ["3", "rules[0].from"],
        ["8", "rules[1].as"],
    ]
    assert "secret" not in " ".join(told)


def test_mistakes_in_the_defaults_hide_none_in_the_rules_and_are_told_once(tmp_path: Path) -> None:
    text = (
        "[defaults]\nmax_age = 'secret'\ncolour = 1\nquiet_hours = { from = 'secret', to = '08:00' }\n"
        f"{RULE}class = 'marketing'\nas = 'secret'\n\n[[rules]]\nname = 3\nmax_age = 'secret'\n"
    )
    told = problems(tmp_path, text)
    assert [line.split(": ")[:2] for line in told] == [
        ["2", "defaults.max_age"],
        ["4", "defaults.quiet_hours.from"],
        ["3", "defaults.colour"],
        ["8", "rules[0].as"],
        ["12", "rules[1].max_age"],
        ["11", "rules[1].name"],
    ]
    assert "secret" not in " ".join(told)


@pytest.mark.parametrize(
    "text",
    [
        "defaults = 3\n" + RULE,
        "defaults = [3]\n" + RULE,
        "rules = [3]",
        "rules = 3\n[defaults]\nas = 'fax'",
        "[rules]\na = 1",
        "[defaults]\nclass = ['otp']\n" + RULE,
    ],
)
def test_what_is_no_table_is_told_of(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text)


def test_somebody_must_send(tmp_path: Path) -> None:
    assert problems(tmp_path, RULE, sms_from=None) == [
        "1: rules[0].from: nobody sends: give from here or in [defaults], or set RINGBACK_SMS_FROM"
    ]
    silent = write_policy(tmp_path, RULE + "triggers = []\n")
    assert read_policy(silent, sms_from=None).rules[0].sender is None


@pytest.mark.parametrize(
    ("raw", "told"),
    [(b"\xff", "UTF-8"), (b"#" * (64 * 1024 + 1), "64 KiB"), (None, "cannot be read (No such file or directory)")],
    ids=["bytes", "large", "missing"],
)
def test_a_file_that_cannot_be_a_policy_is_refused(tmp_path: Path, raw: bytes | None, told: str) -> None:
    path = tmp_path / "policy.toml"
    if raw is not None:
        path.write_bytes(raw)
    with pytest.raises(InvalidPolicy, match=r"policy\.toml") as raised:
        read_policy(path, sms_from=None)
    assert told in str(raised.value)


def test_lines_are_counted_with_the_line_ends_of_windows(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_bytes(b'[[rules]]\r\nname = "a"\r\n\r\nmax_segments = 99\r\n')
    with pytest.raises(InvalidPolicy, match=r"policy\.toml:4: rules\[0\]\.max_segments"):
        read_policy(path, sms_from="+13125550199")


@given(st.integers(0, 5), st.integers(0, 5))
def test_the_line_of_a_field_is_found_among_comments_and_long_values(before: int, between: int) -> None:
    first, second = '[[rules]]\nname = """\nage = 1\n"""\n', "[[rules]]\nage = [\n1,\n]\n"
    text = "# rules\n" * before + first + "\n" * between + second
    assert line_of(text, ("rules", 0, "name")) == before + 2
    assert line_of(text, ("rules", 1)) == before + 5 + between
    assert line_of(text, ("rules", 1, "age", 0)) == before + 6 + between
    assert line_of(text, ("rules", 1, "from")) == before + 5 + between
    assert line_of(text, ("defaults",)) == 1


def test_the_error_of_a_policy_in_force_names_the_variable(tmp_path: Path) -> None:
    with pytest.raises(InvalidPolicy, match=r"^RINGBACK_POLICY: .*nowhere\.toml cannot be read"):
        policy_of(tmp_path / "nowhere.toml", None)


def test_the_policy_of_the_documentation_is_fit(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "policy.md").read_text()
    found = policy(tmp_path, page.partition("```toml\n")[2].partition("```")[0])
    assert [rule.name for rule in found.rules] == ["one-time codes", "promotions", "French customers", "everybody else"]
    for field in (*Rule.model_fields.values(), *QuietHours.model_fields.values()):
        assert field.alias is None or f"`{field.alias}`" in page
    for name, field in Rule.model_fields.items():
        assert f"`{field.alias or name}`" in page or name == "name"


def test_the_opt_out_words_of_the_documentation_are_fit(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "policy.md").read_text()
    found = policy(tmp_path, page.partition("## Opt-out words")[2].partition("```toml\n")[2].partition("```")[0])
    assert found.opt_out_words == ("ARRET", "no más")


def test_a_message_that_no_rule_fits_is_nobodys(tmp_path: Path) -> None:
    from service.events import Message

    found = policy(tmp_path, '[[rules]]\nname = "french"\ncountries = ["FR"]\nagents = ["one", "two"]\n')
    [rule] = found.rules
    french = Message.model_validate({"from": {"agent_id": "two"}})
    assert found.rule_for(french, "+33612345678") is rule
    assert found.rule_for(french, "+13125550101") is NO_RULE
    assert found.rule_for(Message.model_validate({"from": {"agent_id": "three"}}), "+33612345678") is NO_RULE


def test_rules_go_by_profile_and_tag_too_and_the_first_that_fits_decides(tmp_path: Path) -> None:
    from service.events import Message

    found = policy(
        tmp_path,
        """
        [[rules]]
        name = "tagged"
        tags = ["a", "b"]

        [[rules]]
        name = "profiled"
        messaging_profiles = ["p-1"]

        [[rules]]
        name = "rest"
        """,
    )

    def name_for(**payload: object) -> str:
        return found.rule_for(Message.model_validate(payload), "+13125550101").name

    assert name_for(tags=["x", "b"], messaging_profile_id="p-1") == "tagged"
    assert name_for(messaging_profile_id="p-1") == "profiled"
    assert name_for() == "rest"
