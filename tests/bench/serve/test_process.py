"""Addresses of servers: which are usable, and what answers at them."""

import socket
import threading

import pytest

from bench.console import BadInput
from bench.serve.process import LOOPBACK, is_healthy, usable_port


@pytest.mark.parametrize("host", ["no such host", "a..b", "a" * 70])
def test_a_host_that_is_none_is_one_line(host: str) -> None:
    with pytest.raises(BadInput, match=f"host '{host}' cannot be resolved: ") as caught:
        usable_port(None, host)
    assert "\n" not in str(caught.value)


def test_what_is_no_web_server_is_not_healthy() -> None:
    """Another program may have taken the port."""
    with socket.create_server((LOOPBACK, 0)) as other:

        def greet() -> None:
            connection, _ = other.accept()
            with connection:
                connection.sendall(b"SSH-2.0-other\r\n")
                connection.recv(1024)

        thread = threading.Thread(target=greet)
        thread.start()
        assert not is_healthy(f"http://{LOOPBACK}:{other.getsockname()[1]}")
        thread.join()
