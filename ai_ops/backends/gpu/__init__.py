"""The `gpu` backend: hand-written kernels for NVIDIA cards, driven through CuPy.

`source` holds the kernels' text, `lowering` turns nodes into launches, `runner` whole models;
`device` is the thin line below which a card is, and `cuda` the only module that imports CuPy.
"""
