// Package kafkatest starts the fake broker of the Kafka library, which speaks the protocol
// over TCP in the process of the test. It shows what the client does, and nothing of how
// Kafka itself behaves.
package kafkatest

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"footfall/test/check"
	"footfall/test/servers"
)

// User and Password of a broker with SASL, by each of its mechanisms. Neither is a part of
// any other text.
const (
	User     = "footfall-user"
	Password = "footfall-password"
)

// Broker is a cluster of one broker, that clients reach through a proxy only.
type Broker struct {
	*kfake.Cluster
	*servers.Proxy
	Direct string // its address behind the proxy
	reader []kgo.Opt
	secret bool
}

// Options of a broker.
type Options struct {
	// SASL admits no client but User.
	SASL bool
	// TLS is that of the listener, and Trust what a reader needs for it; nil: plain TCP.
	TLS, Trust *tls.Config
	// Rights are those of User; nil: all.
	Rights []kfake.ACL
}

// Start starts a broker without topics that ends with the test. As by default, it creates those
// that a client asks it to create.
func Start(tb testing.TB, o Options) *Broker {
	tb.Helper()
	b := &Broker{Proxy: servers.StartProxy(tb, "127.0.0.1:1"), secret: o.SASL}
	settings := []kfake.Opt{kfake.NumBrokers(1), kfake.ListenFn(b.listen), kfake.AllowAutoTopicCreation()}
	if o.SASL {
		settings = append(settings, kfake.EnableSASL(), kfake.Superuser("PLAIN", "reader", "reader"))
		for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
			if o.Rights == nil {
				settings = append(settings, kfake.Superuser(mechanism, User, Password))
			} else {
				settings = append(settings, kfake.User(mechanism, User, Password, o.Rights...))
			}
		}
		b.reader = append(b.reader, kgo.SASL(plain.Auth{User: "reader", Pass: "reader"}.AsMechanism()))
	}
	if o.Rights != nil {
		settings = append(settings, kfake.EnableACLs())
	}
	if o.TLS != nil {
		settings = append(settings, kfake.TLS(o.TLS))
	}
	b.reader = append(b.reader, kgo.SeedBrokers(b.Addr), kgo.Dialer(func(ctx context.Context, network, _ string) (net.Conn, error) {
		if o.Trust != nil {
			return (&tls.Dialer{Config: o.Trust}).DialContext(ctx, network, b.Direct)
		}
		return (&net.Dialer{}).DialContext(ctx, network, b.Direct)
	}))
	b.Cluster = check.Value(kfake.NewCluster(settings...))(tb)
	tb.Cleanup(b.Cluster.Close)
	b.Redirect(b.Direct)
	return b
}

// listen listens, and has the broker say that it is where the proxy is.
func (b *Broker) listen(network, address string) (net.Listener, error) {
	l, err := net.Listen(network, address) //nolint:noctx // the library's hook has no context
	if err != nil {
		return nil, err
	}
	b.Direct = l.Addr().String()
	proxy, err := net.ResolveTCPAddr("tcp", b.Proxy.Addr)
	return listener{l, proxy}, err
}

// listener says that it has another address.
type listener struct {
	net.Listener
	addr net.Addr
}

func (l listener) Addr() net.Addr { return l.addr }

// URL is that of a topic, with user and password if the broker has SASL.
func (b *Broker) URL(topic string) string {
	if b.secret {
		return "kafka://" + User + ":" + Password + "@" + b.Addr + "/" + topic
	}
	return "kafka://" + b.Addr + "/" + topic
}

// Create creates a topic.
func (b *Broker) Create(tb testing.TB, topic string, partitions int32) {
	tb.Helper()
	check.Must(tb, b.CreateTopic(topic, partitions, nil))
}

// Refusing lets the broker refuse all records with an error until end is called, which
// fails the test if there was none.
func (b *Broker) Refusing(tb testing.TB, err *kerr.Error) (end func()) {
	tb.Helper()
	fault := b.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: err, Count: -1})
	return func() {
		tb.Helper()
		if fault.Remove(); fault.Hits() == 0 {
			tb.Errorf("the broker has not answered %v", err)
		}
	}
}

// Messages are all records of a topic; those of a partition are in order. A topic that does
// not exist has none.
func (b *Broker) Messages(tb testing.TB, topic string) (all []*kgo.Record) {
	tb.Helper()
	ends := make(map[int32]int64)
	from := make(map[int32]kgo.Offset)
	for _, p := range b.PartitionInfos(topic) {
		if p.HighWatermark > p.LogStartOffset {
			ends[p.Partition], from[p.Partition] = p.HighWatermark, kgo.NewOffset().AtStart()
		}
	}
	if len(ends) == 0 {
		return nil
	}
	client := check.Value(kgo.NewClient(append(slices.Clone(b.reader),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}), kgo.FetchMaxWait(100*time.Millisecond), kgo.DisableClientMetrics())...))(tb)
	defer client.Close()
	ctx, cancel := context.WithTimeout(tb.Context(), 30*time.Second)
	defer cancel()
	for len(ends) > 0 {
		fetched := client.PollFetches(ctx)
		check.Must(tb, fetched.Err(), "read topic %s", topic)
		fetched.EachRecord(func(r *kgo.Record) {
			if r.Offset < ends[r.Partition] {
				all = append(all, r)
			}
			if r.Offset+1 >= ends[r.Partition] {
				delete(ends, r.Partition)
			}
		})
	}
	return all
}

// Masked fails the test if a text has the password, or the user.
func Masked(tb testing.TB, text string) {
	tb.Helper()
	if strings.Contains(text, Password) || strings.Contains(text, User) {
		tb.Errorf("user or password is in %s", text)
	}
}
