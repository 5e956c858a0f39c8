// Package test_test checks the shape of the whole module: which package may
// import which, and a few rules about sources that no compiler knows.
// CONTRIBUTING.md lists them.
package test_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"footfall/test/check"
)

// root is the module's folder, seen from this one.
const root = ".."

// serverURL and brokerLink are the packages that adapters share. The others are modules that
// only some packages may import.
const (
	serverURL  = "footfall/adapters/serverurl"
	brokerLink = "footfall/adapters/brokerlink"

	xxh3   = "github.com/zeebo/xxh3"
	fx     = "go.uber.org/fx"
	dig    = "go.uber.org/dig"
	cobra  = "github.com/spf13/cobra"
	pflag  = "github.com/spf13/pflag"
	mux    = "github.com/gorilla/mux"
	gomock = "github.com/golang/mock"
)

// pkg is a package as `go list -json` prints it. Imports are those of its
// files that are no tests: tests may import what they like.
type pkg struct {
	ImportPath string
	Standard   bool
	Imports    []string
}

func TestEveryImportFollowsAnArrow(t *testing.T) {
	t.Parallel()
	packages := list(t)
	standard := map[string]bool{"C": true}
	for _, p := range packages {
		standard[p.ImportPath] = p.Standard
	}
	seen := 0
	for _, p := range packages {
		if !own(p.ImportPath) {
			continue
		}
		seen++
		for _, to := range p.Imports {
			check.Equal(t, violation(p.ImportPath, to, standard[to]), "", "%s imports %s", p.ImportPath, to)
		}
	}
	if seen < 5 {
		t.Errorf("saw %d packages of the module: the rule looks at nothing", seen)
	}
}

// list returns the packages of the module and all that they depend on.
func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-pgo=off", "-e", "-deps", "-json=ImportPath,Standard,Imports", "./...")
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.Output()
	check.Must(t, err, "go list")
	var packages []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		switch err := d.Decode(&p); {
		case errors.Is(err, io.EOF):
			return packages
		case err != nil:
			t.Fatalf("go list: %v", err)
		}
		packages = append(packages, p)
	}
}

// violation says which rule an import breaks, "" for none. from is a package
// of this module.
func violation(from, to string, standard bool) string {
	if standard {
		if room(from) == "domain" && doesIO(to) {
			return "domain does no I/O: net/http, os and the like are for adapters"
		}
		return ""
	}
	fromRoom, toRoom := room(from), room(to)
	if !own(to) {
		return violationOutside(from, fromRoom, to)
	}
	switch fromRoom {
	case "": // main.go
		if to != "footfall/bootstrap" {
			return "main imports nothing but bootstrap"
		}
	case "bootstrap":
		if !slices.Contains([]string{"bootstrap", "adapters", "application", "domain"}, toRoom) {
			return "bootstrap imports adapters, application and domain"
		}
	case "adapters":
		if toRoom == "adapters" && adapter(from) != adapter(to) && !slices.Contains(append(libraryFree(), serverURL, brokerLink), to) {
			return "an adapter imports no other adapter, but for serverurl, brokerlink and the packages of httpapi that know no HTTP library"
		}
		if toRoom != "adapters" && toRoom != "domain" {
			return "an adapter imports domain"
		}
	case "application":
		if toRoom != "application" && toRoom != "domain" {
			return "application imports domain"
		}
	case "domain":
		if toRoom != "domain" {
			return "domain imports nothing of the module"
		}
	case "test":
		if toRoom == "" {
			return "nothing imports main"
		}
	case "examples":
		if toRoom != "examples" {
			return "examples know the service by its listeners and what leaves it"
		}
	default:
		return "no room of the module is called " + fromRoom
	}
	return ""
}

// libraryFree are the packages of httpapi that another adapter for HTTP may
// import. So they import neither net/http nor any other library for HTTP.
func libraryFree() []string {
	var all []string
	for _, name := range []string{"counter", "limits", "meter", "netconn", "problem", "request"} {
		all = append(all, "footfall/adapters/httpapi/"+name)
	}
	return all
}

