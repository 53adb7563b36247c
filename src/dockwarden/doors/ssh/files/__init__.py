"""How files move through the SSH door: SFTP and the old scp, decoded, judged name by name, and written afresh.

Nothing here opens a file, a socket or a clock, decides what is allowed, or knows the SSH library. It never passes on a byte that it did
not read (contents aside, which pass as they are and are hashed), and never a request that was not judged. Read `relay.py` first, then
`packets.py` and `codec.py` (what SFTP is), `operations.py` (what policy and the ledger are told), `scp_command.py` and `scp.py`.

How a door joins it. Both machines have the same methods; each returns events, to be done in their order, before the next call:

    relay = Relay()                                     # the client asked for the subsystem "sftp"
    copy = read_scp(command)                            # or has a command run: None is no copy, to be judged as the command it is
    relay = ScpRelay(copy)                              # and what runs at the server is `copy.line`, never the client's own line;
                                                        # refuse it where policy is about folders and `copy.hides_folders`

    relay.client(data), relay.server(data)              # bytes of either side; `data` is immutable
    relay.verdict(token, Allowed(keep_bytes=0))         # the answer to an Ask, at any later time; or Denied("words for the person")
    relay.client_eof()                                  # the client sends no more
    relay.over()                                        # either side is gone, or the session is ended: the last FileDone come

    Send(to, data)                                      # write it: `to` is Side.CLIENT or Side.SERVER
    SendEnd()                                           # end of file to the server
    Ask(op, token)                                      # ask policy for every right of `op.rights` (any one where it is empty) on `op.path`
                                                        # and, where it is set, `op.other`; have an intent durable where it changes something;
                                                        # then `verdict`
    Content(token, is_upload, offset, data)             # of what is kept: on the tape before the next event is done; so are
    Cut(token, size), Untaken(token, number)            # its new size, and what the server did not take of it
    TooLarge(op, words)                                 # more of a file was asked for than may be kept: it did not pass, the person is told
    FileDone(op, token, status, read, written, …)       # one for each Ask that was Allowed: the ledger's outcome
    Broke(by, words)                                    # the last event: close both sides, record the words

Pressure: the client is read only while `relay.wants_client`, the server only while `relay.wants_server`, and neither while what is sent to
the other side does not drain. They change in any call, so look after each. A verdict that never comes holds up the session, no more.
What a server writes to its standard error goes to the client as of any command. OpenSSH's SFTP clients show a refusal's code, not its
words, so a door that wants them read says a denial's words on the client's standard error as well (not for scp, which shows them).

What is promised: each name and each change was judged before the server saw it, in the order in which they were asked; what was read or
written through a handle was opened, and judged, for that; a digest in the ledger is of the bytes that moved, or is not there. What is not:
that a name leads where it led before. Links are the server's to follow, with the rights of the account that it runs as.
"""
