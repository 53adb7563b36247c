"""Recordings of sessions. A tape is a chain of sealed segments: what is in it is readable with its key, and nobody can change it quietly.

Begin with `frames.py` (what is recorded), `segment.py` (how it is sealed), `recorder.py` (the thread that writes), `verify.py`. Nothing
here decides who may record, watch or delete. docs/spec/tape.md is the format.
"""
