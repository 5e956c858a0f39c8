package test_test

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

const (
	wordsFile = "docs/words.txt"
	wordsTest = "test/words_test.go" // its examples are wrong on purpose
	// historyEnds is the first day whose decisions are checked.
	historyEnds = "2026-11-28"
)

// pending are files and folders that are not checked yet, unless -words.all is
// set. docs/failures.md has names of tests.
var pending = []string{
	"adapters/localnode/", "adapters/redisnode/",
	"domain/counting/ledgerentry.go", "domain/counting/movable.go", "domain/counting/node.go", "test/", "docs/failures.md",
}

var checkPending = flag.Bool("words.all", false, "check the words of pending folders as well")

func TestSourcesUseTheWordsOfTheField(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, wordsFile))
	if err != nil {
		t.Fatal(err)
	}
	list, err := parseWords(string(text))
	if err != nil {
		t.Fatal(err)
	}
	used := make(map[exception]bool)
	seen := 0
	eachFile(t, func(name string) {
		if !hasWords(name) || name == wordsTest || !*checkPending && underAny(pending, name) {
			return
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		seen++
		for _, found := range list.violations(name, withoutHistory(name, string(text)), used) {
			t.Error(found)
		}
	})
	if seen < 20 {
		t.Errorf("saw %d files: the list is checked against nothing", seen)
	}
	for _, e := range list.exceptions {
		if !used[e] && (*checkPending || len(pending) == 0) {
			t.Errorf("%s: the exception %q is not needed", wordsFile, e.path+": "+e.text)
		}
	}
}

