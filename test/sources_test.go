package test_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"footfall/test/check"
)

// vague are names that say nothing about a subject, or name a pattern in
// place of it.
var vague = []string{
	"base", "common", "dto", "dtos", "helper", "helpers", "impl", "interfaces", "misc", "port", "ports",
	"shared", "usecase", "usecases", "util", "utils",
}

func TestEverySourceKeepsTheRules(t *testing.T) {
	t.Parallel()
	seen := 0
	eachFile(t, func(name, text string) {
		if !strings.HasSuffix(name, ".go") {
			return
		}
		seen++
		for _, why := range sourceViolations(t, name, text) {
			t.Error(why)
		}
	})
	if seen < 10 {
		t.Errorf("saw %d files of the module: the rules look at nothing", seen)
	}
}

// sourceViolations lists the rules that a file breaks; name is relative to
// the module and has slashes. Tests are free.
func sourceViolations(t *testing.T, name, src string) []string {
	t.Helper()
	if strings.HasSuffix(name, "_test.go") {
		return nil
	}
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, name, src, parser.SkipObjectResolution)
	check.Must(t, err, "parse %s", name)
	var found []string
	report := func(at token.Pos, why string) {
		found = append(found, fmt.Sprintf("%s:%d: %s", name, files.Position(at).Line, why))
	}
	if subject := strings.TrimSuffix(path.Base(name), ".go"); slices.Contains(vague, subject) || slices.Contains(vague, f.Name.Name) {
		report(f.Package, "a file and a package are named for their subject")
	}
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			report(d.Pos(), "no func init()")
		}
	}
	names := map[string]string{} // what the file calls an import -> its path
	for _, i := range f.Imports {
		importPath, err := strconv.Unquote(i.Path.Value)
		check.Must(t, err, "parse %s", name)
		if why := importViolation(name, importPath); why != "" {
			report(i.Pos(), why)
		}
		called := path.Base(importPath)
		if i.Name != nil {
			called = i.Name.Name
		}
		if called == "." {
			report(i.Pos(), "no import of names without their package")
		}
		names[called] = importPath
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok {
				if why := useViolation(name, names[x.Name], s.Sel.Name); why != "" {
					report(s.Pos(), why)
				}
			}
		}
		return true
	})
	return found
}

// importViolation is for what one file of a package may import and another
// may not.
func importViolation(name, importPath string) string {
	if !within(importPath, fx) && !within(importPath, dig) || strings.HasPrefix(name, "bootstrap/") {
		return ""
	}
	if ok, _ := path.Match("adapters/*/module.go", name); ok {
		return ""
	}
	return "fx is known in bootstrap alone, and in adapters/*/module.go"
}

// useViolation is for functions that one place of the module alone may use.
func useViolation(name, importPath, function string) string {
	switch importPath + "." + function {
	case "os.Exit", "syscall.Exit", "log.Fatal", "log.Fatalf", "log.Fatalln":
		if name != "main.go" && !strings.HasPrefix(name, "examples/") {
			return "main.go alone ends the process, and programs of examples"
		}
	case "os.Getenv", "os.LookupEnv", "os.Environ", "os.ExpandEnv", "syscall.Getenv", "syscall.Environ":
		if !underAny([]string{"bootstrap/", "test/", "examples/"}, name) {
			return "bootstrap alone reads the environment, and programs of examples"
		}
	case "time.Now", "time.Since", "time.Until", "time.Sleep", "time.After", "time.AfterFunc", "time.Tick", "time.NewTimer", "time.NewTicker":
		if strings.HasPrefix(name, "domain/") {
			return "domain has no clock: callers pass the time"
		}
	}
	return ""
}

func TestTheRulesOfSourcesKnowGoodFromBad(t *testing.T) {
	t.Parallel()
	const (
		empty  = "package p"
		inits  = "package p\nfunc init() {}"
		method = "package p\ntype t int\nfunc (t) init() {}"
		exits  = "package p\nimport \"os\"\nfunc f() { os.Exit(1) }"
		alias  = "package p\nimport sys \"os\"\nvar f = sys.Exit"
		fatal  = "package p\nimport \"log\"\nfunc f() { log.Fatal(1) }"
		env    = "package p\nimport \"os\"\nvar v, _ = os.LookupEnv(\"V\")"
		clock  = "package p\nimport \"time\"\nvar now = time.Now()"
		dotted = "package p\nimport . \"os\"\nfunc f() { Exit(1) }"
		fxed   = "package p\nimport _ \"go.uber.org/fx\""
		local  = "package p\ntype o struct{ Exit func() }\nfunc f(os o) { os.Exit() }"
	)
	for _, c := range []struct {
		name, src string
		bad       bool
	}{
		{"domain/counting/page.go", empty, false},
		{"domain/counting/util.go", empty, true},
		{"domain/counting/common.go", empty, true},
		{"domain/ports/node.go", "package ports", true},
		{"domain/counting/page.go", inits, true},
		{"bootstrap/registry.go", inits, true},
		{"domain/counting/page.go", method, false},
		{"domain/counting/page_test.go", inits, false},
		{"main.go", exits, false},
		{"bootstrap/main.go", exits, true},
		{"adapters/localnode/node.go", alias, true},
		{"adapters/localnode/node.go", fatal, true},
		{"adapters/localnode/node.go", dotted, true},
		{"adapters/localnode/node.go", local, false},
		{"adapters/localnode/node_test.go", exits, false},
		{"domain/publishing/queue.go", clock, true},
		{"domain/publishing/queue_test.go", clock, false},
		{"application/uniques/close.go", clock, false},
		{"bootstrap/config.go", env, false},
		{"adapters/localnode/node.go", env, true},
		{"main.go", env, true},
		{"test/integration/redis.go", env, false},
		{"examples/history-go/main.go", env, false},
		{"bootstrap/app.go", fxed, false},
		{"adapters/localnode/module.go", fxed, false},
		{"adapters/localnode/node.go", fxed, true},
		{"adapters/localnode/deeper/module.go", fxed, true},
	} {
		if got := sourceViolations(t, c.name, c.src); (len(got) > 0) != c.bad {
			t.Errorf("%s with %q: %q, want a violation: %t", c.name, c.src, got, c.bad)
		}
	}
}
