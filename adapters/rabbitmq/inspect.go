package rabbitmq

import (
	"context"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"footfall/adapters/brokerlink"
	"footfall/domain/checking"
)

// Inspect logs in to each broker and looks for the queue. It declares none that is missing.
// One broker takes at most brokerlink.SetupTime.
func (p *Publisher) Inspect(ctx context.Context) []checking.Finding {
	return brokerlink.Inspect(p.options.Addrs, func(addr string) []checking.Finding { return inspect(ctx, p.options, addr) })
}

func inspect(ctx context.Context, o Options, addr string) []checking.Finding {
	list := checking.List{About: "rabbitmq at " + addr}
	begin := time.Now()
	find := (*link).lookForQueue
	if o.Exchange != "" {
		find = (*link).findExchange
	}
	l, err := open(ctx, o, addr, find)
	if err != nil {
		list.Add(checking.Fail, "", "%v", err)
		return list.All
	}
	defer l.Close()
	list.Add(checking.OK, "", "it takes the login, within %v", time.Since(begin).Round(time.Millisecond))
	switch refusal := l.notDeclared; {
	case o.Exchange != "":
		list.Add(checking.OK, "", "exchange %q is there", o.Exchange)
	case refusal == nil:
		list.Add(checking.OK, "", "queue %q is there, as %s", o.Queue, o.QueueType)
	case strings.Contains(refusal.Error(), "NOT_FOUND"):
		list.Add(checking.Warn, "nothing is to be done if the user may declare it: the service does so at its start", "queue %q is not there", o.Queue)
	case strings.Contains(refusal.Error(), "PRECONDITION_FAILED"):
		list.Add(checking.Fail, "declare it as "+o.QueueType+" and durable, or name another one in FOOTFALL_PUBLISHER", "queue %q has other arguments: %v", o.Queue, refusal)
	default:
		list.Add(checking.Warn, "permit the user to configure it, or check its arguments yourself", "queue %q is there, and was not compared: %v", o.Queue, refusal)
	}
	return list.All
}

// lookForQueue notes in notDeclared why the queue is not as it is configured. It declares
// the queue only if it is there: that changes nothing.
func (l *link) lookForQueue() (err error) {
	l.notDeclared, err = l.declare("queue", l.declareQueue((*amqp.Channel).QueueDeclarePassive))
	if l.notDeclared == nil && err == nil {
		l.notDeclared, err = l.declare("queue", l.declareQueue((*amqp.Channel).QueueDeclare))
	}
	if l.notDeclared != nil && err == nil { // the refusal has closed the channel
		l.channel, err = l.conn.Channel()
	}
	return err
}
