package brokerlink

import (
	"slices"
	"sync"

	"footfall/domain/checking"
)

// Inspect inspects all servers at the same time. The findings are in the order of addrs.
func Inspect(addrs []string, inspect func(addr string) []checking.Finding) []checking.Finding {
	found := make([][]checking.Finding, len(addrs))
	var all sync.WaitGroup
	for at, addr := range addrs {
		all.Go(func() { found[at] = inspect(addr) })
	}
	all.Wait()
	return slices.Concat(found...)
}