func TestWhatAnotherHTTPAdapterImportsKnowsNoHTTPLibrary(t *testing.T) {
	t.Parallel()
	packages := make(map[string]pkg)
	for _, p := range list(t) {
		packages[p.ImportPath] = p
	}
	for _, name := range libraryFree() {
		if _, ok := packages[name]; !ok {
			t.Errorf("there is no package %s", name)
		}
		if chain := importChain(packages, name, "net/http"); chain != nil {
			t.Errorf("net/http is imported: %s", strings.Join(chain, " > "))
		}
	}
}

// importChain is how a package imports another one, maybe by others of the
// module; nil if it doesn't.
func importChain(packages map[string]pkg, from, to string) []string {
	if from == to {
		return []string{to}
	}
	for _, next := range packages[from].Imports {
		if next != to && !own(next) {
			continue
		}
		if chain := importChain(packages, next, to); chain != nil {
			return append([]string{from}, chain...)
		}
	}
	return nil
}

// doesIO tells whether a standard package is about files, processes, sockets or a
// protocol. net/url and net/netip are not: they only parse texts, which
// publishing.ParseEndpoint needs for the rules of endpoints.
func doesIO(to string) bool {
	if to == "net/url" || to == "net/netip" {
		return false
	}
	return slices.ContainsFunc([]string{"net", "os", "syscall", "io/ioutil", "database/sql"}, func(m string) bool { return within(to, m) })
}

// violationOutside is violation for modules of other people.
func violationOutside(from, fromRoom, to string) string {
	switch {
	case fromRoom == "":
		return "main imports nothing but bootstrap"
	case (fromRoom == "domain" || fromRoom == "application") && (from != "footfall/domain/sharding" || to != xxh3):
		return fromRoom + " imports the standard library alone"
	case (within(to, fx) || within(to, dig)) && fromRoom != "bootstrap" && fromRoom != "adapters":
		return "fx is known in bootstrap alone, and in adapters/*/module.go"
	case (within(to, cobra) || within(to, pflag)) && fromRoom != "bootstrap" && adapter(from) != "cli":
		return "the command line is known in bootstrap and adapters/cli alone"
	case within(to, mux) && adapter(from) != "httpapi":
		return "mux is known in adapters/httpapi alone"
	case within(to, gomock) && from != "footfall/test/mock":
		return "gomock is known in test/mock and in tests alone"
	}
	return ""
}

// own tells whether a package is one of this module.
func own(importPath string) bool { return within(importPath, "footfall") }

// within tells whether a package is one of a module, or below a folder.
func within(importPath, module string) bool {
	return importPath == module || strings.HasPrefix(importPath, module+"/")
}

// room is the top-level folder of a package of this module, "" for main.
func room(importPath string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(importPath, "footfall"), "/"), "/")
	return name
}

