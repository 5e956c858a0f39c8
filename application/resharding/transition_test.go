package resharding_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"footfall/application/resharding"
	"footfall/domain/counting"
	"footfall/test/check"
)

// diagrams are the edges of the state diagrams of the design, by state; "" is the
// begin and the end.
func diagrams(t *testing.T) (all []map[string][]string) {
	t.Helper()
	text := check.Value(os.ReadFile("../../docs/design/ring.md"))(t)
	blocks := strings.Split(string(text), "```mermaid\nstateDiagram-v2\n")
	for _, b := range blocks[1:] {
		b, _, _ = strings.Cut(b, "```")
		edges := make(map[string][]string)
		for _, m := range regexp.MustCompile(`(\S+) --> (\w+|\[\*\])`).FindAllStringSubmatch(b, -1) {
			from, to := strings.Trim(m[1], "[*]"), strings.Trim(m[2], "[*]")
			edges[from] = append(edges[from], to)
			slices.Sort(edges[from])
			edges[from] = slices.Compact(edges[from])
		}
		all = append(all, edges)
	}
	return all
}

func TestThePhasesAreThoseOfTheDiagram(t *testing.T) {
	drawn := diagrams(t)[0]
	begin := drawn[""]
	delete(drawn, "")
	if !slices.Equal(begin, []string{string(resharding.Surveying)}) {
		t.Errorf("the diagram begins with %v", begin)
	}
	edges := resharding.Edges()
	for from, to := range edges {
		var want []string
		for _, p := range to {
			want = append(want, string(p))
		}
		if got := drawn[string(from)]; !slices.Equal(got, want) {
			t.Errorf("%s leads to %v in the diagram, to %v in the code", from, got, want)
		}
		delete(drawn, string(from))
	}
	final := []string{string(resharding.Opened), string(resharding.Refused), string(resharding.RolledBack), string(resharding.Undecided)}
	if got := slices.Sorted(maps.Keys(drawn)); !slices.Equal(got, slices.Sorted(slices.Values(final))) {
		t.Errorf("the final phases are %v in the diagram, %v in the code", got, final)
	}
}

func TestTheStagesOfAnArcAreThoseOfTheDiagram(t *testing.T) {
	drawn := diagrams(t)[1]
	names := map[counting.Stage]string{counting.Live: "Live", counting.Frozen: "Frozen", counting.Released: "Released"}
	for from, to := range map[counting.Stage]counting.Stage{counting.Live: counting.Frozen, counting.Frozen: counting.Released} {
		if !slices.Contains(drawn[names[from]], names[to]) {
			t.Errorf("%s does not lead to %s: %v", names[from], names[to], drawn)
		}
	}
	states := []string{"Incoming", "Live", "Frozen", "Released", "Quarantined", "Orphan"}
	for from, to := range drawn {
		for _, s := range append(to, from) {
			if s != "" && !slices.Contains(states, s) {
				t.Errorf("%s is no state of an arc", s)
			}
		}
	}
}
