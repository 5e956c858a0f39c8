package counting

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"
)

// MaxTop is how many of the most visited pages a PageStats has at most.
const MaxTop = 1000

// MaxPrefixes is how many prefixes are followed at a time, but for the empty one.
const MaxPrefixes = 32

// Errors of numbers over all pages. None of them changed anything.
var (
	// ErrScanning: the pages are being read, and the numbers are not known yet.
	ErrScanning = errors.New("the pages are being read")
	// ErrPrefixes: other prefixes are followed, as many as may be.
	ErrPrefixes = errors.New("too many prefixes are followed")
	// ErrPrefixShare: the client has as many prefixes followed as one client may.
	ErrPrefixShare = errors.New("the client has too many prefixes followed")
	// ErrSumOverflow: the sum of the pages exceeds 2^63-1.
	ErrSumOverflow = errors.New("the sum of the visits would pass 2^63-1")
)

// PageQuery says which pages are ranked and summed up, and by which visits.
type PageQuery struct {
	// Prefix is how their names begin.
	Prefix string
	// Period is the time, up to now, whose visits count; 0 for all visits. Pages without a visit in it
	// are left out.
	Period time.Duration
}

// PageStats are the numbers of all stored pages whose names begin with a prefix.
type PageStats struct {
	// AsOf is the beginning of the scan: every visit that was acknowledged before it is
	// in the numbers, and some later ones may be.
	AsOf time.Time
	// Since is when the youngest history of the nodes begins, if that is within the period: earlier visits are not
	// known. Otherwise it is zero.
	Since time.Time
	// Pages is the number of pages, Visits their sum. Overflows: the sum exceeds 2^63-1,
	// and Visits is not valid.
	Pages, Visits int64
	Overflows     bool
	// Top are the pages with the most visits, these first, at most MaxTop. Pages with as
	// many visits are ordered by the bytes of their names. It must not be changed.
	Top []Visit
}

// PageSummary makes a PageStats of the pages that are added to it.
type PageSummary struct {
	prefix string
	stats  PageStats
	// top has the best pages so far, and at most as many others. The first sorted are in
	// their order.
	top    []Visit
	sorted int
	// corrupt is the first page that is no count, corrupted their number.
	corrupt   Page
	corrupted int
}

// NewPageSummary makes an empty summary of the pages whose names begin with prefix.
func NewPageSummary(prefix string) *PageSummary { return &PageSummary{prefix: prefix} }

// Add adds a page with its count, which is -1 if it is Corrupt. The caller adds each page
// once. Pages with other names are ignored.
func (s *PageSummary) Add(v Visit) {
	if !strings.HasPrefix(string(v.Page), s.prefix) {
		return
	}
	if v.Count < 0 {
		if s.corrupted++; s.corrupted == 1 {
			s.corrupt = v.Page
		}
		return
	}
	s.stats.Pages++
	if sum, ok := AddChecked(s.stats.Visits, v.Count); ok {
		s.stats.Visits = sum
	} else {
		s.stats.Overflows = true
	}
	if s.sorted == MaxTop && byVisits(s.top[MaxTop-1], v) < 0 {
		return
	}
	if s.top = append(s.top, v); len(s.top) == 2*MaxTop {
		s.sortTop()
	}
}

// Stats are the numbers of what was added. The error is Corrupt if one of the pages was: a
// number without it would be wrong.
func (s *PageSummary) Stats(asOf time.Time) (PageStats, error) {
	if s.corrupted > 0 {
		return PageStats{}, Corrupt
	}
	s.sortTop()
	stats := s.stats
	stats.AsOf, stats.Top = asOf, slices.Clone(s.top)
	return stats, nil
}

// Corrupted is the number of pages that are Corrupt, and the first of them.
func (s *PageSummary) Corrupted() (number int, first Page) { return s.corrupted, s.corrupt }

func (s *PageSummary) sortTop() {
	slices.SortFunc(s.top, byVisits)
	s.sorted = min(len(s.top), MaxTop)
	clear(s.top[s.sorted:])
	s.top = s.top[:s.sorted]
}

// byVisits orders pages by their visits, most first, and then by name.
func byVisits(a, b Visit) int {
	return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(string(a.Page), string(b.Page)))
}
