"""Somebody who asks for /livez ten times a second, and notes every request that was not answered with 200."""

import threading
import time

from tests.cluster.installation import Installation

EVERY_SECONDS = 0.1


class Livez:
    """Context manager: asks from beginning to end; `failed` says what went wrong with which request."""

    def __init__(self, site: Installation) -> None:
        self._visitor = site.visitor()
        self.asked = 0
        self.failed: list[str] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> "Livez":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def __str__(self) -> str:
        return f"{len(self.failed)} of {self.asked} requests on /livez failed"

    def _ask(self) -> None:
        began = time.monotonic()
        while not self._ended.wait(EVERY_SECONDS):
            self.asked += 1
            try:
                answer = self._visitor.get("/livez", timeout=20)
            except Exception as error:  # noqa: BLE001 - whatever it was, this request failed
                self.failed.append(f"{time.monotonic() - began:.1f} s: {type(error).__name__}: {error}")
                continue
            if answer.status != 200:
                self.failed.append(f"{time.monotonic() - began:.1f} s: {answer.status}")
