package test_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"footfall/test/check"
)

const (
	readmeLines = 160
	pageLines   = 250
)

// docPages returns README, CONTRIBUTING, SECURITY and the pages of docs/, by their names.
func docPages(t *testing.T) map[string]string {
	t.Helper()
	pages := make(map[string]string)
	eachFile(t, func(name, text string) {
		if name == "README.md" || name == "CONTRIBUTING.md" || name == "SECURITY.md" || path.Ext(name) == ".md" && strings.HasPrefix(name, "docs/") {
			pages[name] = text
		}
	})
	if len(pages) < 10 {
		t.Fatalf("found %d pages", len(pages))
	}
	return pages
}

func TestNoPageIsTooLong(t *testing.T) {
	t.Parallel()
	for name, text := range docPages(t) {
		limit := pageLines
		if name == "README.md" {
			limit = readmeLines
		}
		if lines := strings.Count(text, "\n"); lines > limit {
			t.Errorf("%s has %d lines, want at most %d", name, lines, limit)
		}
	}
}

func TestEveryLinkLeadsSomewhere(t *testing.T) {
	t.Parallel()
	pages := docPages(t)
	for name, text := range pages {
		for _, target := range brokenLinks(name, text, pages) {
			t.Errorf("%s: the link %s leads nowhere", name, target)
		}
	}
	linked := make(map[string]bool)
	for _, m := range link.FindAllStringSubmatch(pages["README.md"], -1) {
		linked[m[1]] = true
	}
	for name := range pages {
		if strings.HasPrefix(name, "docs/") && !linked[name] {
			t.Errorf("README.md does not link to %s", name)
		}
	}
}

