"""`REDIS_URL`: what it takes, and mistakes in it that are told at the start, without a part of the password."""

import subprocess
from pathlib import Path

import pytest

from service.processes.redis_url import parse_redis_url
from service.settings import InvalidSettings, load
from tests.cli.deployment import run_process
from tests.tiers import slow

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        (f"rediss://:{SECRET}/{SECRET}@host", "%2F"),
        (f"rediss://:pa/{SECRET}@host:6380/1", "%2F"),
        (f"redis://user:{SECRET}#x@host", "%23"),
        (f"redis://user:{SECRET}?x@host", "%3F"),
        (f"redis://user:{SECRET}@{SECRET}@host", "%40"),
        (f"redis://user:{SECRET}%@host", "%25"),
        (f"redis://user:{SECRET}%zz@host", "%25"),
        (f"redis://user:{SECRET}%FF@host", "UTF-8"),
        (f"redis://{SECRET}:x", "a number from 1 to 65535"),
        ("redis://host:70000", "a number from 1 to 65535"),
        ("redis://host:0", "a number from 1 to 65535"),
        ("redis://::1:6379", "brackets"),
        ("redis://[::1", "brackets"),
        ("redis://", "names no host"),
        (f"redis://{SECRET}@/0", "names no host"),
        (f"redis://ho st{SECRET}", "white space"),
        (f"redis://host/first{SECRET}", "the database"),
        ("redis://host/0/1", "the database"),
        (f"redis://host?nonsense={SECRET}", "option 1"),
        (f"redis://host?db=1&{SECRET}", "option 2"),
        ("redis://host?db=first", "db"),
        ("redis://host?decode_responses=true", "option 1"),
        ("rediss://host?ssl_cert_reqs=CERT_NONE", "none, optional or required"),
        ("redis://host?ssl_cert_reqs=none", "rediss://"),
        ("rediss://host?ssl_ca_certs=/not/there.pem", "cannot be read"),
        ("rediss://host?ssl_ca_certs=plain.txt", "no certificates"),
        ("rediss://host?ssl_certfile=plain.txt", "no pair"),
        ("rediss://host?ssl_check_hostname=perhaps", "true or false"),
        ("redis://a,b/0", "redis+sentinel://"),
        ("redis+sentinel://host1,host2", "host1,host2/master/0"),
        ("redis+sentinel:///master/0", "host1,host2/master/0"),
        ("redis+sentinel://host1,,host2/master", "host1,host2/master/0"),
        ("redis+sentinel://host1/master/first", "the database"),
        ("redis+sentinel://host1:port/master/0", "a number from 1 to 65535"),
        ("redis+sentinel://host1/master?db=1", "in the path"),
        ("unix://run/redis.sock", "three slashes"),
        ("unix:///not/there/redis.sock", "does not exist"),
        ("unix:///", "does not exist"),
        ("redis+cluster://host1,,host2", "redis+cluster://host1,host2"),
        ("redis+cluster://host1/1", "no databases"),
        ("rediss+cluster://host1?db=1", "no databases"),
        (f"http://user:{SECRET}@host", "must begin with one of"),
        (SECRET, "must begin with one of"),
    ],
)
def test_a_mistake_is_told_with_what_to_write_and_without_the_password(
    monkeypatch: pytest.MonkeyPatch, url: str, advice: str
) -> None:
    Path("plain.txt").write_text("no certificate")
    monkeypatch.setenv("REDIS_URL", url)
    with pytest.raises(InvalidSettings) as raised:
        load()
    told = str(raised.value)
    assert told.startswith("REDIS_URL: ")
    assert advice in told
    assert SECRET not in told
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("command", ["config", *slow("doctor", "audit", "events list", "ingress", "worker")])
def test_every_command_ends_with_2_and_names_the_variable(command: str) -> None:
    ran = run_process(*command.split(), REDIS_URL=f"rediss://:pa/{SECRET}@host", TELNYX_API_KEY="KEY")
    assert (ran.code, ran.stdout) == (2, "")
    assert ran.stderr.startswith("REDIS_URL: ")
    assert SECRET not in ran.stderr


@pytest.mark.slow
def test_up_ends_with_2_before_anything_runs() -> None:
    ran = run_process("up", REDIS_URL=f"rediss://:pa/{SECRET}@host")
    assert (ran.code, "REDIS_URL: " in ran.stderr, SECRET in ran.stderr) == (2, True, False)


