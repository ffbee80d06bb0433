"""Work that repeats in a thread beside a run."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def repeating(work: Callable[[], None], *, pause: float, name: str) -> Iterator[None]:
    """Do some work again and again, with a pause (seconds) before each time, until the block ends."""
    over = threading.Event()

    def repeat() -> None:
        while not over.wait(pause):
            work()

    thread = threading.Thread(target=repeat, name=name)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
