package test_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"footfall/test/check"
)

const (
	wordsFile = "docs/words.txt"
	wordsTest = "test/words_test.go" // its examples are wrong on purpose
	// historyEnds is the first day whose decisions are checked.
	historyEnds = "2026-11-28"
)

func TestSourcesUseTheWordsOfTheField(t *testing.T) {
	t.Parallel()
	list := check.Value(parseWords(read(t, wordsFile)))(t)
	used := make(map[exception]bool)
	seen := 0
	eachFile(t, func(name, text string) {
		if !hasWords(name) || name == wordsTest {
			return
		}
		seen++
		for _, found := range list.violations(name, withoutHistory(name, text), used) {
			t.Error(found)
		}
	})
	if seen < 20 {
		t.Errorf("saw %d files: the list is checked against nothing", seen)
	}
	for _, e := range list.exceptions {
		if !used[e] {
			t.Errorf("%s: the exception %q is not needed", wordsFile, e.path+": "+e.text)
		}
	}
}

// eachFile calls visit with the slash-separated name and the text of every file of the
// repository, except test data and what builds and runs leave.
func eachFile(t *testing.T, visit func(name, text string)) {
	t.Helper()
	check.Must(t, filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{".git", "bin", "data", "dist", "testdata"}, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		rel := filepath.ToSlash(check.Value(filepath.Rel(root, name))(t))
		visit(rel, read(t, rel))
		return nil
	}))
}

// read returns the text of a file of the repository.
func read(t *testing.T, name string) string {
	t.Helper()
	return string(check.Value(os.ReadFile(filepath.Join(root, name)))(t))
}

func hasWords(name string) bool {
	if underAny([]string{"scripts/", ".ci/", ".env.example", "Makefile", "Dockerfile"}, name) {
		return true
	}
	endings := []string{".go", ".lua", ".md", ".html", ".js", ".css", ".json", ".yml", ".yaml", ".cfg", ".sh", ".py"}
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

func TestTheListOfWordsKnowsGoodFromBad(t *testing.T) {
	t.Parallel()
	list := check.Value(parseWords("# head\n[words]\nanew = again\ngive up = abandon\naside* = quarantined\nhis = its\n\n" +
		"[exceptions]\n*: \"aside\"\nadapters/redisnode/: his = redis\n"))(t)
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
		check.Equal(t, got, c.want, "%s with %q", c.name, c.text)
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
