package health

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"footfall/domain/counting"
	"footfall/domain/watching"
)

// reason is what is wrong with some nodes: one is the text after the id of one node, and
// several that after the ids of more.
type reason struct{ one, several string }

// reasons say what is wrong with nodes, a line for all nodes with the same reason.
func reasons(nodes []watching.Node) []string {
	var l list
	for _, n := range nodes {
		id := string(n.ID)
		if why := trouble(n); why != (reason{}) {
			l.add(id, why)
		}
		if n.Answers && n.Skew != 0 {
			l.addSkew(n)
		}
	}
	for _, n := range nodes {
		for bound := range strings.SplitSeq(n.Full, ",") {
			if why, ok := full()[bound]; ok {
				l.add(string(n.ID), why)
			}
		}
	}
	return l.lines()
}

// trouble is why a node does not serve; the zero reason if it does.
func trouble(n watching.Node) reason {
	switch {
	case n.Why != "":
		return reason{": " + n.Why, ": " + n.Why}
	case !n.Answers && n.Says != "":
		return reason{" refuses calls: " + n.Says, " refuse calls: " + n.Says}
	case !n.Answers && n.Silent != "":
		return reason{" does not answer: " + n.Silent, " do not answer: " + n.Silent}
	case !n.Answers:
		return reason{" does not answer", " do not answer"}
	case n.Says != "":
		return reason{" refuses writes: " + n.Says, " refuse writes: " + n.Says}
	}
	return reason{}
}

// full are the reasons of nodes that have reached a bound.
func full() map[string]reason {
	const pages, keys = "other pages: %s as many as FOOTFALL_PAGE_LIMIT allows", "other idempotency keys: %s as many as FOOTFALL_KEY_LIMIT and FOOTFALL_PAGE_LIMIT allow"
	const disk = "other pages and idempotency keys: less than FOOTFALL_DISK_RESERVE is free on %s"
	return map[string]reason{
		counting.BoundPages: {" takes no " + fmt.Sprintf(pages, "it has"), " take no " + fmt.Sprintf(pages, "they have")},
		counting.BoundKeys:  {" takes no " + fmt.Sprintf(keys, "it has"), " take no " + fmt.Sprintf(keys, "they have")},
		counting.BoundDisk:  {" takes no " + fmt.Sprintf(disk, "its disk"), " take no " + fmt.Sprintf(disk, "their disks")},
	}
}

// list has the reasons in the order in which they were added first, each with its nodes.
type list struct {
	reasons []reason
	nodes   map[reason][]string
	skews   map[counting.NodeID]reason // by server, whose clock all of its nodes have
}

func (l *list) add(node string, r reason) {
	if l.nodes == nil {
		l.nodes = make(map[reason][]string)
	}
	if l.nodes[r] == nil {
		l.reasons = append(l.reasons, r)
	}
	l.nodes[r] = append(l.nodes[r], node)
}

// addSkew adds a node whose clock is off, with what the first node of its server has
// shown: two measurements of one clock differ.
func (l *list) addSkew(n watching.Node) {
	if l.skews == nil {
		l.skews = make(map[counting.NodeID]reason)
	}
	server := cmp.Or(n.Host, n.ID)
	r, known := l.skews[server]
	if !known {
		by := max(n.Skew, -n.Skew).Round(time.Millisecond)
		r = reason{
			fmt.Sprintf(" takes no ids: its clock and this instance's differ by %v", by),
			fmt.Sprintf(" take no ids: their clock and this instance's differ by %v", by),
		}
		l.skews[server] = r
	}
	l.add(string(n.ID), r)
}

func (l *list) lines() (all []string) {
	for _, r := range l.reasons {
		if nodes := l.nodes[r]; len(nodes) == 1 {
			all = append(all, "node "+nodes[0]+r.one)
		} else {
			all = append(all, strings.Join(nodes, ", ")+r.several)
		}
	}
	return all
}
