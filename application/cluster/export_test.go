package cluster

// Remembers asks a node whether it has what it was sent in an epoch.
var Remembers = remembers
