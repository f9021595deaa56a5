"""The program of one of the further processes of a training on this machine; see `ranks`."""

from __future__ import annotations

import os
import pickle
import sys
import threading
from multiprocessing.connection import Connection

from tablewright.orchestrator.attempts.ranks import begin_rank, told_of
from tablewright.orchestrator.masked_streams import mask_streams


def main() -> None:
    """Do what the first process says, and end with it."""
    connection = Connection(int(sys.argv[1]))
    task = pickle.loads(connection.recv_bytes())
    mask_streams()
    threading.Thread(target=_end_with_first, args=(connection,), daemon=True).start()
    try:
        train = begin_rank(task)
        connection.send_bytes(pickle.dumps(("ready", "", "")))
        train()
    except BaseException as error:
        connection.send_bytes(pickle.dumps(("failed", *told_of(error))))
        raise


def _end_with_first(connection: Connection) -> None:
    """Wait for the end of the first process, which closes the connection however it ends."""
    try:
        connection.poll(None)
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()
