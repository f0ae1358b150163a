"""A TLS socket that is closed if its peer is gone before the handshake."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from typing import Any


class TlsSocket(ssl.SSLSocket):
    """The socket of one TLS connection. Python 3.11 and 3.12 leave it open if the peer has reset the connection."""

    def getpeername(self) -> Any:
        """The peer's address. `wrap_socket` asks for it first, and does not close the socket if that fails."""
        try:
            return super().getpeername()
        except OSError:
            if self.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                raise  # a listening socket, which has no peer
            self.close()
        raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
