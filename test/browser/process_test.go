// Package browser_test tests the pages in a real browser. It is a module of its
// own, so that footfall's module does not need the browser's.
package browser_test

import (
	"context"
	"flag"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// screenshot is where the picture for the README goes.
var screenshot = flag.String("screenshot", "", "write the picture for the README to this file")

func TestMain(m *testing.M) { os.Exit(service.Main(m)) }

// startNodes starts Redis servers and returns the store's URL.
func startNodes(t *testing.T, n int) (store string, nodes []*servers.Redis) {
	t.Helper()
	r := service.NewRing(t, n)
	return "redis://" + strings.Join(r.Seeds, ","), r.Servers
}

// startInstance runs the program until the test ends, and returns its URL.
func startInstance(t *testing.T, store string, settings ...string) string {
	t.Helper()
	return service.NewDeployment(t, append(settings, "FOOTFALL_STORE="+store)...).Start().Public
}

// ask sends a request and expects 200.
func ask(t *testing.T, method, url string) string {
	t.Helper()
	got := service.MustSend(t, method, url, "")
	got.Want(t, http.StatusOK)
	return got.Body
}

// browser starts a browser with flags for the test; every tab is made of its context.
func browser(t *testing.T, flags ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	late, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.WSURLReadTimeout(time.Minute))
	options = append(options, flags...)
	ctx, cancel := chromedp.NewExecAllocator(late, options...) // as root it does without a sandbox
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	check.Must(t, chromedp.Do(ctx), "start the browser (scripts/install-test-servers chromium installs one on Debian)")
	return ctx
}

// tab opens a page and collects the errors that the browser reports.
func tab(t *testing.T, parent context.Context, steps ...chromedp.Action[chromedp.Void]) (context.Context, *complaints) {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent)
	t.Cleanup(cancel)
	c := listen(t, ctx)
	do(t, ctx, steps...)
	return ctx, c
}

func do(t *testing.T, ctx context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	check.Must(t, chromedp.Do(ctx, steps...))
}

// get runs an action and returns its value.
func get[T any](t *testing.T, ctx context.Context, action chromedp.Action[T]) T {
	t.Helper()
	return check.Value(chromedp.Run(ctx, action))(t)
}

// eventually polls an expression of the page until it is what is wanted.
func eventually(t *testing.T, ctx context.Context, expression, want string) {
	t.Helper()
	var got string
	for late := time.Now().Add(time.Minute); time.Now().Before(late); time.Sleep(20 * time.Millisecond) {
		// During a navigation there is no page to evaluate in.
		if value, err := chromedp.Run(ctx, chromedp.Evaluate[string]("String("+expression+")")); err == nil {
			got = value
		}
		if got == want {
			return
		}
	}
	t.Fatalf("%s is %q, want %q", expression, got, want)
}
