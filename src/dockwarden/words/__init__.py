"""The words every package speaks: who asks, for what, about which thing, and what was answered.

Standard library only; no I/O, no clock. Read `ask.py` first.
"""