@pytest.mark.parametrize("part", ["p%ss", "p/ss", "p@ss", "p#ss", "p?ss", "p:ss", "p ss", "pässö", "p&s=s"])
def test_a_password_may_hold_anything_when_it_is_encoded(part: str) -> None:
    from urllib.parse import quote

    encoded = quote(part, safe="")
    assert parse_redis_url(f"redis://:{encoded}@host").password == part
    assert parse_redis_url(f"redis://host?password={encoded}").password == part
    sentinels = parse_redis_url(f"redis+sentinel://u:{encoded}@a:1,[::1]:2/main/3?sentinel_password={encoded}")
    assert (sentinels.username, sentinels.password, sentinels.database) == ("u", part, 3)
    assert sentinels.sentinel_login == {"password": part}
    assert sentinels.addresses == (("a", 1), ("::1", 2))


@pytest.mark.parametrize(
    ("url", "addresses", "database"),
    [
        ("redis://host", (("host", 6379),), 0),
        ("redis://host:1/", (("host", 1),), 0),
        ("redis://host/15", (("host", 6379),), 15),
        ("redis://host?db=2", (("host", 6379),), 2),
        ("redis://[::1]:7000/1", (("::1", 7000),), 1),
        ("redis://[fe80::1%25eth0]", (("fe80::1%eth0", 6379),), 0),
        ("redis+sentinel://a,b:2/main", (("a", 26379), ("b", 2)), 0),
    ],
)
def test_addresses_are_read(url: str, addresses: tuple[tuple[str, int], ...], database: int) -> None:
    target = parse_redis_url(url)
    assert (target.addresses, target.database) == (addresses, database)


def test_a_socket_is_read_and_one_that_is_absent_is_no_mistake(tmp_path: Path) -> None:
    assert parse_redis_url(f"unix://{tmp_path}/a%20b.sock").path == f"{tmp_path}/a b.sock"
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="no socket"):
        parse_redis_url(f"unix://{tmp_path}/file")


def test_certificates_are_read_at_the_start(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    subprocess.run([*make.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    url = (
        f"rediss://host?ssl_ca_certs={certificate}&ssl_certfile={certificate}&ssl_keyfile={key}&ssl_cert_reqs=required"
    )
    assert parse_redis_url(url).tls == {
        "ssl_ca_certs": str(certificate),
        "ssl_certfile": str(certificate),
        "ssl_keyfile": str(key),
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
    }


@pytest.mark.parametrize(
    ("options", "checked"),
    [
        ("", True),
        ("?ssl_cert_reqs=none", False),
        ("?ssl_check_hostname=false", False),
        ("?ssl_cert_reqs=optional", True),
    ],
)
def test_the_certificate_must_name_the_host_unless_the_url_says_otherwise(options: str, *, checked: bool) -> None:
    for scheme in ("rediss", "rediss+cluster"):
        tls = parse_redis_url(f"{scheme}://host{options}").tls
        assert tls is not None
        assert tls["ssl_check_hostname"] is checked


def test_a_host_cannot_be_checked_without_a_certificate() -> None:
    with pytest.raises(ValueError, match="leave ssl_cert_reqs=none out"):
        parse_redis_url("rediss://host?ssl_cert_reqs=none&ssl_check_hostname=true")


def test_a_password_comes_from_the_url_or_from_a_file_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{SECRET}\n")
    (tmp_path / "empty").write_text("\n")
    target = parse_redis_url(f"redis://app@host?password_file={tmp_path}/password")
    assert (target.username, target.password, target.password_file) == ("app", None, tmp_path / "password")
    for wrong, told in {
        f"redis://app:{SECRET}@host?password_file={tmp_path}/password": "leave one of them out",
        f"redis://app@host?password_file={tmp_path}/empty": "password_file: names an empty file",
        f"redis://app@host?password_file={tmp_path}/absent": "password_file: names a file that cannot be read",
    }.items():
        with pytest.raises(ValueError, match=told):
            parse_redis_url(wrong)


def test_the_text_form_holds_no_login() -> None:
    target = parse_redis_url(f"redis+sentinel://{SECRET}:{SECRET}@a,b/main/1?sentinel_password={SECRET}")
    assert SECRET not in f"{target} {target!r}"
    assert str(target) == "main of the sentinels a:26379,b:26379"
