"""Ports of this machine, for servers that a test starts."""

import socket


def free_port():
    """Give one at which nobody listens now, at no address of this machine."""
    with socket.socket() as listener:
        listener.bind(("", 0))
        return listener.getsockname()[1]


def answers(port):
    """Say whether somebody listens at a port."""
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0
