package bootstrap

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// ringCommands are the verbs of the admin listener's /ring on the command line.
type ringCommands struct {
	Status struct{} `cmd:"" help:"Show the ring: nodes, shares, moves."`
	Add    struct {
		Addr   string `arg:"" help:"Address of a new, empty node: redis://host:port."`
		Weight int    `default:"1" env:"-" help:"Its share, relative to the others."`
		changeFlags
	} `cmd:"" help:"Let a new node in."`
	Weight struct {
		ID     string `arg:"" help:"Id of the node, as the status shows it."`
		Weight int    `arg:"" help:"Its new weight."`
		changeFlags
	} `cmd:"" help:"Give a node another weight."`
	Remove struct {
		ID         string `arg:"" help:"Id of the node, as the status shows it."`
		AcceptLoss bool   `env:"-" help:"Give up a node that is away for good, with all that it counted."`
		changeFlags
	} `cmd:"" help:"Drain a node, then forget it."`
	Repair struct{} `cmd:"" help:"End what was broken off."`
	Owner  struct {
		PageID string `arg:"" help:"The page."`
	} `cmd:"" help:"Show which node has a page."`
}

type changeFlags struct {
	DryRun bool `env:"-" help:"Show what would move, and change nothing."`
	NoWait bool `env:"-" help:"Don't wait until everything has moved."`
}

const (
	// ringCall ends one call of the admin listener.
	ringCall = 15 * time.Second
	// ringLook is the time between two looks at how far the moves are.
	ringLook = 500 * time.Millisecond
	barWidth = 40
)

// ringClient talks to the admin listener of a running instance.
type ringClient struct {
	base, token string
	out, err    io.Writer
}

// ring runs a command, by its words, against the admin listener at addr.
func (c *ringCommands) run(ctx context.Context, words string, r ringClient) error {
	type body map[string]any
	switch {
	case strings.HasPrefix(words, "ring add"):
		return r.change(ctx, http.MethodPost, "/ring/nodes", body{"addr": c.Add.Addr, "weight": c.Add.Weight, "dry_run": c.Add.DryRun}, c.Add.changeFlags)
	case strings.HasPrefix(words, "ring weight"):
		return r.change(ctx, http.MethodPatch, "/ring/nodes/"+url.PathEscape(c.Weight.ID), body{"weight": c.Weight.Weight, "dry_run": c.Weight.DryRun}, c.Weight.changeFlags)
	case strings.HasPrefix(words, "ring remove"):
		return r.change(ctx, http.MethodDelete, "/ring/nodes/"+url.PathEscape(c.Remove.ID), body{"accept_loss": c.Remove.AcceptLoss, "dry_run": c.Remove.DryRun}, c.Remove.changeFlags)
	case strings.HasPrefix(words, "ring repair"):
		return r.print(r.call(ctx, http.MethodPost, "/ring/repair", nil))
	case strings.HasPrefix(words, "ring owner"):
		return r.print(r.call(ctx, http.MethodGet, "/ring/owner?page_id="+url.QueryEscape(c.Owner.PageID), nil))
	}
	return r.print(r.call(ctx, http.MethodGet, "/ring", nil))
}

// newRingClient finds the admin listener of the configuration on this machine.
func newRingClient(f flags, stdout, stderr io.Writer) (ringClient, error) {
	host, port, err := net.SplitHostPort(f.AdminListen)
	if err != nil {
		return ringClient{}, fmt.Errorf("FOOTFALL_ADMIN_LISTEN=%q: want host:port or :port", f.AdminListen)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return ringClient{base: "http://" + net.JoinHostPort(host, port), token: f.AdminToken, out: stdout, err: stderr}, nil
}

// call returns the body of an answer of 200; any other is an error with what
// the service says about it.
func (r ringClient) call(ctx context.Context, method, path string, body any) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, ringCall)
	defer cancel()
	var reader io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		reader = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, reader)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(resp.Body)
	err = errors.Join(err, resp.Body.Close())
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		var problem struct{ Detail string }
		_ = json.Unmarshal(answer, &problem)
		return nil, statusError{resp.StatusCode, resp.Status + ": " + problem.Detail}
	}
	return answer, nil
}

// statusError is an answer other than 200.
type statusError struct {
	status int
	text   string
}

func (e statusError) Error() string { return e.text }

func (r ringClient) print(answer []byte, err error) error {
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(r.out, string(answer))
	return err
}

// change changes the ring and waits until everything has moved: on a terminal
// with a bar, and elsewhere with the status at the end as JSON.
func (r ringClient) change(ctx context.Context, method, path string, body any, f changeFlags) error {
	answer, err := r.call(ctx, method, path, body)
	if err := r.print(answer, err); err != nil || f.DryRun || f.NoWait {
		return err
	}
	var plan struct{ Epoch int64 }
	if err := json.Unmarshal(answer, &plan); err != nil {
		return err
	}
	bar := isTerminal(r.err)
	for {
		answer, err := r.call(ctx, http.MethodGet, "/ring", nil)
		if err != nil {
			return err
		}
		var st ringProgress
		if err := json.Unmarshal(answer, &st); err != nil {
			return err
		}
		if bar {
			_, _ = fmt.Fprint(r.err, st.bar())
		}
		if st.Epoch >= plan.Epoch && st.Moves.Left == 0 {
			if bar {
				_, _ = fmt.Fprintln(r.err)
			}
			return r.print(answer, nil)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(ringLook):
		}
	}
}

// ringProgress is the part of GET /ring that a bar shows.
type ringProgress struct {
	Epoch int64
	Moves struct {
		Left, Total int
		Rate        float64 `json:"arcs_per_second"`
		Estimate    float64 `json:"estimate_s"`
	}
}

// bar is one line that replaces the one before it.
func (p ringProgress) bar() string {
	m := p.Moves
	return fmt.Sprintf("\r[%s] %d of %d arcs, %.0f/s, %.0f s left ", hashes(m.Total-m.Left, m.Total), m.Total-m.Left, m.Total, m.Rate, m.Estimate)
}

// hashes is the part of a bar that is done.
func hashes(done, total int) string {
	n := barWidth
	if total > 0 {
		n = min(barWidth, barWidth*done/total)
	}
	return strings.Repeat("#", n) + strings.Repeat(".", barWidth-n)
}
