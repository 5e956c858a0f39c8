package bootstrap

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"footfall/application/cluster"
)

// Run is the service as the environment configures it, with every node of the
// store wrapped. It returns the exit code.
func Run(wrap func(cluster.Node) cluster.Node) int {
	var settings Settings
	flags := settings.flags()
	if err := errors.Join(fromEnvironment(flags), settings.parse(flags)); err != nil {
		fmt.Fprintln(os.Stderr, "footfall:", err)
		return 2
	}
	makeStore := settings.Store
	settings.Store = func(log *slog.Logger) Store {
		store := makeStore(log)
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
