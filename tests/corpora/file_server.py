"""A server of files that fails as it is told to, and counts what it sends."""

import contextlib
import socket
import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PIECE = 1 << 18


@dataclass
class Fault:
    """What one answer does wrong."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None  # instead of the file's
    after: int | None = None  # bytes of the body before the connection ends
    stall: float = 0.0  # seconds of silence before it ends
    pause: float = 0.0  # seconds after each piece
    length: int | None = -1  # Content-Length, None: none
    content_range: str | None = None
    ignores_range: bool = False
    etag: str | None = None
    chunked: bool = False  # instead of a Content-Length


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    sent: int = 0


class FileServer(ThreadingHTTPServer):
    """Serves `files`; the next answers for a path are spoilt by `faults[path]`, one each."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.answers: dict[str, dict[str, str]] = {}  # headers of HEAD and GET, by path
        self.faults: dict[str, deque[Fault]] = defaultdict(deque)
        self.always: dict[str, Fault] = {}
        self.requests: list[Request] = []
        self.etag = '"one"'

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def sent(self, path: str) -> int:
        """Bytes of bodies sent for a path."""
        return sum(request.sent for request in self.requests if request.path == path)

    def handle_error(self, request, client_address):
        pass  # a client that went away is no news here


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FileServer

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)

    def log_message(self, *arguments):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        record = Request(self.command, self.path, dict(self.headers))
        self.server.requests.append(record)
        path = self.path.partition("?")[0]
        waiting = self.server.faults[path]
        fault = waiting.popleft() if waiting else self.server.always.get(path, Fault())
        content = self.server.files.get(path) if fault.content is None else fault.content
        if fault.status or content is None:
            return self.empty(
                fault.status or 404, fault.headers | self.server.answers.get(path, {})
            )
        return self.body(record, content, fault, self.server.answers.get(path, {}))

    def empty(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": "0"}).items():
            self.send_header(name, value)
        self.end_headers()

    def body(self, record: Request, content: bytes, fault: Fault, more: dict[str, str]) -> None:
        etag = fault.etag or self.server.etag
        asked = self.headers.get("Range")
        unchanged = self.headers.get("If-Range", etag) == etag
        start = int(asked[6:-1]) if asked and unchanged and not fault.ignores_range else 0
        if start and start >= len(content):
            return self.empty(416, {"Content-Range": f"bytes */{len(content)}"})
        self.send_response(206 if start else 200)
        if start:
            whole = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.send_header("Content-Range", fault.content_range or whole)
        length = len(content) - start if fault.length == -1 else fault.length
        if fault.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif length is not None:
            self.send_header("Content-Length", str(length))
        else:
            self.close_connection = True
        for name, value in ({"ETag": etag} | more | fault.headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.send(record, memoryview(content)[start:], fault)
        return None

    def send(self, record: Request, rest: memoryview, fault: Fault) -> None:
        ends = fault.after is not None
        rest = rest[: fault.after] if ends else rest
        for offset in range(0, len(rest), PIECE):
            piece = rest[offset : offset + PIECE]
            head, tail = (f"{len(piece):x}\r\n".encode(), b"\r\n") if fault.chunked else (b"", b"")
            self.connection.sendall(b"".join((head, piece, tail)))
            record.sent += len(piece)
            time.sleep(fault.pause)
        time.sleep(fault.stall)
        if fault.chunked and not ends:
            self.connection.sendall(b"0\r\n\r\n")
        if ends or (fault.length not in (-1, None)):
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_WR)


class Proxy(BaseHTTPRequestHandler):
    """Answers every request itself, and keeps what was asked for."""

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        self.server.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content)


@contextlib.contextmanager
def serving(server):
    """Run a server until the block ends."""
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def proxy(content: bytes) -> ThreadingHTTPServer:
    """A proxy that has `content` for whatever is asked."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    server.content, server.asked = content, []
    return server
