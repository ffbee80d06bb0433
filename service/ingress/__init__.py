"""HTTP in: verify, bound, accept."""

from service.ingress.app import create_app

__all__ = ["create_app"]
