"""Keys that prove nothing: those that anybody can sign with, and those that belong to nobody."""

import asyncio
import base64
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from service.doctor.configuration import public_key
from service.doctor.deployment import Deployment
from service.security.telnyx_signature import PublicKey, describe_known_key, public_key_text
from service.settings import InvalidSettings, Settings
from service.testing.simulator import Simulator
from tests.processes.running import ringback
from tests.stack import make_settings

LOCAL = "http://127.0.0.1:12111/v2"
PRIME = 2**255 - 19
README_KEY = public_key_text(SigningKey(bytes(32)))


def _order_8() -> list[int]:
    """The y coordinates of the points of order 8 (Chen and others, Taming the many EdDSAs, table 6)."""
    known = (
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    )
    return [int.from_bytes(bytes.fromhex(each), "little") & (2**255 - 1) for each in known]


def small_order_keys() -> list[str]:
    """All encodings of the eight points of small order, those included that are not reduced or bear a needless sign."""
    coordinates = [0, 1, PRIME - 1, PRIME, PRIME + 1, *_order_8()]
    encoded = [(y | sign << 255).to_bytes(32, "little") for y in coordinates for sign in (0, 1)]
    return [base64.b64encode(each).decode() for each in encoded]


@pytest.mark.parametrize("key", small_order_keys())
def test_a_key_of_small_order_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="Mission Control"):
        PublicKey.parse(key)


def test_a_damaged_key_is_refused_and_every_genuine_one_taken() -> None:
    for _ in range(50):
        PublicKey.parse(public_key_text(SigningKey.generate()))
    with pytest.raises(ValueError, match="damaged"):
        PublicKey.parse(base64.b64encode((2).to_bytes(32, "little")).decode())


@pytest.mark.parametrize("seed", [0, 1, 7, 63, 64, 12_345, -1])
@pytest.mark.parametrize("places", [{"host": "0.0.0.0"}, {"host": "::"}, {"host": "hooks.example"}, {}])
def test_a_key_of_the_simulator_is_refused_beyond_loopback_and_beside_telnyx(seed: int, places: dict[str, str]) -> None:
    base_url = {"base_url": LOCAL} if places else {}
    key = Simulator(seed=seed).public_key
    for keys in (key, f"{public_key_text(SigningKey.generate())},{key}"):
        with pytest.raises(InvalidSettings, match="TELNYX_PUBLIC_KEY is the simulator's key"):
            make_settings(public_key=keys, **places, **base_url).require_public_keys()


@pytest.mark.parametrize("url", ["https://api.telnyx.com/v2", "https://API.Telnyx.com./v2", "https://telnyx.com"])
def test_the_sample_of_the_readme_is_refused_where_the_api_is_telnyx(url: str) -> None:
    with pytest.raises(InvalidSettings, match="sample"):
        make_settings(public_key=README_KEY, base_url=url).require_public_keys()
    with pytest.raises(InvalidSettings, match="TELNYX_API_KEY is the sample"):
        make_settings(api_key="KEY0123456789ABCDEF", base_url=url).require_api_key()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "::ffff:127.0.0.1"])
def test_on_loopback_with_a_local_telnyx_the_simulator_may_sign(host: str) -> None:
    settings = make_settings(public_key=Simulator(seed=3).public_key, host=host, base_url=LOCAL)
    assert len(settings.require_public_keys()) == 1


def test_a_probe_key_that_anybody_has_is_refused() -> None:
    probe = base64.b64encode(bytes(32)).decode()
    key = public_key_text(SigningKey.generate())
    with pytest.raises(InvalidSettings, match="RINGBACK_PROBE_KEY is the sample"):
        make_settings(public_key=key, probe_key=probe).require_public_keys()
    assert make_settings(public_key=key, probe_key=probe, base_url=LOCAL).require_public_keys()


def test_doctor_names_the_key() -> None:
    settings: Settings = make_settings(public_key=Simulator().public_key, host="0.0.0.0", base_url=LOCAL)
    with pytest.raises(InvalidSettings, match="the simulator's key"):
        asyncio.run(public_key(Deployment(settings, LookupError(), LookupError())))


@pytest.mark.slow
@pytest.mark.parametrize("role", ["up", "ingress"])
@pytest.mark.parametrize("key", [Simulator().public_key, base64.b64encode(bytes(32)).decode(), "<your public key>"])
def test_a_role_that_receives_ends_with_2(tmp_path: Path, role: str, key: str) -> None:
    ended = ringback(role, cwd=tmp_path, TELNYX_PUBLIC_KEY=key, TELNYX_API_KEY="KEY", RINGBACK_HOST="0.0.0.0")

    assert ended.returncode == 2, ended.stderr
    assert "TELNYX_PUBLIC_KEY" in ended.stderr
    assert key not in ended.stderr


@pytest.mark.parametrize("byte", [1, 2, 254, 255])
def test_one_byte_repeated_is_a_sample_key(byte: int) -> None:
    assert describe_known_key(bytes(SigningKey(bytes([byte]) * 32).verify_key)) == "a sample key"


def test_the_sample_key_of_the_documentation_is_known_and_a_new_one_is_not() -> None:
    assert describe_known_key(bytes(SigningKey(bytes(32)).verify_key)) == "the sample key of the documentation"
    assert describe_known_key(bytes(SigningKey.generate().verify_key)) is None
