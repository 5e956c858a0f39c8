package bootstrap

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"footfall/adapters/cli"
	"footfall/adapters/httpapi/limits"
	"footfall/adapters/httpapi/public"
	"footfall/adapters/httpcallback"
	"footfall/domain/counting"
)

// Settings are the values of a valid configuration.
type Settings struct {
	Listen, AdminListen string
	IngestListen        string // empty: there is no such listener
	AdminToken          string
	AdminLoopback       bool
	Name                string
	Store               StoreMaker
	StoreKind           string    // the scheme of its URL
	Sink                SinkMaker // nil: the capture log alone
	CaptureLog          string
	Length              counting.WindowLength
	Grace               time.Duration
	MaxSkew             time.Duration // 0 is counting.DefaultMaxSkew
	CallbackPolicy      httpcallback.Policy
	CallbackSecrets     httpcallback.Secrets
	CallbackLimit       int
	CountLimit          int
	ConnectionLimit     int
	BytesLimit          int64
	RequestLimit        int
	BulkLimit           int
	StreamLimit         int
	WatchLimit          int
	ClientShare         int
	CallbackRate        httpcallback.Rate
	CallbackContact     httpcallback.Contact
	CallbackProxy       httpcallback.Proxy
	CallbackLog         string
	KeyLimit, PageLimit int
	DiskReserve         int64
	CORSOrigins         []string
	Pages               string // public, admin or off
	History             counting.HistorySetting
	RateLimit           limits.Rate
	TrustedProxies      []netip.Prefix
	LogLevel            slog.Level
	LogFormat           string
	// GCPercent is GOGC (package runtime): the garbage that starts a collection,
	// in percent of the heap in use; 0 keeps Go's default.
	GCPercent int
}

// setting is a flag, and an environment variable with FOOTFALL_ in front.
type setting struct {
	name, standard, help string
	parse                func(text string) error
}

// all is the list of all settings, each with what parses it into s. The table in
// docs/configuration.md is generated from it.
//
//go:generate go test -count=1 -run ^TestTheTableOfSettingsIsThatOfTheFlags$ . -update
func (s *Settings) all() []setting {
	return append([]setting{
		{"listen", ":8000", "Address of the public listener.", into(&s.Listen, parseAddress)},
		{"ingest-listen", "", "Address of the ingest listener, which serves single visits, reads and ids, and bulks, for less CPU, within the limits of the public listener; none if it isn't set.", into(&s.IngestListen, parseOptionalAddress)},
		{"admin-token", "", "Bearer token for the admin listener, 16 characters at least; required where that isn't loopback.", into(&s.AdminToken, parseToken)},
		{"admin-listen", "127.0.0.1:8001", "Address of the admin listener: /metrics, /debug/pprof/, /windows/{id}, /callbacks, /ring, /pages, and /healthz and /readyz without the token.", s.parseAdmin},
		{"name", counting.DefaultName, "Name of the deployment, 1 to 32 of a-z, 0-9 and -: begins the id of each window, and is the app_id of messages; a store keeps the name of its first start.", into(&s.Name, counting.ParseName)},
		{"store", "embedded://./data", "Where counts live: " + examples(stores()) + "; memory:// forgets.", s.parseStore},
		{"publisher", "", publisherHelp(publishers()), into(&s.Sink, parsePublisher)},
		{"capture-log", "unique_id_capture.log", "File for counts that the publisher did not take, and for every callback's response, one JSON line each.", into(&s.CaptureLog, parseFile)},
		{"window", "1m", "Length of a window, in whole seconds, aligned to the Unix epoch; a store keeps the length that it was created with.", into(&s.Length, parseWindow)},
		{"grace", "2s", "How long after its end a window is sealed.", into(&s.Grace, parseGrace)},
		{"max-clock-skew", "", "Greatest difference between the clocks of a node and of an instance at which the node takes ids; 10s, or one window if that is shorter, if it isn't set.", into(&s.MaxSkew, parseSkew)},
		{"callback-allow", "public", "Who may be called back: public, none, CIDRs, host patterns (*.example.com; they narrow public), HOST@CIDR; comma separated.", into(&s.CallbackPolicy, httpcallback.ParsePolicy)},
		{"callback-secret", "", "Signs callbacks (Standard Webhooks): whsec_ and base64; two, comma separated, for rotation.", into(&s.CallbackSecrets, httpcallback.ParseSecrets)},
		{"callback-limit", "1000", "Distinct endpoints kept for a window on each node; more are refused with 503 failed.", into(&s.CallbackLimit, numberTo(1_000_000))},
		{"key-limit", "1000000", "Requests with an Idempotency-Key kept on each node, for 24 to 48 hours, about 100 bytes each and as much for each of their visits; more are refused with 503.", into(&s.KeyLimit, numberTo(1_000_000_000))},
		{"cors-origins", "", "Origins whose pages may use the public listener from a browser, without credentials, comma separated, or *; none if it isn't set.", into(&s.CORSOrigins, public.ParseOrigins)},
		{"pages", "public", "Who may list page names and sums of pages, and see how callbacks went: public; admin, on the admin listener only; off, where no listener lists names, so that export is refused.", into(&s.Pages, parsePages)},
		{"history", "1h:32d,1d:400d", "For how long it is kept when visits came: hours (1h) or quarters of an hour (15m) for some days, then whole UTC days (1d), or off; a store keeps its first setting until footfall history set changes it.", into(&s.History, counting.ParseHistory)},
		{"rate-limit", "", "Requests that a client may send: 100/s, 600/m or 10000/h; one with many items or pages counts as so many; more get 429 with Retry-After; no limit if it isn't set.", into(&s.RateLimit, limits.ParseRate)},
		{"trusted-proxies", "", "Addresses and CIDRs of proxies whose X-Forwarded-For names the client, for shares and the rate limit.", into(&s.TrustedProxies, limits.ParseProxies)},
		{"log-level", "info", "debug, info, warn or error.", into(&s.LogLevel, parseLevel)},
		{"log-format", "", "text or json; if it isn't set, text on a terminal and json elsewhere.", into(&s.LogFormat, parseFormat)},
	}, slices.Concat(s.limitSettings(), s.storeSettings(), s.callbackSettings())...)
}

