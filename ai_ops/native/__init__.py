"""Kernels in C: sources, what builds them, what loads them. They need no Python headers."""
