"""Sends what people answer in Chatwoot. The API inbox's callback URL points here.

Anyone who knows the URL can send messages: keep the token in it secret, and the address within your network.
"""

import os
import uuid

from flask import Flask, request
from telnyx import PermissionDeniedError, Telnyx

app = Flask(__name__)
telnyx = Telnyx()  # TELNYX_API_KEY


@app.post("/chatwoot/<token>")
def answered(token: str) -> tuple[str, int]:
    """Send an agent's public answer as an SMS, once, however often Chatwoot calls."""
    if token != os.environ["CHATWOOT_TOKEN"]:
        return "unknown token", 401
    event = request.get_json()
    if event.get("event") != "message_created" or event.get("message_type") != "outgoing" or event.get("private"):
        return "", 204
    number = event["conversation"]["meta"]["sender"]["phone_number"]
    key = str(uuid.uuid5(uuid.NAMESPACE_URL, f"chatwoot:{event['id']}"))
    try:
        telnyx.messages.send(to=number, from_=os.environ["SMS_FROM"], text=event["content"], idempotency_key=key)
    except PermissionDeniedError:
        return "the number is opted out", 200
    return "", 204
