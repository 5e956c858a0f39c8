package sharding_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

func TestADocumentMakesAnEqualRing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := drawRing(t, anyWeight())
		for n := range rapid.IntRange(0, 3).Draw(t, "changes") {
			r, _ = drawStep(t, r, n, anyWeight())
		}
		again, err := sharding.Decode(r.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(again, r) {
			t.Fatal("the decoded ring is another one")
		}
	})
}

// twoTables is the document of a ring of a and c, from which b has just gone.
func twoTables(t testing.TB) []byte {
	r := newRing(t, member("a", 1), member("b", 1), member("c", 2))
	return must(t)(r.Remove(sharding.Change{ID: "remove", From: 5}, "b")).Encode()
}

// change is twoTables with some fields of its JSON replaced.
func change(t testing.TB, replace func(doc map[string]any)) []byte {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(twoTables(t)))
	d.UseNumber()
	doc := make(map[string]any)
	check.Must(t, d.Decode(&doc))
	replace(doc)
	return check.Value(json.Marshal(doc))(t)
}

func memberOf(doc map[string]any, i int) map[string]any {
	return doc["members"].([]any)[i].(map[string]any)
}

func tableOf(doc map[string]any, i int) map[string]any {
	return doc["tables"].([]any)[i].(map[string]any)
}

// withOwner is the text of a table in which an arc has another owner.
func withOwner(table map[string]any, arc int, owner uint16) string {
	b, _ := base64.StdEncoding.DecodeString(table["owners"].(string))
	binary.LittleEndian.PutUint16(b[2*arc:], owner)
	return base64.StdEncoding.EncodeToString(b)
}

func TestDecodeTakesWhatEncodeMade(t *testing.T) {
	check.Value(sharding.Decode(change(t, func(map[string]any) {})))(t)
}

// F28: the name is in a document of version 2, which programs before it refuse. They
// would make the next ring without it. Changes keep it.
func TestF28TheNameIsInTheDocument(t *testing.T) {
	plain := newRing(t, member("a", 1), member("b", 1))
	check.Equal(t, plain.Name(), "footfall", "the name of a ring that was given none")
	r := must(t)(plain.Named("staging"))
	r = must(t)(r.Add(sharding.Change{ID: "add", From: 5}, member("c", 1)))
	again := check.Value(sharding.Decode(r.Encode()))(t)
	check.Equal(t, again.Name(), "staging", "the name that is read back")
	check.Equal(t, again.WindowID(0), "staging_19700101T000000Z", "the id of a window")
	check.Equal(t, bytes.HasPrefix(r.Encode(), []byte(`{"version":2,`)), true, "the document is of version 2")
	for w := range counting.Window(100) { // earlier programs look for entries there
		check.Equal(t, must(t)(plain.Named("staging")).HomeIndex(w), plain.HomeIndex(w), "the home of window %d", w)
	}
	if _, err := plain.Named("Staging"); !errors.Is(err, sharding.ErrBadChange) {
		t.Errorf("error %v", err)
	}
}

// X8: that moves go on is in a document of version 3, which programs before it refuse. They
// would read pages that move at their destination alone. The next change ends it.
func TestX8ThatMovesGoOnIsInTheDocument(t *testing.T) {
	r := must(t)(newRing(t, member("a", 1), member("b", 1), member("c", 1)).Add(sharding.Change{ID: "add", From: 5}, member("d", 1)))
	lost := must(t)(r.Abandon(sharding.Change{ID: "lost", From: 9, Moving: true}, "a"))
	again := check.Value(sharding.Decode(lost.Encode()))(t)
	check.Equal(t, bytes.HasPrefix(lost.Encode(), []byte(`{"version":3,`)), true, "the document is of version 3")
	if n := len(again.Moves()); n == 0 || !slices.Equal(again.Moves(), lost.Moves()) {
		t.Errorf("%d moves are read, want %d", n, len(lost.Moves()))
	}
	next := must(t)(again.Add(sharding.Change{ID: "next", From: 19, Oldest: 1}, member("e", 1)))
	check.Equal(t, bytes.HasPrefix(next.Encode(), []byte(`{"version":1,`)), true, "the document after it is of version 1")
}