// eachFile calls visit with the slash-separated name of every file of the
// repository, except test data and what builds and runs leave.
func eachFile(t *testing.T, visit func(name string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{".git", "bin", "data", "dist", "testdata"}, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(root, name)
		if err == nil {
			visit(filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func hasWords(name string) bool {
	if underAny([]string{"scripts/", ".ci/", ".env.example", "Makefile", "Dockerfile"}, name) {
		return true
	}
	endings := []string{".go", ".lua", ".md", ".html", ".js", ".css", ".json", ".yml", ".yaml", ".cfg", ".sh"}
	return slices.Contains(endings, filepath.Ext(name))
}

// underAny reports whether name is one of the paths, or lies in one that ends
// with a slash.
func underAny(paths []string, name string) bool {
	return slices.ContainsFunc(paths, func(p string) bool {
		return p == "*" || p == name || strings.HasSuffix(p, "/") && strings.HasPrefix(name, p)
	})
}

// withoutHistory blanks the decisions before historyEnds, which stay as they
// were written.
func withoutHistory(name, text string) string {
	if name != "DECISIONS.md" {
		return text
	}
	dated := regexp.MustCompile(`(?m)^## (\d{4}-\d\d-\d\d)?`)
	starts := dated.FindAllStringSubmatchIndex(text, -1)
	out := []byte(text)
	for i, s := range starts {
		end := len(text)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		if s[2] < 0 || text[s[2]:s[3]] >= historyEnds {
			continue
		}
		for at := s[0]; at < end; at++ {
			if out[at] != '\n' {
				out[at] = ' '
			}
		}
	}
	return string(out)
}

// wordList is what wordsFile says.
type wordList struct {
	phrases    []phrase
	exceptions []exception
}

// phrase is not used; term is used in its place.
type phrase struct {
	words      []string // lower case; one that ends with * is a beginning
	text, term string
}

// exception is a text that may stand in the files of a path.
type exception struct{ path, text string }

func parseWords(text string) (wordList, error) {
	var list wordList
	section := ""
	for i, line := range strings.Split(text, "\n") {
		separator, at := "", fmt.Sprintf("%s:%d", wordsFile, i+1)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			continue
		case line == "[words]" || line == "[exceptions]":
			section = line
			continue
		case section == "[words]":
			separator = " = "
		case section == "[exceptions]":
			separator = ": "
		}
		left, right, ok := strings.Cut(line, separator)
		if section == "" || !ok || left == "" || right == "" {
			return list, fmt.Errorf("%s: %q is neither a phrase nor an exception", at, line)
		}
		if section == "[words]" {
			list.phrases = append(list.phrases, phrase{strings.Fields(strings.ToLower(left)), left, right})
		} else {
			list.exceptions = append(list.exceptions, exception{left, right})
		}
	}
	return list, nil
}

// violations lists the phrases that a file uses, with their lines, and notes
// the exceptions that it needs.
func (l wordList) violations(name, text string, used map[exception]bool) (found []string) {
	for _, h := range l.find(name) {
		found = append(found, fmt.Sprintf("%s: file name: %q: use %q", name, h.text, h.term))
	}
	allowed := l.allowedIn(name, text)
	for _, h := range l.find(text) {
		if i := slices.IndexFunc(allowed, func(a span) bool { return a.start <= h.start && h.end <= a.end }); i >= 0 {
			used[allowed[i].by] = true
			continue
		}
		line := 1 + strings.Count(text[:h.start], "\n")
		found = append(found, fmt.Sprintf("%s:%d: %q: use %q", name, line, h.text, h.term))
	}
	return found
}

// span is a part of a text that an exception allows.
type span struct {
	start, end int
	by         exception
}

func (l wordList) allowedIn(name, text string) (spans []span) {
	for _, e := range l.exceptions {
		if !underAny([]string{e.path}, name) {
			continue
		}
		for at := 0; ; {
			i := strings.Index(text[at:], e.text)
			if i < 0 {
				break
			}
			spans = append(spans, span{at + i, at + i + len(e.text), e})
			at += i + len(e.text)
		}
	}
	return spans
}

// hit is a phrase that was found.
type hit struct {
	start, end int
	phrase
}

func (l wordList) find(text string) (hits []hit) {
	words := splitWords(text)
	byFirst := make(map[byte][]phrase)
	for _, p := range l.phrases {
		byFirst[p.words[0][0]] = append(byFirst[p.words[0][0]], p)
	}
	for i, w := range words {
		for _, p := range byFirst[w.text[0]] {
			if end, ok := p.matches(text, words[i:]); ok {
				hits = append(hits, hit{w.start, end, p})
			}
		}
	}
	return hits
}

// joint is what may stand between two words of one phrase: spaces, a line break
// with the sign of a comment or a quotation, and the joints of identifiers.
var joint = regexp.MustCompile(`^[\s/#>*_-]*$`)

func (p phrase) matches(text string, words []word) (end int, ok bool) {
	if len(words) < len(p.words) {
		return 0, false
	}
	for i, want := range p.words {
		got := words[i].text
		if stem, open := strings.CutSuffix(want, "*"); got != want && (!open || !strings.HasPrefix(got, stem)) {
			return 0, false
		}
		if i > 0 && !joint.MatchString(text[words[i-1].end:words[i].start]) {
			return 0, false
		}
		end = words[i].end
	}
	return end, true
}

// word is a word of a text, in lower case.
type word struct {
	text       string
	start, end int
}

// splitWords splits a text at all that is no letter, digit or apostrophe, and
// identifiers where the case changes: routeAll, HTTPServer.
func splitWords(text string) (words []word) {
	start := -1
	end := func(at int) {
		if start >= 0 {
			words = append(words, word{strings.ToLower(text[start:at]), start, at})
		}
		start = -1
	}
	runes := []rune(text)
	at := 0
	for i, r := range runes {
		inside := unicode.IsLetter(r) || unicode.IsDigit(r) || r == '\'' && start >= 0
		switch {
		case !inside:
			end(at)
		case start >= 0 && unicode.IsUpper(r) &&
			(!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])):
			end(at)
			start = at
		case start < 0:
			start = at
		}
		at += len(string(r))
	}
	end(at)
	return words
}

func TestTheListOfWordsKnowsGoodFromBad(t *testing.T) {
	t.Parallel()
	list, err := parseWords("# head\n[words]\nanew = again\ngive up = abandon\naside* = quarantined\nhis = its\n\n" +
		"[exceptions]\n*: \"aside\"\nadapters/redisnode/: his = redis\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, text, want string }{
		{"a.go", "// Begin again.", ""},
		{"a.go", "// Begin\n// anew.", "a.go:2: \"anew\": use \"again\""},
		{"a.go", "Anew, it begins", "a.go:1: \"anew\": use \"again\""},
		{"a.go", "func routeAnew() {}", "a.go:1: \"anew\": use \"again\""},
		{"a.go", "func TestItBeginsAnewWhenAsked() {}", "a.go:1: \"anew\": use \"again\""},
		{"a.go", "`--anew`", "a.go:1: \"anew\": use \"again\""},
		{"a.go", "a newer ring, canewas", ""},
		{"a.go", "func giveUp()", "a.go:1: \"give up\": use \"abandon\""},
		{"a.go", "// They give\n//\tup.", "a.go:1: \"give up\": use \"abandon\""},
		{"a.lua", "\n-- give\n-- up", "a.lua:2: \"give up\": use \"abandon\""},
		{"a.yml", "give_up: 1", "a.yml:1: \"give up\": use \"abandon\""},
		{"a.go", "// What they give. Up to ten.", ""},
		{"a.go", "// It gives upper bounds, and they give uploads.", ""},
		{"a.go", "var asides int", "a.go:1: \"aside*\": use \"quarantined\""},
		{"a.go", "Aside bool `json:\"aside\"`", "a.go:1: \"aside*\": use \"quarantined\""},
		{"a.go", "Quarantined bool `json:\"aside\"`", ""},
		{"a.md", "this is history, 0xhis, his0", ""},
		{"a.md", "ask HIS client", "a.md:1: \"his\": use \"its\""},
		{"adapters/redisnode/a.go", "his = redis", ""},
		{"adapters/redisnode/a.go", "his = rabbit", "adapters/redisnode/a.go:1: \"his\": use \"its\""},
		{"adapters/rabbitmq/a.go", "his = redis", "adapters/rabbitmq/a.go:1: \"his\": use \"its\""},
		{"adapters/aside.go", "package adapters", "adapters/aside.go: file name: \"aside*\": use \"quarantined\""},
	} {
		got := strings.Join(list.violations(c.name, c.text, make(map[exception]bool)), "\n")
		if got != c.want {
			t.Errorf("%s with %q: %q, want %q", c.name, c.text, got, c.want)
		}
	}
	decisions := "# Decisions\n\n## 2026-11-27 Old\n\nanew\n\n## 2026-11-28 New\n\nanew\n\n## Modules\n\nanew\n"
	got := list.violations("DECISIONS.md", withoutHistory("DECISIONS.md", decisions), make(map[exception]bool))
	if len(got) != 2 || !strings.HasPrefix(got[0], "DECISIONS.md:9:") || !strings.HasPrefix(got[1], "DECISIONS.md:13:") {
		t.Errorf("of three decisions, those in lines 9 and 13 are checked: %q", got)
	}
	for _, bad := range []string{"anew = again", "[words]\nanew", "[words]\n = again", "[exceptions]\n*:x"} {
		if _, err := parseWords(bad); err == nil {
			t.Errorf("%q is taken for a list", bad)
		}
	}
}
