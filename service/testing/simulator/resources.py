"""The resources of one kind, by id, in the order in which they came."""

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any, Generic, TypeVar

from service.testing.simulator.api.api_error import not_found

Item = TypeVar("Item")


class Resources(Generic[Item]):
    """A store of immutable resources. `id_of` reads the id of one."""

    def __init__(self, id_of: Callable[[Item], Any] = attrgetter("id")) -> None:
        self._id_of = id_of
        self._items: dict[Any, Item] = {}

    def __iter__(self) -> Iterator[Item]:
        # A copy: tests iterate in their own thread while the server's changes the store.
        return iter(list(self._items.values()))

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Item) -> None:
        """Add a resource, or replace the one of its id."""
        self._items[self._id_of(item)] = item

    def remove(self, item_id: Any) -> None:
        """Forget the resource of that id."""
        self._items.pop(item_id, None)

    def find(self, item_id: Any) -> Item | None:
        """Return the resource of that id, or None."""
        return self._items.get(item_id)

    def known(self, item_id: Any) -> Item:
        """Return the resource of that id.

        Raises:
            ApiError: 404, there is none.
        """
        return existing(self.find(item_id))


def existing(found: Item | None) -> Item:
    """Return a resource that was found.

    Raises:
        ApiError: 404, none was.
    """
    if found is None:
        raise not_found()
    return found
