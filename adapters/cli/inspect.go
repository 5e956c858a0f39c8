package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"footfall/domain/checking"
)

// inspectCommand prints a line for each finding, and fails if one of them is a failure.
func (o *Options) inspectCommand() *cobra.Command {
	c := newCommand("check", "Check the settings, and what they name: nodes, clocks, publisher, callbacks and disk. It changes nothing.",
		func(c *cobra.Command, _ []string) error {
			failed, found := 0, o.Inspect(c.Context())
			for _, f := range found {
				line := fmt.Sprintf("%-4s  %s", f.Level, f.What)
				if f.Mend != "" {
					line += "; " + f.Mend
				}
				if _, err := fmt.Fprintln(o.Stdout, line); err != nil {
					return err
				}
				if f.Level == checking.Fail {
					failed++
				}
			}
			if failed > 0 {
				return fmt.Errorf("%d of %d checks failed", failed, len(found))
			}
			return nil
		})
	c.PreRunE = func(*cobra.Command, []string) error { return o.Check() }
	return c
}
