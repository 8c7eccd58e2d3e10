"""Importers of language models: BERT-class encoders and Llama-class decoders.

    file -> checkpoint -> float model -> observe -> lower -> Model, Report

A float model is written out here by hand, once for each class, because its integer form is too:
which values need 16 bits, where a smoothing folds away and how heads share a scale is known for
the class, not found in a graph. Tokenizers stay outside: models take and give token ids.
"""
