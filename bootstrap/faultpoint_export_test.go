package bootstrap

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"footfall/adapters/localnode"
	"footfall/application/cluster"
)

// Run is the service as the environment configures it, with every node of the
// store wrapped. If now isn't nil, it is the clock of an embedded store. Run returns
// the exit code.
func Run(wrap func(cluster.Node) cluster.Node, now func() time.Time) int {
	var settings Settings
	flags := settings.flags()
	if err := errors.Join(fromEnvironment(flags), settings.parse(flags)); err != nil {
		fmt.Fprintln(os.Stderr, "footfall:", err)
		return 2
	}
	makeStore := settings.Store
	settings.Store = func(log *slog.Logger) Store {
		store := makeStore(log)
		if dir, ok := strings.CutPrefix(os.Getenv("FOOTFALL_STORE"), "embedded://"); ok && now != nil {
			node := localnode.NewFile(localnode.FileOptions{Dir: dir, Now: now})
			store = Store{Nodes: []cluster.Node{node}, Start: node.Start, Stop: node.Stop}
		}
		for i, n := range store.Nodes {
			store.Nodes[i] = wrap(n)
		}
		return store
	}
	if err := serve(settings, os.Stderr, nil); err != nil {
		fmt.Fprintln(os.Stderr, "footfall:", err)
		return 1
	}
	return 0
}
