package bootstrap

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"footfall/adapters/httpapi"
	"footfall/adapters/httpcallback"
	"footfall/domain/counting"
)

// flags are the settings as text, each a flag and an environment variable of
// the same name with FOOTFALL_ in front. They are parsed by settings, so that
// every bad one gets its line.
type flags struct {
	Listen, AdminListen, AdminToken, Store, Publisher, CaptureLog, Window, Grace string
	CallbackAllow, CallbackSecret, CallbackLimit, KeyLimit                       string
	CorsOrigins, RateLimit, TrustedProxies, LogLevel, LogFormat                  string
}

// register is the list of all settings.
func (f *flags) register(set *pflag.FlagSet) {
	set.StringVar(&f.Listen, "listen", ":8000", "Address of the public listener.")
	set.StringVar(&f.AdminListen, "admin-listen", "127.0.0.1:8001", "Address of the admin listener.")
	set.StringVar(&f.AdminToken, "admin-token", "", "Bearer token for the admin listener; obligatory where that isn't loopback.")
	set.StringVar(&f.Store, "store", "embedded://./data", "Where counts live: embedded://DIR, memory://, or redis://[user:pass@]n1:6379,n2:6379[/db] (rediss:// for TLS).")
	set.StringVar(&f.Publisher, "publisher", "", "Where counts go: amqp://user:pass@host:5672/vhost?queue=NAME (amqps:// for TLS); to the capture log alone if it isn't set.")
	set.StringVar(&f.CaptureLog, "capture-log", "unique_id_capture.log", "File for counts and callback responses, one JSON line each.")
	set.StringVar(&f.Window, "window", "1m", "Length of a window, in whole seconds; a store has one length for ever.")
	set.StringVar(&f.Grace, "grace", "2s", "How long after its end a window is sealed.")
	set.StringVar(&f.CallbackAllow, "callback-allow", "public", "Who may be called back: public, none, CIDRs, host patterns; comma separated.")
	set.StringVar(&f.CallbackSecret, "callback-secret", "", "Signs callbacks: whsec_ and base64; two, comma separated, for rotation.")
	set.StringVar(&f.CallbackLimit, "callback-limit", "1000", "Distinct endpoints kept for a window on each node.")
	set.StringVar(&f.KeyLimit, "key-limit", "1000000", "Idempotency keys kept on each node.")
	set.StringVar(&f.CorsOrigins, "cors-origins", "", "Origins whose pages may use the public listener from a browser, comma separated, or *; none if it isn't set.")
	set.StringVar(&f.RateLimit, "rate-limit", "", "Requests that a client may send: 100/s, 600/m or 10000/h; no limit if it isn't set.")
	set.StringVar(&f.TrustedProxies, "trusted-proxies", "", "CIDRs of proxies whose X-Forwarded-For says who a client is, for the rate limit.")
	set.StringVar(&f.LogLevel, "log-level", "info", "debug, info, warn or error.")
	set.StringVar(&f.LogFormat, "log-format", "", "text or json; text on a terminal and json elsewhere if it isn't set.")
	set.VisitAll(func(s *pflag.Flag) { s.Usage += " ($" + variable(s) + ")" })
}

// Settings are the values of a configuration that is valid.
type Settings struct {
	Listen, AdminListen string
	AdminToken          string
	AdminLoopback       bool
	Store               StoreMaker
	Sink                SinkMaker // nil: the capture log alone
	CaptureLog          string
	Length              counting.WindowLength
	Grace               time.Duration
	CallbackPolicy      httpcallback.Policy
	CallbackSecrets     httpcallback.Secrets
	CallbackLimit       int
	KeyLimit            int
	CORSOrigins         []string
	RateLimit           httpapi.Rate
	TrustedProxies      []netip.Prefix
	LogLevel            slog.Level
	LogFormat           string
	// GCPercent is how much garbage may gather on the heap, in percent of what is
	// in use there, before it is collected (package runtime, GOGC); 0 is Go's own.
	GCPercent int
}

// redisGCPercent is for a heap that holds no counts, but only connections, what is
// on its way, and the last batches. 200 is worth 4 % of the requests, and more is
// worth little.
const redisGCPercent = 200

// settings parses the flags. The error joins one error for each bad value,
// each a line that names its variable.
func (f flags) settings() (Settings, error) {
	s := Settings{Listen: f.Listen, AdminListen: f.AdminListen, AdminToken: f.AdminToken, CaptureLog: f.CaptureLog, LogFormat: f.LogFormat}
	var p problems
	s.parseListeners(f, &p)
	s.parseWindows(f, &p)
	s.parseCallbacks(f, &p)
	s.parseClients(f, &p)
	s.parseLog(f, &p)
	return s, errors.Join(p...)
}

// problems are the errors of bad values.
type problems []error

// check notes what parse has against the value of a variable.
func (p *problems) check(name, value string, parse func() error) {
	if err := parse(); err != nil {
		*p = append(*p, fmt.Errorf("FOOTFALL_%s=%q: %w", name, redacted(value), err))
	}
}

