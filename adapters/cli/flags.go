package cli

import (
	"errors"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var errRepeated = errors.New("it is given more than once")

// once is the value of a flag that is given at most once: of two values one would have
// no effect.
type once struct {
	pflag.Value
	given bool
}

func (o *once) Set(text string) error {
	if o.given {
		return errRepeated
	}
	o.given = true
	return o.Value.Set(text)
}

// refuseRepeated makes the repetition of a flag of a command, or of its subcommands, an
// error. A flag with the names of files takes several.
func refuseRepeated(c *cobra.Command) {
	for _, flags := range []*pflag.FlagSet{c.LocalNonPersistentFlags(), c.PersistentFlags()} {
		flags.VisitAll(func(f *pflag.Flag) {
			if _, several := f.Value.(*fileNames); !several {
				f.Value = &once{Value: f.Value}
			}
		})
	}
	for _, sub := range c.Commands() {
		refuseRepeated(sub)
	}
}

// number is a flag for a decimal number. Those of pflag read 010 as 8.
type number int64

func (n *number) String() string { return strconv.FormatInt(int64(*n), 10) }

func (n *number) Set(text string) error {
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return errors.New("want a number")
	}
	*n = number(value)
	return nil
}

func (*number) Type() string { return "int" }
