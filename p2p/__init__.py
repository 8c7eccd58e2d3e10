"""The network. The first release runs single-validator chains and has no network code."""
