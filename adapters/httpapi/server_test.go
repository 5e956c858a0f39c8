package httpapi_test

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"footfall/adapters/httpapi"
	"footfall/test/check"
	"footfall/test/httpcheck"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServersStopTwiceAndUnstarted(t *testing.T) {
	s := httpcheck.NewServer(http.NotFoundHandler())
	for range 2 {
		check.OK(t, s.Stop(t.Context()))
	}
	check.Fails(t, s.Start(t.Context()), "started after Stop")
	s = httpcheck.NewServer(http.NotFoundHandler())
	check.Must(t, s.Start(t.Context()))
	check.Fails(t, s.Start(t.Context()), "started twice")
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { check.OK(t, s.Stop(context.Background())) })
	}
	wg.Wait()
}

func TestStartSaysWhenItCannotListen(t *testing.T) {
	s := httpcheck.Serve(t, http.NotFoundHandler())
	second := httpapi.NewServer(s.Addr(), http.NotFoundHandler(), time.Second, slog.New(slog.DiscardHandler))
	check.Fails(t, second.Start(t.Context()), "two servers listen on one address")
	check.OK(t, second.Stop(t.Context()))
}
