"""Which of this machine's network interfaces leads to another machine, or to itself."""

from __future__ import annotations

import socket
import struct
import sys

_INTERFACE_ADDRESS = 0x8915  # SIOCGIFADDR of Linux


def interface_towards(address: str, port: int) -> str | None:
    """Name the interface by which an address is reached; None where this system does not tell.

    Programs that find each other by the machine's own name may be told 127.0.1.1, which nobody else can reach.
    """
    if sys.platform != "linux":
        return None
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        try:
            sending.connect((address, port))  # sends nothing; says by which address it would be
        except OSError:
            return None
        own = socket.inet_aton(sending.getsockname()[0])
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(sending, _INTERFACE_ADDRESS, struct.pack("256s", name.encode()))
            except OSError:  # it has no address of this kind
                continue
            if answer[20:24] == own:
                return name
    return None
