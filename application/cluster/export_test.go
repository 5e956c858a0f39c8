package cluster

import "time"

// Remembers asks a node whether it has what it was sent in an epoch.
var Remembers = remembers

// Timing has the time-outs that are not exported.
var Timing = struct{ Glance, TakeOver, Vote, PollEvery, PollChanging, Reroute time.Duration }{
	glance, takeOver, voteTime, pollEvery, pollChanging, rerouteTime,
}
