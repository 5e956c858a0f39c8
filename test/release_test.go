package test_test

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// N15: who reads the pages of an archive of a release can follow each of their links.
func TestN15PagesOfAReleaseLinkToWhatItHas(t *testing.T) {
	t.Parallel()
	list := namesIn(read(t, "scripts/release"), `(?m)^packed=\((.*)\)$`)
	if len(list) != 1 {
		t.Fatal("scripts/release has no list of files")
	}
	packed := strings.Fields(list[0])
	has := func(name string) bool {
		return underAny(packed, name) || slices.ContainsFunc(packed, func(dir string) bool { return strings.HasPrefix(name, dir+"/") })
	}
	pages := 0
	eachFile(t, func(name, text string) {
		if path.Ext(name) != ".md" || !has(name) {
			return
		}
		pages++
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
			file, _, _ := strings.Cut(m[1], "#")
			if file == "" || strings.Contains(m[1], "://") {
				continue
			}
			if target := path.Join(path.Dir(name), file); !has(target) {
				t.Errorf("%s links to %s, which is not in an archive of a release", name, target)
			}
		}
	})
	if pages < 20 {
		t.Errorf("an archive has %d pages", pages)
	}
}
