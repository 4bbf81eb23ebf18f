"""The lock on the network, in a process started as a lesson's kernel is: what gets out, what does not."""

import subprocess
import sys

import pytest

from refllm.teach import kernels

# 192.0.2.1 is kept for documentation: nobody answers there, so without the lock the answer is a timeout.
REFUSED = {
    "connect": "socket.create_connection(('192.0.2.1', 80), timeout=9)",
    "name": "socket.getaddrinfo('example.com', 443)",
    "datagram": "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
    "ipv6": "socket.socket(socket.AF_INET6).connect(('2001:db8::1', 80))",
    "http": "__import__('urllib.request').request.urlopen('http://192.0.2.1', timeout=9)",
    "child": "subprocess.run([sys.executable, '-c', 'import socket; socket.gethostbyname(\"a.org\")'], check=True)",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    environment = kernels.environment(tmp_path_factory.mktemp("kernel"))

    def run(code: str):
        command = [sys.executable, "-c", f"import socket, subprocess, sys\n{code}"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)

    return run


@pytest.mark.parametrize("code", REFUSED.values(), ids=REFUSED)
def test_nothing_gets_out(run, code):
    ended = run(code)
    assert ended.returncode == 1
    assert "lessons run without network; tried" in ended.stderr


def test_the_loopback_stays_open(run):
    ended = run(
        "server = socket.create_server(('localhost', 0))\n"
        "client = socket.create_connection(server.getsockname())\n"
        "pair = socket.socketpair()\n"
        "print(server.accept()[0] is not None)"
    )
    assert (ended.stdout, ended.stderr) == ("True\n", "")
