"""The model registry: models, their chunks and data objects as state of one account.

layout     which storage word holds what (normative: docs/spec/06-registry.md)
facts      what a call needs to know of a model, packed into a few words
chunks     presence of chunks, leaf-digest lists, data objects
lifecycle  createModel, putChunk, activate, putData, deprecate
fees       author, fee, payee and their delayed changes
views      the functions that only read
contract   the precompile: selector to function, value and static checks
reads      the same words read by tools over any state root
preload    the words of models that are present at genesis
"""
