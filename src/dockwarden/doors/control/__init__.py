"""The way in for our own command line: `D/control.sock`, JSON over HTTP, one verb a path.

The same identity as at a Docker door, the same policy, the same record. Whoever may not do a thing there cannot do it elsewhere either.
"""
