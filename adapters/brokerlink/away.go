package brokerlink

import (
	"regexp"
	"strings"
	"time"

	"footfall/domain/publishing"
)

// Away is why no report is taken: there is no link, or the last report was refused. It is nil
// otherwise, and before the first attempt to connect has ended. Its time is that of the loss.
func (p *Publisher) Away() *publishing.Outage {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.away
}

// noteLoss notes why there is no link. known is that as well, if the server is known to be away:
// reports are refused with the reason that Away has.
func (p *Publisher) noteLoss(reason, known error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.noteAwayLocked(reason)
	p.setLocked(nil, known)
}

// noteAway notes why no report is taken, and logs it, once for each reason.
func (p *Publisher) noteAway(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.noteAwayLocked(err)
}

func (p *Publisher) noteAwayLocked(err error) {
	away := publishing.Outage{Addr: strings.Join(p.o.Addrs, ","), Since: time.Now(), Err: err}
	if p.away != nil {
		away.Since = p.away.Since
	}
	p.away = &away
	if text := withoutNumbers(err); text != p.logged {
		p.logged = text
		p.log.Error(p.o.Title+" is away", p.about("addr", away.Addr, "error", err)...) //nolint:sloglint // constant for each adapter
	}
}

// noteBack notes that reports are taken, as far as is known.
func (p *Publisher) noteBack() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away, p.logged = nil, ""
}

// about are the attributes of a line of the log.
func (p *Publisher) about(more ...any) []any {
	return append(append([]any(nil), p.o.About...), more...)
}

// withoutNumbers returns an error's text without digits, because local ports differ between
// attempts to connect.
func withoutNumbers(err error) string { return digits.ReplaceAllString(err.Error(), "") }

var digits = regexp.MustCompile("[0-9]+")
