"""Parts of the official SDK are loaded when somebody asks for a name in them, in this process."""

import sys

import pytest

from service.outbound import sdk_on_demand


@pytest.fixture
def _no_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the SDK be one that nobody has imported yet."""
    for name in [each for each in sys.modules if each == "telnyx" or each.startswith("telnyx.")]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.usefixtures("_no_sdk")
def test_a_name_loads_its_module_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdk_on_demand, "PARTS", ("telnyx.types",))
    sdk_on_demand.load_sdk_on_demand()
    part = sys.modules["telnyx.types"]
    assert part.message_send_params.__name__ == "telnyx.types.message_send_params"
    assert "telnyx.types.message_send_response" not in sys.modules
    with pytest.raises(AttributeError, match="__nothing__"):
        _ = part.__nothing__
    assert "__getattr__" in vars(part), "the part itself is still to be loaded"


@pytest.mark.usefixtures("_no_sdk")
@pytest.mark.parametrize("name", ["telnyx.no_such_part", "telnyx.types.message_send_params"])
def test_what_is_no_package_of_the_sdk_is_left_alone(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(sdk_on_demand, "PARTS", (name,))
    sdk_on_demand.load_sdk_on_demand()
    assert name not in sys.modules


def test_an_sdk_that_is_loaded_already_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    before = dict(sys.modules)
    monkeypatch.setitem(sys.modules, "telnyx", sys)
    sdk_on_demand.load_sdk_on_demand()
    assert sys.modules.keys() == before.keys() | {"telnyx"}
