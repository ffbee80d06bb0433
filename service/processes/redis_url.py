"""`REDIS_URL`: read once and strictly, so that no driver quotes a password in an error."""

import re
import ssl
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

SENTINEL_PORT = 26379
REDIS_PORT = 6379
CLUSTER_SCHEMES = ("redis+cluster://", "rediss+cluster://")
SCHEMES = ("redis://", "rediss://", "unix://", "redis+sentinel://", "rediss+sentinel://", *CLUSTER_SCHEMES)

_HOST = re.compile(r"[\w.-]+")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]+(%[\w.-]+)?")
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ENCODE = "percent-encode these characters in a user name or password: % as %25, / as %2F, ? as %3F, # as %23, @ as %40"
_TRUE, _FALSE = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})

Address = tuple[str, int]
Reader = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class RedisTarget:
    """The address of Redis, and the login. The text form holds no login.

    `addresses` are those of the sentinels where `master` is given, and of some servers of a `cluster`. `path` is a
    socket's.
    """

    addresses: tuple[Address, ...] = ()
    path: str | None = None
    master: str | None = None
    cluster: bool = False
    database: int = 0
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    password_file: Path | None = None
    sentinel_login: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: Mapping[str, Any] | None = field(default=None, repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        if self.path is not None:
            return self.path
        hosts = ",".join(format_address(*each) for each in self.addresses)
        if self.cluster:
            return f"the cluster of {hosts}"
        return hosts if self.master is None else f"{self.master} of the sentinels {hosts}"


def format_address(host: str, port: int) -> str:
    """Return `host:port`, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_cluster_url(url: str) -> bool:
    """Return whether a URL names a Redis in cluster mode."""
    return url.startswith(CLUSTER_SCHEMES)


def parse_redis_url(url: str) -> RedisTarget:
    """Read a URL of one of the forms that `REDIS_URL` takes.

    Raises:
        ValueError: it does not fit. The text says what to write instead, and quotes nothing that may be a secret.
    """
    scheme = next((each for each in SCHEMES if url.startswith(each)), None)
    if scheme is None:
        raise ValueError(f"must begin with one of {', '.join(SCHEMES)}")
    rest, question, query = url.removeprefix(scheme).partition("?")
    authority, path = _split_authority(rest, query)
    login, _, hosts = authority.rpartition("@")
    found = {**_login(login), **_query(query if question else None, tls=scheme.startswith("rediss"))}
    if found["password"] and found["password_file"]:
        raise ValueError("has a password and password_file: leave one of them out")
    if scheme == "unix://":
        return RedisTarget(path=_socket_path(hosts, path), **found)
    if scheme.endswith("+sentinel://"):
        if "database" in found:
            raise ValueError("give the database in the path: redis+sentinel://host1,host2/master/0")
        return RedisTarget(**_sentinels(hosts, path), **found)
    if is_cluster_url(url):
        if found.get("database") or path.strip("/0"):
            raise ValueError("a cluster has no databases: give redis+cluster://host1,host2")
        return RedisTarget(
            addresses=_addresses(hosts, REDIS_PORT, "redis+cluster://host1,host2"), cluster=True, **found
        )
    if "," in hosts:
        raise ValueError("several hosts need redis+sentinel://host1,host2/master/0 or redis+cluster://host1,host2")
    database = _database(path.strip("/")) if path.strip("/") else found.pop("database", 0)
    found.pop("database", None)
    return RedisTarget(addresses=(_address(hosts, REDIS_PORT),), database=database, **found)


def _split_authority(rest: str, query: str) -> tuple[str, str]:
    """Return the part before the first slash, and the path. Refuse a login that one of its characters cuts short."""
    authority, slash, path = rest.partition("/")
    if "#" in rest or "#" in query:
        raise ValueError(f"has a #: {_ENCODE}")
    if "@" in path or authority.count("@") > 1 or ("@" in query and "@" not in authority and ":" in authority):
        raise ValueError(f"has an @ where none belongs: {_ENCODE}")
    if _PERCENT.search(rest) or _PERCENT.search(query):
        raise ValueError(f"has a % without two hexadecimal digits after it: {_ENCODE}")
    return authority, slash + path


def _login(login: str) -> dict[str, Any]:
    username, _, password = login.partition(":")
    return {"username": _decoded(username) or None, "password": _decoded(password) or None}


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError(f"its percent-encoding is no UTF-8: {_ENCODE}") from None


def _address(text: str, default_port: int) -> Address:
    host, port = _host_and_port(text)
    if port == "":
        return host, default_port
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65_535):
        raise ValueError(f"a port is a number from 1 to 65535. If this is part of a password, {_ENCODE}")
    return host, int(port)


def _host_and_port(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        if not bracket or not _IPV6.fullmatch(host) or (port and not port.startswith(":")):
            raise ValueError("give an IPv6 address in brackets, such as redis://[::1]:6379")
        return _decoded(host), port.removeprefix(":")
    if text.count(":") > 1:
        raise ValueError("give an IPv6 address in brackets, such as redis://[::1]:6379")
    host, _, port = text.partition(":")
    if not host:
        raise ValueError("names no host: give one, such as redis://localhost:6379/0")
    if not _HOST.fullmatch(host):
        raise ValueError(f"the host's name has impossible characters. If they are part of a password, {_ENCODE}")
    return host, port


def _database(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise ValueError("the database after the / is a number, such as redis://host:6379/0")
    return int(text)


def _socket_path(hosts: str, path: str) -> str:
    if hosts:
        raise ValueError("give the whole path of the socket, beginning with three slashes: unix:///run/redis.sock")
    decoded = _decoded(path)
    file = Path(decoded)
    if decoded in ("", "/") or not file.parent.is_dir():
        raise ValueError("the folder of the socket does not exist: give its path, such as unix:///run/redis.sock")
    # The server of an absent socket is not up yet: that is an outage, and no mistake.
    if file.exists() and not stat.S_ISSOCK(file.stat().st_mode):
        raise ValueError("this path is no socket: give its path, such as unix:///run/redis.sock")
    return decoded


def _sentinels(hosts: str, path: str) -> dict[str, Any]:
    master, _, database = path.strip("/").partition("/")
    form = "redis+sentinel://host1,host2/master/0"
    if not master:
        raise ValueError(f"give {form}")
    return {
        "addresses": _addresses(hosts, SENTINEL_PORT, form),
        "master": _decoded(master),
        "database": _database(database) if database else 0,
    }


def _addresses(hosts: str, default_port: int, form: str) -> tuple[Address, ...]:
    addresses = hosts.split(",")
    if not all(addresses):
        raise ValueError(f"give {form}")
    return tuple(_address(each, default_port) for each in addresses)


def _flag(text: str) -> bool:
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise ValueError("is true or false")


def _requirement(text: str) -> str:
    if text not in ("none", "optional", "required"):
        raise ValueError("is none, optional or required")
    return text


def _seconds(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError("is a whole number of seconds")
    return int(text)


def _password_file(text: str) -> Path:
    path = Path(_file(text))
    if not path.read_bytes().strip():
        raise ValueError("names an empty file")
    return path


def _file(text: str) -> str:
    try:
        with Path(text).open("rb"):
            return text
    except (OSError, ValueError):
        raise ValueError("names a file that cannot be read") from None


_TLS: dict[str, Reader] = {
    "ssl_cert_reqs": _requirement,
    "ssl_check_hostname": _flag,
    "ssl_ca_certs": _file,
    "ssl_certfile": _file,
    "ssl_keyfile": _file,
}
_LOGIN: dict[str, Reader] = {"username": str, "password": str, "password_file": _password_file, "db": _database}
_SENTINEL_LOGIN = {"sentinel_username": "username", "sentinel_password": "password"}
_CONNECTION: dict[str, Reader] = {"client_name": str, "health_check_interval": _seconds, "socket_keepalive": _flag}
_OPTIONS: dict[str, Reader] = {**_TLS, **_LOGIN, **dict.fromkeys(_SENTINEL_LOGIN, str), **_CONNECTION}


def _query(query: str | None, *, tls: bool) -> dict[str, Any]:
    """Return the options after the question mark, by the fields of `RedisTarget`."""
    given = dict(_option(part, number) for number, part in enumerate((query or "").split("&"), 1) if part)
    secured = {name: value for name, value in given.items() if name in _TLS}
    if secured and not tls:
        raise ValueError(f"{min(secured)} needs rediss://")
    if secured:
        _check_certificates(secured)
    if tls:
        secured["ssl_check_hostname"] = _is_host_checked(secured)
    found: dict[str, Any] = {name: given[name] for name in ("username", "password") if given.get(name)}
    if "db" in given:
        found["database"] = given["db"]
    login = {name: given[option] for option, name in _SENTINEL_LOGIN.items() if option in given}
    options = {name: given[name] for name in _CONNECTION if name in given}
    return {
        **found,
        "password_file": given.get("password_file"),
        "sentinel_login": login,
        "options": options,
        "tls": secured if tls else None,
    }


def _option(part: str, number: int) -> tuple[str, Any]:
    name, equals, value = part.partition("=")
    if not equals or name not in _OPTIONS:
        raise ValueError(f"option {number} after the ? is none of {', '.join(_OPTIONS)}")
    try:
        return name, _OPTIONS[name](_decoded(value))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _is_host_checked(given: Mapping[str, Any]) -> bool:
    """Return whether the server's certificate must name the host. The driver's own default is that it need not."""
    verified = given.get("ssl_cert_reqs") != "none"
    checked: bool = given.get("ssl_check_hostname", verified)
    if checked and not verified:
        raise ValueError("ssl_check_hostname=true needs a certificate: leave ssl_cert_reqs=none out")
    return checked


def _check_certificates(given: Mapping[str, Any]) -> None:
    context = ssl.create_default_context()
    trouble = "ssl_ca_certs: the file holds no certificates in PEM form"
    try:
        if file := given.get("ssl_ca_certs"):
            context.load_verify_locations(cafile=file)
        trouble = "ssl_certfile: it and ssl_keyfile hold no pair of certificate and key"
        if file := given.get("ssl_certfile"):
            context.load_cert_chain(file, given.get("ssl_keyfile"), "")
    except (ssl.SSLError, OSError, ValueError):
        raise ValueError(trouble) from None
