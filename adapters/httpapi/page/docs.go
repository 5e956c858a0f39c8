package page

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// api is what the documentation shows of an OpenAPI document. Everything but
// schemas may be a reference to the document's own components.
type api struct {
	Info struct {
		Title, Description string
	}
	Paths      map[string]pathItem
	Components struct {
		PathItems  map[string]pathItem
		Parameters map[string]parameter
		Headers    map[string]described
		Responses  map[string]response
		Schemas    map[string]schema
	}
	Tags []described
}

type described struct {
	Ref               string `json:"$ref"`
	Name, Description string
}

type pathItem struct {
	Ref        string `json:"$ref"`
	Parameters []parameter
	Get, Post  *operation
}

type operation struct {
	Tags                 []string
	Summary, Description string
	Parameters           []parameter
	RequestBody          *struct {
		Description string
		Content     map[string]media
	}
	Responses map[string]response
}

type parameter struct {
	Ref                   string `json:"$ref"`
	Name, In, Description string
	Required              bool
	Schema                schema
}

type response struct {
	Ref         string `json:"$ref"`
	Description string
	Headers     map[string]described
	Content     map[string]media
}

type media struct {
	Schema  schema
	Example json.RawMessage
}

type schema struct {
	Ref                            string `json:"$ref"`
	Type, Format, Description      string
	Const, Default                 any
	Enum                           []any
	Minimum, Maximum               *json.Number
	MinLength, MaxLength, MaxItems *int
	Items                          *schema
	OneOf                          []schema
	Properties                     map[string]schema
	Required                       []string
}

// Docs renders the documentation of an OpenAPI document, as far as documents
// of this service go.
func (r *Renderer) Docs(document []byte) ([]byte, error) {
	var a api
	if err := json.Unmarshal(document, &a); err != nil {
		return nil, fmt.Errorf("read the API's document: %w", err)
	}
	return r.docs.render(a.shown())
}

// shownAPI is an api with its references resolved and in the order in which it
// is shown.
type shownAPI struct {
	Title, Description string
	Groups             []shownGroup
	Schemas            []shownSchema
}

type shownGroup struct {
	Name, Description string
	Operations        []shownOperation
}

type shownOperation struct {
	Method, Path, Anchor string
	*operation
	Parameters []shownParameter
	Bodies     []shownMedia
	Responses  []shownResponse
}

type shownParameter struct {
	parameter
	Type string
}

type shownResponse struct {
	Status, Description string
	Headers             []described
	Bodies              []shownMedia
}

type shownMedia struct {
	Type, Schema, Link, Example string
}

type shownSchema struct {
	Name, Type, Description string
	Fields                  []shownField
}

type shownField struct {
	Name, Type, Description string
	Required                bool
}

func (a *api) shown() shownAPI {
	shown := shownAPI{Title: a.Info.Title, Description: a.Info.Description}
	for _, tag := range a.Tags {
		group := shownGroup{Name: tag.Name, Description: tag.Description}
		for _, path := range sorted(a.Paths) {
			item := a.Paths[path]
			if item.Ref != "" {
				item = a.Components.PathItems[last(item.Ref)]
			}
			for _, o := range []struct {
				method string
				*operation
			}{{"GET", item.Get}, {"POST", item.Post}} {
				if o.operation != nil && slices.Contains(o.Tags, tag.Name) {
					group.Operations = append(group.Operations, a.operation(o.method, path, item, o.operation))
				}
			}
		}
		shown.Groups = append(shown.Groups, group)
	}
	for _, name := range sorted(a.Components.Schemas) {
		shown.Schemas = append(shown.Schemas, schemaOf(name, a.Components.Schemas[name]))
	}
	return shown
}

func (a *api) operation(method, path string, item pathItem, o *operation) shownOperation {
	shown := shownOperation{Method: method, Path: path, Anchor: anchor(method + path), operation: o}
	for _, p := range slices.Concat(item.Parameters, o.Parameters) {
		if p.Ref != "" {
			p = a.Components.Parameters[last(p.Ref)]
		}
		shown.Parameters = append(shown.Parameters, shownParameter{p, typeOf(p.Schema)})
	}
	if o.RequestBody != nil {
		shown.Bodies = bodies(o.RequestBody.Content)
	}
	for _, status := range sorted(o.Responses) {
		r := o.Responses[status]
		if r.Ref != "" {
			r = a.Components.Responses[last(r.Ref)]
		}
		answer := shownResponse{Status: status, Description: r.Description, Bodies: bodies(r.Content)}
		for _, name := range sorted(r.Headers) {
			h := r.Headers[name]
			if h.Ref != "" {
				h = a.Components.Headers[last(h.Ref)]
			}
			answer.Headers = append(answer.Headers, described{Name: name, Description: h.Description})
		}
		shown.Responses = append(shown.Responses, answer)
	}
	return shown
}

// anchor is a name that means itself in a link.
func anchor(route string) string {
	return strings.Trim(strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' {
			return c
		}
		return '-'
	}, route), "-")
}

func bodies(content map[string]media) []shownMedia {
	var shown []shownMedia
	for _, name := range sorted(content) {
		m := content[name]
		example := string(m.Example)
		var text string
		if json.Unmarshal(m.Example, &text) == nil {
			example = text
		}
		shown = append(shown, shownMedia{Type: name, Schema: typeOf(m.Schema), Link: last(m.Schema.Ref), Example: example})
	}
	return shown
}

func schemaOf(name string, s schema) shownSchema {
	shown := shownSchema{Name: name, Type: typeOf(s), Description: s.Description}
	for _, field := range sorted(s.Properties) {
		f := s.Properties[field]
		shown.Fields = append(shown.Fields, shownField{field, typeOf(f), f.Description, slices.Contains(s.Required, field)})
	}
	return shown
}

// typeOf tells a schema in a few words.
func typeOf(s schema) string {
	switch {
	case s.Ref != "":
		return last(s.Ref)
	case s.Const != nil:
		return fmt.Sprintf("always %q", s.Const)
	case len(s.OneOf) > 0:
		var names []string
		for _, choice := range s.OneOf {
			names = append(names, typeOf(choice))
		}
		return strings.Join(names, " or ")
	case len(s.Enum) > 0:
		return strings.Trim(fmt.Sprint(s.Enum), "[]")
	case s.Items != nil:
		return "array of " + typeOf(*s.Items)
	}
	words := s.Type
	if s.Format != "" {
		words += ", " + s.Format
	}
	if s.Minimum != nil {
		words += ", from " + s.Minimum.String()
	}
	if s.Maximum != nil {
		words += ", to " + s.Maximum.String()
	}
	if s.MaxLength != nil {
		words += fmt.Sprintf(", at most %d long", *s.MaxLength)
	}
	if s.Default != nil {
		words += fmt.Sprint(", default ", s.Default)
	}
	return words
}

// last is the name at the end of a reference.
func last(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

func sorted[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
