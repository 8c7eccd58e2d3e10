"""Errors of the importers.

ImportRefused          the file, the samples or the network cannot be imported; says what to change
└── ExtraMissing       an optional package is needed for this kind of file
"""


class ImportRefused(Exception):
    """The network cannot be imported; the message names the node and what would replace it."""


class ExtraMissing(ImportRefused):
    """A package of the `import` extra is needed."""

    def __init__(self, package: str) -> None:
        super().__init__(
            f"reading this file needs the package {package}:"
            " install it with `pip install 'engram-node[import]'`"
        )
