"""Files that others on this machine can change: everybody is refused, a group is warned of."""

import base64
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from service.security.telnyx_signature import public_key_text
from service.settings import InvalidSettings, Settings
from service.settings.development_key import make_key
from service.settings.exposed_files import exposure_warnings
from tests.processes.running import ringback
from tests.stack import make_settings


def data_folder(mode: int) -> Settings:
    Path("data").mkdir()
    Path("data").chmod(mode)
    return make_settings(data=Path("data"))


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o702, 0o2777])
def test_a_data_folder_that_everybody_can_write_to_is_refused(mode: int) -> None:
    with pytest.raises(InvalidSettings, match=r"RINGBACK_DATA: .* chmod o-w"):
        exposure_warnings(data_folder(mode))


@pytest.mark.parametrize(("mode", "number"), [(0o770, 1), (0o2775, 1), (0o755, 0), (0o700, 0)])
def test_a_data_folder_that_a_group_can_write_to_is_a_warning(mode: int, number: int) -> None:
    assert len(exposure_warnings(data_folder(mode))) == number


@pytest.mark.parametrize(("mode", "told"), [(0o602, "write"), (0o604, "read this key"), (0o666, "write")])
def test_a_development_key_that_everybody_can_touch_is_refused(mode: int, told: str) -> None:
    settings = data_folder(0o700)
    make_key(settings)
    (settings.data / "development.key").chmod(mode)
    with pytest.raises(InvalidSettings, match=told):
        exposure_warnings(settings)


@pytest.mark.parametrize("mode", [0o640, 0o620])
def test_a_development_key_that_a_group_can_touch_is_a_warning(mode: int) -> None:
    settings = data_folder(0o700)
    make_key(settings)
    (settings.data / "development.key").chmod(mode)
    [warning] = exposure_warnings(settings)
    assert "development.key" in warning


@pytest.mark.parametrize(("mode", "told"), [(0o606, "refused"), (0o666, "refused"), (0o664, "a warning"), (0o644, "")])
def test_an_env_file_that_others_can_write_to(mode: int, told: str) -> None:
    Path(".env").touch()
    Path(".env").chmod(mode)
    if told == "refused":
        with pytest.raises(InvalidSettings, match=r"\.env"):
            exposure_warnings(make_settings())
    else:
        assert len(exposure_warnings(make_settings())) == (1 if told else 0)


@pytest.mark.parametrize(
    ("mode", "line", "number"),
    [
        (0o644, "TELNYX_API_KEY=KEY", 1),
        (0o604, "ringback_encryption_key=x", 1),
        (0o644, "TELNYX_CLIENT_SECRET=x", 1),
        (0o664, "TELNYX_API_KEY=KEY", 2),
        (0o640, "TELNYX_API_KEY=KEY", 0),
        (0o600, "TELNYX_API_KEY=KEY", 0),
        (0o644, "RINGBACK_PORT=1234", 0),
    ],
)
def test_an_env_file_with_keys_that_everybody_can_read_is_a_warning(mode: int, line: str, number: int) -> None:
    Path(".env").write_text(f"{line}\n")
    Path(".env").chmod(mode)
    warnings = exposure_warnings(make_settings())
    assert len(warnings) == number
    assert all("chmod" in warning and "KEY" not in warning for warning in warnings)


def test_a_data_folder_that_is_not_used_is_not_looked_at() -> None:
    assert exposure_warnings(data_folder(0o777).model_copy(update={"redis_url": "redis://localhost"})) == []


def test_a_development_key_is_taken_on_loopback_only() -> None:
    settings = data_folder(0o700)
    key = public_key_text(make_key(settings))
    taken = settings.model_copy(update={"public_key": f"{public_key_text(SigningKey.generate())},{key}"})
    assert exposure_warnings(taken) == []
    with pytest.raises(InvalidSettings, match="holds the development key"):
        exposure_warnings(taken.model_copy(update={"host": "0.0.0.0"}))


def test_a_damaged_development_key_is_told_of(tmp_path: Path) -> None:
    settings = data_folder(0o700)
    (settings.data / "development.key").touch(mode=0o600)
    (settings.data / "development.key").write_text("nonsense")
    with pytest.raises(InvalidSettings, match="remove it"):
        make_key(settings)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["up", "ingress", "worker", "events list", "trigger sms.received"])
def test_commands_end_with_2_over_an_exposed_folder(tmp_path: Path, command: str) -> None:
    data_folder(0o777)
    (tmp_path / "data" / "development.key").write_bytes(base64.b64encode(bytes(range(32))))
    keys = {"TELNYX_PUBLIC_KEY": public_key_text(SigningKey.generate()), "TELNYX_API_KEY": "KEY"}
    ended = ringback(*command.split(), cwd=tmp_path, **keys)
    assert ended.returncode == 2, ended.stderr
    assert "chmod" in ended.stderr
