"""Sends a reminder by RCS from your own application. Ringback sees to the SMS, so ask Telnyx for no fallback."""

import os
import sys

from telnyx import Telnyx

AGENT = "acme_appointments"


def remind(client: Telnyx, number: str, text: str, *, messaging_profile_id: str) -> str:
    """Send a text by RCS, and return the message's id: `ringback messages status ID` follows it."""
    sent = client.messages.rcs.send(
        agent_id=AGENT,
        to=number,
        messaging_profile_id=messaging_profile_id,
        agent_message={"content_message": {"text": text}},
    )
    if sent.data is None or sent.data.id is None:
        raise RuntimeError("Telnyx answered without a message: look at the account's message records")
    return sent.data.id


if __name__ == "__main__":
    _, to, words = sys.argv
    print(remind(Telnyx(), to, words, messaging_profile_id=os.environ["MESSAGING_PROFILE_ID"]))  # noqa: T201