var (
	link  = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fence = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```")
)

// brokenLinks lists the targets of a page's links that are neither a file of the
// repository nor a heading.
func brokenLinks(name, text string, pages map[string]string) (broken []string) {
	for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		target := m[1]
		if strings.Contains(target, "://") {
			continue
		}
		file, anchor, _ := strings.Cut(target, "#")
		if file == "" {
			file = name
		} else {
			file = path.Join(path.Dir(name), file)
		}
		page, isPage := pages[file]
		if file == name {
			page, isPage = text, true
		}
		_, err := os.Stat(filepath.Join(root, file))
		if !isPage && err != nil || anchor != "" && !slices.Contains(anchors(page), anchor) {
			broken = append(broken, target)
		}
	}
	return broken
}

// anchors are the names that GitHub gives to the headings of a page.
func anchors(page string) (names []string) {
	for line := range strings.Lines(fence.ReplaceAllString(page, "")) {
		title := strings.TrimLeft(line, "#")
		if title == line || !strings.HasPrefix(title, " ") {
			continue
		}
		names = append(names, strings.Map(func(r rune) rune {
			switch {
			case r == ' ' || r == '-':
				return '-'
			case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(title)))
	}
	return names
}

// Settings, metrics and files that pages name exist.
func TestPagesNameWhatExists(t *testing.T) {
	t.Parallel()
	pages := docPages(t)
	settings := namesIn(pages["docs/configuration.md"], "(?m)^\\| `(FOOTFALL_[A-Z_]+)`")
	for _, file := range []string{".env.example", "Makefile"} {
		settings = append(settings, namesIn(read(t, file), `\b(FOOTFALL_[A-Z_]+)=`)...)
	}
	metrics := metricsOfTheCode(t)
	file := regexp.MustCompile("`((?:adapters|application|bootstrap|deploy|docs|domain|scripts|test)/[a-zA-Z0-9_./-]*|[a-zA-Z.]+\\.(?:md|yml|go|pgo))`")
	for name, text := range pages {
		for _, setting := range namesIn(text, `\b(FOOTFALL_[A-Z_]*[A-Z])\b`) {
			if !slices.Contains(settings, strings.TrimSuffix(setting, "_FILE")) { // the file with a secret
				t.Errorf("%s names %s, which is no setting", name, setting)
			}
		}
		for _, metric := range namesIn(text, `\b(footfall_[a-z_]+)\b`) {
			if !metrics[metric] && !strings.HasSuffix(metric, "_") {
				t.Errorf("%s names %s, which is no metric", name, metric)
			}
		}
		for _, f := range namesIn(text, file.String()) {
			if _, err := os.Stat(filepath.Join(root, f)); err != nil && !strings.Contains(f, ".Test") && f != "application/json" {
				t.Errorf("%s names %s, which is no file", name, f)
			}
		}
	}
}

// Comments such as (design: windows, "closing") name a page of docs/design, and a
// heading or a bold beginning of it.
func TestCommentsNameDesignPages(t *testing.T) {
	t.Parallel()
	pages := docPages(t)
	comment := regexp.MustCompile(`\(design:\s(?://\s)?([^)]*)\)`)
	seen := 0
	eachFile(t, func(name, text string) {
		if !strings.HasSuffix(name, ".go") || name == "test/docs_test.go" {
			return
		}
		for _, reference := range namesIn(text, comment.String()) {
			seen++
			page := ""
			for part := range strings.SplitSeq(reference, ",") {
				part = strings.Join(strings.Fields(strings.ReplaceAll(part, "//", "")), " ")
				if heading := strings.Trim(part, `"`); heading != part {
					if !strings.Contains(strings.ToLower(page), "# "+heading) && !strings.Contains(strings.ToLower(page), "**"+heading) {
						t.Errorf("%s: (design: %s): the page has no %q", name, reference, heading)
					}
				} else if page = pages["docs/design/"+part+".md"]; page == "" {
					t.Errorf("%s: (design: %s): there is no such page", name, reference)
				}
			}
		}
	})
	if seen < 10 {
		t.Errorf("saw %d comments", seen)
	}
}

// What design pages name with a capital letter is declared or used in the code.
func TestDesignPagesNameWhatTheCodeHas(t *testing.T) {
	t.Parallel()
	var code strings.Builder
	eachFile(t, func(name, text string) {
		if strings.HasSuffix(name, ".go") && underAny([]string{"domain/", "application/", "adapters/"}, name) {
			code.WriteString(text)
		}
	})
	known := make(map[string]bool)
	for _, word := range namesIn(code.String(), `\b([A-Z]\w+)`) {
		known[word] = true
	}
	for name, text := range docPages(t) {
		if !strings.HasPrefix(name, "docs/design/") {
			continue
		}
		for _, identifier := range namesIn(text, "`((?:[A-Z]\\w+\\.)?[A-Z][A-Za-z]*[a-z][A-Za-z]*)`") {
			for part := range strings.SplitSeq(identifier, ".") {
				if !known[part] {
					t.Errorf("%s names %s, which the code does not have", name, identifier)
				}
			}
		}
	}
}

func namesIn(text, pattern string) (names []string) {
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	return names
}

func TestTheREADMEAndTheConfigurationPageHaveTheSameDefaults(t *testing.T) {
	t.Parallel()
	pages := docPages(t)
	row := regexp.MustCompile("(?m)^\\| `(FOOTFALL_[A-Z_]+)` \\| (`[^`]*`)? *\\|")
	defaults := make(map[string]string)
	for _, m := range row.FindAllStringSubmatch(pages["docs/configuration.md"], -1) {
		defaults[m[1]] = m[2]
	}
	rows := row.FindAllStringSubmatch(pages["README.md"], -1)
	for _, m := range rows {
		if want, ok := defaults[m[1]]; !ok || m[2] != want {
			t.Errorf("the default of %s is %s in the README, and %s in docs/configuration.md", m[1], m[2], want)
		}
	}
	check.Equal(t, len(rows), 6, "the settings of the README")
}

func TestBrokenLinksAreFound(t *testing.T) {
	t.Parallel()
	page := "# A `b` page, of-two\n\n[x](#a-b-page-of-two) [x](../README.md#run) [x](nowhere.md) [x](#nothing) [x](../README.md#walk) " +
		"[x](https://example.org/#y)\n\n```sh\n# no heading\n[x](y)\n```\n[x](#no-heading)\n"
	got := brokenLinks("docs/a.md", page, map[string]string{"README.md": "## Run\n"})
	if want := []string{"nowhere.md", "#nothing", "../README.md#walk", "#no-heading"}; !slices.Equal(got, want) {
		t.Errorf("broken are %q, want %q", got, want)
	}
}
