package sharding

import (
	"errors"

	"footfall/domain/counting"
)

// ErrFixed says that the ring never changes, because other software moves its nodes between
// servers (Hosted), and no arc moves between them. Nothing was changed.
var ErrFixed = errors.New("the ring of this store never changes")

// Hosted is a node that other software may move to another server: a partition of a Redis
// Cluster. A server that is cut off from the others may go on accepting batches, for up to
// 15 s by default (cluster-node-timeout). They are lost when it comes back.
type Hosted interface {
	// Host names the server that had the node last, as redis_<host>_<port>; empty if
	// none is known. It does no I/O, and is safe for concurrent use.
	Host() counting.NodeID
}
