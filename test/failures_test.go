package test_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
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
	var text []byte
	for _, file := range []string{promises, failures} {
		part := check.Value(os.ReadFile(filepath.Join(root, file)))(t)
		text = append(text, part...)
	}
	listed := make(map[string]bool)
	row := regexp.MustCompile(`^\| ([PUV][0-9]+) \|`)
	named := regexp.MustCompile("`([a-z/]+)\\.(Test\\w+)`")
	tests, cited := testsAndCitations(t)
	for line := range strings.Lines(string(text)) {
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
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return enter(name, d.Name())
		case !strings.HasSuffix(name, "_test.go"):
			return nil
		}
		folder, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(fn.Name.Name, "Test") {
				continue
			}
			test := filepath.ToSlash(folder) + "." + fn.Name.Name
			tests[test] = true
			for _, id := range citation.FindAllString(fn.Doc.Text(), -1) {
				cited[id] = test
			}
		}
		return nil
	})
	check.Must(t, err)
	if len(cited) == 0 {
		t.Error("no test cites a failure: the citations are not found")
	}
	return tests, cited
}
