package rabbitmq

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// findTarget finds what reports are published to.
func (l *link) findTarget() error {
	if l.options.Exchange != "" {
		return l.findExchange()
	}
	return l.findQueue()
}

// findQueue declares the queue, and opens the channel. The broker refuses that if
// the user may not declare it, or if it has other arguments. Then a queue that is there
// is used as it is. Each refusal closes its channel.
func (l *link) findQueue() error {
	refusal, err := l.declare("queue", l.declareQueue((*amqp.Channel).QueueDeclare))
	if refusal == nil {
		return err
	}
	missing, err := l.declare("queue", l.declareQueue((*amqp.Channel).QueueDeclarePassive))
	if missing != nil {
		return fmt.Errorf("declare queue %q: %w; look for it: %w; declare the queue, or permit the user to configure it", l.options.Queue, refusal, missing)
	}
	l.notDeclared = refusal
	return err
}

// findExchange opens the channel, and checks that the exchange is there. What it is, and which
// queues are bound to it, is its owner's matter.
func (l *link) findExchange() error {
	missing, err := l.declare("exchange", func() error {
		return l.channel.ExchangeDeclarePassive(l.options.Exchange, "", true, false, false, false, nil)
	})
	if missing != nil {
		return fmt.Errorf("look for exchange %q: %w; declare the exchange", l.options.Exchange, missing)
	}
	return err
}

// declareQueue returns a declaration of the queue, to be made or only looked for.
func (l *link) declareQueue(how func(*amqp.Channel, string, bool, bool, bool, bool, amqp.Table) (amqp.Queue, error)) func() error {
	return func() error {
		_, err := how(l.channel, l.options.Queue, true, false, false, false, amqp.Table{"x-queue-type": l.options.QueueType})
		return err
	}
}

// declare opens a channel and declares something on it. A refusal is the broker's answer
// that ends no more than the channel; err is any other error.
func (l *link) declare(what string, how func() error) (refusal, err error) {
	if l.channel, err = l.conn.Channel(); err != nil {
		return nil, fmt.Errorf("open a channel: %w", err)
	}
	err = how()
	var said *amqp.Error
	if errors.As(err, &said) && said.Server && said.Recover {
		return withoutUser(err, l.options), nil
	}
	if err != nil {
		err = fmt.Errorf("declare %s %q: %w", what, cmp.Or(l.options.Exchange, l.options.Queue), withoutUser(err, l.options))
	}
	return nil, err
}

// rejected returns what to do if a broker ended the channel because it does not take the one
// message in flight, and "" if that is not why.
func (l *link) rejected(e *amqp.Error) string {
	exchange := cmp.Or(l.options.Exchange, "the default exchange")
	switch {
	case e == nil || !e.Server:
		return ""
	case e.Code == amqp.NotFound:
		return "declare the exchange " + exchange
	case e.Code == amqp.AccessRefused && strings.Contains(e.Reason, "internal exchange"):
		return "no client may write to " + exchange
	case e.Code == amqp.AccessRefused:
		return "permit the user to write to " + exchange
	}
	return ""
}
