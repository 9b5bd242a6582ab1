"""Reserves the ports of a run, so that a second run at the same time does not use its servers."""

import socket


def reserve(ports):
    """Reserves name -> port and returns the reservations, which last until they are closed or the process ends.

    Servers listen only seconds later. Until then abstract sockets with the numbers of the ports in their names show another run that they are
    taken; the kernel removes them with their process. Raises RuntimeError for a port that is in use.
    """
    reserved = []
    for name, port in ports.items():
        reserved.append(socket.socket(socket.AF_UNIX))
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                reserved[-1].bind(f"\0almanac-port-{port}")
                probe.bind(("127.0.0.1", port))
            except OSError:
                for mark in reserved:
                    mark.close()
                raise RuntimeError(f"port {port} ({name}) is in use; choose another --base-port") from None
    return reserved
