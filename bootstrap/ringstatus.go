package bootstrap

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

const barWidth = 40

// ringStatus is the part of GET /ring that people are shown.
type ringStatus struct {
	Epoch, Fence int64
	Nodes        []struct {
		ID, Addr, State, Away string
		Weight, Coming        int
		Share                 float64
	}
	Moves struct {
		Left, Total int
		Rate        float64 `json:"arcs_per_second"`
		Estimate    float64 `json:"estimate_s"`
		Stuck       []struct {
			Arc                       int
			From, To, At, Reason, Why string
		}
	}
	Losses []struct {
		Node  string
		Epoch int64
	}
	Sweep struct {
		Strays  []json.RawMessage
		More    int `json:"more_strays"`
		Unswept map[string]string
	}
}

// printStatus prints the answer of GET /ring: a table on a terminal, and JSON
// elsewhere.
func (r ringClient) printStatus(answer []byte, err error) error {
	if err != nil || !isTerminal(r.out) {
		return r.print(answer, err)
	}
	var st ringStatus
	if err := json.Unmarshal(answer, &st); err != nil {
		return err
	}
	_, err = io.WriteString(r.out, st.table())
	return err
}

func (st ringStatus) table() string {
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "epoch %d", st.Epoch)
	if st.Fence > st.Epoch {
		_, _ = fmt.Fprintf(&b, ", and a change to %d is being made", st.Fence)
	}
	if m := st.Moves; m.Left > 0 {
		_, _ = fmt.Fprintf(&b, "; %d of %d arcs have to move, %.1f/s, %.0f s left\n\n", m.Left, m.Total, m.Rate, m.Estimate)
	} else {
		b.WriteString(", nothing moves\n\n")
	}
	cells := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(cells, "NODE\tADDRESS\tSTATE\tWEIGHT\tSHARE\tARCS COMING")
	for _, n := range st.Nodes {
		_, _ = fmt.Fprintf(cells, "%s\t%s\t%s\t%d\t%.1f%%\t%d", n.ID, n.Addr, n.State, n.Weight, 100*n.Share, n.Coming)
		if n.Away != "" {
			_, _ = fmt.Fprint(cells, "\t", n.Away)
		}
		_, _ = fmt.Fprintln(cells)
	}
	_ = cells.Flush() // to a builder
	if notes := st.notes(); len(notes) > 0 {
		b.WriteString("\n" + strings.Join(notes, "\n") + "\n")
	}
	return b.String()
}

// notes are what somebody has to know, or to look after, a line each.
func (st ringStatus) notes() []string {
	var notes []string
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	for _, l := range st.Losses {
		note("lost: %s, by the change to %d", l.Node, l.Epoch)
	}
	for _, n := range st.Nodes {
		if n.State == "leaving" {
			note("leaving: %s; it must stay on until it isn't listed any more", n.ID)
		}
	}
	for _, a := range st.Moves.Stuck {
		note("stuck: arc %d from %s to %s, %s at %s: %q", a.Arc, a.From, a.To, a.Reason, a.At, a.Why)
	}
	for _, node := range slices.Sorted(maps.Keys(st.Sweep.Unswept)) {
		note("not swept: %s: %s", node, st.Sweep.Unswept[node])
	}
	if strays := len(st.Sweep.Strays) + st.Sweep.More; strays > 0 {
		note("strays: %d; footfall ring status | cat names them", strays)
	}
	return notes
}

// bar is one line.
func (st ringStatus) bar() string {
	m := st.Moves
	return fmt.Sprintf("[%s] %d of %d arcs, %.0f/s, %.0f s left", hashes(m.Total-m.Left, m.Total), m.Total-m.Left, m.Total, m.Rate, m.Estimate)
}

// hashes is the part of a bar that is done.
func hashes(done, total int) string {
	n := barWidth
	if total > 0 {
		n = min(barWidth, barWidth*done/total)
	}
	return strings.Repeat("#", n) + strings.Repeat(".", barWidth-n)
}
