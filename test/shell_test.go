package test_test

import (
	"slices"
	"strings"
	"testing"
)

// shellCommands splits a script into its commands, those of $(...) and of
// pipelines included. Assignments, redirections and comments are left out. It
// knows as much of the shell as the documentation uses.
func shellCommands(script string) [][]string {
	s := &shellScan{script: []rune(script)}
	s.scan(0)
	return s.commands
}

type shellScan struct {
	script   []rune
	at       int
	commands [][]string
}

// scan reads commands up to the rune end, or the end of the script.
func (s *shellScan) scan(end rune) {
	var words []string
	finish := func() {
		for len(words) > 0 && (isAssignment(words[0]) || slices.Contains(keywords, words[0])) {
			words = words[1:]
		}
		if len(words) > 0 {
			s.commands = append(s.commands, words)
		}
		words = nil
	}
	defer finish()
	for s.at < len(s.script) {
		r := s.script[s.at]
		switch {
		case r == end && end != 0:
			s.at++
			return
		case r == '\\' && s.next() == '\n':
			s.at += 2
		case r == '\n' || r == ';' || r == '|' || r == '&':
			s.at++
			finish()
		case r == ' ' || r == '\t':
			s.at++
		case r == '#':
			for s.at < len(s.script) && s.script[s.at] != '\n' {
				s.at++
			}
		default:
			if w := s.word(end); !strings.ContainsAny(w[:1], "<>") && !strings.HasPrefix(w, "2>") {
				words = append(words, w)
			}
		}
	}
}

func (s *shellScan) next() rune {
	if s.at+1 < len(s.script) {
		return s.script[s.at+1]
	}
	return 0
}

// word reads a word without its quotes.
func (s *shellScan) word(end rune) string {
	var w strings.Builder
	quote := rune(0)
	for s.at < len(s.script) {
		r := s.script[s.at]
		switch {
		case r == '$' && s.next() == '(' && quote != '\'':
			s.at += 2
			s.scan(')')
			w.WriteString("VALUE")
			continue
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			w.WriteRune(r)
		case r == '"' || r == '\'':
			quote = r
		case strings.ContainsRune(" \t\n;|&", r) || r == end && end != 0:
			return w.String()
		default:
			w.WriteRune(r)
		}
		s.at++
	}
	return w.String()
}

// keywords stand before or after commands.
var keywords = []string{"if", "then", "else", "fi"}

func isAssignment(word string) bool {
	name, _, ok := strings.Cut(word, "=")
	return ok && name != "" && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789") == ""
}

func TestShellScriptsAreSplitIntoCommands(t *testing.T) {
	t.Parallel()
	for script, want := range map[string][]string{
		"a b # c\nd":                      {"a b", "d"},
		"a && b || c; d | e":              {"a", "b", "c", "d", "e"},
		"if [ -e a ]; then b c; fi && d":  {"[ -e a ]", "b c", "d"},
		"A=1 B='2 3' a --b='c d'":         {"a --b=c d"},
		"a \\\n  b":                       {"a b"},
		"old=$(a b)\nc $old && d":         {"a b", "c $old", "d"},
		`a --x="$(b -c 1)" y`:             {"b -c 1", "a --x=VALUE y"},
		"a - | b >c.gz\nd <e 2>/dev/null": {"a -", "b", "d"},
		"a 'b # c; d' \"e | f\"":          {"a b # c; d e | f"},
	} {
		var got []string
		for _, command := range shellCommands(script) {
			got = append(got, strings.Join(command, " "))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", script, got, want)
		}
	}
}
