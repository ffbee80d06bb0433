"""The reasons with which handlers of Ringback end, wait or are parked. docs/reasons.md explains each.

Three kinds of reasons are open: Telnyx's error codes, names of exceptions, and the words of authors.
"""

DONE = frozenset(
    {"already_delivered", "already_sent", "as_known", "below_rate", "decided", "deleted", "in_place", "native_fallback"}
    | {"needs_nobody", "no_number", "no_order_id", "no_rule", "not_about_us", "not_armed", "not_due"}
    | {"no_transfer", "not_failed", "not_ours", "not_permitted", "not_rcs", "not_selected", "nothing_held"}
    | {"nothing_said", "nothing_to_do", "older_than_known", "opted_out", "our_own", "over_budget", "quiet_hours"}
    | {"receiver_gone", "recipient_unreadable", "retired", "right_held", "settled", "too_late", "too_many_recipients"}
    | {"too_old"}
)
"""The handler chose not to act."""
WAITING = frozenset(
    {
        "earlier_event",
        "encryption_key_missing",
        "error",
        "in_progress",
        "ledger_unreachable",
        "looking_up",
        "more_to_read",
    }
    | {"over_budget", "quiet_hours", "rate_limit", "receiver_busy", "redis_unavailable", "retry", "telnyx_outage"}
    | {"telnyx_unreachable", "telnyx_unreadable", "unknown_handler"}
)
"""The handler runs again later. It is dead under the same reason once that took too long."""
PARKED = frozenset(
    {"campaign", "credentials", "paused", "permission", "profile_disabled", "spending_limit", "telnyx_outage"}
)
"""The handler waits for the end of a block. It is dead under the same reason once that took too long."""
DEAD = frozenset(
    {"ambiguous", "blocked_event_loop", "corrupt_job", "imported", "killed_worker", "no_body", "no_event", "no_job"}
    | {
        "nothing_to_say",
        "order_key",
        "payload",
        "request",
        "sealed",
        "template",
        "too_long",
        "unknown_function",
        "unreadable",
    }
)
"""The handler has failed for good, and a person decides."""
REASONS = DONE | WAITING | PARKED | DEAD