// flags returns a flag for each setting, with its default.
func (s *Settings) flags() *pflag.FlagSet {
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	for _, x := range s.all() {
		value := trimmed(x.standard)
		set.Var(&value, x.name, x.help+" ($"+cli.Variable(x.name)+")")
	}
	return set
}

// trimmed is the value of a flag without the white space around it: a file with a secret ends
// with a line break.
type trimmed string

func (t *trimmed) String() string { return string(*t) }

func (t *trimmed) Set(text string) error {
	*t = trimmed(strings.TrimSpace(text))
	return nil
}

func (*trimmed) Type() string { return "string" }

// parse reads the values of flags. The error has one line for each bad value,
// which names its variable.
func (s *Settings) parse(flags *pflag.FlagSet) error {
	var bad []error
	for _, x := range s.all() {
		text := flags.Lookup(x.name).Value.String()
		if err := x.parse(text); err != nil {
			bad = append(bad, fmt.Errorf("%s=%q: %w", cli.Variable(x.name), redacted(x.name, text), err))
		}
	}
	return errors.Join(bad...)
}

// into returns a parser that stores what parse returns.
func into[T any](to *T, parse func(string) (T, error)) func(string) error {
	return func(text string) (err error) {
		*to, err = parse(text)
		return err
	}
}

// minToken is the least length of the admin token: with less, guessing it may succeed.
const minToken = 16

func parseToken(text string) (string, error) {
	if n := utf8.RuneCountInString(text); n > 0 && n < minToken {
		return text, fmt.Errorf("it has %d characters, want at least %d: openssl rand -hex 24 prints one", n, minToken)
	}
	return text, nil
}

func parseText(text string) (string, error) { return text, nil }

// parseAddress accepts host:port and :port; port 0 is any.
func parseAddress(text string) (string, error) {
	_, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return "", errors.New("want host:port or :port")
	}
	return text, nil
}

func parseOptionalAddress(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	return parseAddress(text)
}

// parseAdmin needs the token, which precedes it in the list.
func (s *Settings) parseAdmin(text string) (err error) {
	if s.AdminListen, err = parseAddress(text); err != nil {
		return err
	}
	host, _, _ := net.SplitHostPort(text)
	ip, err := netip.ParseAddr(host)
	s.AdminLoopback = host == "localhost" || err == nil && ip.IsLoopback()
	if !s.AdminLoopback && s.AdminToken == "" {
		return errors.New("it is not on loopback, so it needs FOOTFALL_ADMIN_TOKEN")
	}
	return nil
}

// redisGCPercent is for a heap without counts: it has only connections, pending
// items, and the last batches. 200 serves 4 % more requests than the default, and
// more gains little.
const redisGCPercent = 200

func (s *Settings) parseStore(text string) (err error) {
	if strings.HasPrefix(text, "redis") && os.Getenv("GOGC") == "" {
		s.GCPercent = redisGCPercent
	}
	s.StoreKind, _, _ = strings.Cut(text, "://")
	s.Store, err = parseBy(stores(), text)
	return err
}

func parsePublisher(text string) (SinkMaker, error) {
	if text == "" {
		return nil, nil
	}
	return parseBy(publishers(), text)
}

func parseFile(text string) (string, error) {
	if text == "" {
		return "", errors.New("it is empty")
	}
	return text, nil
}

func parseWindow(text string) (counting.WindowLength, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, errors.New("want a duration such as 1m")
	}
	return counting.ParseLength(d)
}

func parseGrace(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > time.Hour {
		return 0, errors.New("want a duration from 0s to 1h")
	}
	return d, nil
}

func parseSkew(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Millisecond || d > time.Hour {
		return 0, errors.New("want a duration from 1ms to 1h")
	}
	return d, nil
}

func numberTo(most int) func(string) (int, error) {
	return func(text string) (int, error) {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > most {
			return 0, fmt.Errorf("want a number from 0 to %d", most)
		}
		return n, nil
	}
}

func parseLevel(text string) (level slog.Level, err error) {
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, text) {
		return 0, errors.New("want debug, info, warn or error")
	}
	err = level.UnmarshalText([]byte(text))
	return level, err
}

func parsePages(text string) (string, error) {
	if !slices.Contains([]string{"public", "admin", "off"}, text) {
		return "", errors.New("want public, admin or off")
	}
	return text, nil
}

func parseFormat(text string) (string, error) {
	if !slices.Contains([]string{"", "text", "json"}, text) {
		return "", errors.New("want text or json")
	}
	return text, nil
}
