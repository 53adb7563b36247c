"""How SSH is spoken at both sides of the SSH door: to the people who come, and to the hosts."""

from __future__ import annotations

from typing import Any

import asyncssh

GCM = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
"""Authenticated ciphers that no prefix truncation touches (CVE-2023-48795) and that processors have in hardware; OpenSSH has them since 6.2."""
CURVES = (
    "mlkem768x25519-sha256", "curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521",
)  # fmt: skip
"""Key exchanges. The first resists quantum computers, too, and costs a fraction of a millisecond more; OpenSSH has it since 9.9. Diffie-Hellman in
a group of integers is not among them: whoever asks for it has a server compute for milliseconds before it knows them (CVE-2002-20001)."""
INTEGERS = ("diffie-hellman-group14-sha256", "diffie-hellman-group16-sha512", "diffie-hellman-group-exchange-sha256")
"""What we ask for where a host has nothing better."""
WINDOW_BYTES = 512 << 10
"""The most bytes that the other side may send before we take them. So much can lie here for each direction of each session that is held: the
library's own 2 MiB make a large copy cost 50 MiB of memory, these make it cost 6, and are still 50 MiB/s over 10 ms."""


def without_padding_packets(connection: asyncssh.SSHClientConnection | asyncssh.SSHServerConnection) -> None:
    """Send what is to be sent on `connection`, and nothing else.

    The library sends an empty `SSH_MSG_IGNORE` before each packet, against a weakness of CBC ciphers (RFC 4251 §9.3.1). None of ours is one, and
    it doubles the packets.
    """
    send: Any = connection.send_packet

    def send_packet(kind: int, *parts: bytes, **more: Any) -> None:
        if kind != asyncssh.constants.MSG_IGNORE:
            send(kind, *parts, **more)

    connection.send_packet = send_packet  # type: ignore[method-assign,assignment]  # of this one connection
