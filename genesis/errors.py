"""Every error of this package.

```
GenesisError
└── InvalidSpec     refused input: a chain spec is malformed or contradicts itself
```
"""

from __future__ import annotations


class GenesisError(Exception):
    """Root of this package's errors."""


class InvalidSpec(GenesisError):
    """A chain spec is malformed, names an unknown key, or breaks a genesis check.

    Parameters
    ----------
    sentence : str
        What is wrong, naming the key.
    code : str
        The row of the error table.
    """

    def __init__(self, sentence: str, code: str = "E-GENESIS-001") -> None:
        super().__init__(sentence)
        self.code = code
