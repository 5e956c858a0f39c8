package bootstrap

import (
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

	"footfall/adapters/cli"
	"footfall/adapters/httpapi"
	"footfall/adapters/httpcallback"
	"footfall/domain/counting"
)

// flags are the settings as text. Each is a flag, and an environment variable
// with FOOTFALL_ in front.
type flags struct {
	Listen, AdminListen, AdminToken, Store, Publisher, CaptureLog, Window, Grace string
	CallbackAllow, CallbackSecret, CallbackLimit, KeyLimit                       string
	CorsOrigins, RateLimit, TrustedProxies, LogLevel, LogFormat                  string
}

// register is the list of all settings. The table in docs/configuration.md is
// generated from it.
//
//go:generate go test -count=1 -run ^TestTheTableOfSettingsIsThatOfTheFlags$ . -update
func (f *flags) register(set *pflag.FlagSet) {
	for _, s := range []struct {
		value                *string
		name, standard, help string
	}{
		{&f.Listen, "listen", ":8000", "Address of the public listener."},
		{&f.AdminListen, "admin-listen", "127.0.0.1:8001", "Address of the admin listener: /metrics, /debug/pprof/, /windows/{id}, /ring, /pages."},
		{&f.AdminToken, "admin-token", "", "Bearer token for the admin listener; required where that isn't loopback."},
		{&f.Store, "store", "embedded://./data", "Where counts live: embedded://DIR, redis://[user:pass@]n1:6379,n2:6379[/db] (rediss:// with TLS), or memory://, which forgets."},
		{&f.Publisher, "publisher", "", "Queue of RabbitMQ for counts: amqp://user:pass@host:5672/vhost?queue=NAME (amqps:// with TLS); if it isn't set, counts go to the capture log."},
		{&f.CaptureLog, "capture-log", "unique_id_capture.log", "File for counts that the publisher did not take, and for every callback's response, one JSON line each."},
		{&f.Window, "window", "1m", "Length of a window, in whole seconds, aligned to the Unix epoch; a store keeps the length that it was created with."},
		{&f.Grace, "grace", "2s", "How long after its end a window is sealed."},
		{&f.CallbackAllow, "callback-allow", "public", "Who may be called back: public, none, CIDRs, host patterns (*.example.com; they narrow public); comma separated."},
		{&f.CallbackSecret, "callback-secret", "", "Signs callbacks (Standard Webhooks): whsec_ and base64; two, comma separated, for rotation."},
		{&f.CallbackLimit, "callback-limit", "1000", "Distinct endpoints kept for a window on each node; more are refused with 503 failed."},
		{&f.KeyLimit, "key-limit", "1000000", "Idempotency keys kept on each node, for 24 to 48 hours, about 100 bytes each; more are refused with 503."},
		{&f.CorsOrigins, "cors-origins", "", "Origins whose pages may use the public listener from a browser, without credentials, comma separated, or *; none if it isn't set."},
		{&f.RateLimit, "rate-limit", "", "Requests that a client may send: 100/s, 600/m or 10000/h; more get 429 with Retry-After; no limit if it isn't set."},
		{&f.TrustedProxies, "trusted-proxies", "", "Addresses and CIDRs of proxies whose X-Forwarded-For names the client, for the rate limit."},
		{&f.LogLevel, "log-level", "info", "debug, info, warn or error."},
		{&f.LogFormat, "log-format", "", "text or json; if it isn't set, text on a terminal and json elsewhere."},
	} {
		set.StringVar(s.value, s.name, s.standard, s.help+" ($"+cli.Variable(s.name)+")")
	}
}

// fromEnvironment sets the settings that the command line doesn't.
func fromEnvironment(settings *pflag.FlagSet) (err error) {
	settings.VisitAll(func(f *pflag.Flag) {
		if value, ok := os.LookupEnv(cli.Variable(f.Name)); ok && !f.Changed {
			err = errors.Join(err, f.Value.Set(value))
		}
	})
	return err
}

// unknownVariables are the variables of an environment that look like a setting
// but are none, sorted.
func unknownVariables(environ []string, settings *pflag.FlagSet) []string {
	known, unknown := make(map[string]bool), make(map[string]bool)
	settings.VisitAll(func(f *pflag.Flag) { known[cli.Variable(f.Name)] = true })
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		if strings.HasPrefix(name, "FOOTFALL_") && !known[name] {
			unknown[name] = true
		}
	}
	return slices.Sorted(maps.Keys(unknown))
}

// Settings are the values of a valid configuration.
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
	// GCPercent is GOGC (package runtime): the garbage that starts a collection,
	// in percent of the heap in use; 0 keeps Go's default.
	GCPercent int
}

// redisGCPercent is for a heap without counts: it has only connections, pending
// items, and the last batches. 200 serves 4 % more requests than the default, and
// more gains little.
const redisGCPercent = 200

// settings parses the flags. The error has one line for each bad value, which
// names its variable.
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

// problems are the errors of invalid values.
type problems []error

// check adds the error of parse for the value of a variable.
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

// checkAddress accepts host:port and :port; port 0 is any.
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

// redacted hides user and password: all between the scheme of a URL and its last
// @, also if the URL is invalid.
func redacted(value string) string {
	return regexp.MustCompile(`(?s)^([A-Za-z][A-Za-z0-9+.-]*:/+)?.*@`).ReplaceAllString(value, "$1***@")
}
