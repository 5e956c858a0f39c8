package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"footfall/domain/sharding"
)

// removeCommand drains a node, or abandons nodes.
func (o *Options) removeCommand(change *changeFlags) *cobra.Command {
	var acceptLoss, yes bool
	remove := o.adminCommand("remove ID...", "Drain a node, by its id in ring status, then remove it.", func(ctx context.Context, c client, args []string) error {
		path := "/ring/nodes/" + url.PathEscape(args[0])
		body := map[string]any{"accept_loss": acceptLoss, "also": args[1:], "dry_run": change.dryRun}
		if acceptLoss && !change.dryRun && !yes && IsTerminal(os.Stdin) {
			if err := c.confirmLoss(ctx, path, args, os.Stdin); err != nil {
				return err
			}
		}
		return c.change(ctx, http.MethodDelete, path, body, *change)
	})
	remove.Args = func(c *cobra.Command, args []string) error {
		if len(args) > 1 && !acceptLoss {
			return fmt.Errorf("unexpected argument %s: only --accept-loss removes several nodes in one change", args[1])
		}
		return checkWords(c, args[:min(len(args), 1)])
	}
	remove.Flags().BoolVar(&acceptLoss, "accept-loss", false, "Abandon nodes that are permanently lost, with all that they counted; --dry-run shows what that is. On a terminal it asks first.")
	remove.Flags().BoolVar(&yes, "yes", false, "Don't ask.")
	return remove
}

// confirmLoss shows what is lost with nodes, and reads their ids again.
func (c client) confirmLoss(ctx context.Context, path string, ids []string, from io.Reader) error {
	answer, err := c.call(ctx, http.MethodDelete, path, map[string]any{"accept_loss": true, "also": ids[1:], "dry_run": true})
	if err != nil {
		return err
	}
	var plan sharding.Plan
	if err := json.Unmarshal(answer, &plan); err != nil {
		return err
	}
	c.noteLoss(plan)
	_, _ = fmt.Fprintf(c.err, "footfall: to abandon, type %s: ", strings.Join(ids, " "))
	typed, _ := bufio.NewReader(from).ReadString('\n')
	if !slices.Equal(strings.Fields(typed), ids) {
		return errors.New("not confirmed; nothing was changed")
	}
	return nil
}

// noteLoss says what a change loses, and what to do instead.
func (c client) noteLoss(plan sharding.Plan) {
	if plan.Loss == nil {
		return
	}
	for _, n := range plan.Loss.Nodes {
		c.note(fmt.Sprintf("%s: %s; its pages, %.1f%% of all, begin at 0 on other nodes", n.ID, n.Away, 100*n.Share))
	}
	c.note("windows until " + plan.Loss.WindowsUntil.Format(time.RFC3339) + " are lost with their ids, unless they are published")
	c.note("if a server's data still exists, start the server instead: nothing is lost")
}