// P3: an address that has changed is in a document of version 4, which programs before it
// refuse. They would use the old address when a server is there again. Later changes keep it.
func TestAnAddressThatHasChangedIsInTheDocument(t *testing.T) {
	first := newRing(t, member("a", 1), member("b", 1))
	moved := must(t)(first.MoveAddress(sharding.Change{ID: "move"}, "a", "a:7000"))
	next := must(t)(moved.Add(sharding.Change{ID: "add", From: 5}, member("c", 1)))
	lost := must(t)(next.Abandon(sharding.Change{ID: "lost", From: 9, Moving: true}, "b"))
	for _, r := range []*sharding.Ring{moved, next, lost, must(t)(moved.Named("staging"))} {
		again := check.Value(sharding.Decode(r.Encode()))(t)
		check.Equal(t, bytes.HasPrefix(r.Encode(), []byte(`{"version":4,`)), true, "the document is of version 4")
		check.Equal(t, again.Members()[0], sharding.Member{ID: "a", Addr: "a:7000", Weight: 1, State: sharding.Active, Moved: 2}, "the member")
		check.Equal(t, again.Name(), r.Name(), "the name")
	}
	gone := must(t)(moved.Abandon(sharding.Change{ID: "gone", From: 9}, "b"))
	gone = must(t)(gone.Add(sharding.Change{ID: "add", From: 19, Oldest: 15}, member("c", 1)))
	gone = must(t)(gone.Remove(sharding.Change{ID: "remove", From: 29, Oldest: 25}, "a"))
	gone = must(t)(gone.Reweight(sharding.Change{ID: "weight", From: 39, Oldest: 35}, "c", 2))
	gone = must(t)(gone.Reweight(sharding.Change{ID: "weight 2", From: 49, Oldest: 45}, "c", 1))
	check.Equal(t, bytes.HasPrefix(gone.Encode(), []byte(`{"version":1,`)), true, "the document without the member is of version 1")
}

func TestDecodeRefusesWhatIsNoRing(t *testing.T) {
	for name, replace := range map[string]func(doc map[string]any){
		"another version":          func(d map[string]any) { d["version"] = 2 },
		"a name in version 1":      func(d map[string]any) { d["name"] = "staging" },
		"the default name":         func(d map[string]any) { d["version"], d["name"] = 2, "footfall" },
		"a name of no deployment":  func(d map[string]any) { d["version"], d["name"] = 2, "a_b" },
		"version 3 without need":   func(d map[string]any) { d["version"], d["name"] = 3, "staging" },
		"moves in version 1":       func(d map[string]any) { tableOf(d, 0)["continues"] = true },
		"version 4 without need":   func(d map[string]any) { d["version"], tableOf(d, 0)["continues"] = 4, true },
		"an address in version 1":  func(d map[string]any) { memberOf(d, 0)["moved"] = 2 },
		"an address in version 3":  func(d map[string]any) { d["version"], tableOf(d, 0)["continues"], memberOf(d, 0)["moved"] = 3, true, 2 },
		"an address to come":       func(d map[string]any) { d["version"], memberOf(d, 0)["moved"] = 4, 3 },
		"an address of no epoch":   func(d map[string]any) { d["version"], memberOf(d, 0)["moved"] = 4, -1 },
		"an address before it was": func(d map[string]any) { d["version"], memberOf(d, 0)["moved"], memberOf(d, 0)["since"] = 4, 2, 2 },
		"version 5":                func(d map[string]any) { d["version"], memberOf(d, 0)["moved"] = 5, 2 },
		"no version":               func(d map[string]any) { delete(d, "version") },
		"no window length":         func(d map[string]any) { delete(d, "window_ns") },
		"odd window length":        func(d map[string]any) { d["window_ns"] = 1_500_000_000 },
		"negative length":          func(d map[string]any) { d["window_ns"] = int64(-time.Minute) },
		"epoch 0":                  func(d map[string]any) { d["epoch"] = 0 },
		"epoch before a table":     func(d map[string]any) { d["epoch"] = 1 },
		"a member to come":         func(d map[string]any) { memberOf(d, 0)["since"] = 3 },
		"it follows itself":        func(d map[string]any) { d["follows"] = 2 },
		"it follows nothing":       func(d map[string]any) { d["follows"] = -1 },
		"seed is no number":        func(d map[string]any) { d["seed"] = "x" },
		"no members":               func(d map[string]any) { d["members"] = []any{} },
		"members out of order":     func(d map[string]any) { m := d["members"].([]any); m[0], m[2] = m[2], m[0] },
		"a member twice":           func(d map[string]any) { memberOf(d, 1)["id"] = "a" },
		"an address twice":         func(d map[string]any) { memberOf(d, 1)["addr"] = "a:6379" },
		"a member without id":      func(d map[string]any) { memberOf(d, 0)["id"] = "" },
		"a member without addr":    func(d map[string]any) { delete(memberOf(d, 0), "addr") },
		"a weight of 0":            func(d map[string]any) { memberOf(d, 0)["weight"] = 0 },
		"a weight too high":        func(d map[string]any) { memberOf(d, 0)["weight"] = sharding.MaxWeight + 1 },
		"a leaver with weight":     func(d map[string]any) { memberOf(d, 1)["weight"] = 1 },
		"a leaver with arcs":       func(d map[string]any) { memberOf(d, 0)["state"], memberOf(d, 0)["weight"] = "leaving", 0 },
		"a state of no name":       func(d map[string]any) { memberOf(d, 0)["state"] = "gone" },
		"no tables":                func(d map[string]any) { d["tables"] = []any{} },
		"tables out of order":      func(d map[string]any) { m := d["tables"].([]any); m[0], m[1] = m[1], m[0] },
		"a table twice":            func(d map[string]any) { tableOf(d, 1)["epoch"] = 2 },
		"a table of epoch 0":       func(d map[string]any) { tableOf(d, 1)["epoch"] = 0 },
		"an empty table":           func(d map[string]any) { tableOf(d, 0)["owners"] = "" },
		"a table cut short":        func(d map[string]any) { o := tableOf(d, 1); o["owners"] = o["owners"].(string)[4:] },
		"a table too long":         func(d map[string]any) { o := tableOf(d, 1); o["owners"] = "AAAA" + o["owners"].(string) },
		"not in base64":            func(d map[string]any) { o := tableOf(d, 1); o["owners"] = "!" + o["owners"].(string)[1:] },
		"an arc without owner":     func(d map[string]any) { o := tableOf(d, 0); o["owners"] = withOwner(o, 0, 3) },
		"an old arc without owner": func(d map[string]any) { o := tableOf(d, 1); o["owners"] = withOwner(o, sharding.Arcs-1, 0xffff) },
		"an arc of a leaver":       func(d map[string]any) { o := tableOf(d, 0); o["owners"] = withOwner(o, 77, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			if r, err := sharding.Decode(change(t, replace)); !errors.Is(err, sharding.ErrBadDocument) || r != nil {
				t.Errorf("got (%v, %v), want ErrBadDocument", r, err)
			}
		})
	}
	for _, text := range []string{"", "null", "{}", "[]", "{", `{"version":1}`, string(twoTables(t)) + "x"} {
		if r, err := sharding.Decode([]byte(text)); !errors.Is(err, sharding.ErrBadDocument) || r != nil {
			t.Errorf("%.20q: got (%v, %v), want ErrBadDocument", text, r, err)
		}
	}
}

