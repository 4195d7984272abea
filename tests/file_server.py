"""A small server on the loopback that gives files by their paths, or misbehaves."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextmanager
def serve(files: Mapping[str, bytes], asked: list[str] | None = None) -> Iterator[str]:
    """The address of a server of `files`.

    ``/cut/PATH`` ends half-way, ``/silent/...`` never answers, ``/moved`` leads to a local file.
    """
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Keeps the test's output quiet."""

        def do_GET(self) -> None:
            if asked is not None:
                asked.append(self.path)
            if self.path.startswith("/silent"):
                over.wait()
                return
            if self.path.startswith("/moved"):
                self.send_response(302)
                self.send_header("Location", "file:///etc/hostname")
                self.end_headers()
                return
            content = files.get(self.path.removeprefix("/cut").lstrip("/"))
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            if content:
                self.wfile.write(content[: len(content) // 2] if self.path.startswith("/cut") else content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()
