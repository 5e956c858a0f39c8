// Package httpapi has what the listeners of the driving adapter for HTTP have
// in common: a server, a handler of routes, answers and metrics.
//
//   - public and admin are the two listeners, each with its routes and the ports
//     that they use.
//   - counter has the routes that another listener serves, too. request, problem
//     and limits read requests, say what is wrong with them, and bound them; meter
//     counts them; netconn bounds connections and looks at their bytes. All of
//     them know no net/http: another adapter for HTTP may import them.
//   - page renders HTML.
//
// Errors are application/problem+json (RFC 9457); those of the accept route are
// the text "failed". 503 says that nothing was counted, 504 that it isn't known.
// No answer holds a node's address or the text of an inner error, but for the
// ring's on the admin listener.
package httpapi
