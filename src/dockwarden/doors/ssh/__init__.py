"""The SSH door: `ssh PERSON%HOST@bastion`. Both ends of the protocol are ours (asyncssh), so that every channel is seen.

Read `table.py` first: what may be opened or asked at all; then `server.py` (who comes in) and `session.py` (one session through the house).
"""
