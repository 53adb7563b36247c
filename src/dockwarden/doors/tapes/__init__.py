"""Tapes over HTTP, for a player: lists, casts, raw streams, parts of them, and a session as it goes on, over WebSocket. Begin with `door.py`.

It asks the same questions as `doors/control/sessions.py` and records them in the same words. It never writes, serves no page, and answers
no page of another origin.
"""
