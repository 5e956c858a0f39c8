package health

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"footfall/domain/counting"
	"footfall/domain/watching"
)

// alike is by how much measurements of clocks that agree may differ.
const alike = 2 * time.Second

// reason is what is wrong with some nodes: one is the text for one node, and several that
// for more.
type reason struct{ one, several text }

// text follows the id of a node. The time since when comes between its parts.
type text struct{ what, why string }

// reasons say what is wrong with nodes, a line for all nodes with the same reason.
func reasons(nodes []watching.Node) []string {
	var l list
	shared := l.addOwnClock(nodes)
	for _, n := range nodes {
		if why := trouble(n); why != (reason{}) {
			l.add(n.ID, why, n.Since)
		}
		if n.Answers && n.Skew != 0 && !shared {
			l.addSkew(n)
		}
	}
	for _, n := range nodes {
		for bound := range strings.SplitSeq(n.Full, ",") {
			if bound == counting.BoundDisk && n.Says != "" {
				continue // it takes nothing at all
			}
			if why, ok := full()[bound]; ok {
				l.add(n.ID, why, time.Time{})
			}
		}
	}
	return l.lines()
}

// trouble is why a node does not serve; the zero reason if it does.
func trouble(n watching.Node) reason {
	switch {
	case n.Why != "":
		return reason{text{"", n.Why}, text{"", n.Why}}
	case !n.Answers && n.Says != "":
		return reason{text{" refuses calls", n.Says}, text{" refuse calls", n.Says}}
	case !n.Answers:
		return reason{text{" does not answer", n.Silent}, text{" do not answer", n.Silent}}
	case n.Says != "":
		return reason{text{" refuses writes", n.Says}, text{" refuse writes", n.Says}}
	}
	return reason{}
}

// full are the reasons of nodes that have reached a bound.
func full() map[string]reason {
	bound := func(what, one, several, why string) reason {
		return reason{text{" takes no other " + what, fmt.Sprintf(why, one)}, text{" take no other " + what, fmt.Sprintf(why, several)}}
	}
	return map[string]reason{
		counting.BoundPages: bound("pages", "it has", "they have", "%s as many as FOOTFALL_PAGE_LIMIT allows"),
		counting.BoundKeys:  bound("idempotency keys", "it has", "they have", "%s as many as FOOTFALL_KEY_LIMIT and FOOTFALL_PAGE_LIMIT allow"),
		counting.BoundDisk:  bound("pages and idempotency keys", "its disk", "their disks", "less than FOOTFALL_DISK_RESERVE is free on %s"),
	}
}

// list has the reasons in the order in which they were added first, each with its nodes.
type list struct {
	clock   string // the line about this instance's clock; empty if there is none
	reasons []reason
	nodes   map[reason][]string
	since   map[reason]time.Time       // the earliest that is known
	skews   map[counting.NodeID]reason // by server, whose clock all of its nodes have
}

func (l *list) add(node counting.NodeID, r reason, since time.Time) {
	if l.nodes == nil {
		l.nodes, l.since = make(map[reason][]string), make(map[reason]time.Time)
	}
	if l.nodes[r] == nil {
		l.reasons = append(l.reasons, r)
	}
	l.nodes[r] = append(l.nodes[r], string(node))
	l.since[r] = earliest(l.since[r], since)
}

// addSkew adds a node whose clock is off, with what the first node of its server has
// shown: two measurements of one clock differ.
func (l *list) addSkew(n watching.Node) {
	if l.skews == nil {
		l.skews = make(map[counting.NodeID]reason)
	}
	server := cmp.Or(n.Host, n.ID)
	if r, known := l.skews[server]; known {
		l.add(n.ID, r, n.SkewSince)
		return
	}
	by, ahead := max(n.Skew, -n.Skew).Round(time.Second), "behind"
	if n.Skew > 0 {
		ahead = "ahead of"
	}
	l.skews[server] = reason{
		text{" takes no ids", fmt.Sprintf("its clock is %v %s this instance's", by, ahead)},
		text{" take no ids", fmt.Sprintf("their clock is %v %s this instance's", by, ahead)},
	}
	l.add(n.ID, l.skews[server], n.SkewSince)
}

// addOwnClock adds a line if the clocks of all servers that answer, at least two, are off
// alike. It reports whether they are: then this instance's clock is probably wrong.
func (l *list) addOwnClock(nodes []watching.Node) bool {
	var all []watching.Node
	for _, n := range nodes {
		switch {
		case !n.Answers:
		case n.Skew == 0, len(all) > 0 && max(n.Skew-all[0].Skew, all[0].Skew-n.Skew) > alike:
			return false
		default:
			all = append(all, n)
		}
	}
	servers := make(map[counting.NodeID]bool)
	for _, n := range all {
		servers[cmp.Or(n.Host, n.ID)] = true
	}
	if len(servers) < 2 {
		return false
	}
	var since time.Time
	for _, n := range all {
		since = earliest(since, n.SkewSince)
	}
	l.clock = fmt.Sprintf("the clocks of all nodes differ by %v from this instance's%s: check this instance's clock",
		max(all[0].Skew, -all[0].Skew).Round(time.Second), sinceText(since))
	return true
}

func (l *list) lines() (all []string) {
	if l.clock != "" {
		all = append(all, l.clock)
	}
	for _, r := range l.reasons {
		who, t := "node "+l.nodes[r][0], r.one
		if len(l.nodes[r]) > 1 {
			who, t = strings.Join(l.nodes[r], ", "), r.several
		}
		line := who + t.what + sinceText(l.since[r])
		if t.why != "" {
			line += ": " + t.why
		}
		all = append(all, line)
	}
	return all
}

// earliest is the earlier of two times, of which any may be zero: unknown.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// sinceText says since when, or nothing if that is not known.
func sinceText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " since " + t.UTC().Format(time.RFC3339)
}
