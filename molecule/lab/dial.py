# SPDX-License-Identifier: GPL-3.0-or-later
"""ssh's ProxyCommand under ProxyUseFdpass: connect, and pass the socket to ssh, which does the rest itself."""

from __future__ import annotations

import socket
import sys

try:
    connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=10)
except OSError as error:
    sys.exit(f"Cannot connect to {sys.argv[1]}: {error.strerror or error}")
connection.settimeout(None)
socket.send_fds(socket.socket(fileno=sys.stdout.fileno()), [b"\0"], [connection.fileno()])
