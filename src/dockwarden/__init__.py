"""dockwarden: privileged access for container hosts.

Every way in to a container host passes one identity, one policy, one record. Read `docs/flow.md` first: it follows one
call through the packages below this one.
"""

__version__ = "0.1.0"
