"""Every command: where it is defined, and the line that `ringback --help` shows for it.

The lines stand here too, so that the list of commands imports none of them. A test holds them equal to the commands'
own help.
"""

COMMANDS = {
    "demo": (
        "service.cli.demo.demo:demo",
        "Send signed webhooks through a real ingress and worker to a local Telnyx, and show what came of each.",
    ),
    "new": (
        "service.cli.run.new:new",
        "Write my_handlers.py, a test of it and a .env into this folder; nothing that is there is overwritten.",
    ),
    "up": (
        "service.cli.run.up:up",
        "Run everything on this machine: the ingress, a worker and, unless REDIS_URL is set, an embedded server.",
    ),
    "ingress": (
        "service.cli.run.ingress:ingress",
        "Receive webhooks: POST /webhooks and /webhooks/failover, on RINGBACK_HOST and RINGBACK_PORT.",
    ),
    "worker": (
        "service.cli.run.worker:worker",
        "Run the handlers that HANDLERS names on the events that were received.",
    ),
    "simulator": (
        "service.cli.run.simulator:simulator",
        "Run a local Telnyx to try handlers against: set TELNYX_BASE_URL to the address that it prints.",
    ),
    "trigger": (
        "service.cli.events.trigger:trigger",
        "Deliver a signed event to the Ringback that `ringback up --dev` runs on this machine.",
    ),
    "events": ("service.cli.events.events:events", "List received events, and what each handler did with them."),
    "dead": (
        "service.cli.events.dead:dead",
        "List dead events; retry or drop them.",
    ),
    "optouts": ("service.cli.privacy.optouts:optouts", "List the numbers that are opted out, and change them."),
    "policy": ("service.cli.inspect.policy:policy", "Look at the policy of the SMS fallback before it is in force."),
    "audit": (
        "service.cli.inspect.audit:audit",
        "Show that no event got lost: accepted = done + ignored + dead + open, and each event is where it belongs.",
    ),
    "webhooks": ("service.cli.telnyx.webhooks:webhooks", "See and change where Telnyx delivers."),
    "tollfree": ("service.cli.telnyx.tollfree:tollfree", "Toll-free verification: list, submit and correct requests."),
    "hosted": (
        "service.cli.telnyx.hosted:hosted",
        "Numbers that stay with their carrier while Telnyx takes over their messages.",
    ),
    "rcs": ("service.cli.telnyx.rcs:rcs", "RCS agents, what phones can do, and messages to try things with."),
    "messages": ("service.cli.telnyx.messages:messages", "Look at messages at Telnyx, and schedule SMS."),
    "erase": (
        "service.cli.privacy.erase:erase",
        "Erase personal data of a number: bodies that name it, texts in the ledger, message states, cached answers.",
    ),
    "config": (
        "service.cli.inspect.config:config",
        "Show every setting in force, from environment variables and a .env file here, and the Redis that is used.",
    ),
    "pause": (
        "service.cli.events.pause:pause",
        "Pause a handler, or all of them, until `ringback resume`; reception continues.",
    ),
    "resume": (
        "service.cli.events.pause:resume",
        "Resume a paused handler; without a name, all that are paused.",
    ),
    "doctor": (
        "service.cli.inspect.doctor:doctor",
        "Check the variables, handlers, Redis, the account, and whether Telnyx answers a repeated send from memory.",
    ),
    "healthcheck": (
        "service.cli.run.healthcheck:healthcheck",
        "Ask the process that runs beside this one for /healthz, as the image's HEALTHCHECK does.",
    ),
}
