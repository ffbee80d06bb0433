"""Commands that ask and change Telnyx."""

from service.outbound.sdk_on_demand import load_sdk_on_demand

# Before any command imports the SDK, which takes a second where it is loaded whole.
load_sdk_on_demand()
