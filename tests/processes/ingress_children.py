"""The children of an ingress."""

from pathlib import Path


def serving_children(pid: int) -> list[int]:
    """The processes of an ingress that serve (multiprocessing has a helper of its own among them)."""
    return [each for each in children_of(pid) if _serves(each)]


def children_of(pid: int) -> list[int]:
    """The children of a process, none where it is gone."""
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _serves(pid: int) -> bool:
    try:
        return b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False  # it has ended since
