package test_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"regexp"
	"strings"
	"testing"

	"footfall/test/check"
)

// promises and failures are the lists that tests cite.
const (
	promises = "docs/guarantees.md"
	failures = "docs/failures.md"
)

// Tests cite promises and failures, and the list of failures names tests. Both
// references must resolve.
func TestTheListOfFailuresAndTheTestsAgree(t *testing.T) {
	t.Parallel()
	listed := make(map[string]bool)
	row := regexp.MustCompile(`^\| ([PUVFXSN][0-9]+) \|`)
	named := regexp.MustCompile("`([a-z/]+)\\.(Test\\w+)`")
	tests, cited := testsAndCitations(t)
	for line := range strings.Lines(read(t, promises) + read(t, failures)) {
		id := row.FindStringSubmatch(line)
		if id == nil {
			continue
		}
		if listed[id[1]] {
			t.Errorf("%s: %s is there twice", failures, id[1])
		}
		listed[id[1]] = true
		shown := named.FindAllStringSubmatch(line, -1)
		if len(shown) == 0 && !strings.HasPrefix(id[1], "P") {
			t.Errorf("%s: no test shows %s", failures, id[1])
		}
		for _, name := range shown {
			if !tests[name[1]+"."+name[2]] {
				t.Errorf("%s: %s: there is no test %s in %s", failures, id[1], name[2], name[1])
			}
		}
	}
	for id, by := range cited {
		if !listed[id] {
			t.Errorf("%s cites %s, which is not in %s", by, id, failures)
		}
	}
}

// Rows F, X, S and N have a test by their number, such as TestF2F3 for F2 and F3, whose
// comment cites them.
func TestEveryReportOfARealEnvironmentHasATestByItsNumber(t *testing.T) {
	t.Parallel()
	tests, cited := testsAndCitations(t)
	ids := regexp.MustCompile(`[FXSN][0-9]+`)
	numbered := regexp.MustCompile(`\.Test(([FXSN][0-9]+)+)`)
	named := make(map[string]bool)
	for test := range tests {
		for _, id := range ids.FindAllString(numbered.FindString(test), -1) {
			named[id] = true
		}
	}
	rows := regexp.MustCompile(`(?m)^\| ([FXSN][0-9]+) \|`)
	for _, row := range rows.FindAllStringSubmatch(read(t, failures), -1) {
		if id := row[1]; !named[id] || cited[id] == "" {
			t.Errorf("%s: no test is named for %s, or none cites it", failures, id)
		}
		delete(named, row[1])
	}
	for id := range named {
		t.Errorf("%s lacks %s, for which a test is named", failures, id)
	}
}

// Reports have numbers without gaps, so that none is forgotten.
func TestEveryReportOfARealEnvironmentIsListed(t *testing.T) {
	t.Parallel()
	list := read(t, failures)
	for letter, last := range map[string]int{"F": 34, "X": 8, "S": 18, "N": 15} {
		for n := 1; n <= last; n++ {
			if row := fmt.Sprintf("\n| %s%d | ", letter, n); !strings.Contains(list, row) {
				t.Errorf("%s lacks %s%d", failures, letter, n)
			}
		}
	}
}

// testsAndCitations returns the tests of the module, each by its folder and
// name, and the rows that their comments cite, with one test that does.
func testsAndCitations(t *testing.T) (tests map[string]bool, cited map[string]string) {
	t.Helper()
	tests, cited = make(map[string]bool), make(map[string]string)
	citation := regexp.MustCompile(`\b[PUVFXSN][0-9]+\b`)
	eachFile(t, func(name, text string) {
		if !strings.HasSuffix(name, "_test.go") {
			return
		}
		f := check.Value(parser.ParseFile(token.NewFileSet(), name, text, parser.ParseComments|parser.SkipObjectResolution))(t)
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(fn.Name.Name, "Test") {
				continue
			}
			test := path.Dir(name) + "." + fn.Name.Name
			tests[test] = true
			for _, id := range citation.FindAllString(fn.Doc.Text(), -1) {
				cited[id] = test
			}
		}
	})
	if len(cited) == 0 {
		t.Error("no test cites a failure: the citations are not found")
	}
	return tests, cited
}
