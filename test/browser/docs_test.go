package browser_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"footfall/test/check"
)

// operations are the operations of an instance's OpenAPI document, such as
// "GET /visits/{page_id}", sorted.
func operations(t *testing.T, instance string) []string {
	t.Helper()
	type item map[string]json.RawMessage
	var document struct {
		Paths      map[string]item
		Components struct{ PathItems map[string]item }
	}
	check.Must(t, json.Unmarshal([]byte(ask(t, "GET", instance+"/openapi.json")), &document))
	var all []string
	for path, methods := range document.Paths {
		var ref string
		if json.Unmarshal(methods["$ref"], &ref) == nil {
			methods = document.Components.PathItems[strings.TrimPrefix(ref, "#/components/pathItems/")]
		}
		for method := range methods {
			if method != "parameters" {
				all = append(all, strings.ToUpper(method)+" "+path)
			}
		}
	}
	slices.Sort(all)
	return all
}

// belowPrefix serves an instance below the path prefix /footfall/ alone.
func belowPrefix(t *testing.T, instance string) string {
	t.Helper()
	target := check.Value(url.Parse(instance))(t)
	proxy := httptest.NewServer(http.StripPrefix("/footfall", httputil.NewSingleHostReverseProxy(target)))
	t.Cleanup(proxy.Close)
	return proxy.URL + "/footfall"
}

const shownOperations = `[...document.querySelectorAll("#api .opblock-summary")].map((summary) =>
	summary.querySelector(".opblock-summary-method").textContent + " " + summary.querySelector(".opblock-summary-path").dataset.path).sort().join("\n")`

func TestTheDocumentationShowsEveryOperationAndNeedsNoOtherHost(t *testing.T) {
	instance := startInstance(t, "memory://")
	ctx, complaints := tab(t, browser(t), chromedp.Navigate(instance+"/docs"))
	eventually(t, ctx, shownOperations, strings.Join(operations(t, instance), "\n"))
	check.Equal(t, get(t, ctx, chromedp.Text(chromedp.CSS("h1"))), "Footfall: the API", "its title")
	complaints.none(t, instance)
}

func TestTryItOutReadsTheVisitsOfAPage(t *testing.T) {
	instance := startInstance(t, "memory://")
	for name, base := range map[string]string{"at the root": instance, "below a path prefix": belowPrefix(t, instance)} {
		t.Run(name, func(t *testing.T) {
			visited := strings.ReplaceAll(name, " ", "/")
			ask(t, "POST", base+"/visit/"+url.PathEscape(visited))
			ctx, complaints := tab(t, browser(t), chromedp.Navigate(base+"/docs"))
			const operation = `document.querySelector('#api [data-path="/visits/{page_id}"]').closest(".opblock")`
			press := func(selector string) {
				t.Helper()
				eventually(t, ctx, operation+`.querySelector("`+selector+`") !== null`, "true")
				get(t, ctx, chromedp.Evaluate[bool](operation+`.querySelector("`+selector+`").click() || true`))
			}
			press(".opblock-summary-control")
			press(".try-out__btn")
			eventually(t, ctx, operation+`.querySelector("input").disabled`, "false")
			get(t, ctx, chromedp.Evaluate[bool](operation+`.querySelector("input").select() || true`))
			do(t, ctx, chromedp.KeyEvent(visited), chromedp.KeyEvent(kb.Tab)) // Swagger UI takes the text when the focus leaves
			press(".execute")
			eventually(t, ctx, operation+`.querySelector(".live-responses-table .response .response-col_status").firstChild.textContent`, "200")
			body := get(t, ctx, chromedp.Evaluate[string](operation+`.querySelector(".live-responses-table .response .highlight-code").textContent`))
			if !strings.Contains(body, `"visits": 1`) {
				t.Errorf("the answer is %s", body)
			}
			complaints.none(t, base)
		})
	}
}
