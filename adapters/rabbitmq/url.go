package rabbitmq

import (
	"cmp"
	"errors"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"footfall/adapters/serverurl"
)

// Options have the queue's location and the credentials.
type Options struct {
	Addrs []string // host:port of each broker that has the queue, in the order of trial
	// TLS is on for amqps, and nil for amqp.
	TLS            *serverurl.TLS
	User, Password string
	VHost          string
	Queue          string
	// QueueType is quorum or classic.
	QueueType string
}

// ParseURL reads amqp://user:pass@host:5672,host:5672/vhost?queue=NAME&type=quorum, or
// amqps, which may have the parameters of serverurl.Parameters.Parse; that also checks
// the files. Defaults: port 5672 (5671 for amqps), user and password guest, vhost /,
// queue type quorum. Errors quote nothing of the URL but parameters of TLS.
func ParseURL(text string) (Options, error) {
	scheme, rest, _ := strings.Cut(text, "://")
	authority := rest[:strings.IndexFunc(rest+"/", func(c rune) bool { return strings.ContainsRune("/?#", c) })]
	hosts := authority[strings.LastIndex(authority, "@")+1:]
	// The library of URLs knows one host, whose place stays empty.
	u, err := url.Parse(scheme + "://" + strings.TrimSuffix(authority, hosts) + rest[len(authority):])
	if err != nil {
		return Options{}, errors.New("it is not a URL: user, password and vhost have to be percent-encoded")
	}
	o := Options{User: "guest", Password: "guest", VHost: cmp.Or(strings.TrimPrefix(u.Path, "/"), "/"), QueueType: "quorum"}
	if u.User != nil {
		o.User = u.User.Username()
		o.Password, _ = u.User.Password()
	}
	if o.Addrs, err = addresses(hosts, map[string]string{"amqp": "5672", "amqps": "5671"}[scheme]); err != nil {
		return Options{}, err
	}
	if u.Fragment != "" {
		return Options{}, errors.New("it has a fragment: a # has to be percent-encoded")
	}
	if o.TLS, err = o.parameters().Parse(u.RawQuery, scheme == "amqps"); err != nil {
		return Options{}, err
	}
	if o.Queue == "" {
		return Options{}, errQueue
	}
	return o, nil
}

var errQueue = errors.New("want the name of a queue, at most 255 bytes and not amq.*: ?queue=NAME")

// addresses reads hosts, separated by commas, each with a port or the given one.
func addresses(hosts, port string) (all []string, err error) {
	for text := range strings.SplitSeq(hosts, ",") {
		u, err := url.Parse("amqp://" + text)
		if err != nil || u.Host != text || u.Hostname() == "" || text[0] != '[' && strings.Contains(u.Hostname(), ":") {
			return nil, errHost
		}
		addr := net.JoinHostPort(strings.ToLower(u.Hostname()), cmp.Or(u.Port(), port))
		if n, err := strconv.ParseUint(cmp.Or(u.Port(), port), 10, 16); err != nil || n == 0 {
			return nil, errHost
		}
		if slices.Contains(all, addr) {
			return nil, errors.New("a host is in the list twice")
		}
		all = append(all, addr)
	}
	return all, nil
}

var errHost = errors.New("want a host or several, separated by commas, each with a port from 1 to 65535 if any: " +
	"amqp://user:pass@h1:5672,h2:5672/vhost?queue=NAME; user, password and vhost have to be percent-encoded")

func (o *Options) parameters() serverurl.Parameters {
	return serverurl.Parameters{
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
	}
}
