"""One file over HTTP, in spite of what happens on the way: broken transfers go on by Range, and no answer is believed.

What came is kept in a partial file, so that the next call goes on with it; it is complete when its digest fits, and
removed when it does not. Proxies are those of the environment (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY), which
`requests` reads.
"""

from __future__ import annotations

import re
import time
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from flowcli.checkpoints.digest import compute_sha256
from flowcli.errors import OutputError, WeightsError

if TYPE_CHECKING:
    from requests import Response

TIMEOUT = 30.0
"""Seconds without a byte after which a connection is given up."""
STALL, STALL_BYTES = 60.0, 64 * 1024
"""Fewer bytes than that in so many seconds count as none: a server may send one now and then."""
TRIES = 5
"""Times in a row that a transfer may break without getting on."""
PAUSE = 1.0
"""Seconds before the second of them; doubled each time."""
_PROGRESS = 2**20  # bytes that count as getting on
_BLOCK = 2**18
_LONGEST_PAUSE = 30.0
# Too busy, or out of order for now.
_PASSING = {408, 425, 429, 500, 502, 503, 504}


class ProgressBar(Protocol):
    """What a transfer tells: bytes so far, of `total` where the server says how many. tqdm is one."""

    total: float | None

    def update(self, n: float | None = 1, /) -> object:
        """Count `n` more bytes; fewer, if what came has to be fetched again."""

    def close(self) -> object:
        """Take the bar away."""


class _Broken(Exception):
    """The transfer broke off; another try may go on where it stopped.

    Attributes:
        tries: how many in a row are worth it.
        pause: seconds that the server asks for.
    """

    def __init__(self, reason: str, tries: int | None = None, pause: float | None = None) -> None:
        super().__init__(reason)
        self.tries, self.pause = tries or TRIES, pause


class Transfer:
    """The way of one file into a partial one."""

    def __init__(self, url: str, partial: Path, megabytes: int, bar: ProgressBar | None = None) -> None:
        """Describe it.

        Args:
            url: where the file is to be had.
            partial: what came of it; need not exist.
            megabytes: its size as its publisher gives it; twice as much is refused.
            bar: is told of the bytes, those included that were there.
        """
        self._url, self._partial, self._bar = url, partial, bar
        self._megabytes, self._limit = megabytes, 2 * megabytes * 10**6
        self._shown = 0
        self._continued = False

    def fetch(self, sha256: str) -> None:
        """Complete the partial file.

        Raises:
            WeightsError: the file cannot be had, or it is not the published one; the message names the address.
            OutputError: the partial file cannot be written.
        """
        for is_last in (False, True):
            self._continued = False
            try:
                self._fetch()
            finally:
                if self._size() == 0:
                    self._partial.unlink(missing_ok=True)
            size = self._size()
            found = compute_sha256(self._partial) if size else "nothing"
            if found == sha256:
                return
            self._partial.unlink(missing_ok=True)
            # Of several pieces one may be of something else: begin anew, once.
            if is_last or not self._continued:
                raise WeightsError(
                    f"{self._url}: expected sha256 {sha256[:12]}..., found {found[:12]}... in {size} bytes; "
                    "nothing was kept"
                )

    def _fetch(self) -> None:
        # Until the server says that it is complete.
        failures = 0
        try:
            self._partial.touch()
        except OSError as error:
            raise self._explain(error) from error
        while True:
            before = self._size()
            try:
                return self._append()
            except _Broken as broken:
                failures = 1 if self._size() >= before + _PROGRESS else failures + 1
                if failures >= broken.tries:
                    raise WeightsError(f"{self._url}: cannot be fetched ({broken})") from broken
                time.sleep(min(broken.pause or PAUSE * 2 ** (failures - 1), _LONGEST_PAUSE))

    def _append(self) -> None:
        import requests
        import urllib3

        start = self._size()
        self._continued |= start > 0
        # Compressed on the way, its bytes could not be counted.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        try:
            with requests.get(self._url, headers=headers, stream=True, timeout=TIMEOUT) as response:
                begin, total = self._read_head(response, start)
                if total is not None and total > self._limit:
                    raise self._too_long()
                if total is None or begin < total:
                    self._receive(response, begin, total)
        except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError) as error:
            # Somebody without a network need not wait for long.
            is_unreachable = isinstance(error, requests.ConnectionError) and not start
            raise _Broken(_describe(error), 2 if is_unreachable else None) from error
        except (requests.RequestException, ValueError) as error:
            raise WeightsError(f"{self._url}: cannot be fetched ({_describe(error)})") from error

    def _read_head(self, response: Response, start: int) -> tuple[int, int | None]:
        # Where the body begins in the file, and how long the file is, if the server says so.
        code = response.status_code
        if code in _PASSING:
            wait = response.headers.get("Retry-After", "")
            raise _Broken(
                f"the server answers {code} {response.reason}", pause=float(wait) if wait.isdecimal() else None
            )
        if start and code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            # All of it is there already, or it is no part of this file: the digest tells.
            return start, start
        response.raise_for_status()
        length = response.headers.get("Content-Length", "")
        size = int(length) if length.isdecimal() else None
        if code != HTTPStatus.PARTIAL_CONTENT:
            return 0, size
        parsed = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", ""))
        if parsed is None or int(parsed[1]) != start:
            self._partial.write_bytes(b"")
            raise _Broken("the server sends another part than was asked for")
        return start, None if parsed[3] == "*" else int(parsed[3])

    def _receive(self, response: Response, begin: int, total: int | None) -> None:
        from urllib3.exceptions import ProtocolError, ReadTimeoutError

        if self._bar is not None:
            self._bar.total = total
        try:
            with self._partial.open("r+b" if begin else "wb") as output:
                output.truncate(begin)
                output.seek(begin)
                self._show(begin)
                since, earlier = time.monotonic(), begin
                # read1 returns what there is: a stalled transfer is noticed, and what came before is not lost.
                while block := response.raw.read1(_BLOCK):
                    output.write(block)
                    place = output.tell()
                    self._show(place)
                    if place > self._limit:
                        raise self._too_long()
                    if time.monotonic() - since > STALL:
                        if place - earlier < STALL_BYTES:
                            raise _Broken(f"stalled: {place - earlier} bytes in {STALL:g} s")
                        since, earlier = time.monotonic(), place
        except ReadTimeoutError as error:
            raise _Broken(f"stalled: no byte in {TIMEOUT:g} s") from error
        except ProtocolError as error:
            raise _Broken(f"the connection ended after {self._size()} of {total or 'unknown'} bytes") from error
        except OSError as error:
            raise self._explain(error) from error

    def _explain(self, error: OSError) -> OutputError:
        return OutputError(f"{self._partial}: cannot be written: {error.strerror or error}")

    def _too_long(self) -> WeightsError:
        self._partial.unlink(missing_ok=True)
        return WeightsError(f"{self._url}: expected {self._megabytes} MB, found more than twice that; given up")

    def _size(self) -> int:
        try:
            return self._partial.stat().st_size
        except FileNotFoundError:
            return 0

    def _show(self, size: int) -> None:
        if self._bar is not None:
            self._bar.update(size - self._shown)
        self._shown = size


def _describe(error: Exception) -> str:
    # What the libraries say of a connection is a chain of objects; its end is what happened.
    text = str(error)
    causes = re.findall(r"\[Errno -?\d+\] ([^'\")<>]+)", text) or re.findall(
        r"Caused by \w+\(.*?['\"](.*?)['\"]\)", text
    )
    return causes[-1].strip() if causes else text
