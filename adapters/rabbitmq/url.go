package rabbitmq

import (
	"cmp"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Options have the queue's location and the credentials.
type Options struct {
	Addr string // host:port
	// TLS is on for amqps; the name in the certificate must be the host's.
	TLS            bool
	User, Password string
	VHost          string
	Queue          string
	// QueueType is quorum or classic.
	QueueType string
}

// ParseURL reads amqp://user:pass@host:5672/vhost?queue=NAME&type=quorum, or
// amqps. Defaults: port 5672 (5671 for amqps), user and password guest, vhost /,
// queue type quorum. Errors quote nothing of the URL.
func ParseURL(text string) (Options, error) {
	u, err := url.Parse(text)
	if err != nil {
		return Options{}, errors.New("it is not a URL: user, password and vhost have to be percent-encoded")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Options{}, errors.New("what follows the question mark is not name=value")
	}
	o := Options{TLS: u.Scheme == "amqps", User: "guest", Password: "guest", VHost: cmp.Or(strings.TrimPrefix(u.Path, "/"), "/"), Queue: query.Get("queue"), QueueType: "quorum"}
	if u.User != nil {
		o.User = u.User.Username()
		o.Password, _ = u.User.Password()
	}
	if query.Has("type") {
		o.QueueType = query.Get("type")
	}
	for name, values := range query {
		if name != "queue" && name != "type" || len(values) > 1 {
			return Options{}, errors.New("want queue and type after the question mark, each once, and nothing else")
		}
	}
	port := cmp.Or(u.Port(), map[bool]string{false: "5672", true: "5671"}[o.TLS])
	o.Addr = net.JoinHostPort(u.Hostname(), port)
	number, err := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil || number == 0 || u.Hostname() == "" || u.Opaque != "":
		return Options{}, errors.New("want a host, and a port from 1 to 65535 if any: amqp://user:pass@host:5672/vhost?queue=NAME")
	case u.Fragment != "":
		return Options{}, errors.New("it has a fragment: a # has to be percent-encoded")
	case o.Queue == "" || len(o.Queue) > 255 || strings.HasPrefix(o.Queue, "amq."):
		return Options{}, errors.New("want the name of a queue, at most 255 bytes and not amq.*: ?queue=NAME")
	case o.QueueType != "quorum" && o.QueueType != "classic":
		return Options{}, errors.New("want the type quorum or classic")
	}
	return o, nil
}
