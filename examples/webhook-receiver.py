#!/usr/bin/env python3
"""Receives callbacks at /hook, verifies their signatures and appends the counts to a file, each window once:

    WEBHOOK_SECRETS=whsec_... examples/webhook-receiver.py 127.0.0.1 9000 counts.ndjson

It needs the standard library only. The secrets are those of FOOTFALL_CALLBACK_SECRET. To replace one without a pause, give the
new one and the old one to both, separated by a comma, and then remove the old one. SIGTERM ends the program. In public, it
belongs after a proxy that has TLS.
"""

import base64
import hashlib
import hmac
import logging
import os
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from countfile import MAX_BODY, CountFile, parse

TOLERANCE = 5 * 60  # seconds that a timestamp may be off, either way
PATIENCE = 10  # seconds for a connection; Footfall waits as long for an answer
CONNECTIONS = 64  # that are served at a time; others are closed
log = logging.getLogger("webhook-receiver")


def parse_secrets(text):
    """Reads secrets that are separated by commas. With an empty or short one, anyone could sign."""
    keys = []
    for i, secret in enumerate(text.split(",")):
        prefix, _, encoded = secret.strip().partition("_")
        try:
            key = base64.b64decode(encoded, validate=True)
        except ValueError:
            key = b""
        if prefix != "whsec" or len(key) < 24:
            sys.exit(f"webhook-receiver.py: secret {i + 1} of WEBHOOK_SECRETS is not whsec_ and at least 24 bytes in base64")
        keys.append(key)
    return keys


def verify(keys, window, timestamp, signatures, body):
    """Returns why a callback is refused, or None when one of the keys has made one of the signatures."""
    if not window or not timestamp or not signatures:
        return "a header is missing"
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) < 20):
        return "the timestamp is no number"
    # So old callbacks, which the file may not remember, can't be replayed.
    if abs(time.time() - int(timestamp)) > TOLERANCE:
        return "the timestamp is too old or too new"
    signed = f"{window}.{timestamp}.".encode("latin-1") + body  # http.server decodes headers as Latin-1
    for key in keys:
        want = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        for signature in signatures.split():
            # In constant time, or the time would say how many characters are right.
            if hmac.compare_digest(signature.encode("latin-1"), want.encode()):
                return None
    return "no signature matches"


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        """Answers 204 when the count is on the disk. Footfall repeats a callback that gets another answer, or none."""
        if urlsplit(self.path).path != "/hook":  # the endpoints of strangers are none of ours
            return self.answer(404)
        length = self.headers.get("content-length", "")
        if not (length.isascii() and length.isdecimal() and len(length) < 20):
            return self.answer(411)
        if int(length) > MAX_BODY:
            return self.answer(413)
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            return self.answer(400)
        window = self.headers.get("webhook-id")
        why = verify(self.server.keys, window, self.headers.get("webhook-timestamp"), self.headers.get("webhook-signature"), body)
        if why:
            log.warning("callback refused: %s", why)
            return self.answer(401)
        try:
            # The body is signed. The query, which has the count as well, is not: do not use it.
            count = parse(window, body)
        except ValueError as error:
            log.error("callback without a count: %s", error)
            return self.answer(400)
        try:
            added = self.server.counts.add(count)
        except OSError as error:
            log.error("count of %s not written: %s", window, error)
            return self.answer(500)
        if added:
            log.info("counted id=%s count=%d", window, count["count"])
        else:
            log.info("repeated callback dropped id=%s", window)
        return self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_):
        pass  # it would log each request, with its query


class Server(ThreadingHTTPServer):
    request_queue_size = CONNECTIONS
    daemon_threads = False  # server_close waits for callbacks that are being handled

    def __init__(self, address, keys, counts):
        super().__init__(address, Receiver)
        self.keys, self.counts = keys, counts
        self.free = threading.BoundedSemaphore(CONNECTIONS)

    def process_request(self, request, client_address):
        if not self.free.acquire(blocking=False):
            return self.shutdown_request(request)
        return super().process_request(request, client_address)

    def process_request_thread(self, request, client_address):
        # A time limit for each read would not end a client that sends one byte at a time.
        late = threading.Timer(PATIENCE, end, [request])
        late.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            late.cancel()
            self.free.release()

    def handle_error(self, request, client_address):
        log.warning("connection ended: %r", sys.exc_info()[1])


def end(connection):
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the client was first


def main():
    logging.basicConfig(level=logging.INFO)
    if len(sys.argv) != 4 or not sys.argv[2].isdecimal():
        sys.exit("webhook-receiver.py: want WEBHOOK_SECRETS, and as arguments an address and a port to listen on, and a file")
    # Arguments are visible to all users of a machine, so the secrets are none.
    keys = parse_secrets(os.environ.get("WEBHOOK_SECRETS", ""))
    counts = CountFile(sys.argv[3])
    server = Server((sys.argv[1], int(sys.argv[2])), keys, counts)

    def stop(*_):  # shutdown waits for the loop, which this thread runs
        threading.Thread(target=server.shutdown).start()

    for number in signal.SIGTERM, signal.SIGINT:
        signal.signal(number, stop)
    log.info("listening addr=%s:%d", *server.server_address[:2])
    server.serve_forever()
    server.server_close()
    counts.close()


if __name__ == "__main__":
    main()
