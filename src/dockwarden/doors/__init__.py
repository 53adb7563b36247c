"""The ways in, one a folder: each proves who is calling, has the call judged, and carries what was allowed.

A door never decides: `policy/` does. Read `docker/flow.py` first.
"""
