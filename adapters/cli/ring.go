package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"footfall/domain/sharding"
)

const (
	// waitPause is the time between two reads of the progress of a change.
	waitPause = 500 * time.Millisecond
	// stuckReads is the number of reads without progress after which a command
	// stops waiting.
	stuckReads = 10
)

// ringCommand has a subcommand for each route below /ring.
func (o *Options) ringCommand() *cobra.Command {
	ring := &cobra.Command{
		Use: "ring", Short: "Show and change which node has which pages, through the admin listener of this machine's service.", Args: checkWords,
		RunE: func(c *cobra.Command, _ []string) error {
			return fmt.Errorf("%s: want one of %s", c.CommandPath(), subcommands(c))
		},
	}
	ring.AddCommand(
		o.adminCommand("status", "Show nodes, shares and moves: a table on a terminal, JSON elsewhere.", func(ctx context.Context, c client, _ []string) error {
			return c.printStatus(c.call(ctx, http.MethodGet, "/ring", nil))
		}),
		o.adminCommand("repair", "Finish or roll back interrupted changes, retry stuck moves, and clean up leftovers.", func(ctx context.Context, c client, _ []string) error {
			return c.printStatus(c.call(ctx, http.MethodPost, "/ring/repair", nil))
		}),
		o.adminCommand("owner PAGE_ID", "Show which node has a page.", func(ctx context.Context, c client, args []string) error {
			return c.print(c.call(ctx, http.MethodGet, "/ring/owner?page_id="+url.QueryEscape(args[0]), nil))
		}))
	ring.AddCommand(o.changeCommands()...)
	return ring
}

// changeCommands are the commands that change the ring.
func (o *Options) changeCommands() []*cobra.Command {
	type body map[string]any
	var change changeFlags
	weight := number(1)
	add := o.adminCommand("add ADDR", "Add a new, empty node, by its address: redis://host:port, or sentinel/NAME for a master of the Sentinels.", func(ctx context.Context, c client, args []string) error {
		return c.change(ctx, http.MethodPost, "/ring/nodes", body{"addr": args[0], "weight": weight, "dry_run": change.dryRun}, change)
	})
	add.Flags().Var(&weight, "weight", "Its share, relative to the others.")
	reweight := o.adminCommand("weight ID WEIGHT", "Change the weight of a node, by its id in ring status.", func(ctx context.Context, c client, args []string) error {
		return c.change(ctx, http.MethodPatch, "/ring/nodes/"+url.PathEscape(args[0]), body{"weight": weight, "dry_run": change.dryRun}, change)
	})
	reweight.PreRunE = func(_ *cobra.Command, args []string) error {
		if err := weight.Set(args[1]); err != nil {
			return fmt.Errorf("WEIGHT is %q, %w", args[1], err)
		}
		return nil
	}
	move := o.adminCommand("move-address ID ADDR", "Tell the ring that the server of a node, with its data, is at another address now.", func(ctx context.Context, c client, args []string) error {
		return c.change(ctx, http.MethodPatch, "/ring/nodes/"+url.PathEscape(args[0]), body{"addr": args[1], "dry_run": change.dryRun}, change)
	})
	all := []*cobra.Command{add, reweight, move, o.removeCommand(&change)}
	for _, c := range all {
		c.Flags().BoolVar(&change.dryRun, "dry-run", false, "Show what would move, and change nothing.")
		c.Flags().BoolVar(&change.noWait, "no-wait", false, "Don't wait until everything has moved.")
	}
	return all
}

type changeFlags struct{ dryRun, noWait bool }

// change changes the ring, prints the plan, and waits until all arcs have moved.
func (c client) change(ctx context.Context, method, path string, body any, f changeFlags) error {
	answer, err := c.call(ctx, method, path, body)
	if err := c.print(answer, err); err != nil {
		return err
	}
	var plan sharding.Plan
	if err := json.Unmarshal(answer, &plan); err != nil {
		return err
	}
	if f.dryRun {
		c.noteLoss(plan)
	}
	if f.dryRun || f.noWait {
		return nil
	}
	if err := c.wait(ctx, plan); err != nil {
		return fmt.Errorf("%w; the change was made and continues: see footfall ring status", err)
	}
	return nil
}

// wait prints the status when all arcs have moved. If no arc moves any more, it
// prints why and returns an error.
func (c client) wait(ctx context.Context, plan sharding.Plan) error {
	defer c.bar("")
	left, same := 0, 0
	for {
		answer, err := c.retry(ctx, http.MethodGet, "/ring", nil)
		if err != nil {
			return err
		}
		var st sharding.Status
		if err := json.Unmarshal(answer, &st); err != nil {
			return err
		}
		m := st.Moves
		c.bar(movesBar(m))
		switch {
		case st.Epoch >= plan.Epoch && m.Left == 0:
			c.bar("")
			return c.printStatus(answer, nil)
		case st.Epoch < plan.Epoch || m.Left > len(m.Stuck) || m.Left != left:
			left, same = m.Left, 0
		case same == stuckReads:
			for _, line := range notes(st) {
				c.note(line)
			}
			return fmt.Errorf("%d arcs can't be moved for now", left)
		default:
			same++
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(waitPause):
		}
	}
}
