"""Every error of the data directory; all of them local faults or refused input.

```
StoreError
├── StoreRefused       input: the folder cannot be used as asked; nothing was changed
├── StoreCorrupted     local fault: stored bytes are damaged
├── StoreFailed        local fault: the disk refused; this handle writes no more
└── StoreClosed        bug: used after close
```
None of them is ever a verdict on a block.
"""

from __future__ import annotations


class StoreError(Exception):
    """Root of the storage errors; ``code`` is the row of the error table."""

    code = "E-BUG-001"

    def __init__(self, sentence: str, code: str | None = None) -> None:
        super().__init__(sentence)
        if code is not None:
            self.code = code


class StoreRefused(StoreError):
    """The folder cannot be used as asked (foreign, in use, of another chain or version)."""

    code = "E-STORE-002"


class StoreCorrupted(StoreError):
    """Stored bytes are damaged and the damage could not be undone by rolling back."""

    code = "E-STORE-003"


class StoreFailed(StoreError):
    """The disk refused a write: this handle writes no more, a restart is needed."""

    code = "E-STORE-004"


class StoreClosed(StoreError):
    """The store was used after it was closed."""