// A whole table is too long to be mutated byte by byte, so "*" in the text
// stands for one in which the owners are repeated until it is full.
func FuzzDecode(f *testing.F) {
	const one = `{"version":1,"deployment":"d","seed":"7","window_ns":60000000000,"epoch":1,"change":"c",` +
		`"members":[{"id":"a","addr":"x","weight":1,"state":"active"}],"tables":[{"epoch":1,"from":-9223372036854775808,"owners":"*"}]}`
	const two = `{"version":1,"deployment":"d","seed":"7","window_ns":1000000000,"epoch":9,"change":"c","members":[` +
		`{"id":"a","addr":"x","weight":1,"state":"active"},{"id":"b","addr":"y","weight":0,"state":"leaving"}],` +
		`"tables":[{"epoch":9,"from":5,"owners":"AAAA*"},{"epoch":3,"from":-1,"owners":"*"}]}`
	f.Add([]byte(one), []byte{0, 0})
	f.Add([]byte(one), []byte{0, 0, 0, 0, 1, 0})
	f.Add([]byte(two), []byte{0, 0})
	f.Add([]byte(strings.Replace(two, "AAAA*", "*", 1)), []byte{0, 0})
	f.Add([]byte(`{"version":1,"epoch":1,"window_ns":60000000000,"seed":"1","members":[],"tables":[{}]}`), []byte{})
	f.Fuzz(func(t *testing.T, text, owners []byte) {
		table := bytes.Repeat(slices.Concat(owners, []byte{0, 0}), 2*sharding.Arcs/(len(owners)+2)+1)[:2*sharding.Arcs]
		doc := bytes.ReplaceAll(text, []byte("*"), []byte(base64.StdEncoding.EncodeToString(table)))
		r, err := sharding.Decode(doc)
		if err != nil {
			if r != nil || !errors.Is(err, sharding.ErrBadDocument) {
				t.Fatalf("got (%v, %v)", r, err)
			}
			return
		}
		again, err := sharding.Decode(r.Encode())
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("what was decoded can't be encoded: %v", err)
		}
		for i := range 100 {
			check.Must(t, lookUp(r, i))
		}
		next, err := r.Add(sharding.Change{ID: "add", From: 7, Oldest: 3}, member("joining", 1))
		if err != nil && !errors.Is(err, sharding.ErrBadChange) {
			t.Fatal(err)
		}
		if err == nil && len(next.Moves()) != counts(next)[next.Index("joining")] {
			t.Fatalf("%d arcs move to a joining node that has %d", len(next.Moves()), counts(next)[next.Index("joining")])
		}
	})
}
