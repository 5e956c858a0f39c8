package page_test

import (
	"bytes"
	"html/template"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"footfall/adapters/httpapi/page"
)

// hostile is what somebody may call a page, to become a part of the markup.
const hostile = `</td><script>alert(1)</script>"'&+` + "`\x00 onload=x javascript:alert(1) {{.}} é\u202f\xff"

// html/template knows in what context a value stands, and escapes it so: what
// is made here is the same, byte for byte.
func TestPagesAreThoseThatHTMLTemplateMakes(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 10, 5, 30, 0, time.FixedZone("elsewhere", 3600))
	window := page.Window{
		ID: hostile, Start: now.Add(-30 * time.Second), End: now.Add(30 * time.Second), Count: 1234567,
		State: "open", PublishedTo: hostile, Endpoints: 3, Delivered: 1, Failed: 1,
	}
	quiet := window
	quiet.State, quiet.Endpoints, quiet.Count = "done", 0, 0
	homes := map[string]page.Home{
		"nothing": {Now: now},
		"all": {
			Now: now, Windows: []page.Window{window, quiet, window},
			Pages: []page.Watched{{Name: hostile, Visits: 12, Via: hostile}, {Name: "b", Trouble: hostile}},
			Nodes: []page.Node{{ID: hostile, Share: 1 / 3.0, Answers: true}, {ID: "b"}},
		},
		"lost": {Now: now, WindowsLost: true, Pages: []page.Watched{{Name: "a"}}, Windows: []page.Window{quiet}},
	}
	for name, home := range homes {
		made, err := page.RenderHome(home)
		compare(t, name, made, err)
	}
	document, err := os.ReadFile("../openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	made, err := page.RenderDocs(document)
	compare(t, "docs", made, err)
	made, err = page.RenderDocs(bytes.ReplaceAll(document, []byte("Records a visit"), []byte(`<b>\"'&`)))
	compare(t, "docs", made, err)
}

func compare(t *testing.T, name string, made page.Rendered, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	parsed, err := template.New("").Funcs(made.Functions).Parse(made.Source)
	if err == nil {
		err = parsed.Execute(&want, made.Data)
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.String(), string(made.Made)); diff != "" {
		t.Errorf("%s (-html/template +ours):\n%s", name, diff)
	}
	if strings.Contains(want.String(), "ZgotmplZ") {
		t.Errorf("%s has a value where html/template permits none", name)
	}
}

func TestATemplateThatCanNotBeRenderedIsAnError(t *testing.T) {
	t.Parallel()
	data := struct{ A string }{"a"}
	for _, text := range []string{
		"{{.B}}", "{{.A.B}}", "{{$x := .A}}", "{{.A | grouped}}", "{{.A .A}}", "{{grouped}}", "{{break}}", "{{unknown .A}}", "{{if}}", `{{"x"}}`, "{{template \"none\" .}}",
	} {
		if made, err := page.RenderText(text, data); err == nil {
			t.Errorf("%s is %q", text, made)
		}
	}
}
