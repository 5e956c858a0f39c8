package bootstrap

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// offer is what a shell proposes behind some words: a command or a flag.
type offer struct{ word, help string }

// offers are what can follow each sequence of commands, by the commands with
// spaces between them: "footfall", "footfall completion".
type offers struct {
	after    []string // in the order of the help
	commands map[string][]offer
	flags    map[string][]offer
}

func offersOf(program *command) offers {
	o := offers{commands: make(map[string][]offer), flags: make(map[string][]offer)}
	o.add(program)
	return o
}

func (o *offers) add(c *command) {
	path := c.path()
	o.after = append(o.after, path)
	if c.above == nil {
		o.flags[path] = append(o.flags[path], offer{"--help", "Show what there is."})
	}
	for _, f := range c.flags {
		o.flags[path] = append(o.flags[path], offer{"--" + f.name, f.help})
	}
	for _, sub := range c.commands {
		o.commands[path] = append(o.commands[path], offer{sub.name, sub.help})
		o.add(sub)
	}
	for _, a := range c.args {
		for _, word := range a.enum {
			o.commands[path] = append(o.commands[path], offer{word, a.help})
		}
	}
}

// all are what can follow path: its own offers, and the flags of all commands
// above it.
func (o *offers) all(path string) []offer {
	found := slices.Clone(o.commands[path])
	for {
		found = append(found, o.flags[path]...)
		at := strings.LastIndexByte(path, ' ')
		if at < 0 {
			return found
		}
		path = path[:at]
	}
}

// writeCompletion writes a script that teaches a shell the commands and flags.
func writeCompletion(w io.Writer, shell string, program *command) error {
	o := offersOf(program)
	var script string
	switch shell {
	case "bash":
		script = o.bash()
	case "zsh":
		script = o.zsh()
	default:
		script = o.fish()
	}
	_, err := io.WriteString(w, script)
	return err
}

// steps are the cases of a shell's loop over the words so far.
func (o *offers) steps() string {
	var s strings.Builder
	for _, path := range o.after[1:] {
		fmt.Fprintf(&s, "      %q) at=%q ;;\n", path, path)
	}
	return s.String()
}

func (o *offers) bash() string {
	var cases strings.Builder
	for _, path := range o.after {
		var words []string
		for _, f := range o.all(path) {
			words = append(words, f.word)
		}
		fmt.Fprintf(&cases, "    %q) words=%q ;;\n", path, strings.Join(words, " "))
	}
	return `# bash completion of footfall: source it, or put it where bash-completion looks.
_footfall() {
  local at=footfall words= word
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$at $word" in
` + o.steps() + `    esac
  done
  case "$at" in
` + cases.String() + `  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _footfall footfall
`
}

func (o *offers) zsh() string {
	var cases strings.Builder
	for _, path := range o.after {
		fmt.Fprintf(&cases, "    %q) offers=(", path)
		for _, f := range o.all(path) {
			cases.WriteString(" " + quoted(strings.ReplaceAll(f.word, ":", `\:`)+":"+f.help))
		}
		cases.WriteString(" ) ;;\n")
	}
	return `#compdef footfall
# zsh completion of footfall: as _footfall in a folder of $fpath.
_footfall() {
  local at=footfall word
  local -a offers
  for word in ${words[2,CURRENT-1]}; do
    case "$at $word" in
` + o.steps() + `    esac
  done
  case "$at" in
` + cases.String() + `  esac
  _describe footfall offers || _files
}
compdef _footfall footfall
`
}

func (o *offers) fish() string {
	s := "# fish completion of footfall: in ~/.config/fish/completions.\n"
	for _, path := range o.after {
		when := "__fish_use_subcommand"
		if commands := strings.Fields(path)[1:]; len(commands) > 0 {
			when = "__fish_seen_subcommand_from " + strings.Join(commands, "; and __fish_seen_subcommand_from ")
		}
		for _, f := range o.commands[path] {
			s += fmt.Sprintf("complete -c footfall -n %s -f -a %s -d %s\n", quoted(when), f.word, quoted(f.help))
		}
		if path == "footfall" {
			when = "" // flags of the program go with every command
		}
		for _, f := range o.flags[path] {
			condition := ""
			if when != "" {
				condition = " -n " + quoted(when)
			}
			s += fmt.Sprintf("complete -c footfall%s -l %s -d %s\n", condition, strings.TrimPrefix(f.word, "--"), quoted(f.help))
		}
	}
	return s
}

// quoted is a text in single quotes, as all three shells read it.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'" }
