package limits

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"footfall/adapters/httpapi/problem"
)

// Rate is how many requests a client may send: a burst of Requests, and as many
// again in every Per. A request with many items counts as so many. The zero value is no
// limit.
type Rate struct {
	Requests int
	Per      time.Duration
}

// ParseRate reads 100/s, 600/m or 10000/h; the empty text is no limit.
func ParseRate(text string) (Rate, error) {
	if text == "" {
		return Rate{}, nil
	}
	number, unit, _ := strings.Cut(text, "/")
	per := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[unit]
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > 1_000_000 || per == 0 {
		return Rate{}, errors.New("want a number from 1 to 1000000 for each s, m or h, such as 100/s")
	}
	return Rate{n, per}, nil
}

// maxClients bounds the memory for clients. Beyond it those are forgotten that
// have sent nothing for the longest time, and may send a whole burst again.
const maxClients = 65536

// Clients bounds the requests of each client. A nil one admits all. It is safe
// for concurrent use.
type Clients struct {
	rate     Rate
	identify Identify
	refused  *Refusals
	limiters *lru.Cache[netip.Prefix, *rate.Limiter]
	charging sync.Mutex // of two requests with many items, one sees the debt of the other
}

// NewClients returns nil for no limit. A client is an address, or the one for
// which the proxies have forwarded. refused notes requests that are refused; it may be nil.
func NewClients(r Rate, proxies []netip.Prefix, refused *Refusals) *Clients {
	if r.Requests == 0 {
		return nil
	}
	limiters, _ := lru.New[netip.Prefix, *rate.Limiter](maxClients) // only a size below 1 is an error
	return &Clients{rate: r, identify: Identify{proxies}, refused: refused, limiters: limiters}
}

// Check counts a request that came from an address, with or without a port,
// and with values of X-Forwarded-For. Its error is the fault rate_limited.
func (c *Clients) Check(addr string, forwarded []string) error {
	client, now := c.identify.Of(addr, forwarded), time.Now()
	reservation := c.of(client).ReserveN(now, 1)
	wait := reservation.DelayFrom(now)
	if wait == 0 {
		return nil
	}
	reservation.CancelAt(now)
	return c.refuse(client, wait)
}

func (c *Clients) refuse(client netip.Prefix, wait time.Duration) error {
	c.refused.Note("rate", BoundClient, client)
	return problem.RateLimited(wait)
}

// Wait is the fault rate_limited while the client at an address may send nothing. It
// counts nothing.
func (c *Clients) Wait(addr string) error {
	client := c.of(c.identify.Of(addr, nil))
	if tokens := client.TokensAt(time.Now()); tokens < 1 {
		return problem.RateLimited(untilOne(client, tokens))
	}
	return nil
}

// untilOne is the time until a client with fewer tokens has one.
func untilOne(client *rate.Limiter, tokens float64) time.Duration {
	return time.Duration((1 - tokens) / float64(client.Limit()) * float64(time.Second))
}

// CheckItems counts the items of a request, beyond the one that Check has counted. A
// client without debt may send any number of them, also more than a burst. They put it
// into debt, and its next requests are refused until that is paid. The error is as with
// Check; nothing is counted then.
func (c *Clients) CheckItems(addr string, forwarded []string, items int) error {
	if c == nil || items <= 1 {
		return nil
	}
	from, now := c.identify.Of(addr, forwarded), time.Now()
	client := c.of(from)
	c.charging.Lock()
	defer c.charging.Unlock()
	if tokens := client.TokensAt(now); tokens < 0 {
		return c.refuse(from, untilOne(client, tokens))
	}
	for left := items - 1; left > 0; left -= client.Burst() {
		client.ReserveN(now, min(left, client.Burst())) // one that exceeds the burst is not reserved
	}
	return nil
}

// of is the limiter of one client.
func (c *Clients) of(client netip.Prefix) *rate.Limiter {
	if known, ok := c.limiters.Get(client); ok {
		return known
	}
	fresh := rate.NewLimiter(rate.Limit(float64(c.rate.Requests)/c.rate.Per.Seconds()), c.rate.Requests)
	if known, ok, _ := c.limiters.PeekOrAdd(client, fresh); ok { // by a request at the same time
		return known
	}
	return fresh
}
