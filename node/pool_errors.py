"""Why a transaction does not enter the pool.

```
PoolError       input: one line as geth words it, with its JSON-RPC code
```
"""

from __future__ import annotations

from typing import Final

TRANSACTION_REJECTED: Final = -32000


class PoolError(Exception):
    """A transaction that the pool refuses.

    Parameters
    ----------
    message : str
        As geth words it, so that libraries which match on it work.
    code : int
        JSON-RPC error code.
    """

    def __init__(self, message: str, code: int = TRANSACTION_REJECTED) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
