package rabbitmq_test

import (
	"reflect"
	"strings"
	"testing"

	"footfall/adapters/rabbitmq"
	"footfall/adapters/serverurl"
)

func TestParseURLReadsAllOfIt(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]rabbitmq.Options{
		"amqp://h?queue=q":                                    {Addrs: []string{"h:5672"}, User: "guest", Password: "guest", VHost: "/", Queue: "q", QueueType: "quorum"},
		"amqp://h/?queue=q":                                   {Addrs: []string{"h:5672"}, User: "guest", Password: "guest", VHost: "/", Queue: "q", QueueType: "quorum"},
		"amqp://h/%2F?queue=q":                                {Addrs: []string{"h:5672"}, User: "guest", Password: "guest", VHost: "/", Queue: "q", QueueType: "quorum"},
		"amqps://h?queue=q&type=classic":                      {Addrs: []string{"h:5671"}, TLS: &serverurl.TLS{}, User: "guest", Password: "guest", VHost: "/", Queue: "q", QueueType: "classic"},
		"amqp://user:pass@host:5673/vhost?queue=counts_queue": {Addrs: []string{"host:5673"}, User: "user", Password: "pass", VHost: "vhost", Queue: "counts_queue", QueueType: "quorum"},
		"amqp://a%40b:%3A%2F%3F@[::1]:1/a%2Fb?queue=a%26b":    {Addrs: []string{"[::1]:1"}, User: "a@b", Password: ":/?", VHost: "a/b", Queue: "a&b", QueueType: "quorum"},
		"amqp://u:p@h1,H2:1,[::1]/v?queue=q":                  {Addrs: []string{"h1:5672", "h2:1", "[::1]:5672"}, User: "u", Password: "p", VHost: "v", Queue: "q", QueueType: "quorum"},
		"amqps://h1,h2?queue=q":                               {Addrs: []string{"h1:5671", "h2:5671"}, TLS: &serverurl.TLS{}, User: "guest", Password: "guest", VHost: "/", Queue: "q", QueueType: "quorum"},
		"amqp://h?exchange=amq.topic&key=a.b":                 {Addrs: []string{"h:5672"}, User: "guest", Password: "guest", VHost: "/", Exchange: "amq.topic", Key: "a.b"},
		"amqps://h?exchange=e":                                {Addrs: []string{"h:5671"}, TLS: &serverurl.TLS{}, User: "guest", Password: "guest", VHost: "/", Exchange: "e"},
		"amqps://h?exchange=e&routing_key=k":                  {Addrs: []string{"h:5671"}, TLS: &serverurl.TLS{}, User: "guest", Password: "guest", VHost: "/", Exchange: "e", Key: "k"},
		"amqp://h?exchange=e&routing_key=k":                   {Addrs: []string{"h:5672"}, User: "guest", Password: "guest", VHost: "/", Exchange: "e", Key: "k"},
	} {
		got, err := rabbitmq.ParseURL(url)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v\n%+v, want\n%+v", url, err, got, want)
		}
	}
}

func TestParseURLRefuses(t *testing.T) {
	t.Parallel()
	for url, why := range map[string]string{
		"amqp://secret:sec/ret@h?queue=q":                         "percent-encoded",
		"amqp://h:secret?queue=q":                                 "percent-encoded",
		"amqp:h?queue=q":                                          "want a host",
		"amqp://?queue=q":                                         "want a host",
		"amqp://h:0?queue=q":                                      "want a host",
		"amqp://h:65536?queue=q":                                  "want a host",
		"amqp://h/secret":                                         "want the name of a queue",
		"amqp://h?queue=":                                         "queue is empty",
		"amqp://h?queue=amq.secret":                               "want the name of a queue",
		"amqp://h?queue=q&queue=secret":                           "there twice",
		"amqp://h?queue=q&other=secret":                           "unknown parameter other",
		"amqp://u:p?secret@h/?queue=q":                            "percent-encoded",
		"amqp://h1,,h2?queue=q":                                   "want a host",
		"amqp://h1,?queue=q":                                      "want a host",
		"amqp://h1,h2:secret?queue=q":                             "want a host",
		"amqp://h1,h2:0?queue=q":                                  "want a host",
		"amqp://h1,::1?queue=q":                                   "want a host",
		"amqp://h1, h2?queue=q":                                   "want a host",
		"amqp://h1,h2,H1:5672?queue=q":                            "in the list twice",
		"amqp://h?queue=q&ca=/secret":                             "for TLS",
		"amqps://h?queue=q&ca=/no/such/file":                      "/no/such/file: no such file",
		"amqps://h?queue=q&cert=/no/such/file":                    "need each other",
		"amqp://h?queue=q&type=secret":                            "quorum or classic",
		"amqp://h?queue=q&type=":                                  "type is empty",
		"amqp://h?queue=q&exchange=secret":                        "exclude each other",
		"amqp://h?queue=q&key=secret":                             "key is for an exchange",
		"amqp://h?key=secret":                                     "key is for an exchange",
		"amqp://h?exchange=secret&type=quorum":                    "type is that of a queue",
		"amqp://h?exchange=&key=secret":                           "exchange is empty",
		"amqps://h?exchange=e&key=secret":                         "need each other (with amqps, key is a file, and routing_key that of the exchange)",
		"amqp://h?exchange=e&key=secret&routing_key=secret":       "routing_key: it is there twice",
		"amqp://h?exchange=secret&key=":                           "key is empty",
		"amqp://h?exchange=" + strings.Repeat("secret", 50):       "exchange: want at most 255 bytes",
		"amqp://h?exchange=e&key=" + strings.Repeat("secret", 50): "key: want at most 255 bytes",
		"amqp://h?queue=q;secret":                                 "name=value",
		"amqp://h?queue=%zzsecret":                                "name=value",
		"amqp://h?queue=q#secret":                                 "fragment",
		"amqp://h?queue=" + strings.Repeat("secret", 50):          "want the name of a queue",
	} {
		_, err := rabbitmq.ParseURL(url)
		if err == nil || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v, want one with %q", url, err, why)
		}
	}
}
