package public_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/google/go-cmp/cmp"

	"footfall/adapters/httpapi"
	"footfall/test/check"
	"footfall/test/httpcheck"
)

// document is the OpenAPI document as it is served.
func document(t *testing.T) []byte {
	t.Helper()
	w := httpcheck.Send(t, newRig(t).handler, "GET", "/openapi.json", "")
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	return w.Body.Bytes()
}

// load reads the document, and follows its references.
func load(t *testing.T) *openapi3.T {
	t.Helper()
	return check.Value(openapi3.NewLoader().LoadFromData(document(t)))(t)
}

func TestTheDocumentHasTheRoutesAndNoOthers(t *testing.T) {
	var described []string
	for path, item := range load(t).Paths.Map() {
		for method, operation := range item.Operations() {
			described = append(described, method+" "+path)
			if slices.Contains(operation.Tags, "visits") { // as the document says of them
				described = append(described, method+" /api/v1/counter"+path)
			}
			check.Equal(t, operation.OperationID != "", true, "%s %s has an id for generated clients", method, path)
		}
	}
	served := newRig(t).handler.Routes()
	slices.Sort(described)
	slices.Sort(served)
	if diff := cmp.Diff(served, described); diff != "" {
		t.Errorf("routes and document differ (-routes +document):\n%s", diff)
	}
}

func TestEveryReferenceOfTheDocumentLeadsSomewhereAndIsUsed(t *testing.T) {
	var doc struct {
		Components map[string]map[string]any `json:"components"`
	}
	check.Must(t, json.Unmarshal(document(t), &doc))
	var defined, used []string
	for kind, components := range doc.Components {
		for name := range components {
			defined = append(defined, "#/components/"+kind+"/"+name)
		}
	}
	for _, m := range regexp.MustCompile(`"\$ref": *"(.*?)"`).FindAllStringSubmatch(string(document(t)), -1) {
		used = append(used, m[1])
	}
	slices.Sort(defined)
	slices.Sort(used)
	if diff := cmp.Diff(defined, slices.Compact(used)); diff != "" {
		t.Errorf("components and references differ (-components +references):\n%s", diff)
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
	{"history", "GET", "/visits/{page_id}/history"},
	{"home", "GET", "/"},
	{"overloaded", "POST", "/visit/{page_id}"},
	{"read_many", "GET", "/visits"},
	{"readyz", "GET", "/readyz"},
	{"read", "GET", "/visits/{page_id}"},
	{"record", "POST", "/visit/{page_id}"},
	{"top", "GET", "/pages/top"},
	{"total", "GET", "/pages/total"},
	{"windows", "GET", "/api/verve/windows"},
	// This is of no operation of the document.
	{"no_such_route", "", ""},
}

// closeObjects lets objects have no fields but those that are described.
func closeObjects(s *openapi3.Schema) {
	if len(s.Properties) > 0 {
		s.AdditionalProperties.Has = new(bool)
	}
	for _, p := range s.Properties {
		closeObjects(p.Value)
	}
}

func TestTheDocumentIsOpenAPI31(t *testing.T) {
	doc := load(t)
	if !strings.HasPrefix(doc.OpenAPI, "3.1.") {
		t.Errorf("it is %s", doc.OpenAPI)
	}
	// pathItems are of 3.1, and the validator resolves but does not know them.
	check.OK(t, doc.Validate(t.Context(), openapi3.EnableExamplesValidation(), openapi3.EnableSchemaDefaultsValidation()))
}

func TestTheDocumentHasEveryStatusTypeAndFieldOfTheGoldenBodies(t *testing.T) {
	for _, mediaType := range []string{"image/svg+xml", "text/html", "text/event-stream", "text/css"} {
		openapi3filter.RegisterBodyDecoder(mediaType, openapi3filter.PlainBodyDecoder)
	}
	doc := load(t)
	for _, s := range doc.Components.Schemas {
		closeObjects(s.Value)
	}
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
		for _, name := range []string{"Retry-After", httpapi.ErrorHeader} {
			if documented := described.Value.Headers[name] != nil; documented != (header.Get(name) != "") {
				return errors.New(name + " and the document differ")
			}
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
