"""Composition: storage, chain, mempool, block production, RPC and the command line."""
