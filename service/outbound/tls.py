"""The TLS context that all HTTPS clients of a process share."""

import ssl
from functools import cache

import httpx


@cache
def tls_context() -> ssl.SSLContext:
    """Return the process's one TLS context: each costs some 25 ms, since it loads all certificates."""
    return httpx.create_ssl_context()
