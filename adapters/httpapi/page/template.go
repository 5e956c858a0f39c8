package page

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"text/template/parse"
)

// template is one in the language of html/template, as far as our pages use
// it: fields, functions of one argument, if, with, range and template. Values
// are escaped as html/template escapes them in texts and in quoted attributes,
// and they stand nowhere else.
//
// html/template itself finds methods by names that it reads, so that a program
// with it keeps every exported method of every type: 10 MB here.
type template struct {
	name      string
	trees     map[string]*parse.Tree
	functions map[string]any // func(any) string
}

// errTemplate: the template has what this language has not.
var errTemplate = errors.New("template")

func newTemplate(name, text string, functions map[string]any) (*template, error) {
	trees, err := parse.Parse(name, text, "", "", functions)
	return &template{name, trees, functions}, err
}

func (t *template) render(data any) ([]byte, error) {
	r := rendering{template: t, root: reflect.ValueOf(data)}
	if err := r.walk(r.root, t.trees[t.name].Root); err != nil {
		return nil, fmt.Errorf("render %s: %w", t.name, err)
	}
	return r.out.Bytes(), nil
}

// rendering is one run of a template.
type rendering struct {
	*template
	root reflect.Value
	out  bytes.Buffer
}

func (r *rendering) walk(dot reflect.Value, node parse.Node) error {
	switch n := node.(type) {
	case *parse.TextNode:
		r.out.Write(n.Text)
	case *parse.ListNode:
		if n == nil { // no else
			return nil
		}
		for _, child := range n.Nodes {
			if err := r.walk(dot, child); err != nil {
				return err
			}
		}
	case *parse.ActionNode:
		v, err := r.value(dot, n.Pipe)
		if err != nil {
			return err
		}
		r.out.WriteString(escape(fmt.Sprint(v.Interface())))
	case *parse.TemplateNode:
		v, err := r.value(dot, n.Pipe)
		if t := r.trees[n.Name]; err == nil && t != nil {
			return r.walk(v, t.Root)
		}
		return errors.Join(err, fmt.Errorf("%w: %s", errTemplate, node))
	case *parse.IfNode:
		return r.branch(dot, n.BranchNode)
	case *parse.WithNode:
		return r.branch(dot, n.BranchNode)
	case *parse.RangeNode:
		return r.branch(dot, n.BranchNode)
	default:
		return fmt.Errorf("%w: %s", errTemplate, node)
	}
	return nil
}

func (r *rendering) branch(dot reflect.Value, n parse.BranchNode) error {
	v, err := r.value(dot, n.Pipe)
	switch {
	case err != nil:
		return err
	case !truth(v):
		return r.walk(dot, n.ElseList)
	case n.Type() == parse.NodeWith:
		return r.walk(v, n.List)
	case n.Type() == parse.NodeRange:
		for i := range v.Len() {
			if err := r.walk(v.Index(i), n.List); err != nil {
				return err
			}
		}
		return nil
	}
	return r.walk(dot, n.List)
}

// truth is false for 0, "", nil and what is empty.
func truth(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice:
		return v.Len() > 0
	case reflect.Struct:
		return true
	}
	return !v.IsZero()
}

// value is that of a field, of the dot, or of a function of one of them.
func (r *rendering) value(dot reflect.Value, p *parse.PipeNode) (reflect.Value, error) {
	if p == nil || len(p.Cmds) != 1 || len(p.Decl) != 0 {
		return dot, fmt.Errorf("%w: %s", errTemplate, p)
	}
	args := p.Cmds[0].Args
	v, err := r.field(dot, args[len(args)-1])
	if err != nil || len(args) == 1 {
		return v, err
	}
	f, ok := args[0].(*parse.IdentifierNode)
	if !ok || len(args) != 2 {
		return dot, fmt.Errorf("%w: %s", errTemplate, p)
	}
	return reflect.ValueOf(r.functions[f.Ident].(func(any) string)(v.Interface())), nil
}

func (r *rendering) field(v reflect.Value, node parse.Node) (reflect.Value, error) {
	var names []string
	switch n := node.(type) {
	case *parse.DotNode:
	case *parse.FieldNode:
		names = n.Ident
	case *parse.VariableNode: // $ is the only one
		v, names = r.root, n.Ident[1:]
	default:
		return v, fmt.Errorf("%w: %s", errTemplate, node)
	}
	for _, name := range names {
		if v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		if v.Kind() == reflect.Struct {
			v = v.FieldByName(name)
		} else {
			v = reflect.Value{}
		}
		if !v.IsValid() {
			return v, fmt.Errorf("%w: %s: there is no %s", errTemplate, node, name)
		}
	}
	return v, nil
}

// escape makes a text that means itself in HTML, also in a quoted attribute.
func escape(text string) string {
	return strings.NewReplacer("\x00", "\uFFFD", `"`, "&#34;", "&", "&amp;", "'", "&#39;", "+", "&#43;", "<", "&lt;", ">", "&gt;").Replace(text)
}
