package public_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/google/go-cmp/cmp"

	"footfall/test/check"
	"footfall/test/httpcheck"
)

// document is the OpenAPI document as it is served.
func document(t *testing.T) map[string]any {
	t.Helper()
	w := httpcheck.Send(t, newRig(t).handler, "GET", "/openapi.json", "")
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	var doc map[string]any
	check.Must(t, json.Unmarshal(w.Body.Bytes(), &doc))
	return doc
}

// resolve follows the references of a node.
func resolve(t *testing.T, doc map[string]any, node any) map[string]any {
	t.Helper()
	m, ok := node.(map[string]any)
	if !ok {
		t.Fatalf("%v is no object", node)
	}
	ref, ok := m["$ref"].(string)
	if !ok {
		return m
	}
	var target any = doc
	for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		next, ok := target.(map[string]any)[part]
		if !ok {
			t.Fatalf("%s leads nowhere", ref)
		}
		target = next
	}
	return resolve(t, doc, target)
}

// operations are the document's operations by method and path.
func operations(t *testing.T, doc map[string]any) map[string]map[string]any {
	t.Helper()
	ops := map[string]map[string]any{}
	for path, item := range doc["paths"].(map[string]any) {
		for method, op := range resolve(t, doc, item) {
			if method = strings.ToUpper(method); method != "PARAMETERS" {
				ops[method+" "+path] = op.(map[string]any)
			}
		}
	}
	return ops
}

func TestTheDocumentHasTheRoutesAndNoOthers(t *testing.T) {
	var described []string
	for op := range operations(t, document(t)) {
		described = append(described, op)
	}
	served := newRig(t).handler.Routes()
	slices.Sort(described)
	slices.Sort(served)
	if diff := cmp.Diff(served, described); diff != "" {
		t.Errorf("routes and document differ (-routes +document):\n%s", diff)
	}
}

func TestEveryReferenceOfTheDocumentLeadsSomewhereAndIsUsed(t *testing.T) {
	doc := document(t)
	used := map[string]bool{}
	var walk func(node any)
	walk = func(node any) {
		switch n := node.(type) {
		case map[string]any:
			resolve(t, doc, n)
			if ref, ok := n["$ref"].(string); ok {
				used[ref] = true
			}
			for _, child := range n {
				walk(child)
			}
		case []any:
			for _, child := range n {
				walk(child)
			}
		}
	}
	walk(doc)
	for kind, components := range doc["components"].(map[string]any) {
		for name := range components.(map[string]any) {
			if ref := "#/components/" + kind + "/" + name; !used[ref] {
				t.Errorf("nothing uses %s", ref)
			}
		}
	}
}

// goldenOperations says which operation the golden files of a prefix are of.
var goldenOperations = []struct{ prefix, method, path string }{
	{"accept", "GET", "/api/verve/accept"},
	{"asset", "GET", "/assets/{name}"},
	{"badge", "GET", "/visits/{page_id}/badge.svg"},
	{"bulk", "POST", "/visits"},
	{"docs", "GET", "/docs"},
	{"events", "GET", "/events"},
	{"healthz", "GET", "/healthz"},
	{"home", "GET", "/"},
	{"overloaded", "POST", "/visit/{page_id}"},
	{"read_many", "GET", "/visits"},
	{"readyz", "GET", "/readyz"},
	{"read", "GET", "/visits/{page_id}"},
	{"record", "POST", "/visit/{page_id}"},
	{"windows", "GET", "/api/verve/windows"},
	// This is of no operation of the document.
	{"no_such_route", "", ""},
}

// strict is the document as a validator reads it, in which an object has no
// fields but those that are described.
func strict(t *testing.T) *openapi3.T {
	t.Helper()
	doc := document(t)
	for _, s := range doc["components"].(map[string]any)["schemas"].(map[string]any) {
		closeObjects(s)
	}
	text := check.Value(json.Marshal(doc))(t)
	loaded := check.Value(openapi3.NewLoader().LoadFromData(text))(t)
	return loaded
}

func closeObjects(schema any) {
	s, ok := schema.(map[string]any)
	if !ok {
		return
	}
	properties, ok := s["properties"].(map[string]any)
	if !ok {
		return
	}
	s["additionalProperties"] = false
	for _, p := range properties {
		closeObjects(p)
	}
}

func TestTheDocumentIsOpenAPI31(t *testing.T) {
	w := httpcheck.Send(t, newRig(t).handler, "GET", "/openapi.json", "")
	doc := check.Value(openapi3.NewLoader().LoadFromData(w.Body.Bytes()))(t)
	if !strings.HasPrefix(doc.OpenAPI, "3.1.") {
		t.Errorf("it is %s", doc.OpenAPI)
	}
	// pathItems are of 3.1, and the validator resolves but does not know them.
	check.OK(t, doc.Validate(t.Context(), openapi3.AllowExtraSiblingFields("pathItems"), openapi3.EnableExamplesValidation(), openapi3.EnableSchemaDefaultsValidation()))
}

func TestTheDocumentHasEveryStatusTypeAndFieldOfTheGoldenBodies(t *testing.T) {
	for _, mediaType := range []string{"image/svg+xml", "text/html", "text/event-stream", "text/css"} {
		openapi3filter.RegisterBodyDecoder(mediaType, openapi3filter.PlainBodyDecoder)
	}
	doc := strict(t)
	files, err := filepath.Glob("testdata/*.golden")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		i := slices.IndexFunc(goldenOperations, func(g struct{ prefix, method, path string }) bool { return strings.HasPrefix(name, g.prefix) })
		if i < 0 {
			t.Errorf("%s is of no operation", name)
			continue
		}
		if g := goldenOperations[i]; g.path != "" {
			check.OK(t, conforms(t, doc, file, g.method, g.path), "%s: %s %s", name, g.method, g.path)
		}
	}
}

// conforms holds a golden file against an operation.
func conforms(t *testing.T, doc *openapi3.T, file, method, path string) error {
	t.Helper()
	text := check.Value(os.ReadFile(file))(t)
	head, body, _ := strings.Cut(string(text), "\n\n")
	status, lines, _ := strings.Cut(head, "\n")
	header := http.Header{}
	for line := range strings.Lines(lines) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		header.Set(key, value)
	}
	code := check.Value(strconv.Atoi(status))(t)
	item := doc.Paths.Value(path)
	op := item.GetOperation(method)
	described := op.Responses.Status(code)
	if code == http.StatusMethodNotAllowed && described == nil {
		return nil // described once for all
	}
	if described != nil {
		if documented := described.Value.Headers["Retry-After"] != nil; documented != (header.Get("Retry-After") != "") {
			return errors.New("Retry-After and the document differ")
		}
	}
	request := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	return openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: request, Route: &routers.Route{Spec: doc, Path: path, PathItem: item, Method: method, Operation: op},
		},
		Status: code, Header: header, Body: io.NopCloser(strings.NewReader(strings.TrimSuffix(body, "\n"))),
		Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
	})
}
