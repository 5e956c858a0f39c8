package simulation_test

import (
	"context"
	"time"

	"footfall/adapters/localnode"
	"footfall/test/chaos"
)

// latency is that of one call, there and back.
const latency = 500 * time.Microsecond

// newLink is a node that is latency away.
func newLink(far *localnode.Node, sent *chaos.Tally) *chaos.Link {
	return &chaos.Link{Far: far, Around: func(ctx context.Context, c chaos.Call, do func(context.Context) (any, error)) (any, error) {
		sent.Add(kindOf(c.Method))
		time.Sleep(latency / 2)
		defer time.Sleep(latency / 2)
		return do(ctx)
	}}
}

// kindOf is the kind of message by which calls are counted.
func kindOf(method string) chaos.Fault {
	switch method {
	case "readparts":
		return "read"
	case "incomingarcs":
		return "list"
	case "claimarcs", "fetch", "import", "confirm", "retirearc", "closearc":
		return "step"
	}
	return chaos.Fault(method)
}
