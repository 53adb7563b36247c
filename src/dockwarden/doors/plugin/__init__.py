"""What dockwarden is to the Engine itself: plugins, asked over unix sockets in the Engine's plugin folder.

The Engine finds a plugin by the name of its socket, asks `/Plugin.Activate` what it implements, and then calls it: small JSON
documents over HTTP POST. We answer as two plugins, so that each can be had without the other and each socket says what it is for:

- `NAME.sock` is the volume driver (`doors/volumes/`);
- `NAME-lock.sock` is the authorization plugin (`doors/lock/`).

**Start order.** An Engine that is told of an authorization plugin asks for it before it serves anything, and ends if it isn't there
(after about 15 s on 20.10). It mounts the volumes of containers that restart before it serves anything, too. So both sockets are
there before the Engine is: systemd makes them (`Before=docker.service`), and what is asked meanwhile waits in the socket until we
run. Nothing here asks the Engine anything in order to answer `/Plugin.Activate`, and neither does the driver for a mount, so none of
us waits for the other. It follows that `serve` opens these sockets first, before it looks for the Engine, and that our unit is
never ordered after the Engine's.

Only root is answered; the folder lets nobody else in anyway. Read `socket.py` first.
"""
