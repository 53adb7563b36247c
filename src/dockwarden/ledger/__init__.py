"""The record of decisions and deeds: append-only, hash-chained, signed, durable before a changing call moves.

It holds no secret and is never off. `entry.py` says what a line is, `chain.py` how lines hang together, `merkle.py` and `tiles.py` what the
tree over them is (docs/spec/ledger.md); docs/operations.md how to read and keep it.
"""
