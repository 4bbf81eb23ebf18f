"""No network for the kernels that validate a lesson: what it needs lies in the clone.

`block_network` makes every attempt of Python code to reach another machine fail with `OSError`, as on a machine without
a cable; the loopback stays open, because Jupyter talks to its kernel over it and lessons start servers on it. The lock
is an audit hook, which nothing in the process can remove. It does not hold back programs that are not Python.

The kernel's own start installs it: `kernels.environment` copies this file as `sitecustomize.py` into a folder on
PYTHONPATH, so Python programs started by the lesson are locked in as well. Hence no import but the standard library.

>>> is_here(("127.0.0.1", 8080)), is_here("/tmp/socket"), is_here(("192.0.2.1", 443)), is_here("example.com")
(True, True, False, False)
"""

import errno
import sys

# The events of Python's audit table by which a process reaches out, and where each keeps the address.
ADDRESS_OF = {
    "socket.connect": 1,
    "socket.sendto": 1,
    "socket.sendmsg": 1,
    "socket.getaddrinfo": 0,
    "socket.gethostbyname": 0,
    "socket.gethostbyaddr": 0,
}


def block_network() -> None:
    """From now on this process reaches nothing but itself and its neighbours on the loopback."""
    sys.addaudithook(refuse)


def refuse(event, arguments):
    if event in ADDRESS_OF and not is_here(arguments[ADDRESS_OF[event]]):
        raise OSError(errno.ENETUNREACH, f"lessons run without network; tried {arguments[ADDRESS_OF[event]]}")


def is_here(address):
    """Is this address (a host, a pair of host and port, a Unix path) on this machine?"""
    host = address[0] if isinstance(address, tuple) else address
    if isinstance(host, bytes):
        host = host.decode(errors="replace")
    if not isinstance(host, str):
        return True  # None is this machine; whole numbers are the kernel's own sockets
    return host in ("", "localhost", "::1") or host.startswith(("127.", "/", "\0"))


if __name__ == "sitecustomize":
    block_network()
