package rabbitmq_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"footfall/adapters/rabbitmq"
)

func TestParseURLReadsAllOfIt(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]rabbitmq.Options{
		"amqp://h?queue=q":                                    {Addr: "h:5672", User: "guest", Password: "guest", VHost: "/", Queue: "q", QueueType: "quorum"},
		"amqp://h/?queue=q":                                   {Addr: "h:5672", User: "guest", Password: "guest", VHost: "/", Queue: "q", QueueType: "quorum"},
		"amqp://h/%2F?queue=q":                                {Addr: "h:5672", User: "guest", Password: "guest", VHost: "/", Queue: "q", QueueType: "quorum"},
		"amqps://h?queue=q&type=classic":                      {Addr: "h:5671", TLS: true, User: "guest", Password: "guest", VHost: "/", Queue: "q", QueueType: "classic"},
		"amqp://user:pass@host:5673/vhost?queue=counts_queue": {Addr: "host:5673", User: "user", Password: "pass", VHost: "vhost", Queue: "counts_queue", QueueType: "quorum"},
		"amqp://a%40b:%3A%2F%3F@[::1]:1/a%2Fb?queue=a%26b":    {Addr: "[::1]:1", User: "a@b", Password: ":/?", VHost: "a/b", Queue: "a&b", QueueType: "quorum"},
	} {
		got, err := rabbitmq.ParseURL(url)
		if err != nil || got != want {
			t.Errorf("%s: %v\n%s", url, err, cmp.Diff(want, got))
		}
	}
}

func TestParseURLRefuses(t *testing.T) {
	t.Parallel()
	for url, why := range map[string]string{
		"amqp://secret:sec/ret@h?queue=q":                "percent-encoded",
		"amqp://h:secret?queue=q":                        "percent-encoded",
		"amqp:h?queue=q":                                 "want a host",
		"amqp://?queue=q":                                "want a host",
		"amqp://h:0?queue=q":                             "want a host",
		"amqp://h:65536?queue=q":                         "want a host",
		"amqp://h/secret":                                "want the name of a queue",
		"amqp://h?queue=":                                "want the name of a queue",
		"amqp://h?queue=amq.secret":                      "want the name of a queue",
		"amqp://h?queue=q&queue=secret":                  "each once",
		"amqp://h?queue=q&secret=1":                      "nothing else",
		"amqp://h?queue=q&type=secret":                   "quorum or classic",
		"amqp://h?queue=q&type=":                         "quorum or classic",
		"amqp://h?queue=q;secret":                        "name=value",
		"amqp://h?queue=%zzsecret":                       "name=value",
		"amqp://h?queue=q#secret":                        "fragment",
		"amqp://h?queue=" + strings.Repeat("secret", 50): "want the name of a queue",
	} {
		_, err := rabbitmq.ParseURL(url)
		if err == nil || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v, want one with %q", url, err, why)
		}
	}
}
