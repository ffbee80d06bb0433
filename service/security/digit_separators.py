"""Characters that people and programs put between the digits of a phone number. Pure."""

import re

FORMAT = (
    "\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e007f"
)
"""Characters that are not seen (Cf): zero width, bidirectional, tags. For a class of a regular expression."""
ASCII_BETWEEN = " \t\r\n\f\v().-/"
BETWEEN = (
    re.escape(ASCII_BETWEEN)
    # Blanks, of the category Zs.
    + "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
    # Dashes, Pd.
    + "\u058a\u05be\u1400\u1806\u2010-\u2015\u2e17\u2e1a\u2e3a\u2e3b\u2e40\u2e5d\u301c\u3030\u30a0\ufe31\ufe32"
    + "\ufe58\ufe63\uff0d\U00010d6e\U00010ead"
    + FORMAT
)
"""Characters that may stand between the digits of a number, for a class of a regular expression."""
