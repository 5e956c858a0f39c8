package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"footfall/adapters/kafka"
	"footfall/adapters/localnode"
	"footfall/adapters/nats"
	"footfall/adapters/rabbitmq"
	"footfall/adapters/redisnode"
	"footfall/adapters/redisstream"
	"footfall/application/cluster"
	"footfall/domain/checking"
	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/domain/sharding"
)

// Store has the nodes of a deployment, and starts and stops them.
type Store struct {
	Nodes []cluster.Node
	// Start may be nil.
	Start, Stop func(context.Context) error
	// Dial makes the node of a member that is not configured, and HangUp ends it.
	// Locate parses the address of a new one. Move has a node connect to another address,
	// and Server tells apart the servers that nodes are connected to. All are nil for a
	// store of a single node.
	Dial   func(id counting.NodeID, addr string) (cluster.Node, error)
	HangUp func(cluster.Node)
	Locate Locator
	Move   func(n cluster.Node, addr string)
	Server func(context.Context, cluster.Node) (string, error)
	// Inspect looks at the servers or the file, and changes nothing
	// (redisnode.Node). Nil: there is nothing to look at.
	Inspect func(context.Context, checking.Bounds) []checking.Finding
	// Copy writes a copy of the whole store while it counts (localnode.File); nil for a
	// store that other tools copy.
	Copy func(reserve int64, abort func(error), begin func(size int64) io.Writer) error
}

// Locator parses the address of a new node, and names it so that no member has its id.
type Locator func(where string, members []sharding.Member) (counting.NodeID, string, error)

// StoreMaker makes the store of a valid URL. It does no I/O.
type StoreMaker func(*slog.Logger) Store

// entry is a line of a registry: the adapter for the URLs of a scheme.
type entry[T any] struct {
	scheme, withTLS string // withTLS is the scheme for TLS, if there is one
	// example is a URL for the help of the setting, with brackets around the parts that
	// may be missing. Without brackets it is valid.
	example string
	// parse is an error if the URL is invalid. It does no I/O.
	parse func(url string) (T, error)
}

// stores is the registry of stores. The scheme of FOOTFALL_STORE selects one,
// and the URL configures it.
func stores() []entry[StoreMaker] {
	return []entry[StoreMaker]{
		{"embedded", "", "embedded://DIR", embeddedStore},
		{"redis", "rediss", "redis://[user:pass@]n1:6379[,n2:6379][/0][?pool_size=16&idle_time=50s&wait=0]", redisStore},
		{"redis+cluster", "rediss+cluster", "redis+cluster://[user:pass@]h1:6379[,h2:6379][?partitions=16&wait=0]", clusterStore},
		{"redis+sentinel", "rediss+sentinel", "redis+sentinel://[user:pass@]s1:26379[,s2:26379]/m1[,m2][?db=0&sentinel_password=PASS]", sentinelStore},
		{"memory", "", "memory://", memoryStore},
	}
}

// Sink is a publisher that has a connection.
type Sink interface {
	publishing.Publisher
	Start(context.Context) error
	Stop(context.Context) error
	// Away is why the sink takes no reports now; nil if it does, or that is not known. GET
	// /readyz shows it.
	Away() *publishing.Outage
	// Inspect looks at the servers without a start, and changes nothing.
	Inspect(context.Context) []checking.Finding
}

// SinkMaker makes the sink of a valid URL. It does no I/O.
type SinkMaker func(*slog.Logger) Sink

// publishers is the registry of publishers. The scheme of FOOTFALL_PUBLISHER
// selects one, and the URL configures it.
func publishers() []entry[SinkMaker] {
	return []entry[SinkMaker]{
		{"amqp", "amqps", "amqp://[user:pass@]h1:5672[,h2:5672]/vhost?queue=NAME", sinkOf(rabbitmq.ParseURL, rabbitmq.New)},
		{"redis-stream", "rediss-stream", "redis-stream://[user:pass@]host:6379/key[?maxlen=100000&db=0]", sinkOf(redisstream.ParseURL, redisstream.New)},
		{"nats", "natss", "nats://[user:pass@]h1:4222[,h2:4222]/SUBJECT", sinkOf(nats.ParseURL, nats.New)},
		{"kafka", "kafkas", "kafka://[user:pass@]h1:9092[,h2:9092]/TOPIC", sinkOf(kafka.ParseURL, kafka.New)},
	}
}

// sinkOf returns the parser of an entry: parse reads the URL, and open makes the
// publisher, which connects in Start.
func sinkOf[O any, S Sink](parse func(url string) (O, error), open func(O, *slog.Logger) S) func(string) (SinkMaker, error) {
	return func(url string) (SinkMaker, error) {
		options, err := parse(url)
		if err != nil {
			return nil, err
		}
		return func(log *slog.Logger) Sink { return open(options, log) }, nil
	}
}

// schemes are those of a registry.
func schemes[T any](registry []entry[T]) (all []string) {
	for _, e := range registry {
		if all = append(all, e.scheme); e.withTLS != "" {
			all = append(all, e.withTLS)
		}
	}
	return all
}

