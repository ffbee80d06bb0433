"""Commands that ask and change Telnyx."""
