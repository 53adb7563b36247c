"""The Docker door: HTTP/1.1 taken strictly, every call judged, the answer passed on. It never passes a byte nobody read.

Read `flow.py` first for what happens to a call, `server.py` and `exchange.py` for how it comes in and goes out.
"""
