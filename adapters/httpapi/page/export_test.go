package page

import "encoding/json"

// Rendered is a page as it is made, with the template and the data that it is
// made of.
type Rendered struct {
	Made      []byte
	Source    string
	Functions map[string]any
	Data      any
}

func RenderHome(h Home) (Rendered, error) {
	r, err := New()
	if err != nil {
		return Rendered{}, err
	}
	made, err := r.Home(h)
	return rendered("home.html", made, h.shown(), err)
}

func RenderDocs(document []byte) (Rendered, error) {
	r, err := New()
	if err != nil {
		return Rendered{}, err
	}
	var a api
	if err := json.Unmarshal(document, &a); err != nil {
		return Rendered{}, err
	}
	made, err := r.Docs(document)
	return rendered("docs.html", made, a.shown(), err)
}

func rendered(name string, made []byte, data any, err error) (Rendered, error) {
	if err != nil {
		return Rendered{}, err
	}
	source, err := sources.ReadFile(name)
	return Rendered{made, string(source), functions(), data}, err
}

// RenderText renders a template with data.
func RenderText(text string, data any) (string, error) {
	t, err := newTemplate("text", text, functions())
	if err != nil {
		return "", err
	}
	made, err := t.render(data)
	return string(made), err
}
