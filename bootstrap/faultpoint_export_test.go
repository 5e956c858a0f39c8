package bootstrap

import (
	"log/slog"
	"os"

	"github.com/spf13/pflag"

	"footfall/application/cluster"
)

// Run is Main's way from the environment to the end of the service, with
// every node of the store wrapped.
func Run(wrap func(cluster.Node) cluster.Node) int {
	var f flags
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.register(set)
	if err := fromEnvironment(set); err != nil {
		return fail(os.Stderr, 2, err)
	}
	settings, err := f.settings()
	if err != nil {
		return fail(os.Stderr, 2, err)
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
		return fail(os.Stderr, 1, err)
	}
	return 0
}
