"""The second lock: the Engine asks us before every call, also of one that came by its raw socket (DESIGN §8).

The Engine's authorization-plugin hook hands over method, target, headers and, mostly, the body of every request, and asks `Allow`?
It does not know who calls on a unix socket. So our own calls carry a one-use ticket in a header (`tickets.py`): what the
Engine really received is compared with what the ticket was made for. A call without a ticket came by the raw socket and is judged as
the principal `raw-socket`, by the same policy. Anything we doubt is refused, our own failures included.

What the Engine hands over of a body is less than what it reads: `handed_over.py` has the rule. It shows the answers of calls, too
(`AuthZRes`); what was allowed is not judged a second time then.

**When we are gone the Engine refuses everything**, each call after about 15 s of trying. That is the lock's purpose, and the way
back for root is in docs/operations.md ("The way back"). An Engine that starts without us does not start, hence the sockets of systemd:
see `doors/plugin/__init__.py`.

**No deadlock.** To judge a raw call, we ask the Engine what names mean; the Engine asks us whether we may. Those questions carry
tickets, and a ticket is checked without asking anybody anything. A judgement that takes too long refuses.

Read `lock.py` first.
"""
