"""Every error of the rules of agreement.

```
ConsensusError
├── InvalidHeader          verdict: the header breaks a header rule
├── InvalidCertificate     verdict: a certificate's seals or figures are wrong
├── CertificateMissing     remote fault: the carrier brought no certificate, or another one
└── InvalidParameters      refused input: a chain spec's consensus section makes no sense
```
"""

from __future__ import annotations


class ConsensusError(Exception):
    """Root of this package's errors."""


class InvalidHeader(ConsensusError):
    """The header breaks a header rule; the same on every node."""


class InvalidCertificate(ConsensusError):
    """The certificate is malformed or its seals do not bind a quorum; the same on every node."""


class CertificateMissing(ConsensusError):
    """The certificate that the header commits to did not come with the block.

    The carrier's fault: the block is incomplete, never invalid.
    """


class InvalidParameters(ConsensusError):
    """A chain spec's consensus section contradicts itself."""
