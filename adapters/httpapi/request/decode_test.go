package request_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"footfall/adapters/httpapi/problem"
	"footfall/adapters/httpapi/request"
	"footfall/test/check"
)

// object has a field of each type.
type object struct {
	Text  string   `json:"text"`
	Int   int64    `json:"int"`
	Bool  bool     `json:"bool"`
	Texts []string `json:"texts"`
}

func TestObjectReadsFieldsOfEachType(t *testing.T) {
	for body, want := range map[string]object{
		`{}`:            {},
		`{ "int" : 7 }`: {Int: 7},
		`{"text":"a\u00e9\ud83d\ude00\ufffd\\ud800","int":-9223372036854775808,"bool":true,"texts":["x","\ufffd"]}`: {
			"aé😀\ufffd\\ud800", -9223372036854775808, true, []string{"x", "\ufffd"},
		},
		`{"texts":[],"bool":false,"text":""}`: {Texts: []string{}},
	} {
		var got object
		if err := request.Object([]byte(body), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
}

func TestObjectRefusesWhatEncodingJSONWouldTake(t *testing.T) {
	for _, body := range []string{
		`{"unknown":1}`, `{"TEXT":"a"}`, `{"text":"a","text":"a"}`, `{"int":1,"bool":true,"int":2}`,
		`{} {}`, `{}x`, `{},`, `[{}]`, `null`, `"text"`, ``, `{`, `{"text":"a"`, `{"text":"a",}`,
		"{\"text\":\"\xff\"}", "{\"\xff\":1}", `{"text":"\udcff"}`, `{"text":"\ud800"}`, `{"text":"\ud83d\ud83d\ude00"}`, `{"text":"\uDFFF"}`,
		`{"text":"\ufffd\udcff"}`, `{"text":"\\\udcff"}`, `{"text":"\ud83d\u0041"}`, `{"texts":["\udcff"]}`,
		`{"text":1}`, `{"text":null}`, `{"text":["a"]}`, `{"int":"1"}`, `{"int":1.0}`, `{"int":1e2}`, `{"int":9223372036854775808}`, `{"int":null}`,
		`{"bool":1}`, `{"bool":"true"}`, `{"bool":null}`, `{"texts":"a"}`, `{"texts":[1]}`, `{"texts":[["a"]]}`, `{"texts":null}`, `{"texts":{"a":1}}`,
	} {
		var got object
		err := request.Object([]byte(body), &got)
		var f problem.Fault
		if !errors.As(err, &f) || f.Status != 400 || f.Code != "bad_body" {
			t.Errorf("%q: %+v, %v", body, got, err)
		}
	}
}

func TestObjectWithoutFieldsIsEmpty(t *testing.T) {
	check.OK(t, request.Object([]byte(`{}`), &struct{}{}))
	check.Fails(t, request.Object([]byte(`{"a":1}`), &struct{}{}), "a field was taken")
}

func TestArrayIsReadByElements(t *testing.T) {
	read := func(body string) (elements []string, err error) {
		err = request.Array([]byte(body), 2, func(text []byte) error {
			elements = append(elements, string(text))
			return nil
		})
		return elements, err
	}
	if got, err := read(` [ {"a":[1,2]}, null ] `); err != nil || !reflect.DeepEqual(got, []string{`{"a":[1,2]}`, "null"}) {
		t.Error(got, err)
	}
	for _, body := range []string{`{}`, `[1`, `[1,]`, `[1] 2`, `[1][]`, ``, `null`} {
		if got, err := read(body); err == nil || got != nil {
			t.Errorf("%s: %v, %v", body, got, err)
		}
	}
	if got, err := read(`[1,2,3]`); problem.Of(err, false).Status != 413 {
		t.Error(got, err)
	}
	stop := errors.New("stop")
	if err := request.Array([]byte(`[1]`), 1, func([]byte) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
}

func FuzzObjectIsStricterThanEncodingJSON(f *testing.F) {
	for _, seed := range []string{
		`{"text":"a","int":1,"bool":true,"texts":["b"]}`, `{"text":"\ud83d\ude00"}`, `{"text":"\udcff"}`, `{"text":"\\ud800"}`, `{"text":"\ud800\\udc00"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var got, want object
		if err := request.Object([]byte(body), &got); err != nil {
			return
		}
		dec := json.NewDecoder(strings.NewReader(body))
		dec.DisallowUnknownFields()
		check.Must(t, dec.Decode(&want), "encoding/json refuses %q", body)
		if len(got.Texts) == 0 {
			got.Texts, want.Texts = nil, nil
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, want %+v", body, got, want)
		}
		// U+FFFD is there only where the caller has spelled it.
		spelled := strings.Count(strings.ToLower(body), `\ufffd`) + strings.Count(body, "\ufffd")
		for _, text := range append(got.Texts, got.Text) {
			if !utf8.ValidString(text) || strings.Count(text, "\ufffd") > spelled {
				t.Errorf("%q: %q", body, text)
			}
		}
	})
}
