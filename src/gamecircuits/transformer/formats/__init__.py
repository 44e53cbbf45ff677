"""Formats of other software: how it names and shapes the weights of a GPT.

A format is a module with `recognise(tensors)` and `read(tensors, told)`; those that we write have
`write(model)`. `gamecircuits.transformer.foreign` lists them.
"""
