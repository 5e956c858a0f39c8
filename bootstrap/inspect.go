package bootstrap

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"footfall/adapters/filelog"
	"footfall/domain/checking"
	"footfall/domain/counting"
)

// inspectTime bounds a check.
const inspectTime = 10 * time.Second

// inspect looks at what valid settings name. It starts no part, and changes nothing.
func (s *Settings) inspect(ctx context.Context) []checking.Finding {
	ctx, cancel := context.WithTimeout(ctx, inspectTime)
	defer cancel()
	l := checking.List{About: "settings"}
	l.Add(checking.OK, "", "they are valid")
	s.inspectCallbacks(&l)
	s.inspectLogs(&l)
	var all sync.WaitGroup
	var nodes, publisher []checking.Finding
	all.Go(func() { nodes = s.inspectStore(ctx) })
	all.Go(func() { publisher = s.inspectPublisher(ctx) })
	all.Wait()
	return append(append(l.All, nodes...), publisher...)
}

func (s *Settings) inspectStore(ctx context.Context) []checking.Finding {
	store := s.Store(slog.New(slog.DiscardHandler))
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = store.Stop(ctx) // of what was only looked at
	}()
	if store.Inspect == nil {
		l := checking.List{About: "store"}
		l.Add(checking.Warn, "name another one in FOOTFALL_STORE", "memory:// forgets all counts when the service ends")
		return l.All
	}
	return store.Inspect(ctx, checking.Bounds{Skew: cmp.Or(s.MaxSkew, counting.DefaultMaxSkew(s.Length)), DiskReserve: s.DiskReserve})
}

func (s *Settings) inspectPublisher(ctx context.Context) []checking.Finding {
	l := checking.List{About: "publisher"}
	if s.Sink == nil {
		l.Add(checking.OK, "", "none is set: counts go to the capture log")
		return l.All
	}
	return s.Sink(slog.New(slog.DiscardHandler)).Inspect(ctx)
}

func (s *Settings) inspectCallbacks(l *checking.List) {
	if s.CallbackPolicy.IsNone() {
		l.Add(checking.Warn, "set FOOTFALL_CALLBACK_ALLOW, unless that is meant", "no endpoint may be called back")
		return
	}
	l.Add(checking.OK, "", "endpoints may be called back")
	for _, w := range s.CallbackPolicy.Warnings() {
		l.Add(checking.Warn, "narrow FOOTFALL_CALLBACK_ALLOW, unless that is meant", "callbacks to %s may reach internal addresses: %s", w.Hosts, w.Range)
	}
}

// inspectLogs looks whether the logs can be written, without making them.
func (s *Settings) inspectLogs(l *checking.List) {
	for _, log := range []struct{ name, setting, path string }{
		{"the capture log", "FOOTFALL_CAPTURE_LOG", s.CaptureLog}, {"the log of callbacks", "FOOTFALL_CALLBACK_LOG", s.CallbackLog},
	} {
		if log.path == "" {
			continue // it is the capture log
		}
		if err := filelog.Check(log.path); err != nil {
			l.Add(checking.Fail, "correct "+log.setting+", or the rights of its folder", "%s can't be written: %v", log.name, err)
			continue
		}
		l.Add(checking.OK, "", "%s can be written, or made", log.name)
	}
}
