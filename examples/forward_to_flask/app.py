"""A Flask application that had Telnyx's webhooks before, and now gets them from Ringback, each until it took it."""

import os

from flask import Flask, request
from standardwebhooks import Webhook, WebhookVerificationError

app = Flask(__name__)
app.config["SEEN"] = set()  # a table of your database in production: `webhook-id` is its primary key


@app.post("/webhooks")
def webhooks() -> tuple[str, int]:
    """Take an event once. Any answer but 2xx, or none within 20 s, brings it again later."""
    try:
        event = Webhook(os.environ["RINGBACK_FORWARD_SECRET"]).verify(request.get_data(), dict(request.headers))
    except WebhookVerificationError:
        return "not from Ringback", 401
    if request.headers["webhook-id"] not in app.config["SEEN"]:
        app.logger.info("took a %s", event["data"]["event_type"])
        app.config["SEEN"].add(request.headers["webhook-id"])
    return "", 204
