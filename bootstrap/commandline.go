package bootstrap

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// command is a word of the command line with what can follow it. It is read
// from a struct whose fields have tags: cmd is a command (default:"1": the one
// that is meant when none is named), arg an argument, and anything else a flag.
type command struct {
	name, help string
	above      *command
	commands   []*command
	args       []*value
	flags      []*value
	byDefault  bool
}

// value is a field that the command line fills: a string, bool or number.
type value struct {
	name, help         string
	env                string // its variable; "" for none
	fallback, example  string
	enum               []string
	required, isSwitch bool
	field              reflect.Value
}

// readCommand reads the fields of a struct, those of embedded ones included.
func readCommand(name, help string, fields reflect.Value) *command {
	c := &command{name: name, help: help}
	c.read(fields)
	return c
}

func (c *command) read(fields reflect.Value) {
	for i := range fields.NumField() {
		f, tag := fields.Type().Field(i), fields.Type().Field(i).Tag
		_, isCommand := tag.Lookup("cmd")
		_, isArgument := tag.Lookup("arg")
		switch {
		case f.Anonymous:
			c.read(fields.Field(i))
		case isCommand:
			sub := readCommand(dashed(f.Name), tag.Get("help"), fields.Field(i))
			sub.above, sub.byDefault = c, tag.Get("default") != ""
			c.commands = append(c.commands, sub)
		case isArgument:
			c.args = append(c.args, newValue(f, fields.Field(i)))
		default:
			c.flags = append(c.flags, newValue(f, fields.Field(i)))
		}
	}
}

func newValue(f reflect.StructField, field reflect.Value) *value {
	v := &value{
		name: dashed(f.Name), help: f.Tag.Get("help"), fallback: f.Tag.Get("default"), example: f.Tag.Get("placeholder"),
		isSwitch: f.Type.Kind() == reflect.Bool, field: field,
	}
	if enum := f.Tag.Get("enum"); enum != "" {
		v.enum = strings.Split(enum, ",")
	}
	_, isArgument := f.Tag.Lookup("arg")
	_, v.required = f.Tag.Lookup("required")
	if f.Tag.Get("env") != "-" && !isArgument {
		v.env = "FOOTFALL_" + strings.ToUpper(strings.ReplaceAll(v.name, "-", "_"))
	}
	return v
}

// dashed makes page-id of PageID.
func dashed(name string) string {
	var b strings.Builder
	for i, c := range name {
		if upper := c >= 'A' && c <= 'Z'; upper && i > 0 && name[i-1] >= 'a' {
			b.WriteByte('-')
		}
		b.WriteRune(c)
	}
	return strings.ToLower(b.String())
}

func (v *value) set(text string) error {
	if v.enum != nil && !slices.Contains(v.enum, text) {
		return fmt.Errorf("%s is %q, want one of %s", v.name, text, strings.Join(v.enum, ", "))
	}
	switch v.field.Kind() {
	case reflect.Bool:
		on, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("--%s is %q, want true or false", v.name, text)
		}
		v.field.SetBool(on)
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, v.field.Type().Bits())
		if err != nil {
			return fmt.Errorf("%s is %q, want a number", v.name, text)
		}
		v.field.SetInt(n)
	default:
		v.field.SetString(text)
	}
	return nil
}

// parse fills the fields from the arguments behind the program's name, and
// where these don't say, from the environment and the defaults. It returns the
// command that is meant, and whether its help is wanted.
func (c *command) parse(args []string, lookup func(string) (string, bool)) (at *command, help bool, err error) {
	p := parsing{at: c, given: make(map[*value]bool)}
	for len(args) > 0 && !p.help && err == nil {
		args, err = p.take(args[0], args[1:])
	}
	for p.at.commands != nil && err == nil && !p.help {
		i := slices.IndexFunc(p.at.commands, func(sub *command) bool { return sub.byDefault })
		if i < 0 {
			return p.at, false, fmt.Errorf("%s: want one of %s", p.at.path(), p.at.words())
		}
		p.at = p.at.commands[i]
	}
	if err == nil && !p.help {
		err = p.complete(lookup)
	}
	return p.at, p.help, err
}

// parsing is how far a command line has been read.
type parsing struct {
	at     *command
	args   int // of it, that were given
	given  map[*value]bool
	help   bool
	noMore bool // flags, behind --
}

// take reads one word, and what belongs to it of the rest, which it returns.
func (p *parsing) take(word string, rest []string) ([]string, error) {
	switch {
	case p.noMore || !strings.HasPrefix(word, "-") || word == "-":
		return rest, p.takeWord(word)
	case word == "--":
		p.noMore = true
		return rest, nil
	case word == "--help", word == "-h":
		p.help = true
		return rest, nil
	}
	name, text, hasText := strings.Cut(word, "=")
	v := p.at.flag(strings.TrimPrefix(name, "--"))
	switch {
	case v == nil || !strings.HasPrefix(name, "--"):
		return rest, fmt.Errorf("unknown flag %s", name)
	case v.isSwitch && !hasText:
		text = "true"
	case !hasText && len(rest) == 0:
		return rest, fmt.Errorf("%s wants a value", name)
	case !hasText:
		text, rest = rest[0], rest[1:]
	}
	p.given[v] = true
	return rest, v.set(text)
}

func (p *parsing) takeWord(word string) error {
	for _, sub := range p.at.commands {
		if sub.name == word {
			p.at = sub
			return nil
		}
	}
	if p.args == len(p.at.args) {
		if p.at.commands != nil {
			return fmt.Errorf("unexpected argument %s: want one of %s", word, p.at.words())
		}
		return fmt.Errorf("unexpected argument %s", word)
	}
	p.args++
	return p.at.args[p.args-1].set(word)
}

// complete looks for what was not given.
func (p *parsing) complete(lookup func(string) (string, bool)) error {
	if p.args < len(p.at.args) {
		return fmt.Errorf("%s wants <%s>", p.at.path(), p.at.args[p.args].name)
	}
	for c := p.at; c != nil; c = c.above {
		for _, v := range c.flags {
			text, ok := v.fallback, false
			if v.env != "" {
				if text, ok = lookup(v.env); !ok {
					text = v.fallback
				}
			}
			switch {
			case p.given[v]:
			case v.required && !ok:
				return fmt.Errorf("%s wants --%s", p.at.path(), v.name)
			case text != "" || ok && v.field.Kind() == reflect.String:
				if err := v.set(text); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// flag is one of a command, or of those above it; nil for none.
func (c *command) flag(name string) *value {
	for ; c != nil; c = c.above {
		for _, v := range c.flags {
			if v.name == name {
				return v
			}
		}
	}
	return nil
}

// path is the words of a command, the program's name in front of them.
func (c *command) path() string {
	if c.above == nil {
		return c.name
	}
	return c.above.path() + " " + c.name
}

func (c *command) words() string {
	var names []string
	for _, sub := range c.commands {
		names = append(names, sub.name)
	}
	return strings.Join(names, ", ")
}

// leaves are the commands that have none below them, in their order.
func (c *command) leaves() []*command {
	if c.commands == nil {
		return []*command{c}
	}
	var all []*command
	for _, sub := range c.commands {
		all = append(all, sub.leaves()...)
	}
	return all
}
