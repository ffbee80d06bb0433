"""How much memory the embedded server takes by default, by cgroups of both versions."""

from pathlib import Path

import pytest

from service.processes.machine_memory import SHARE, available_memory, default_max_memory

MIB = 1024**2


def machine(root: Path, memberships: str, **limits: str) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(memberships)
    for name, text in limits.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


@pytest.mark.parametrize(
    ("memberships", "limits", "expected"),
    [
        ("0::/\n", {"memory.max": str(512 * MIB)}, 512),
        ("0::/a/b\n", {"a/b/memory.max": "max", "a/memory.max": str(256 * MIB)}, 256),
        ("0::/a\n", {"a/memory.max": str(512 * MIB), "a/memory.high": str(200 * MIB)}, 200),
        ("0::/../../elsewhere\n", {"memory.max": str(300 * MIB)}, 300),
        ("0::/of/the/host\n", {"memory.max": str(300 * MIB)}, 300),
        ("5:cpu,memory:/docker/x\n0::/\n", {"memory/docker/x/memory.limit_in_bytes": str(128 * MIB)}, 128),
        ("5:memory:/docker/x\n", {"memory/memory.limit_in_bytes": str(128 * MIB)}, 128),
    ],
)
def test_the_tightest_cgroup_counts(tmp_path: Path, memberships: str, limits: dict[str, str], expected: int) -> None:
    root = machine(tmp_path, memberships, **limits)
    assert available_memory(root) == expected * MIB
    assert default_max_memory(root) == int(expected * MIB * SHARE)


@pytest.mark.parametrize(
    ("memberships", "limits"),
    [
        ("", {}),
        ("0::/\n", {"memory.max": "max"}),
        ("0::/\n", {"memory.max": "nonsense"}),
        ("3:memory:/\n", {"memory/memory.limit_in_bytes": "9223372036854771712"}),
    ],
)
def test_without_a_limit_it_is_a_share_of_the_machine(tmp_path: Path, memberships: str, limits: dict[str, str]) -> None:
    assert available_memory(machine(tmp_path, memberships, **limits)) == available_memory(tmp_path / "nothing")
