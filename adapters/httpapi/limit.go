package httpapi

import (
	"errors"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Rate is how many requests a client may send: Requests at once, and as many
// again in every Per. The zero value is no limit.
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

// maxClients bounds the memory for clients: beyond it those are forgotten that
// were not seen for the longest time, which gives them their requests back.
const maxClients = 65536

// limiter bounds the requests of each client. A nil one lets all pass.
type limiter struct {
	rate    Rate
	proxies []netip.Prefix

	mu sync.Mutex
	// clients were seen since the last turn, before in the turn before it;
	// when clients is full, before is dropped and clients takes its place.
	clients, before map[netip.Prefix]*rate.Limiter
}

func newLimiter(r Rate, proxies []netip.Prefix) *limiter {
	if r.Requests == 0 {
		return nil
	}
	return &limiter{rate: r, proxies: proxies, clients: map[netip.Prefix]*rate.Limiter{}}
}

// check is a fault when the client of the request has sent too many.
func (l *limiter) check(r *http.Request) error {
	if l == nil {
		return nil
	}
	now := time.Now()
	reservation := l.of(clientOf(r, l.proxies)).ReserveN(now, 1)
	wait := reservation.DelayFrom(now)
	if wait == 0 {
		return nil
	}
	reservation.CancelAt(now)
	return fault{
		status: http.StatusTooManyRequests, code: "rate_limited",
		detail:     "This client sends too many requests; this one changed nothing.",
		retryAfter: int(math.Ceil(wait.Seconds())),
	}
}

// of is the limiter of one client.
func (l *limiter) of(client netip.Prefix) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.clients[client]
	if one != nil {
		return one
	}
	if one = l.before[client]; one == nil {
		one = rate.NewLimiter(rate.Limit(float64(l.rate.Requests)/l.rate.Per.Seconds()), l.rate.Requests)
	}
	if len(l.clients) >= maxClients/2 {
		l.before, l.clients = l.clients, map[netip.Prefix]*rate.Limiter{}
	}
	l.clients[client] = one
	return one
}

// ParseProxies reads addresses and CIDRs, comma separated.
func ParseProxies(text string) ([]netip.Prefix, error) {
	var proxies []netip.Prefix
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if text == "" {
			break
		}
		p, err := netip.ParsePrefix(part)
		if err != nil {
			var addr netip.Addr
			if addr, err = netip.ParseAddr(part); err == nil {
				p = netip.PrefixFrom(addr, addr.BitLen())
			}
		}
		if err != nil {
			return nil, errors.New("want CIDRs or addresses, comma separated")
		}
		proxies = append(proxies, p.Masked())
	}
	return proxies, nil
}

// clientOf is who sent a request: the address that the connection comes from,
// or the one for which trusted proxies have forwarded it. Of IPv6 it is the
// network of 64 bits, which is what one customer has at the least. Whatever
// can't be read is one client together.
func clientOf(r *http.Request, proxies []netip.Prefix) netip.Prefix {
	client := hostOf(r.RemoteAddr)
	forwarded := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	// Each proxy adds the address that it sees at the end; what stands before
	// the last one that isn't a proxy of ours can be made up.
	for i := len(forwarded) - 1; i >= 0 && trusted(client, proxies); i-- {
		before := hostOf(strings.TrimSpace(forwarded[i]))
		if !before.IsValid() {
			break
		}
		client = before
	}
	bits := 32
	if client.Is6() {
		bits = 64
	}
	prefix, _ := client.Prefix(bits) // the zero value for no address
	return prefix
}

func trusted(addr netip.Addr, proxies []netip.Prefix) bool {
	for _, p := range proxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// hostOf is the address in host, host:port or [host]:port; not valid for none.
func hostOf(text string) netip.Addr {
	if ap, err := netip.ParseAddrPort(text); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	addr, _ := netip.ParseAddr(strings.Trim(text, "[]"))
	return addr.Unmap().WithZone("")
}
