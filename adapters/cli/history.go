package cli

import (
	"context"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"footfall/domain/counting"
)

// historyCommand has a subcommand for each route of /history.
func (o *Options) historyCommand() *cobra.Command {
	history := &cobra.Command{
		Use: "history", Short: "Show and change for how long it is kept when visits came, through the admin listener of this machine's service.", Args: checkWords,
		RunE: func(c *cobra.Command, _ []string) error {
			return fmt.Errorf("%s: want one of %s", c.CommandPath(), subcommands(c))
		},
	}
	set := o.adminCommand("set SETTING", "Change it on all nodes: off, or such as 1h:32d,1d:400d.", func(ctx context.Context, c client, args []string) error {
		return c.print(c.call(ctx, http.MethodPut, "/history", map[string]string{"history": args[0]}))
	})
	set.PreRunE = func(_ *cobra.Command, args []string) error {
		_, err := counting.ParseHistory(args[0])
		return err
	}
	history.AddCommand(
		o.adminCommand("status", "Show what each node keeps, and since when.", func(ctx context.Context, c client, _ []string) error {
			return c.print(c.call(ctx, http.MethodGet, "/history", nil))
		}),
		set)
	return history
}
