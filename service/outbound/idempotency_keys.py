"""Keys of effects, for handlers that give one of their own."""

from service.outbound.api_call import digest


def idempotency_key(*parts: str) -> str:
    """The `Idempotency-Key` of an effect: the same for the same parts, and of the form that Telnyx takes.

    Source: OpenAPI `components.parameters.IdempotencyKey`, 1 to 255 of `[A-Za-z0-9_-]`.
    """
    return f"rb-{digest(*parts)}"
