package request

// Route is one line of a listener's table. A is the action of that listener.
type Route[A any] struct {
	Method string
	// Path has at most one variable, such as /visit/{page_id}.
	Path string
	// Slashes: the variable may have slashes, also at its beginning and end. Where another
	// route has the same prefix and a suffix, that comes before this one.
	Slashes bool
	Do      A
	// Query are the parameters of the route. One of another name is refused: what its
	// sender meant would be lost. Nil: any is admitted, or Do checks them.
	Query []string
	// MaxBody is the largest body that Do takes, in bytes. It is there before Do is called.
	// 0: Do takes none.
	MaxBody int64
	// JSONBody: a body of another type is ignored.
	JSONBody bool
	// Writes: the route changes something, so a failure may be in doubt, and
	// HEAD isn't GET.
	Writes bool
	// IgnoresDisconnect: the route ends soon by itself, so its request's
	// context does not end when the caller disconnects.
	IgnoresDisconnect bool
	// Plain: answers are text instead of JSON, and errors the text "failed".
	Plain bool
	// Vital: no limit applies to the route.
	Vital bool
	// Stream: the answer goes on until the caller or the server ends it, so
	// the limit of requests in flight does not apply.
	Stream bool
}

// Methods are those that the route takes.
func (rt *Route[A]) Methods() []string {
	const get, head = "GET", "HEAD"
	if rt.Method == get && !rt.Writes && !rt.Stream {
		return []string{get, head}
	}
	return []string{rt.Method}
}