// examples are the URLs that a registry takes, for the help of a setting.
func examples[T any](registry []entry[T]) string {
	var all []string
	for _, e := range registry {
		text := e.example
		if e.withTLS != "" {
			text += " (" + e.withTLS + ":// with TLS)"
		}
		all = append(all, text)
	}
	return strings.Join(all, ", or ")
}

func publisherHelp(registry []entry[SinkMaker]) string {
	return "Where counts are published: " + examples(registry) + "; if it isn't set, they go to the capture log."
}

// parseBy parses a URL with the entry of a registry that its scheme names.
func parseBy[T any](registry []entry[T], url string) (T, error) {
	var none T
	scheme, _, ok := strings.Cut(url, "://")
	known := strings.Join(schemes(registry), ", ")
	if !ok || strings.ContainsAny(scheme, ":/@") { // it may contain a password
		return none, fmt.Errorf("want a URL with one of the schemes %s", known)
	}
	for _, e := range registry {
		if scheme == e.scheme || scheme == e.withTLS && scheme != "" {
			return e.parse(url)
		}
	}
	return none, fmt.Errorf("unknown scheme %q, want one of %s", scheme, known)
}

func embeddedStore(url string) (StoreMaker, error) {
	dir := strings.TrimPrefix(url, "embedded://")
	switch {
	case dir == "":
		return nil, errors.New("want a directory: embedded://DIR")
	case strings.Contains(dir, "?"):
		return nil, errors.New("embedded:// has no parameters, and no question mark in the directory's name")
	}
	return func(*slog.Logger) Store {
		node := localnode.NewFile(localnode.FileOptions{Dir: dir})
		return Store{Nodes: []cluster.Node{node}, Start: node.Start, Stop: node.Stop, Copy: node.Copy, Inspect: node.Inspect}
	}, nil
}

func memoryStore(url string) (StoreMaker, error) {
	if url != "memory://" {
		return nil, errors.New("want memory:// and nothing after it")
	}
	return func(*slog.Logger) Store {
		node := localnode.New(localnode.Options{ID: "memory", Addr: "memory"})
		return Store{
			Nodes: []cluster.Node{node},
			Stop:  func(context.Context) error { node.Close(); return nil },
		}
	}, nil
}

func redisStore(url string) (StoreMaker, error) {
	options, err := redisnode.ParseURL(url)
	if err != nil {
		return nil, err
	}
	return func(log *slog.Logger) Store { return newRedisStore(options, redisnode.Locate, log) }, nil
}

func clusterStore(url string) (StoreMaker, error) {
	options, err := redisnode.ParseClusterURL(url)
	if err != nil {
		return nil, err
	}
	return func(log *slog.Logger) Store {
		options.Log = log
		c := redisnode.NewCluster(options)
		s := Store{Stop: func(context.Context) error { return c.Close() }, Inspect: c.Inspect}
		for _, p := range c.Partitions() {
			s.Nodes = append(s.Nodes, p)
		}
		return s
	}, nil
}

func sentinelStore(url string) (StoreMaker, error) {
	options, err := redisnode.ParseSentinelURL(url)
	if err != nil {
		return nil, err
	}
	return func(log *slog.Logger) Store { return newRedisStore(options, options[0].LocateMaster, log) }, nil
}

func newRedisStore(options []redisnode.Options, locate Locator, log *slog.Logger) Store {
	var mu sync.Mutex
	var nodes []*redisnode.Node // configured and dialled
	open := func(o redisnode.Options) *redisnode.Node {
		mu.Lock()
		defer mu.Unlock()
		o.Log = log
		node := redisnode.New(o)
		nodes = append(nodes, node)
		return node
	}
	s := Store{Locate: locate}
	for _, o := range options {
		s.Nodes = append(s.Nodes, open(o))
	}
	// A member that isn't configured has the credentials of the first one that
	// is: the ring holds none.
	dial := func(id counting.NodeID, addr string) (*redisnode.Node, error) {
		o, err := options[0].At(id, addr)
		if err != nil {
			return nil, err
		}
		return open(o), nil
	}
	s.Dial = func(id counting.NodeID, addr string) (cluster.Node, error) {
		n, err := dial(id, addr)
		if err != nil {
			return nil, err
		}
		return n, nil
	}
	s.HangUp = func(n cluster.Node) {
		mu.Lock()
		defer mu.Unlock()
		nodes = slices.DeleteFunc(nodes, func(node *redisnode.Node) bool { return node == n })
		_ = n.(*redisnode.Node).Close() //nolint:forcetypeassert // Dial made it
	}
	s.Move = func(n cluster.Node, addr string) {
		n.(*redisnode.Node).Move(addr) //nolint:forcetypeassert // this store has made it
	}
	s.Server = func(ctx context.Context, n cluster.Node) (string, error) {
		return n.(*redisnode.Node).Server(ctx) //nolint:forcetypeassert // this store has made it
	}
	configured := slices.Clone(nodes)
	s.Inspect = func(ctx context.Context, b checking.Bounds) []checking.Finding {
		return redisnode.InspectAll(ctx, configured, dial, b)
	}
	s.Start = func(ctx context.Context) error { return redisnode.Identify(ctx, configured) }
	s.Stop = func(context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		var all error
		for _, node := range nodes {
			all = errors.Join(all, node.Close())
		}
		return all
	}
	return s
}
