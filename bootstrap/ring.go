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
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

// ringCommand has the verbs of the admin listener's /ring.
func ringCommand(f *flags, stdout, stderr io.Writer) *cobra.Command {
	verb := func(use, help string, run func(ctx context.Context, r ringClient, args []string) error) *cobra.Command {
		return newCommand(use, help, func(c *cobra.Command, args []string) error {
			r, err := newRingClient(*f, stdout, stderr)
			if err != nil {
				return err
			}
			return run(c.Context(), r, args)
		})
	}
	ring := &cobra.Command{
		Use: "ring", Short: "Show and change which node has what, at the admin listener of this machine's service.", Args: checkWords,
		RunE: func(c *cobra.Command, _ []string) error {
			return fmt.Errorf("%s: want one of %s", c.CommandPath(), subcommands(c))
		},
	}
	ring.AddCommand(
		verb("status", "Show the ring: nodes, shares, moves; as a table on a terminal, and as JSON elsewhere.", func(ctx context.Context, r ringClient, _ []string) error {
			return r.printStatus(r.call(ctx, http.MethodGet, "/ring", nil))
		}),
		verb("repair", "End what was broken off.", func(ctx context.Context, r ringClient, _ []string) error {
			return r.printStatus(r.call(ctx, http.MethodPost, "/ring/repair", nil))
		}),
		verb("owner PAGE_ID", "Show which node has a page.", func(ctx context.Context, r ringClient, args []string) error {
			return r.print(r.call(ctx, http.MethodGet, "/ring/owner?page_id="+url.QueryEscape(args[0]), nil))
		}))
	ring.AddCommand(changeCommands(verb)...)
	return ring
}

// changeCommands are those that change the ring; verb makes one.
func changeCommands(verb func(use, help string, run func(context.Context, ringClient, []string) error) *cobra.Command) []*cobra.Command {
	type body map[string]any
	var change changeFlags
	var weight int
	var acceptLoss bool
	add := verb("add ADDR", "Let a new, empty node in, by its address: redis://host:port.", func(ctx context.Context, r ringClient, args []string) error {
		return r.change(ctx, http.MethodPost, "/ring/nodes", body{"addr": args[0], "weight": weight, "dry_run": change.DryRun}, change)
	})
	add.Flags().IntVar(&weight, "weight", 1, "Its share, relative to the others.")
	weigh := verb("weight ID WEIGHT", "Give a node another weight, by its id, as the status shows it.", func(ctx context.Context, r ringClient, args []string) error {
		return r.change(ctx, http.MethodPatch, "/ring/nodes/"+url.PathEscape(args[0]), body{"weight": weight, "dry_run": change.DryRun}, change)
	})
	weigh.PreRunE = func(_ *cobra.Command, args []string) (err error) {
		if weight, err = strconv.Atoi(args[1]); err != nil {
			return fmt.Errorf("WEIGHT is %q, want a number", args[1])
		}
		return nil
	}
	remove := verb("remove ID", "Drain a node, by its id, as the status shows it, then forget it.", func(ctx context.Context, r ringClient, args []string) error {
		return r.change(ctx, http.MethodDelete, "/ring/nodes/"+url.PathEscape(args[0]), body{"accept_loss": acceptLoss, "also": args[1:], "dry_run": change.DryRun}, change)
	})
	remove.Use = "remove ID..."
	remove.Args = func(c *cobra.Command, args []string) error {
		if len(args) > 1 && !acceptLoss {
			return fmt.Errorf("unexpected argument %s: only nodes that are given up by --accept-loss go several at once", args[1])
		}
		return checkWords(c, args[:min(len(args), 1)])
	}
	remove.Flags().BoolVar(&acceptLoss, "accept-loss", false, "Give up nodes that are away for good, with all that they counted (not with --dry-run).")
	all := []*cobra.Command{add, weigh, remove}
	for _, c := range all {
		c.Flags().BoolVar(&change.DryRun, "dry-run", false, "Show what would move, and change nothing.")
		c.Flags().BoolVar(&change.NoWait, "no-wait", false, "Don't wait until everything has moved.")
	}
	remove.MarkFlagsMutuallyExclusive("accept-loss", "dry-run")
	return all
}

type changeFlags struct{ DryRun, NoWait bool }

const (
	// ringCall ends one call of the admin listener.
	ringCall = 15 * time.Second
	// ringLook is the time between two looks at how far the moves are.
	ringLook = 500 * time.Millisecond
	// stuckLooks is how many of them find that nothing moves before a command
	// ends that waits for it.
	stuckLooks = 10
)

// ringClient talks to the admin listener of a running instance.
type ringClient struct {
	base, token string
	out, err    io.Writer
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

// errNobody: there is no connection to the admin listener.
var errNobody = errors.New("no service is at the address in FOOTFALL_ADMIN_LISTEN")

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
	var dial *net.OpError
	switch {
	case errors.As(err, &dial) && dial.Op == "dial":
		return nil, fmt.Errorf("%w: %w", errNobody, dial)
	case err != nil:
		return nil, err
	}
	answer, err := io.ReadAll(resp.Body)
	err = errors.Join(err, resp.Body.Close())
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		var problem struct{ Detail, Code string }
		_ = json.Unmarshal(answer, &problem)
		return nil, statusError{resp.StatusCode, problem.Code, resp.Status + ": " + problem.Detail}
	}
	return answer, nil
}

// statusError is an answer other than 200.
type statusError struct {
	status     int
	code, text string
}

// lasts: to repeat the call changes nothing.
func (e statusError) lasts() bool { return e.status < 500 || e.code == "corrupt" }

func (e statusError) Error() string { return e.text }

func (r ringClient) print(answer []byte, err error) error {
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(r.out, string(answer))
	return err
}

// change changes the ring and waits until everything has moved: on a terminal
// with a bar, and then the status at the end.
func (r ringClient) change(ctx context.Context, method, path string, body any, f changeFlags) error {
	answer, err := r.call(ctx, method, path, body)
	if err := r.print(answer, err); err != nil || f.DryRun || f.NoWait {
		return err
	}
	var plan struct{ Epoch int64 }
	if err := json.Unmarshal(answer, &plan); err != nil {
		return err
	}
	if err := r.wait(ctx, plan.Epoch); err != nil {
		return fmt.Errorf("%w; the change was made and goes on: see footfall ring status", err)
	}
	return nil
}

// wait ends when all has moved, with the status, and when nothing moves any
// more, with what stands in the way.
func (r ringClient) wait(ctx context.Context, epoch int64) error {
	defer r.bar("")
	left, same := 0, 0
	for {
		answer, err := r.insist(ctx, true, http.MethodGet, "/ring", nil)
		if err != nil {
			return err
		}
		var st ringStatus
		if err := json.Unmarshal(answer, &st); err != nil {
			return err
		}
		r.bar(st.bar())
		switch m := st.Moves; {
		case st.Epoch >= epoch && m.Left == 0:
			r.bar("")
			return r.printStatus(answer, nil)
		case st.Epoch < epoch || m.Left > len(m.Stuck) || m.Left != left:
			left, same = m.Left, 0
		case same == stuckLooks:
			for _, note := range st.notes() {
				r.tell(note)
			}
			return fmt.Errorf("%d arcs can't be moved for now", left)
		default:
			same++
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(ringLook):
		}
	}
}

// bar replaces what stands in the last line of a terminal.
func (r ringClient) bar(line string) {
	if isTerminal(r.err) {
		_, _ = fmt.Fprint(r.err, "\r\x1b[K", line)
	}
}