func (s *Settings) parseListeners(f flags, p *problems) {
	p.check("LISTEN", f.Listen, func() error { return checkAddress(f.Listen) })
	p.check("ADMIN_LISTEN", f.AdminListen, func() error {
		s.AdminLoopback = isLoopback(f.AdminListen)
		if err := checkAddress(f.AdminListen); err != nil {
			return err
		}
		if !s.AdminLoopback && f.AdminToken == "" {
			return errors.New("it is not on loopback, so it needs FOOTFALL_ADMIN_TOKEN")
		}
		return nil
	})
}

func (s *Settings) parseWindows(f flags, p *problems) {
	p.check("STORE", f.Store, func() (err error) { s.Store, err = parseBy(stores(), f.Store); return err })
	if strings.HasPrefix(f.Store, "redis") && os.Getenv("GOGC") == "" {
		s.GCPercent = redisGCPercent
	}
	p.check("PUBLISHER", f.Publisher, func() (err error) {
		if f.Publisher != "" {
			s.Sink, err = parseBy(publishers(), f.Publisher)
		}
		return err
	})
	p.check("CAPTURE_LOG", f.CaptureLog, func() error {
		if f.CaptureLog == "" {
			return errors.New("it is empty")
		}
		return nil
	})
	p.check("WINDOW", f.Window, func() error {
		d, err := time.ParseDuration(f.Window)
		if err != nil {
			return errors.New("want a duration such as 1m")
		}
		s.Length, err = counting.ParseLength(d)
		return err
	})
	p.check("GRACE", f.Grace, func() (err error) {
		s.Grace, err = time.ParseDuration(f.Grace)
		if err != nil || s.Grace < 0 || s.Grace > time.Hour {
			return errors.New("want a duration from 0s to 1h")
		}
		return nil
	})
}

func (s *Settings) parseCallbacks(f flags, p *problems) {
	p.check("CALLBACK_ALLOW", f.CallbackAllow, func() (err error) {
		s.CallbackPolicy, err = httpcallback.ParsePolicy(f.CallbackAllow)
		return err
	})
	p.check("CALLBACK_SECRET", "***", func() (err error) {
		s.CallbackSecrets, err = httpcallback.ParseSecrets(f.CallbackSecret)
		return err
	})
	p.check("CALLBACK_LIMIT", f.CallbackLimit, func() (err error) {
		s.CallbackLimit, err = strconv.Atoi(f.CallbackLimit)
		if err != nil || s.CallbackLimit < 0 || s.CallbackLimit > 1_000_000 {
			return errors.New("want a number from 0 to 1000000")
		}
		return nil
	})
	p.check("KEY_LIMIT", f.KeyLimit, func() (err error) {
		s.KeyLimit, err = strconv.Atoi(f.KeyLimit)
		if err != nil || s.KeyLimit < 0 || s.KeyLimit > 1_000_000_000 {
			return errors.New("want a number from 0 to 1000000000")
		}
		return nil
	})
}

func (s *Settings) parseClients(f flags, p *problems) {
	p.check("CORS_ORIGINS", f.CorsOrigins, func() (err error) { s.CORSOrigins, err = httpapi.ParseOrigins(f.CorsOrigins); return err })
	p.check("RATE_LIMIT", f.RateLimit, func() (err error) { s.RateLimit, err = httpapi.ParseRate(f.RateLimit); return err })
	p.check("TRUSTED_PROXIES", f.TrustedProxies, func() (err error) {
		s.TrustedProxies, err = httpapi.ParseProxies(f.TrustedProxies)
		return err
	})
}

func (s *Settings) parseLog(f flags, p *problems) {
	p.check("LOG_LEVEL", f.LogLevel, func() error {
		if !slices.Contains([]string{"debug", "info", "warn", "error"}, f.LogLevel) {
			return errors.New("want debug, info, warn or error")
		}
		return s.LogLevel.UnmarshalText([]byte(f.LogLevel))
	})
	p.check("LOG_FORMAT", f.LogFormat, func() error {
		if !slices.Contains([]string{"", "text", "json"}, f.LogFormat) {
			return errors.New("want text or json")
		}
		return nil
	})
}

// checkAddress takes host:port, :port, and port 0 for any.
func checkAddress(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return errors.New("want host:port or :port")
	}
	return nil
}

func isLoopback(addr string) bool {
	host, _, _ := net.SplitHostPort(addr)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// redacted hides all that stands between the scheme of a URL and its last @,
// where user and password are, also in one that can't be parsed.
func redacted(value string) string {
	return regexp.MustCompile(`(?s)^([A-Za-z][A-Za-z0-9+.-]*:/+)?.*@`).ReplaceAllString(value, "$1***@")
}

// unknownVariables are those of the environment that look like a setting of
// Footfall and are none, in order.
func unknownVariables(environ []string, known map[string]bool) []string {
	unknown := make(map[string]bool)
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		if strings.HasPrefix(name, "FOOTFALL_") && !known[name] {
			unknown[name] = true
		}
	}
	return slices.SortedFunc(maps.Keys(unknown), cmp.Compare)
}
