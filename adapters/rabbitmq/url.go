package rabbitmq

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"footfall/adapters/serverurl"
)

// Options have the location of the queue, or of the exchange, and the credentials.
type Options struct {
	Addrs []string // host:port of each broker that has the queue, in the order of trial
	// TLS is on for amqps, and nil for amqp.
	TLS            *serverurl.TLS
	User, Password string
	VHost          string
	// Queue is reached through the default exchange. QueueType is quorum or classic.
	Queue, QueueType string
	// Exchange has queues bound to it by others, for messages with the routing key Key. It is
	// empty if there is a Queue.
	Exchange, Key string
}

// target names the queue or the exchange in lines of the log.
func (o *Options) target() []any {
	if o.Exchange != "" {
		return []any{"exchange", o.Exchange, "key", o.Key}
	}
	return []any{"queue", o.Queue}
}

// ParseURL reads amqp://user:pass@host:5672,host:5672/vhost?queue=NAME&type=quorum, with
// exchange=NAME&key=KEY in place of queue and type, or amqps, which may have the parameters
// of serverurl.Parameters.Parse; that also checks the files. One of them is key, so that with
// amqps the routing key is routing_key, which amqp takes as well. Defaults: port 5672 (5671 for
// amqps), user and password guest, vhost /, queue type quorum, an empty routing key. Errors
// quote nothing of the URL but parameters of TLS.
func ParseURL(text string) (Options, error) {
	u, addrs, err := form().Parse(text)
	if err != nil {
		return Options{}, err
	}
	o := Options{Addrs: addrs, User: "guest", Password: "guest", VHost: cmp.Or(strings.TrimPrefix(u.Path, "/"), "/")}
	if u.User != nil {
		o.User = u.User.Username()
		o.Password, _ = u.User.Password()
	}
	secure := u.Scheme == "amqps"
	if o.TLS, err = o.parameters(secure).Parse(u.RawQuery, secure); err != nil {
		if secure && o.Exchange != "" && o.Key == "" {
			err = fmt.Errorf("%w (with amqps, key is a file, and routing_key that of the exchange)", err)
		}
		return Options{}, err
	}
	return o, o.checkTarget()
}

// checkTarget wants one of queue and exchange, and fills in the type of a queue.
func (o *Options) checkTarget() error {
	switch {
	case o.Queue != "" && o.Exchange != "":
		return errors.New("queue and exchange exclude each other")
	case o.Exchange != "" && o.QueueType != "":
		return errors.New("type is that of a queue, and an exchange is used as it is")
	case o.Exchange == "" && o.Key != "":
		return errors.New("key is for an exchange: ?exchange=NAME&key=KEY")
	case o.Exchange == "" && o.Queue == "":
		return errQueue
	case o.Queue != "":
		o.QueueType = cmp.Or(o.QueueType, "quorum")
	}
	return nil
}

var errQueue = errors.New("want the name of a queue, at most 255 bytes and not amq.*: ?queue=NAME, or an exchange: ?exchange=NAME&key=KEY")

func form() serverurl.Form {
	return serverurl.Form{
		Ports:   map[string]string{"amqp": "5672", "amqps": "5671"},
		Example: "amqp://user:pass@h1:5672,h2:5672/vhost?queue=NAME",
	}
}

func (o *Options) parameters(secure bool) serverurl.Parameters {
	p := serverurl.Parameters{
		"queue": func(text string) error {
			if o.Queue = text; len(text) > 255 || strings.HasPrefix(text, "amq.") {
				return errQueue
			}
			return nil
		},
		"type": func(text string) error {
			if o.QueueType = text; text != "quorum" && text != "classic" {
				return errors.New("want quorum or classic")
			}
			return nil
		},
		"exchange":    short(&o.Exchange),
		"routing_key": short(&o.Key),
	}
	if !secure {
		p["key"] = short(&o.Key)
	}
	return p
}

// short reads a name, which AMQP bounds.
func short(to *string) func(string) error {
	return func(text string) error {
		if *to != "" {
			return errors.New("it is there twice, under two names")
		}
		if *to = text; len(text) > 255 {
			return errors.New("want at most 255 bytes")
		}
		return nil
	}
}
