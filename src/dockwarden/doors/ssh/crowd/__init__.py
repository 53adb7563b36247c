"""Several processes at one SSH door. Carriers speak SSH with clients and hosts; all else is the house's, whom they ask over a socket pair.

Read `messages.py` first: all that passes between the two. `carrier.py` is the carriers' side, `reception.py` the house's, and `door.py`
accepts clients, hands each to a carrier, and starts another where one has ended. A carrier decides nothing and records nothing itself; it
does know, for as long as it needs them, the door's own key and the credentials of the hosts that its clients go to.
"""
