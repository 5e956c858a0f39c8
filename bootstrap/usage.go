package bootstrap

import (
	"fmt"
	"strings"
)

// usage is the help of a command, as --help prints it.
func (c *command) usage() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s\n\n%s\n", c.line(), c.help)
	if c.args != nil {
		b.WriteString("\nArguments:\n")
	}
	for _, a := range c.args {
		fmt.Fprintf(&b, "  <%s>\n      %s\n", a.name, a.help)
	}
	if c.commands != nil {
		b.WriteString("\nCommands:\n")
		for _, leaf := range c.leaves() {
			fmt.Fprintf(&b, "  %s\n      %s\n", leaf.line(), leaf.help)
		}
	}
	b.WriteString("\nFlags:\n  --help\n      Show this.\n")
	for at := c; at != nil; at = at.above {
		for _, f := range at.flags {
			fmt.Fprintf(&b, "  %s\n      %s%s\n", f.shown(), f.help, f.variable())
		}
	}
	return b.String()
}

// line is a command with its arguments and the flags that it needs.
func (c *command) line() string {
	words := []string{c.path()}
	if c.commands != nil {
		words = append(words, "<command>")
	}
	for _, a := range c.args {
		words = append(words, "<"+a.name+">")
	}
	for _, f := range c.flags {
		if f.required {
			words = append(words, f.shown())
		}
	}
	return strings.Join(append(words, "[flags]"), " ")
}

// shown is a flag with its default, or with an example of what it takes.
func (v *value) shown() string {
	switch {
	case v.isSwitch:
		return "--" + v.name
	case v.example != "":
		return "--" + v.name + "=" + v.example
	}
	return fmt.Sprintf("--%s=%q", v.name, v.fallback)
}

func (v *value) variable() string {
	if v.env == "" {
		return ""
	}
	return " ($" + v.env + ")"
}
