package redisnode

import (
	"slices"
	"strings"
	"testing"
)

// The tags are stored: other ones find no counts.
func TestTagsOfPartitionsStayTheSame(t *testing.T) {
	t.Parallel()
	if got := strings.Join(tags(4), " "); got != "13280 1296 2821 16248" {
		t.Errorf("the tags are %s", got)
	}
	for n := 1; n <= maxPartitions; n *= 2 {
		all := tags(n)
		if all[0] != tags(1)[0] {
			t.Errorf("the first of %d is %s", n, all[0])
		}
		for p, tag := range all {
			if share := slots / n; slotOf(tag)/share != p || slices.Index(all, tag) != p {
				t.Errorf("tag %s of partition %d of %d is in slot %d", tag, p, n, slotOf(tag))
			}
		}
	}
	// The specification's own example.
	if slotOf("123456789") != 0x31C3 {
		t.Errorf("slot %x", slotOf("123456789"))
	}
}
