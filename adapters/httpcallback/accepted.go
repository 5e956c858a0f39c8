package httpcallback

import (
	"crypto/sha256"
	"net/netip"

	"footfall/domain/publishing"
)

// maxAccepted bounds the endpoints that are remembered as accepted.
const maxAccepted = 1 << 15

// target is what a connection is for: an endpoint, the address to which its name leads,
// and the report that it gets.
type target struct {
	group    netip.Prefix
	endpoint publishing.Endpoint
	report   string
}

func (t target) key() [sha256.Size]byte { return sha256.Sum256([]byte(t.endpoint)) }

// accepted remembers which endpoints have accepted a report, each at one address and with
// the first report. It remembers maxAccepted. Those that were not used for longest are
// forgotten. It is not safe for concurrent use.
type accepted struct {
	young, old map[netip.Prefix]map[[sha256.Size]byte]string
	size       int // of young
}

// note remembers that the endpoint has accepted the report.
func (m *accepted) note(t target) {
	if m.first(t) == "" {
		m.put(t, t.report)
	}
}

// isKnown reports whether the endpoint has accepted an earlier report at the address.
func (m *accepted) isKnown(t target) bool {
	first := m.first(t)
	return first != "" && first != t.report
}

// known is how many endpoints have accepted an earlier report at the address, most at most.
func (m *accepted) known(t target, most int) (n int) {
	for _, half := range []map[netip.Prefix]map[[sha256.Size]byte]string{m.young, m.old} {
		for _, first := range half[t.group] {
			if n == most {
				return n
			}
			if first != t.report {
				n++
			}
		}
	}
	return n
}

// first is the first report that the endpoint has accepted, empty for none. It makes the
// endpoint the one that was used last.
func (m *accepted) first(t target) string {
	if report, ok := m.young[t.group][t.key()]; ok {
		return report
	}
	report, ok := m.old[t.group][t.key()]
	if ok {
		delete(m.old[t.group], t.key())
		m.put(t, report)
	}
	return report
}

// put adds an endpoint to the younger half. The older half is forgotten when that is full.
func (m *accepted) put(t target, report string) {
	if m.young == nil || m.size >= maxAccepted/2 {
		m.old, m.young, m.size = m.young, make(map[netip.Prefix]map[[sha256.Size]byte]string), 0
	}
	if m.young[t.group] == nil {
		m.young[t.group] = make(map[[sha256.Size]byte]string)
	}
	m.young[t.group][t.key()] = report
	m.size++
}
