"""The names of built-in handlers that a release has removed or renamed. Events that wait for one end as `retired`."""

RETIRED: frozenset[str] = frozenset()
"""None yet: 0.1.0 is the first release. A name that is here stays here, since events of any age may bear it."""
