// Command queue-consumer-go takes counts from a queue of RabbitMQ and appends them to a file, each window once:
//
//	AMQP_URL=amqp://user:password@localhost:5672/ go run ./examples/queue-consumer-go counts_queue counts.ndjson
//
// It needs the right to read the queue, which it does not declare. Until the queue is there, it tries again. SIGTERM ends it.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"footfall/examples/countfile"
)

const (
	prefetch    = 10 // messages that the broker sends ahead: they are the most that memory holds
	patience    = 10 * time.Second
	longestWait = 30 * time.Second
)

func main() {
	// The URL has a password. Arguments are visible to all users of a machine.
	url := os.Getenv("AMQP_URL")
	if _, err := amqp.ParseURI(url); err != nil || len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "queue-consumer-go: want AMQP_URL=amqp://user:password@host:port/vhost, and as arguments a queue and a file")
		os.Exit(2)
	}
	counts, err := countfile.Open(os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, "queue-consumer-go:", err)
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	c := consumer{url, os.Args[1], counts, slog.New(slog.NewTextHandler(os.Stderr, nil))}
	c.run(ctx)
	stop()
	if err := counts.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "queue-consumer-go:", err)
		os.Exit(1)
	}
}

type consumer struct {
	url, queue string
	counts     *countfile.File
	log        *slog.Logger
}

// run consumes until ctx ends. It connects again after a loss, with waits that grow and differ between consumers.
func (c *consumer) run(ctx context.Context) {
	wait := time.Second
	for ctx.Err() == nil {
		began := time.Now()
		err := c.consume(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > longestWait {
			wait = time.Second
		}
		c.log.Warn("connection ended", "error", err)
		sleep(ctx, wait/2+rand.N(wait/2))
		wait = min(2*wait, longestWait)
	}
}

// consume handles messages over one connection, until that or ctx ends. The broker sends all again that were not acknowledged.
func (c *consumer) consume(ctx context.Context) error {
	conn, err := amqp.DialConfig(c.url, amqp.Config{Heartbeat: patience, Dial: amqp.DefaultDial(patience)})
	if err != nil {
		return err
	}
	defer func() { _ = conn.CloseDeadline(time.Now().Add(patience)) }()
	ch, err := conn.Channel()
	if err != nil {
		return err
	}
	if err := ch.Qos(prefetch, 0, false); err != nil {
		return err
	}
	deliveries, err := ch.Consume(c.queue, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	c.log.Info("consuming", "queue", c.queue)
	for {
		select {
		case <-ctx.Done():
			return nil
		case d, open := <-deliveries:
			if !open {
				return errors.New("the broker or the network has ended it")
			}
			if err := c.handle(ctx, d); err != nil {
				return err
			}
		}
	}
}

// handle acknowledges a message when its count is on the disk, and no sooner.
func (c *consumer) handle(ctx context.Context, d amqp.Delivery) error {
	count, err := countfile.Parse(d.MessageId, d.Body)
	if err != nil {
		// It would never be better: it goes to the dead letters, if the queue has them.
		c.log.Error("message rejected", "error", err)
		return d.Reject(false)
	}
	added, err := c.counts.Add(count)
	for err != nil {
		// A full disk, say. A message that is given back too often is dropped by the broker, so it is held.
		c.log.Error("count not written", "id", count.ID, "error", err)
		if !sleep(ctx, 5*time.Second) {
			return ctx.Err() // it was not acknowledged, so it comes again
		}
		added, err = c.counts.Add(count)
	}
	if added {
		c.log.Info("counted", "id", count.ID, "count", count.Count)
	} else {
		c.log.Info("repeated message dropped", "id", count.ID, "redelivered", d.Redelivered)
	}
	return d.Ack(false)
}

// sleep reports whether ctx lasted for as long.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
