"""Every command: its module, which defines it by its name, and the line that `ringback --help` shows for it.

The lines are here too, so that the list imports no command. A test holds them equal to the commands' own help.
"""

COMMANDS = {
    name: (f"service.cli.{module}", line)
    for name, module, line in (
        ("demo", "demo.demo", "Send signed webhooks through an ingress and a worker to a local Telnyx."),
        ("new", "run.new", "Write my_handlers.py, a test of it and a .env into this folder. Existing files stay."),
        ("up", "run.up", "Run the ingress, a worker and, unless REDIS_URL is set, an embedded server."),
        ("ingress", "run.ingress", "Receive webhooks at /webhooks and /webhooks/failover."),
        ("worker", "run.worker", "Run the handlers of HANDLERS on received events."),
        ("simulator", "run.simulator", "Run a local Telnyx to try handlers against."),
        ("trigger", "events.trigger", "Deliver a signed event to the Ringback that `ringback up --dev` runs here."),
        ("events", "events.events", "List received events, with the state of each handler."),
        ("dead", "events.dead", "List, retry and drop dead events."),
        ("optouts", "privacy.optouts", "List the numbers that are opted out, and change them."),
        ("policy", "inspect.policy", "Look at the policy of the SMS fallback before it is in force."),
        ("audit", "inspect.audit", "Show that no event got lost: accepted = done + ignored + dead + open."),
        ("webhooks", "telnyx.webhooks", "See and change the URLs to which Telnyx delivers."),
        ("tollfree", "telnyx.tollfree", "Toll-free verification: list, submit and correct requests."),
        ("hosted", "telnyx.hosted", "Numbers that stay with their carrier while Telnyx takes over their messages."),
        ("rcs", "telnyx.rcs", "RCS agents, the RCS features of phones, and test messages."),
        ("messages", "telnyx.messages", "Look at messages at Telnyx, and schedule SMS."),
        ("erase", "privacy.erase", "Erase a number's data: bodies, texts in the ledger, states, cached answers."),
        ("config", "inspect.config", "Show every setting in force, and the Redis in use."),
        ("pause", "events.pause", "Pause a handler, or all of them, until `ringback resume`. Reception continues."),
        ("resume", "events.pause", "Resume a paused handler or, without a name, all that are paused."),
        ("doctor", "inspect.doctor", "Check variables, handlers, Redis, the account and its idempotency."),
        (
            "healthcheck",
            "run.healthcheck",
            "Ask the process on this machine for /healthz, as the image's HEALTHCHECK does.",
        ),
    )
}
