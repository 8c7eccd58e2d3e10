"""JSON-RPC over HTTP: pure parsing and formatting, one table of methods per namespace, a server."""
