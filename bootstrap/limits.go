package bootstrap

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"footfall/adapters/httpapi/counter"
	"footfall/adapters/httpapi/limits"
	"footfall/adapters/httpapi/request"
)

// limitSettings are the bounds of what callers may take.
func (s *Settings) limitSettings() []setting {
	return []setting{
		{"client-share", "25", "Percent that one client may take of each total at an instance, 1 to 100: FOOTFALL_CONNECTION_LIMIT (64 at least; trusted proxies have no share), FOOTFALL_BYTES_LIMIT, FOOTFALL_REQUEST_LIMIT, FOOTFALL_BULK_LIMIT (64 at least), FOOTFALL_STREAM_LIMIT (16 at least), FOOTFALL_WATCH_LIMIT (50 at least), the requests and the prefixes of top and total, FOOTFALL_KEY_LIMIT of all nodes, and FOOTFALL_CALLBACK_LIMIT, of which one host has as much; 100 is no bound.", into(&s.ClientShare, parseShare)},
		{"count-limit", "1000", "Largest count of an item of POST /visits, from 1; those of a request are at most ten times that together, or 2000 if that is more. The admin listener sets larger ones.", into(&s.CountLimit, parseCountLimit)},
		{"connection-limit", "10000", "Connections of the public and the ingest listener together, at most as many as the files of the process leave; beyond them, and beyond the share of a client, idle ones are closed or new ones refused; 0 is what the files leave.", into(&s.ConnectionLimit, numberTo(1_000_000))},
		{"bytes-limit", "64MiB", "Bytes of requests that an instance holds at a time, beyond 4 KiB of each header and of each body: 4MiB or more, as 64MiB or 1GiB; more are refused as with FOOTFALL_REQUEST_LIMIT.", into(&s.BytesLimit, parseSize(leastBytes))},
		{"request-limit", "4096", "Requests that an instance serves at a time, but for events and health; more are refused with 503, and those of one client beyond its share with 429; 0 is no bound.", into(&s.RequestLimit, numberTo(1_000_000))},
		{"bulk-limit", "128", "Requests of POST /visits that an instance serves at a time, as with FOOTFALL_REQUEST_LIMIT; 0 is no bound.", into(&s.BulkLimit, numberTo(1_000_000))},
		{"stream-limit", "5000", "Streams of GET /events that an instance has at a time, at most half of its connections; refusals as with FOOTFALL_REQUEST_LIMIT; 0 is half of the connections.", into(&s.StreamLimit, numberTo(1_000_000))},
		{"watch-limit", "20000", "Pages that all streams of an instance watch, each counted for every stream; refusals as with FOOTFALL_REQUEST_LIMIT; 0 is no bound.", into(&s.WatchLimit, numberTo(1_000_000))},
	}
}

// largestRequest is more than the bytes of any request, and leastBytes has room for two.
const (
	largestRequest = request.MaxBytes + 64<<10
	leastBytes     = 4 << 20
)

// parseSize accepts a number of bytes with a unit, such as 64MiB, from a least one.
func parseSize(least int64) func(string) (int64, error) {
	return func(text string) (int64, error) {
		number, shift := text, 0
		for unit, by := range map[string]int{"KiB": 10, "MiB": 20, "GiB": 30} {
			if rest, ok := strings.CutSuffix(text, unit); ok {
				number, shift = rest, by
			}
		}
		n, err := strconv.ParseInt(number, 10, 32)
		if err != nil || n<<shift < least {
			return 0, fmt.Errorf("want a size of at least %d MiB, such as 64MiB or 1GiB", least>>20)
		}
		return n << shift, nil
	}
}

func parseShare(text string) (int, error) {
	n, err := numberTo(100)(text)
	if err != nil || n == 0 {
		return 0, errors.New("want a number from 1 to 100")
	}
	return n, nil
}

func parseCountLimit(text string) (int, error) {
	n, err := numberTo(1_000_000_000)(text)
	if err != nil || n == 0 {
		return 0, errors.New("want a number from 1 to 1000000000")
	}
	return n, nil
}

// pageStats is how many requests of top and total an instance serves at a time: each may
// wait for some seconds.
const pageStats = 256

// streamPause is how long a client that has no stream is to wait, in seconds.
const streamPause = 10

// pool bounds a resource of which callers hold some at a time. refused notes what is refused.
func (s *Settings) pool(resource string, total, least int, refused *limits.Refusals) *limits.Pool {
	share := s.shareOf(total)
	if share > 0 {
		share = max(share, least)
	}
	return &limits.Pool{Resource: resource, Total: int64(total), Share: int64(share), Refused: refused}
}

// bounds are those that the public and the ingest listener have together.
func (s *Settings) bounds(refused *limits.Refusals) counter.Bounds {
	return counter.Bounds{
		Requests: s.pool("requests", s.RequestLimit, 1, refused), Bulks: s.pool("bulks", s.BulkLimit, leastBulks, refused),
		Bytes: s.pool("bytes", int(s.BytesLimit), largestRequest, refused),
	}
}

// streams bounds those of the public listener, which has a number of connections; 0 is any.
// Streams have half of these.
func (s *Settings) streams(connections int, refused *limits.Refusals) (streams, pages *limits.Pool) {
	streams = s.pool("streams", least(s.StreamLimit, connections/2), leastStreams, refused)
	pages = s.pool("watched_pages", s.WatchLimit, request.MaxWatchedPages, refused)
	streams.RetryAfter, pages.RetryAfter = streamPause, streamPause
	return streams, pages
}

// least is the lower of two bounds, of which 0 is none.
func least(a, b int) int {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// The least shares of a client: a browser or a pool of connections has as many. Where a
// total is not larger, all clients are bounded together.
const (
	leastConnections = 64
	leastBulks       = 64 // an importer sends as many at a time
	leastStreams     = 16
)

// connectionShare is how many of the connections one client may have, 0 for no bound.
func (s *Settings) connectionShare(connections int) int {
	if share := s.shareOf(connections); share > 0 {
		return max(share, leastConnections)
	}
	return 0
}

// shareOf is how much of a total one client may have, 0 for no bound.
func (s *Settings) shareOf(total int) int {
	if s.ClientShare == 100 || total == 0 {
		return 0
	}
	return max(1, total*s.ClientShare/100)
}
