package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"footfall/domain/sharding"
)

// printStatus prints the answer of GET /ring: a table on a terminal, JSON
// elsewhere.
func (c client) printStatus(answer []byte, err error) error {
	if err != nil || !IsTerminal(c.out) {
		return c.print(answer, err)
	}
	var st sharding.Status
	if err := json.Unmarshal(answer, &st); err != nil {
		return err
	}
	return writeTable(c.out, st)
}

func writeTable(w io.Writer, st sharding.Status) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	write := func(format string, args ...any) { _, _ = fmt.Fprintf(table, format, args...) } // Flush writes
	write("epoch %d", st.Epoch)
	if st.Fence > st.Epoch {
		write(", and a change to %d is being made", st.Fence)
	}
	if m := st.Moves; m.Left > 0 {
		write("; %d of %d arcs have to move, %.1f/s, %.0f s left\n\n", m.Left, m.Total, m.Rate, m.Estimate)
	} else {
		write(", nothing moves\n\n")
	}
	if hosts := hostsOf(st); len(hosts) > 0 {
		write("SERVER\tSHARE\tPARTITIONS\n")
		for _, h := range hosts {
			write("%s\t%.1f%%\t%s\n", h.name, 100*h.share, strings.Join(h.nodes, " "))
		}
	} else {
		write("NODE\tADDRESS\tSTATE\tWEIGHT\tSHARE\tINCOMING ARCS\n")
		for _, n := range st.Nodes {
			write("%s\t%s\t%s\t%d\t%.1f%%\t%d", n.ID, n.Addr, n.State, n.Weight, 100*n.Share, n.Incoming)
			if n.Away != "" {
				write("\t%s", n.Away)
			}
			write("\n")
		}
	}
	if lines := notes(st); len(lines) > 0 {
		write("\n%s\n", strings.Join(lines, "\n"))
	}
	return table.Flush()
}

// host is a server with the partitions that it had last.
type host struct {
	name  string
	share float64
	nodes []string
}

// hostsOf are the servers of a ring whose nodes move between servers, in the order of
// their first nodes. There are none for other rings.
func hostsOf(st sharding.Status) (hosts []host) {
	if !isHosted(st) {
		return nil
	}
	for _, n := range st.Nodes {
		name := cmp.Or(string(n.Host), "unknown")
		i := slices.IndexFunc(hosts, func(h host) bool { return h.name == name })
		if i < 0 {
			i, hosts = len(hosts), append(hosts, host{name: name})
		}
		hosts[i].share += n.Share
		hosts[i].nodes = append(hosts[i].nodes, string(n.ID))
	}
	return hosts
}

func isHosted(st sharding.Status) bool {
	return slices.ContainsFunc(st.Nodes, func(n sharding.MemberStatus) bool { return n.Host != "" })
}

// awayNotes are a line for all partitions that are away for the same reason: the table of
// the servers shows none.
func awayNotes(st sharding.Status) (lines []string) {
	if !isHosted(st) {
		return nil
	}
	away := make(map[string][]string)
	for _, n := range st.Nodes {
		if n.Away != "" {
			away[n.Away] = append(away[n.Away], string(n.ID))
		}
	}
	for _, why := range slices.Sorted(maps.Keys(away)) {
		lines = append(lines, fmt.Sprintf("away: %s: %s", strings.Join(away[why], " "), why))
	}
	return lines
}

// notes are what an operator has to know or to act on, one line each.
func notes(st sharding.Status) []string {
	lines := awayNotes(st)
	note := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for _, l := range st.Losses {
		note("lost: %s, by the change to epoch %d", l.Node, l.Epoch)
	}
	for _, n := range st.Nodes {
		if n.State == sharding.Leaving {
			note("leaving: %s; keep it running until it is no longer listed", n.ID)
		}
	}
	for _, a := range st.Moves.Stuck {
		note("stuck: arc %d from %s to %s, %s at %s: %q", a.Arc, a.From, a.To, a.Reason, a.At, a.Why)
	}
	if st.Sweep == nil {
		return lines
	}
	for _, node := range slices.Sorted(maps.Keys(st.Sweep.Unswept)) {
		note("not swept: %s: %s", node, st.Sweep.Unswept[node])
	}
	if orphans := len(st.Sweep.Orphans) + st.Sweep.More; orphans > 0 {
		note("orphans: %d; footfall ring status | cat lists them", orphans)
	}
	return lines
}

// movesBar is the progress of a change in one line.
func movesBar(m sharding.Progress) string {
	done := m.Total - m.Left
	return fmt.Sprintf("[%s] %d of %d arcs, %.0f/s, %.0f s left", hashes(int64(done), int64(m.Total)), done, m.Total, m.Rate, m.Estimate)
}
