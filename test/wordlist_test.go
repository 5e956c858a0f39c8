package test_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// wordList is what wordsFile says.
type wordList struct {
	phrases    []phrase
	exceptions []exception
}

// phrase is not used; term is used in its place.
type phrase struct {
	words      []string // lower case; one that ends with * is a beginning
	text, term string
}

// exception is a text that may stand in the files of a path.
type exception struct{ path, text string }

func parseWords(text string) (wordList, error) {
	var list wordList
	section := ""
	for i, line := range strings.Split(text, "\n") {
		separator, at := "", fmt.Sprintf("%s:%d", wordsFile, i+1)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			continue
		case line == "[words]" || line == "[exceptions]":
			section = line
			continue
		case section == "[words]":
			separator = " = "
		case section == "[exceptions]":
			separator = ": "
		}
		left, right, ok := strings.Cut(line, separator)
		if section == "" || !ok || left == "" || right == "" {
			return list, fmt.Errorf("%s: %q is neither a phrase nor an exception", at, line)
		}
		if section == "[words]" {
			list.phrases = append(list.phrases, phrase{strings.Fields(strings.ToLower(left)), left, right})
		} else {
			list.exceptions = append(list.exceptions, exception{left, right})
		}
	}
	return list, nil
}

// violations lists the phrases that a file uses, with their lines, and notes
// the exceptions that it needs.
func (l wordList) violations(name, text string, used map[exception]bool) (found []string) {
	for _, h := range l.find(name) {
		found = append(found, fmt.Sprintf("%s: file name: %q: use %q", name, h.text, h.term))
	}
	allowed := l.allowedIn(name, text)
	for _, h := range l.find(text) {
		if i := slices.IndexFunc(allowed, func(a span) bool { return a.start <= h.start && h.end <= a.end }); i >= 0 {
			used[allowed[i].by] = true
			continue
		}
		line := 1 + strings.Count(text[:h.start], "\n")
		found = append(found, fmt.Sprintf("%s:%d: %q: use %q", name, line, h.text, h.term))
	}
	return found
}

// span is a part of a text that an exception allows.
type span struct {
	start, end int
	by         exception
}

func (l wordList) allowedIn(name, text string) (spans []span) {
	for _, e := range l.exceptions {
		if !underAny([]string{e.path}, name) {
			continue
		}
		for at := 0; ; {
			i := strings.Index(text[at:], e.text)
			if i < 0 {
				break
			}
			spans = append(spans, span{at + i, at + i + len(e.text), e})
			at += i + len(e.text)
		}
	}
	return spans
}

// hit is a phrase that was found.
type hit struct {
	start, end int
	phrase
}

func (l wordList) find(text string) (hits []hit) {
	words := splitWords(text)
	byFirst := make(map[byte][]phrase)
	for _, p := range l.phrases {
		byFirst[p.words[0][0]] = append(byFirst[p.words[0][0]], p)
	}
	for i, w := range words {
		for _, p := range byFirst[w.text[0]] {
			if end, ok := p.matches(text, words[i:]); ok {
				hits = append(hits, hit{w.start, end, p})
			}
		}
	}
	return hits
}

// joint is what may stand between two words of one phrase: spaces, a line break
// with the sign of a comment or a quotation, and the joints of identifiers.
var joint = regexp.MustCompile(`^[\s/#>*_-]*$`)

func (p phrase) matches(text string, words []word) (end int, ok bool) {
	if len(words) < len(p.words) {
		return 0, false
	}
	for i, want := range p.words {
		got := words[i].text
		if stem, open := strings.CutSuffix(want, "*"); got != want && (!open || !strings.HasPrefix(got, stem)) {
			return 0, false
		}
		if i > 0 && !joint.MatchString(text[words[i-1].end:words[i].start]) {
			return 0, false
		}
		end = words[i].end
	}
	return end, true
}

// word is a word of a text, in lower case.
type word struct {
	text       string
	start, end int
}

// splitWords splits a text at all that is no letter, digit or apostrophe, and
// identifiers where the case changes: routeAll, HTTPServer.
func splitWords(text string) (words []word) {
	start := -1
	end := func(at int) {
		if start >= 0 {
			words = append(words, word{strings.ToLower(text[start:at]), start, at})
		}
		start = -1
	}
	runes := []rune(text)
	at := 0
	for i, r := range runes {
		inside := unicode.IsLetter(r) || unicode.IsDigit(r) || r == '\'' && start >= 0
		switch {
		case !inside:
			end(at)
		case start >= 0 && unicode.IsUpper(r) &&
			(!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])):
			end(at)
			start = at
		case start < 0:
			start = at
		}
		at += len(string(r))
	}
	end(at)
	return words
}
