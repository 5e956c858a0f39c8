package test_test

import (
	"slices"
	"strings"
	"testing"
)

// N15: what users look for first is named in the README's list of pages, and the link leads
// to a heading or a page about it.
func TestN15WhatUsersLookForIsInTheListOfPages(t *testing.T) {
	t.Parallel()
	pages := docPages(t)
	_, list, found := strings.Cut(pages["README.md"], "\n## Documentation\n")
	if !found {
		t.Fatal("the README has no list of pages")
	}
	for subject, want := range map[string]string{
		"[backup](": "docs/operations/backup.md#backup-and-restore", "[restore](": "docs/operations/backup.md#what-a-restore-means",
		"[history](": "docs/history.md#history", "[today](": "docs/today-and-top.md#today", "[top](": "docs/today-and-top.md#top",
		"[counting a web page](": "docs/web-pages.md#counting-a-web-page", "JavaScript": "",
	} {
		_, rest, found := strings.Cut(list, subject)
		if !found {
			t.Errorf("the list of pages has no %s", subject)
			continue
		}
		target, _, _ := strings.Cut(rest, ")")
		page, heading, _ := strings.Cut(want, "#")
		if want != "" && (target != page && target != want || !slices.Contains(anchors(pages[page]), heading)) {
			t.Errorf("%s leads to %s, want the heading %s", subject, target, want)
		}
	}
	for page, text := range map[string]string{
		"docs/operations/backup.md": "## Backup of the embedded store, ## Restore of the embedded store, ## Backup of Redis, ## Restore of Redis",
	} {
		for part := range strings.SplitSeq(text, ", ") {
			if !strings.Contains(pages[page], part) {
				t.Errorf("%s does not say %q", page, part)
			}
		}
	}
}
