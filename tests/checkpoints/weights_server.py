"""A server on the loopback that publishes one file, and answers well or badly as the last word of the path says."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

CONTENT = bytes(range(256)) * 16384  # 4 MiB: several blocks
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SIZE = len(CONTENT)
MIB = 2**20


class Handler(BaseHTTPRequestHandler):
    """Answers as the path says; notes what was asked for.

    Attributes:
        requests: the words asked for, each with its Range.
        paths: the whole paths, or addresses where it is asked as a proxy.
        released: ends an answer that stalls.
    """

    requests: ClassVar[list[tuple[str, str | None]]] = []
    paths: ClassVar[list[str]] = []
    released: ClassVar[threading.Event] = threading.Event()

    def do_HEAD(self) -> None:
        """As the hub answers, for its own library."""
        self.send_response(200)
        self.send_header("Content-Length", str(SIZE))
        self.send_header("ETag", f'"{SHA256}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.end_headers()

    def do_GET(self) -> None:
        word, range_ = self.path.rsplit("/", 1)[-1], self.headers.get("Range")
        Handler.requests.append((word, range_))
        Handler.paths.append(self.path)
        count = Counter(asked for asked, _ in Handler.requests)[word]
        start = int(re.findall(r"bytes=(\d+)-", range_)[0]) if range_ else 0
        getattr(self, f"answer_{word.replace('-', '_')}", self.answer_unheard_of)(start, count)

    def reply(self, body: bytes, start: int = 0, *, length: int | None = None, claim: str | None = None) -> None:
        """Send the body, as a part of the file from `start` on if it is not 0."""
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        if start:
            self.send_header("Content-Range", claim or f"bytes {start}-{SIZE - 1}/{SIZE}")
        self.end_headers()
        self.send(body)

    def send(self, body: bytes) -> None:
        with suppress(ConnectionError):  # the client may have heard enough
            self.wfile.write(body)

    def answer_unheard_of(self, start: int, count: int) -> None:
        self.send_error(404)

    def answer_complete(self, start: int, count: int) -> None:
        if start >= SIZE:
            self.send_error(416)
        else:
            self.reply(CONTENT[start:], start)

    def answer_moved(self, start: int, count: int) -> None:
        self.send_response(302)
        self.send_header("Location", "/complete")
        self.end_headers()

    def answer_without_length(self, start: int, count: int) -> None:
        self.send_response(200)
        self.end_headers()
        self.send(CONTENT)

    # Broken off.

    def answer_breaks(self, start: int, count: int) -> None:
        self.reply(CONTENT[start : start + 3 * MIB // 2], start, length=SIZE - start)

    def answer_crumbles(self, start: int, count: int) -> None:
        self.reply(CONTENT[start : start + 1000], start, length=SIZE - start)

    def answer_silent(self, start: int, count: int) -> None:
        pass

    def answer_busy(self, start: int, count: int) -> None:
        if count < 3:
            self.send_response(503)
            self.send_header("Retry-After", "0")
            self.end_headers()
        else:
            self.reply(CONTENT)

    def answer_stalls_once(self, start: int, count: int) -> None:
        self.reply(CONTENT[start : start + MIB] if count == 1 else CONTENT[start:], start, length=SIZE - start)
        if count == 1:
            self.released.wait(20)

    def answer_trickles(self, start: int, count: int) -> None:
        self.reply(b"", start, length=SIZE - start)
        for place in range(start, SIZE):
            try:
                self.wfile.write(CONTENT[place : place + 1])
            except ConnectionError:
                return
            if self.released.wait(0.02):
                return

    # Untrue.

    def answer_short(self, start: int, count: int) -> None:
        self.reply(CONTENT[:-1000])

    def answer_corrupted(self, start: int, count: int) -> None:
        self.reply(b"x" + CONTENT[1:])

    def answer_endless(self, start: int, count: int) -> None:
        self.reply(CONTENT * 3)

    def answer_endless_without_length(self, start: int, count: int) -> None:
        self.send_response(200)
        self.end_headers()
        self.send(CONTENT * 3)

    def answer_login(self, start: int, count: int) -> None:
        self.reply(b"<html>please log in</html>")

    def answer_knows_no_range(self, start: int, count: int) -> None:
        self.reply(CONTENT if count > 1 else CONTENT[: 2 * MIB], length=SIZE)

    def answer_other_range(self, start: int, count: int) -> None:
        if start:
            self.reply(CONTENT[5:], start, claim=f"bytes 5-{SIZE - 1}/{SIZE}")
        else:
            self.reply(CONTENT if count > 1 else CONTENT[:MIB], length=SIZE)

    def answer_other_piece(self, start: int, count: int) -> None:
        if start:
            self.reply(bytes(SIZE - start), start)
        else:
            self.reply(CONTENT if count > 1 else CONTENT[:MIB], length=SIZE)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serve() -> Iterator[str]:
    """Serve until the block ends; gives the address."""
    Handler.requests, Handler.paths, Handler.released = [], [], threading.Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = False  # joined on close: no thread outlives its test
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            Handler.released.set()
            server.shutdown()
            thread.join()
