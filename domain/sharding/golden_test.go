package sharding_test

import (
	"crypto/sha256"
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

// The vectors were made with the reference implementation of XXH3. A change
// that fails here would lose every count that is stored: it needs a new hash
// beside the old one, not new vectors.
func TestTheHashIsFrozen(t *testing.T) {
	text := check.Value(os.ReadFile("testdata/hash.golden"))(t)
	members := equalMembers(500) // so many that an owner says nearly which arc it was
	seen := make(map[string]int)
	rings := make(map[string]*sharding.Ring)
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 4)
		kind, seed, value := f[0], f[1], f[3]
		arc, err := strconv.ParseUint(f[2], 10, 14)
		check.Must(t, err, "%q", line)
		if rings[seed] == nil {
			rings[seed] = seeded(t, seed, members)
		}
		r, want := rings[seed], counting.Arc(arc)
		seen[kind]++
		switch kind {
		case "page":
			name, err := strconv.Unquote(value)
			check.Must(t, err, "%q", line)
			check.Equal(t, r.Arc(counting.Page(name)), want, "the arc of page %[2]s with seed %[1]s", seed, value)
		case "id":
			if got, _ := r.IDOwner(counting.ID(number(t, value)), 0); got != r.Owner(want) {
				t.Errorf("seed %s: id %s belongs to member %d, want that of arc %d, %d", seed, value, got, want, r.Owner(want))
			}
		case "home":
			if got := r.HomeIndex(counting.Window(number(t, value))); got != r.Owner(want) {
				t.Errorf("seed %s: the home of window %s is member %d, want that of arc %d, %d", seed, value, got, want, r.Owner(want))
			}
		}
	}
	if seen["page"] < 200 || seen["id"] < 50 || seen["home"] < 20 {
		t.Errorf("vectors: %v", seen)
	}
}

func seeded(t *testing.T, seed string, members []sharding.Member) *sharding.Ring {
	n := check.Value(strconv.ParseUint(seed, 10, 64))(t)
	return must(t)(sharding.New("d1", n, minute, "first", members))
}

func number(t *testing.T, s string) int64 {
	return check.Value(strconv.ParseInt(s, 10, 64))(t)
}

// Instances of two releases that start at once must make the same first ring,
// and read each other's documents: the tables, which are long, are frozen by
// their sums.
func TestTheDocumentIsFrozen(t *testing.T) {
	r := must(t)(sharding.New("d1", math.MaxUint64, minute, "first", []sharding.Member{
		member("redis_7070", 1), member("redis_7071", 2), member("redis_7072", 3),
	}))
	r = must(t)(r.Add(sharding.Change{ID: "second", From: 29924767, Oldest: 29924765}, member("redis_7069", 4)))
	r = must(t)(r.Reweight(sharding.Change{ID: "third", From: 29924770, Oldest: 29924766}, "redis_7071", 1))
	r = must(t)(r.Remove(sharding.Change{ID: "fourth", From: 29924790, Oldest: 29924789}, "redis_7072"))
	owners := regexp.MustCompile(`"owners":"[^"]*"`)
	got := owners.ReplaceAllFunc(r.Encode(), func(b []byte) []byte { return fmt.Appendf(nil, `"owners":"sha256 %x"`, sha256.Sum256(b)) })
	want := check.Value(os.ReadFile("testdata/document.golden"))(t)
	if string(got)+"\n" != string(want) {
		t.Errorf("the document is\n%s\nwant\n%s", got, want)
	}
}
