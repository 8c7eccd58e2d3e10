"""The state transition, and the only owner of py-evm."""
