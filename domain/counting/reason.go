package counting

import "strconv"

// Reason says why one item of a batch was refused. The item's caller receives it as
// the error.
type Reason uint8

// The reasons.
const (
	// Overflow: the page's count would exceed 2^63-1.
	Overflow Reason = iota + 1
	// Corrupt: the value stored under the item's key is no count or set.
	Corrupt
	// EndpointLimit: the window has as many endpoints as the batch allows.
	EndpointLimit
	// WrongTable: the id was routed by a table that is not valid for the window
	// that the node picked.
	WrongTable
	// KeyReused: the node has the key with another payload.
	KeyReused
	// KeyLimit: the node stores as many keys as the batch allows.
	KeyLimit
	// Moving: the page's arc is moving to the node, which has only a part of
	// the count.
	Moving
	// WrongClock: the clocks of the node and of the sender disagree.
	WrongClock
	// Denied: the server refused to execute a command for the item.
	Denied
	// PageLimit: the node stores as many pages as the batch allows, and not this one.
	PageLimit
	// DiskFull: less is free on the disk than the batch's DiskReserve.
	DiskFull
	// Missing: what the node has of the page's arc is not where it should be.
	Missing
	// NoHistory: the node keeps no history, and the item has one.
	NoHistory
)

func (r Reason) Error() string {
	texts := [...]string{
		Overflow:      "the count would pass 2^63-1",
		Corrupt:       "what is stored is no count",
		EndpointLimit: "the window has too many endpoints",
		WrongTable:    "the id was routed by the table of another window",
		KeyReused:     "the idempotency key came with another payload",
		KeyLimit:      "the node keeps too many idempotency keys",
		Moving:        "the page is on its way from another node",
		WrongClock:    "the clocks of the node and of this instance disagree",
		Denied:        "the server refused a command",
		PageLimit:     "the node has as many pages as it may have",
		DiskFull:      "the disk has no room for more pages and keys",
		Missing:       "a part of the store is missing",
		NoHistory:     "the node keeps no history",
	}
	if r >= Overflow && r <= NoHistory {
		return texts[r]
	}
	return "refused for the reason " + strconv.Itoa(int(r))
}
