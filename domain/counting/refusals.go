package counting

// The reasons for which a node refuses every call of an instance until an operator acts,
// as words of a metric.
const (
	RefusedEmpty           = "empty"            // ErrUninitialized
	RefusedOtherDeployment = "other_deployment" // ErrOtherDeployment
	RefusedOtherNode       = "other_node"       // ErrWrongNode
	RefusedNewerFormat     = "newer_format"     // ErrNewerFormat
	RefusedReplaced        = "replaced"         // ErrReplaced
)

// Refusals are all of them.
func Refusals() []string {
	return []string{RefusedEmpty, RefusedOtherDeployment, RefusedOtherNode, RefusedNewerFormat, RefusedReplaced}
}

// The bounds of what a node stores, as words of a metric.
const (
	BoundPages = "pages" // PageLimit
	BoundKeys  = "keys"  // KeyLimit
	BoundDisk  = "disk"  // DiskFull
)

// Bounds are all of them.
func Bounds() []string { return []string{BoundPages, BoundKeys, BoundDisk} }
