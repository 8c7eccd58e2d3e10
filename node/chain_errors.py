"""Why a block did not become part of the chain, when no rule was broken.

```
ChainError
├── UnknownParent     not yet: the block does not follow the head
└── ChainMismatch     refused input: the store holds another chain than the spec names
```
Broken rules are `vm.errors.InvalidBlock`, `consensus.errors`; faults `node.storage.errors`.
"""

from __future__ import annotations


class ChainError(Exception):
    """Root of this file's errors."""


class UnknownParent(ChainError):
    """The block does not follow the head; nothing about it follows from that."""


class ChainMismatch(ChainError):
    """The store holds another chain than the one asked for.

    Parameters
    ----------
    sentence : str
        Both chains, by name and genesis hash.
    """

    code = "E-CHAIN-001"
