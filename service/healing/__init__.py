"""Finding at Telnyx what did not arrive here, and processing it like any other event."""
