#!/usr/bin/env python3
"""Takes counts from a queue of RabbitMQ and appends them to a file, each window once:

    AMQP_URL=amqp://user:password@localhost:5672/ examples/queue-consumer.py counts_queue counts.ndjson

It needs pika (Debian, Ubuntu: apt-get install python3-pika), and the right to read the queue, which it does not declare. Until
the queue is there, it tries again. SIGTERM ends it.
"""

import logging
import os
import random
import signal
import sys
import time

import pika
from pika.exceptions import AMQPError

from countfile import CountFile, parse

PREFETCH = 10  # messages that the broker sends ahead: they are the most that memory holds
LONGEST_WAIT = 30  # seconds
log = logging.getLogger("queue-consumer")


class Consumer:
    def __init__(self, parameters, queue, counts):
        self.parameters, self.queue, self.counts = parameters, queue, counts
        self.stopped = False

    def stop(self, *_):
        self.stopped = True

    def run(self):
        """Consumes until stop. It connects again after a loss, with waits that grow and differ between consumers."""
        wait = 1
        while not self.stopped:
            began = time.monotonic()
            try:
                self.consume()
            except (AMQPError, OSError) as error:
                log.warning("connection ended: %r", error)
            if time.monotonic() - began > LONGEST_WAIT:
                wait = 1
            until = time.monotonic() + random.uniform(wait / 2, wait)
            while not self.stopped and time.monotonic() < until:
                time.sleep(0.1)
            wait = min(2 * wait, LONGEST_WAIT)

    def consume(self):
        """Handles messages over one connection, until that or the program ends. The broker sends all again that were not
        acknowledged."""
        connection = pika.BlockingConnection(self.parameters)
        try:
            channel = connection.channel()
            channel.basic_qos(prefetch_count=PREFETCH)
            channel.basic_consume(self.queue, self.handle)
            log.info("consuming %s", self.queue)
            while not self.stopped:
                connection.process_data_events(time_limit=1)
                if not channel.consumer_tags:
                    raise AMQPError("the broker has ended the consumer")
        finally:
            if connection.is_open:
                connection.close()

    def handle(self, channel, delivery, properties, body):
        """Acknowledges a message when its count is on the disk, and no sooner."""
        if self.stopped:
            return  # it was sent ahead, and comes again
        try:
            count = parse(properties.message_id, body)
        except ValueError as error:
            # It would never be better: it goes to the dead letters, if the queue has them.
            log.error("message rejected: %s", error)
            channel.basic_reject(delivery.delivery_tag, requeue=False)
            return
        while True:
            try:
                added = self.counts.add(count)
                break
            except OSError as error:
                # A full disk, say. A message that is given back too often is dropped by the broker, so it is held.
                log.error("count of %s not written: %s", count["id"], error)
                for _ in range(5):
                    channel.connection.sleep(1)  # with heartbeats
                    if self.stopped:
                        return  # it was not acknowledged, so it comes again
        if added:
            log.info("counted id=%s count=%d", count["id"], count["count"])
        else:
            log.info("repeated message dropped id=%s redelivered=%s", count["id"], str(delivery.redelivered).lower())
        channel.basic_ack(delivery.delivery_tag)


def main():
    logging.basicConfig(level=logging.INFO)
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # what it says is in its exceptions
    # The URL has a password. Arguments are visible to all users of a machine.
    url = os.environ.get("AMQP_URL", "")
    if len(sys.argv) != 3 or not url.startswith(("amqp://", "amqps://")):
        sys.exit("queue-consumer.py: want AMQP_URL=amqp://user:password@host:port/vhost, and as arguments a queue and a file")
    parameters = pika.URLParameters(url)
    parameters.heartbeat = parameters.socket_timeout = 10
    parameters.blocked_connection_timeout = 10
    counts = CountFile(sys.argv[2])
    consumer = Consumer(parameters, sys.argv[1], counts)
    for number in signal.SIGTERM, signal.SIGINT:
        signal.signal(number, consumer.stop)
    consumer.run()
    counts.close()


if __name__ == "__main__":
    main()
