"""Keeps counts in a file, each window once, for the examples that receive counts.

A count may arrive again at any time, also after a crash of its receiver. So a receiver has to remember an id in the same step
in which it handles the count. Here one appended line is both. With a database it is one transaction, in which the id has a
unique index.
"""

import fcntl
import json
import os
import re
import threading

MAX_BODY = 4096  # those of Footfall have less than 400 bytes
REMEMBERED = 10_000  # ids that are kept in memory: those of a week of minutes


def parse(window, body):
    """Reads the body of a message or a callback that was sent under the id. A bad one is a ValueError."""
    if len(body) > MAX_BODY:
        raise ValueError(f"a body of {len(body)} bytes")
    try:
        count = json.loads(body)
    except RecursionError:
        raise ValueError("a body that is nested too deep") from None
    if not isinstance(count, dict):
        raise ValueError("no JSON object")
    if count.get("id") != window or not re.fullmatch("[A-Za-z0-9_-]{1,200}", window or ""):
        raise ValueError(f"the id is {window!r:.200}, and that of the body {count.get('id')!r:.200}")
    start, end, number = count.get("window_start"), count.get("window_end"), count.get("count")
    for time in start, end:
        if not isinstance(time, str) or not re.fullmatch("[0-9TZ:.+-]{1,40}", time):
            raise ValueError("no count of a window")
    if type(number) is not int or not 0 <= number < 2**63:
        raise ValueError("no count of a window")
    return {"id": window, "window_start": start, "window_end": end, "count": number}


class CountFile:
    """A file of counts, one JSON line each. It is safe for use by several threads."""

    def __init__(self, path):
        """Opens or creates the file, and remembers the newest ids in it. One process at a time can have it open. A part of a
        line at its end is removed: a process ended while it wrote, and so the count will arrive again."""
        self._lock = threading.Lock()
        self._seen = {}  # in the order in which they came
        self._size = 0  # of the lines that are complete
        self._file = open(os.open(path, os.O_RDWR | os.O_CREAT, 0o640), "rb+", buffering=0)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with open(path, "rb") as lines:
            while (line := lines.readline(MAX_BODY)).endswith(b"\n"):
                self._remember(json.loads(line)["id"])
                self._size += len(line)
        if len(line) == MAX_BODY or line[:7] != b'{"id":"'[: len(line)]:
            raise ValueError(f"{path} has other lines than counts")
        self._file.truncate(self._size)

    def add(self, count):
        """Appends a count, unless its id is one of the newest. It returns whether it did. Then the count is on the disk. After
        an OSError nothing was added, and the caller may try again."""
        line = json.dumps(count, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            if count["id"] in self._seen:
                return False
            self._file.truncate(self._size)  # to what was complete before a write that failed
            self._file.seek(self._size)
            if self._file.write(line) != len(line):
                raise OSError("a part of a line was written")
            os.fsync(self._file.fileno())
            self._size += len(line)
            self._remember(count["id"])
            return True

    def close(self):
        self._file.close()

    def _remember(self, window):
        self._seen[window] = None
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
