package servers

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// URL is that of a publisher to a queue, seen at addr: the server's own, or
// that of a proxy before it.
func (r *RabbitMQ) URL(addr, queue string) string {
	u := url.URL{Scheme: "amqp", User: url.UserPassword(rabbitUser, rabbitPassword), Host: addr, Path: "/"}
	u.RawQuery = url.Values{"queue": {queue}}.Encode()
	return u.String()
}

// ExchangeURL is that of a publisher to an exchange, seen at addr.
func (r *RabbitMQ) ExchangeURL(addr, exchange, key string) string {
	base, _, _ := strings.Cut(r.URL(addr, ""), "?")
	return base + "?" + url.Values{"exchange": {exchange}, "key": {key}}.Encode()
}

// Secret is what must not leave a program that was given the URL.
func (r *RabbitMQ) Secret() string { return rabbitPassword }

// channel is a connection of the test's own, past the service.
func (r *RabbitMQ) channel(tb testing.TB) (*amqp.Channel, func()) {
	tb.Helper()
	c, err := amqp.Dial("amqp://" + rabbitUser + ":" + rabbitPassword + "@" + r.Addr + "/")
	if err != nil {
		tb.Fatal(err)
	}
	ch, err := c.Channel()
	if err != nil {
		tb.Fatal(err)
	}
	return ch, func() { _ = c.Close() }
}

// Messages are all that were ever found in a queue, in order. They are taken
// out: newer servers drop a message that is given back again and again. A queue
// that isn't there has none.
func (r *RabbitMQ) Messages(tb testing.TB, queue string) []amqp.Delivery {
	tb.Helper()
	err := r.take(tb, queue)
	for range 300 { // a quorum queue that has just been declared, or started, has no leader yet
		var closed *amqp.Error
		if !errors.As(err, &closed) || closed.Code != amqp.InternalError {
			break
		}
		time.Sleep(100 * time.Millisecond)
		err = r.take(tb, queue)
	}
	if err != nil {
		tb.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.taken[queue])
}

// Publish adds a message to a queue. The server has it when Publish returns.
func (r *RabbitMQ) Publish(tb testing.TB, queue string, m amqp.Publishing) {
	tb.Helper()
	ch, done := r.channel(tb)
	defer done()
	if err := ch.Confirm(false); err != nil {
		tb.Fatal(err)
	}
	sent, err := ch.PublishWithDeferredConfirmWithContext(tb.Context(), "", queue, true, false, m)
	if err != nil {
		tb.Fatal(err)
	}
	if ok, err := sent.WaitContext(tb.Context()); err != nil || !ok {
		tb.Fatalf("publish to %s: confirmed %t, %v", queue, ok, err)
	}
}

func (r *RabbitMQ) take(tb testing.TB, queue string) error {
	tb.Helper()
	ch, done := r.channel(tb)
	defer done()
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		m, ok, err := ch.Get(queue, true)
		var closed *amqp.Error
		if errors.As(err, &closed) && closed.Code == amqp.NotFound {
			return nil
		}
		if err != nil || !ok {
			return err
		}
		r.taken[queue] = append(r.taken[queue], m)
	}
}

// AddVHost adds a vhost that the user of URL must not use.
func (r *RabbitMQ) AddVHost(tb testing.TB, name string) {
	tb.Helper()
	if _, err := r.erlang(fmt.Sprintf("rabbit_vhost:add(<<%q>>, <<\"footfall\">>).", name)); err != nil {
		tb.Fatal(err)
	}
}

// AddUser adds a user with rights to configure, write and read what the patterns
// match, and returns the publisher's URL with its credentials.
func (r *RabbitMQ) AddUser(tb testing.TB, url, name, configure, write, read string) string {
	tb.Helper()
	for _, call := range []string{
		fmt.Sprintf("rabbit_auth_backend_internal:add_user(<<%q>>, <<%q>>, <<\"footfall\">>).", name, rabbitPassword),
		fmt.Sprintf("rabbit_auth_backend_internal:set_permissions(<<%q>>, <<\"/\">>, <<%q>>, <<%q>>, <<%q>>, <<\"footfall\">>).", name, configure, write, read),
	} {
		if _, err := r.erlang(call); err != nil {
			tb.Fatal(err)
		}
	}
	return strings.Replace(url, rabbitUser+":", name+":", 1)
}

// HasQueue tells whether there is such a queue.
func (r *RabbitMQ) HasQueue(tb testing.TB, queue string) bool {
	tb.Helper()
	ch, done := r.channel(tb)
	defer done()
	_, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
	return err == nil
}

// DeclareQueue declares a durable queue of a type.
func (r *RabbitMQ) DeclareQueue(tb testing.TB, queue string, args amqp.Table) {
	tb.Helper()
	ch, done := r.channel(tb)
	defer done()
	if _, err := ch.QueueDeclare(queue, true, false, false, false, args); err != nil {
		tb.Fatal(err)
	}
}

// DeclareTransientQueue declares a classic queue that does not outlive the server.
func (r *RabbitMQ) DeclareTransientQueue(tb testing.TB, queue string) {
	tb.Helper()
	ch, done := r.channel(tb)
	defer done()
	if _, err := ch.QueueDeclare(queue, false, false, false, false, nil); err != nil {
		tb.Fatal(err)
	}
}

// DeleteEmptyQueue deletes a queue of the type classic, unless something is in
// it, and tells whether it did: others can't be asked to make the difference.
func (r *RabbitMQ) DeleteEmptyQueue(tb testing.TB, queue string) bool {
	tb.Helper()
	ch, done := r.channel(tb)
	defer done()
	_, err := ch.QueueDelete(queue, false, true, false)
	return err == nil
}

// DeleteQueue deletes a queue with all that is in it.
func (r *RabbitMQ) DeleteQueue(tb testing.TB, queue string) {
	tb.Helper()
	ch, done := r.channel(tb)
	defer done()
	if _, err := ch.QueueDelete(queue, false, false, false); err != nil {
		tb.Fatal(err)
	}
}

// DeclareExchange declares a durable exchange of a kind: direct, topic or fanout.
func (r *RabbitMQ) DeclareExchange(tb testing.TB, name, kind string, internal bool) {
	tb.Helper()
	ch, done := r.channel(tb)
	defer done()
	if err := ch.ExchangeDeclare(name, kind, true, false, internal, false, nil); err != nil {
		tb.Fatal(err)
	}
}

// DeleteExchange deletes an exchange with its bindings.
func (r *RabbitMQ) DeleteExchange(tb testing.TB, name string) {
	tb.Helper()
	ch, done := r.channel(tb)
	defer done()
	if err := ch.ExchangeDelete(name, false, false); err != nil {
		tb.Fatal(err)
	}
}

// Bind has an exchange route messages with a key to a queue.
func (r *RabbitMQ) Bind(tb testing.TB, queue, exchange, key string) {
	tb.Helper()
	ch, done := r.channel(tb)
	defer done()
	if err := ch.QueueBind(queue, key, exchange, false, nil); err != nil {
		tb.Fatal(err)
	}
}
