"""The users of the dashboard, as their lines say."""

import pytest
from nacl.pwhash import argon2id

from service.security.dashboard_users import (
    DashboardUser,
    hash_password,
    is_inline,
    is_password,
    parse_users,
    user_of_proxy,
)

SALT, DIGEST = "A" * 22, "B" * 43
HASH = f"$argon2id$v=19$m=65536,t=2,p=1${SALT}${DIGEST}"
QUICK = argon2id.str(b"open sesame", opslimit=1, memlimit=argon2id.MEMLIMIT_MIN).decode()


def test_users_are_read_line_by_line_and_between_blanks() -> None:
    users = parse_users(f"# a comment\n  # another\nann:viewer+operator:{HASH}  bob:revealer:proxy\n*:viewer:proxy\n")
    assert users == {
        "ann": DashboardUser("ann", frozenset({"viewer", "operator"}), HASH),
        "bob": DashboardUser("bob", frozenset({"viewer", "revealer"})),
        "*": DashboardUser("*", frozenset({"viewer"})),
    }
    assert HASH not in repr(users)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "names no user"),
        ("# only a comment", "names no user"),
        (f"ann:viewer:{HASH} ann:viewer:{HASH}", "has the user ann twice"),
        (f":viewer:{HASH}", "an entry without a name"),
        (f"-x:viewer:{HASH}", "an entry without a name"),
        (f"{'x' * 65}:viewer:{HASH}", "an entry without a name"),
        ("ann", "no valid role for ann"),
        (f"ann:root:{HASH}", "no valid role for ann"),
        (f"ann::{HASH}", "no valid role for ann"),
        ("ann:viewer", "no argon2id hash for ann"),
        ("ann:viewer:plain", "no argon2id hash for ann"),
        (f"*:viewer:{HASH}", r"no argon2id hash for \*"),
        (f"ann:viewer:{HASH.replace('65536', '262145')}", "no argon2id hash for ann"),
        (f"ann:viewer:{HASH.replace('t=2', 't=17')}", "no argon2id hash for ann"),
        (f"ann:viewer:{HASH}x y", None),
    ],
)
def test_an_entry_that_does_not_fit_is_told_without_its_hash(text: str, told: str | None) -> None:
    with pytest.raises(ValueError, match=told or "no valid role for y") as error:
        parse_users(text)
    assert DIGEST not in str(error.value)


@pytest.mark.parametrize("fitting", [HASH.replace("65536", "262144"), HASH.replace("t=2", "t=16"), f"{HASH}x"])
def test_hashes_at_the_limits_are_taken(fitting: str) -> None:
    assert parse_users(f"{'x' * 64}:operator:{fitting}")["x" * 64].password == fitting


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"ann:viewer:{HASH}", True),
        ("  *:viewer+operator:proxy", True),
        ("ann:viewer:proxyx", False),
        ("/etc/users", False),
        ("C:\\users", False),
    ],
)
def test_lines_are_told_from_the_name_of_a_file(text: str, *, expected: bool) -> None:
    assert is_inline(text) is expected


def test_only_the_password_of_a_user_lets_in() -> None:
    user = DashboardUser("ann", frozenset({"viewer"}), QUICK)
    assert is_password(user, "open sesame")
    assert not is_password(user, "other")
    assert not is_password(DashboardUser("bob", frozenset({"viewer"})), "other")
    assert not is_password(None, "other")
    made = hash_password("a long password")
    assert made.startswith("$argon2id$v=19$m=65536,t=2,p=1$")
    assert parse_users(f"ann:viewer:{made}")["ann"].password == made


def test_a_proxy_signs_in_those_who_have_no_password_and_anybody_where_it_may() -> None:
    users = parse_users(f"ann:viewer:{HASH} bob:operator:proxy")
    assert user_of_proxy(users, "ann") is None
    assert user_of_proxy(users, "bob") is users["bob"]
    assert user_of_proxy(users, "eve") is None
    anybody = {**users, **parse_users("*:revealer:proxy")}
    assert user_of_proxy(anybody, "eve") == DashboardUser("eve", frozenset({"viewer", "revealer"}))
    assert user_of_proxy(anybody, "ann") is None
    assert user_of_proxy(anybody, "*") is None
    assert user_of_proxy(anybody, "no name") is None
