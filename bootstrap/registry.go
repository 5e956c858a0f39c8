package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	"footfall/adapters/localnode"
	"footfall/adapters/rabbitmq"
	"footfall/adapters/redisnode"
	"footfall/application/cluster"
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
	// Locate parses the address of a new one. All are nil for a store of a single
	// node.
	Dial   func(id counting.NodeID, addr string) (cluster.Node, error)
	HangUp func(cluster.Node)
	Locate func(where string, members []sharding.Member) (counting.NodeID, string, error)
}

// StoreMaker makes the store of a valid URL. It does no I/O.
type StoreMaker func(*slog.Logger) Store

// stores is the registry of stores. The scheme of FOOTFALL_STORE selects one,
// and the URL configures it.
func stores() map[string]func(url string) (StoreMaker, error) {
	return map[string]func(string) (StoreMaker, error){
		"embedded": embeddedStore,
		"memory":   memoryStore,
		"redis":    redisStore, // and rediss, the same over TLS
	}
}

// Sink is a publisher that has a connection.
type Sink interface {
	publishing.Publisher
	Start(context.Context) error
	Stop(context.Context) error
}

// SinkMaker makes the sink of a valid URL. It does no I/O.
type SinkMaker func(*slog.Logger) Sink

// publishers is the registry of publishers. The scheme of FOOTFALL_PUBLISHER
// selects one, and the URL configures it.
func publishers() map[string]func(url string) (SinkMaker, error) {
	return map[string]func(string) (SinkMaker, error){
		"amqp": rabbitSink, // and amqps, the same over TLS
	}
}

// parseBy parses a URL with the entry of a registry that its scheme names.
func parseBy[T any](registry map[string]func(url string) (T, error), url string) (T, error) {
	var none T
	scheme, _, ok := strings.Cut(url, "://")
	known := strings.Join(slices.Sorted(maps.Keys(registry)), ", ")
	if !ok || strings.ContainsAny(scheme, ":/@") { // it may contain a password
		return none, fmt.Errorf("want a URL with one of the schemes %s", known)
	}
	name := scheme
	if scheme == "rediss" || scheme == "amqps" {
		name = strings.TrimSuffix(scheme, "s")
	}
	parse, ok := registry[name]
	if !ok {
		return none, fmt.Errorf("unknown scheme %q, want one of %s", scheme, known)
	}
	return parse(url)
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
		return Store{Nodes: []cluster.Node{node}, Start: node.Start, Stop: node.Stop}
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
	return func(log *slog.Logger) Store { return newRedisStore(options, log) }, nil
}

func newRedisStore(options []redisnode.Options, log *slog.Logger) Store {
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
	s := Store{Locate: redisnode.Locate}
	for _, o := range options {
		s.Nodes = append(s.Nodes, open(o))
	}
	// A member that isn't configured has the credentials of the first one that
	// is: the ring holds none.
	s.Dial = func(id counting.NodeID, addr string) (cluster.Node, error) {
		o := options[0]
		o.ID, o.Addr = id, addr
		return open(o), nil
	}
	s.HangUp = func(n cluster.Node) {
		mu.Lock()
		defer mu.Unlock()
		nodes = slices.DeleteFunc(nodes, func(node *redisnode.Node) bool { return node == n })
		_ = n.(*redisnode.Node).Close() //nolint:forcetypeassert // Dial made it
	}
	configured := slices.Clone(nodes)
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

func rabbitSink(url string) (SinkMaker, error) {
	options, err := rabbitmq.ParseURL(url)
	if err != nil {
		return nil, err
	}
	return func(log *slog.Logger) Sink { return rabbitmq.New(options, log) }, nil
}
