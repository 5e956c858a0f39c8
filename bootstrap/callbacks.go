package bootstrap

import (
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"go.uber.org/fx"

	"footfall/adapters/filelog"
	"footfall/adapters/httpapi/limits"
	"footfall/adapters/httpcallback"
)

// linesPerEndpoint is how many lines the log of callbacks has for a window, for each of
// the endpoints that a node keeps. minLines is the least of that.
const (
	linesPerEndpoint = 2
	minLines         = 1000
)

// callbackSettings are those of what is sent to endpoints.
func (s *Settings) callbackSettings() []setting {
	return []setting{
		{"callback-rate", "60/m", "Connections that callbacks make to one address (IPv6: 64 bits) from one instance: 60/m, 10/s or 1000/h, in any such period; endpoints beyond it are abandoned for the window.", into(&s.CallbackRate, parseCallbackRate)},
		{"callback-proxy", "", "Proxy for callbacks to public addresses, which takes CONNECT: http://user:password@host:3128, or https://; none if it isn't set, whatever HTTP_PROXY is.", into(&s.CallbackProxy, httpcallback.ParseProxy)},
		{"callback-contact", "", "URL or mailto: of the owner, for those who are called back: it is in the User-Agent of callbacks.", into(&s.CallbackContact, httpcallback.ParseContact)},
		{"callback-log", "", "File for every callback's response; FOOTFALL_CAPTURE_LOG if it isn't set.", into(&s.CallbackLog, parseText)},
	}
}

func parseCallbackRate(text string) (httpcallback.Rate, error) {
	r, err := limits.ParseRate(text)
	if err == nil && r.Requests == 0 {
		err = errors.New("it is empty, want a rate such as 60/m")
	}
	return httpcallback.Rate{Requests: r.Requests, Per: r.Per}, err
}

// callbackLog is the file that has a line for every callback.
type callbackLog struct{ *filelog.Log }

// newCallbackLog returns the capture log unless another file is set.
func newCallbackLog(lc fx.Lifecycle, s Settings, captured *filelog.Log) callbackLog {
	if s.CallbackLog == "" || filepath.Clean(s.CallbackLog) == filepath.Clean(s.CaptureLog) {
		return callbackLog{captured}
	}
	l := filelog.New(s.CallbackLog, s.callbackLines())
	stage(lc, "callback log", l.Start, l.Stop, 500*time.Millisecond)
	return callbackLog{l}
}

func (s *Settings) callbackLines() int { return max(minLines, linesPerEndpoint*s.CallbackLimit) }

func newNotifier(s Settings, log *slog.Logger) *httpcallback.Notifier {
	for _, w := range s.CallbackPolicy.Warnings() {
		log.Warn("callbacks may reach internal addresses", "range", w.Range, "opens", w.Opens, "hosts", w.Hosts)
	}
	return httpcallback.New(s.CallbackPolicy, httpcallback.Options{
		Secrets: s.CallbackSecrets, Rate: s.CallbackRate, Contact: s.CallbackContact, Proxy: s.CallbackProxy,
	})
}
