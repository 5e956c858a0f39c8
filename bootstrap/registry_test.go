package bootstrap_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"footfall/adapters/localnode"
	"footfall/application/cluster"
	"footfall/bootstrap"
	"footfall/domain/checking"
	"footfall/domain/publishing"
	"footfall/test/check"
)

func TestTheProgramIsCompleteWithEveryAdapter(t *testing.T) {
	stores, publishers := bootstrap.URLs()
	for _, store := range stores {
		for _, publisher := range append(publishers, "") {
			check.OK(t, bootstrap.Validate(store, publisher), "%s with publisher %q", store, publisher)
		}
	}
}

// N14: the line of a publisher in the registry is all that the program needs: help and
// errors name it, and the program publishes with it. A test of a list elsewhere would fail
// here, since no list has this one.
func TestN14APublisherIsALineOfTheRegistry(t *testing.T) {
	reports := make(chan publishing.Report, 100)
	parse := func(url string) (string, error) {
		if url != "shout://LOUD" {
			return "", errors.New("want shout://LOUD")
		}
		return strings.TrimPrefix(url, "shout://"), nil
	}
	open := func(how string, _ *slog.Logger) *shouter { return &shouter{how, reports} }
	help, parser := bootstrap.Registered("shout", "shout://LOUD", parse, open)

	// The help, and so the table of the documentation, has the URLs of the registry.
	check.Equal(t, strings.Replace(help, ", or shout://LOUD", "", 1), bootstrap.Help("publisher"), "the help without it")
	if !strings.Contains(help, ", or shout://LOUD") {
		t.Errorf("the help is %q", help)
	}

	_, schemes := bootstrap.Schemes()
	for url, want := range map[string]string{"shout://": "want shout://LOUD", "absent://h": schemes + ", shout", "LOUD": schemes + ", shout"} {
		check.Says(t, check.Err(parser(url)), want)
	}
	node := localnode.New(localnode.Options{ID: "memory", Addr: "memory"})
	store := bootstrap.Store{Nodes: []cluster.Node{node}, Stop: func(context.Context) error { node.Close(); return nil }}
	_, stop, err := bootstrap.Start(t.Context(), store, check.Value(parser("shout://LOUD"))(t), t.TempDir())
	check.Must(t, err)
	if r := <-reports; !strings.HasPrefix(r.ID, "footfall_") {
		t.Errorf("it published %+v", r)
	}
	check.OK(t, stop(t.Context()))
}

// shouter is a publisher with as little as one needs.
type shouter struct {
	how     string
	reports chan<- publishing.Report
}

func (s *shouter) Start(context.Context) error { return nil }
func (s *shouter) Stop(context.Context) error  { return nil }
func (s *shouter) Name() string                { return "shout" }
func (s *shouter) Away() *publishing.Outage    { return nil }

func (s *shouter) Inspect(context.Context) []checking.Finding { return nil }

func (s *shouter) Publish(_ context.Context, r publishing.Report) error {
	if s.how != "LOUD" {
		return publishing.ErrRefused
	}
	select {
	case s.reports <- r:
	default: // the test has seen enough
	}
	return nil
}
