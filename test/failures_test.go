package test_test

import (
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
	row := regexp.MustCompile(`^\| ([PUV][0-9]+) \|`)
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

// testsAndCitations returns the tests of the module, each by its folder and
// name, and the rows that their comments cite, with one test that does.
func testsAndCitations(t *testing.T) (tests map[string]bool, cited map[string]string) {
	t.Helper()
	tests, cited = make(map[string]bool), make(map[string]string)
	citation := regexp.MustCompile(`\b[PUV][0-9]+\b`)
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
