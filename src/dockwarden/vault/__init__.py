"""Secrets by path, versioned, sealed with envelope encryption, bound to the ledger so that they cannot go back in time.

It never lets a value go without the ledger knowing first, and never decides who may have one: that is policy's. Read `envelope.py` for
how a value is sealed, `tree.py` for how all of them hang together; docs/spec/vault.md says both for other implementations.
"""