// adapter is the folder below adapters that a package lies in, "" for others.
func adapter(importPath string) string {
	rest, ok := strings.CutPrefix(importPath, "footfall/adapters/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return path.Clean(name)
}

func TestTheRuleOfTheArrowsKnowsGoodFromBad(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, to string
		standard bool
		bad      bool
	}{
		{"footfall", "os", true, false},
		{"footfall", "footfall/bootstrap", false, false},
		{"footfall", "footfall/application/visits", false, true},
		{"footfall", "go.uber.org/fx/fxtest", false, true},
		{"footfall/bootstrap", "footfall/adapters/localnode", false, false},
		{"footfall/bootstrap", "footfall/application/visits", false, false},
		{"footfall/bootstrap", "footfall/domain/counting", false, false},
		{"footfall/bootstrap", "go.uber.org/fx", false, false},
		{"footfall/bootstrap", "footfall/test/conformance", false, true},
		{"footfall/bootstrap", "github.com/spf13/cobra", false, false},
		{"footfall/bootstrap", "github.com/gorilla/mux", false, true},
		{"footfall/adapters/httpapi", "footfall/domain/counting", false, false},
		{"footfall/adapters/httpapi", "footfall/adapters/httpapi/page", false, false},
		{"footfall/adapters/httpapi", "github.com/gorilla/mux", false, false},
		{"footfall/adapters/httpapi", "go.uber.org/fx", false, false}, // its file is checked below
		{"footfall/adapters/httpapi", "footfall/adapters/localnode", false, true},
		{"footfall/adapters/httpapi", "footfall/adapters/httpapinext", false, true},
		{"footfall/adapters/redisnode", "footfall/adapters/serverurl", false, false},
		{"footfall/adapters/redisnode", "footfall/adapters/rabbitmq", false, true},
		{"footfall/adapters/rabbitmq", "footfall/adapters/brokerlink", false, false},
		{"footfall/adapters/fasthttpapi", "footfall/adapters/httpapi/request", false, false},
		{"footfall/adapters/fasthttpapi", "footfall/adapters/httpapi/problem", false, false},
		{"footfall/adapters/fasthttpapi", "footfall/adapters/httpapi/limits", false, false},
		{"footfall/adapters/fasthttpapi", "footfall/adapters/httpapi/netconn", false, false},
		{"footfall/adapters/fasthttpapi", "footfall/adapters/httpapi/public", false, true},
		{"footfall/adapters/fasthttpapi", "footfall/adapters/httpapi", false, true},
		{"footfall/adapters/httpapi", "footfall/application/visits", false, true},
		{"footfall/adapters/httpapi", "footfall/bootstrap", false, true},
		{"footfall/adapters/localnode", "footfall/test/conformance", false, true},
		{"footfall/adapters/localnode", "github.com/gorilla/mux", false, true},
		{"footfall/adapters/localnode", "github.com/spf13/pflag", false, true},
		{"footfall/adapters/cli", "github.com/spf13/cobra", false, false},
		{"footfall/adapters/cli", "github.com/spf13/pflag", false, false},
		{"footfall/adapters/cli", "footfall/domain/sharding", false, false},
		{"footfall/adapters/cli", "footfall/adapters/httpapi", false, true},
		{"footfall/adapters/cli", "footfall/bootstrap", false, true},
		{"footfall/adapters/prometheus", "footfall/application/groupcommit", false, true},
		{"footfall/adapters/localnode", "github.com/golang/mock/gomock", false, true},
		{"footfall/application/visits", "footfall/application/cluster", false, false},
		{"footfall/application/visits", "footfall/domain/counting", false, false},
		{"footfall/application/visits", "footfall/adapters/localnode", false, true},
		{"footfall/application/visits", "footfall/bootstrap", false, true},
		{"footfall/application/visits", "golang.org/x/sync/errgroup", false, true},
		{"footfall/application/visits", xxh3, false, true},
		{"footfall/domain/publishing", "net/http", true, true},
		{"footfall/domain/publishing", "net", true, true},
		{"footfall/domain/publishing", "os", true, true},
		{"footfall/domain/publishing", "os/exec", true, true},
		{"footfall/domain/publishing", "net/url", true, false},
		{"footfall/domain/publishing", "net/netip", true, false},
		{"footfall/domain/publishing", "time", true, false}, // its clock is checked below
		{"footfall/application/visits", "os", true, false},
		{"footfall/domain/sharding", "footfall/domain/counting", false, false},
		{"footfall/domain/sharding", xxh3, false, false},
		{"footfall/domain/sharding", "github.com/cespare/xxhash/v2", false, true},
		{"footfall/domain/counting", xxh3, false, true},
		{"footfall/domain/counting", "footfall/application/visits", false, true},
		{"footfall/domain/counting", "footfall/adapters/localnode", false, true},
		{"footfall/domain/counting", "go.uber.org/fx", false, true},
		{"footfall/test/mock", "github.com/golang/mock/gomock", false, false},
		{"footfall/examples/queue-consumer-go", "footfall/examples/countfile", false, false},
		{"footfall/examples/queue-consumer-go", "footfall/domain/publishing", false, true},
		{"footfall/test/conformance", "footfall/domain/counting", false, false},
		{"footfall/test/conformance", "github.com/golang/mock/gomock", false, true},
		{"footfall/test/conformance", "go.uber.org/fx", false, true},
		{"footfall/cmd/footfall", "footfall/bootstrap", false, true},
	} {
		if got := violation(c.from, c.to, c.standard); (got != "") != c.bad {
			t.Errorf("%s imports %s: %q, want a violation: %t", c.from, c.to, got, c.bad)
		}
	}
}
