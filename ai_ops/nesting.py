"""How deeply JSON is nested, found without recursion.

The standard parser recurses in C. py-evm raises Python's recursion limit so far that a text of
100,000 brackets would end the process before the limit is met, so whoever parses JSON from outside
asks here first.
"""

from __future__ import annotations

import re
from typing import Final

# Strings are stepped over, also one that never ends.
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[][{}]', re.DOTALL)
_STEP: Final = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}


def deeper_than(limit: int, text: bytes) -> bool:
    """Return whether more than `limit` brackets and braces are open at some point of a JSON text.

    Parameters
    ----------
    limit : int
    text : bytes
        UTF-8; what is no JSON has some depth too.
    """
    if text.count(b"[") + text.count(b"{") <= limit:
        return False
    depth = 0
    for token in _TOKEN.finditer(text):
        depth += _STEP.get(token.group(), 0)
        if depth > limit:
            return True
    return False
