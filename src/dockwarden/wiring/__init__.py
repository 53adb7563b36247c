"""The composition root: the only place that builds adapters and joins them. `serving.py` gives what is joined its life, in this order.

1. `house`: settings, then the ledger, since nothing else is opened before what happens can be written down; then owners (the last snapshot
   and the ledger's tail after it) and rules (people and policies; a bad file refuses to start).
2. `control`: the vault; `tapes`: the recorder; then the socket at which our command line asks.
3. `docker`: the volume driver's and the second lock's sockets. The Engine may be away: calls are refused until it is back.
4. `docker`, `ssh`, `tapes`: the doors.
"""
