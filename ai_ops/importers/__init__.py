"""Importers: from a trained float network to an integer model (off the chain, floats allowed).

    file -> reader -> float graph -> simplify -> calibrate -> lower -> Model, Report

Nothing here takes part in consensus: the bytes of the integer model are its identity, however they
were made. Readers never unpickle and never execute anything that a file names.
"""
