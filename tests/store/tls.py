"""TLS in front of servers: an authority of our own, and a front that demands certificates of it.

The wheel's server is built without TLS. A front decrypts, as the load balancers of some managed services do.
"""

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
_HANDSHAKE = b"\x16"
"""The first byte of TLS. No command of Redis begins with it."""


@dataclass(frozen=True)
class Authority:
    """An authority, and the certificates that it signed: those of a server at 127.0.0.1 and of a client."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> "Authority":
        """Make the keys and certificates."""
        folder.mkdir(parents=True)
        own = cls(folder)
        own._openssl("req", "-x509", *_EC, "-subj", "/CN=ours", "-keyout", "ca.key", "-out", "ca.pem")
        own.sign("server", "subjectAltName=IP:127.0.0.1")
        own.sign("client", "extendedKeyUsage=clientAuth")
        return own

    def sign(self, name: str, extension: str) -> None:
        """Make a key and a certificate of this name."""
        self._openssl("req", *_EC, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        (self.folder / "extensions").write_text(extension)
        ours = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "extensions")
        self._openssl("x509", "-req", "-in", f"{name}.csr", *ours, "-out", f"{name}.pem")

    @property
    def options(self) -> str:
        """The options of `REDIS_URL` for a client with a certificate."""
        files = {"ssl_ca_certs": "ca.pem", "ssl_certfile": "client.pem", "ssl_keyfile": "client.key"}
        return "&".join(f"{name}={self.folder / file}" for name, file in files.items())

    def context(self) -> ssl.SSLContext:
        """Return the context of a server that wants a client's certificate."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.folder / "ca.pem"))
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self.folder / "server.pem", self.folder / "server.key")
        return context

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)


@dataclass
class Front:
    """A port that leads to a server's. Only those who speak TLS are counted. Sentinels and tests may speak plainly."""

    context: ssl.SSLContext
    target: int = 0
    encrypted: int = 0
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self.listener.getsockname()[1]
        return port

    def serve(self) -> None:
        """Lead clients until the listener closes."""
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._lead, args=(client,), daemon=True).start()

    def _lead(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            if client.recv(1, socket.MSG_PEEK) == _HANDSHAKE:
                client = self.context.wrap_socket(client, server_side=True)
                self.encrypted += 1
            with client, socket.create_connection(("127.0.0.1", self.target)) as server:
                back = threading.Thread(target=_copy, args=(server, client), daemon=True)
                back.start()
                _copy(client, server)
                back.join()


@contextmanager
def fronts(authority: Authority, number: int) -> Iterator[list[Front]]:
    """Open so many fronts until the block ends. Each wants to be told its target."""
    opened = [Front(authority.context()) for _ in range(number)]
    for each in opened:
        threading.Thread(target=each.serve, daemon=True).start()
    try:
        yield opened
    finally:
        for each in opened:
            with suppress(OSError):
                each.listener.shutdown(socket.SHUT_RDWR)
            each.listener.close()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    for each in (source, sink):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
