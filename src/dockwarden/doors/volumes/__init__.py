"""The volume driver: what containers mount from this host is mounted by us, looked at anew at every start (DESIGN §8).

The Engine follows a bind's path again at each start, so a check at create checks nothing: its owner can put a link to `/etc` in the
folder's place and wait. A bind that was judged is therefore sent upstream as a volume of this driver. Its options say below which root,
by which way, read-only or not, and for whose account; they are sealed, so that only what we wrote is believed. Then, at each `Mount`:

1. The options are read from our own record and their seal is checked again.
2. The root must still be one of the configured bind roots.
3. The way is walked from `/` descriptor by descriptor with the account's own rights; no link is followed (`access/host_files.py`).
4. Exactly what was found is mounted to a private place, `nosuid,nodev` and read-only where that was asked (`places.py`).
5. The Engine's own view of that place must show the same file: an Engine in a mount namespace that our mounts do not reach would
   give the container an empty folder and say nothing.

Any failure stops the container's start with our words. It never shows a volume in a list, so nothing is left behind for anybody to find.

Read `driver.py` first. What can be mounted is one file a kind: `binds.py`, `canary.py`.
"""
