// Command history-go prints the visits of a page in each of the last 24 days:
//
//	go run ./examples/history-go http://localhost:8000 home Europe/Berlin
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// history is an answer of GET /visits/{page_id}/history.
type history struct {
	Buckets []struct {
		Start  time.Time `json:"start"`
		Visits int64     `json:"visits"`
	} `json:"buckets"`
	Sum           int64 `json:"sum"`
	Total         int64 `json:"total"`
	BeforeHistory int64 `json:"before_history"`
}

func main() {
	if len(os.Args) < 3 || len(os.Args) > 4 {
		fail("want the address of a service, a page and, if it is not UTC, a time zone")
	}
	zone := "UTC"
	if len(os.Args) == 4 {
		zone = os.Args[3]
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	h, err := read(ctx, os.Args[1], os.Args[2], zone)
	if err != nil {
		fail(err.Error())
	}
	for _, b := range h.Buckets {
		fmt.Printf("%s\t%d\n", b.Start.Format(time.DateOnly), b.Visits)
	}
	fmt.Printf("sum\t%d\nbefore\t%d\ntotal\t%d\n", h.Sum, h.BeforeHistory, h.Total)
}

// read asks a service for the history of a page. The error of a refusal says why.
func read(ctx context.Context, service, page, zone string) (h history, err error) {
	// A page is one part of the path, whatever is in its name.
	address := strings.TrimRight(service, "/") + "/visits/" + url.PathEscape(page) + "/history?" + url.Values{"step": {"day"}, "tz": {zone}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return h, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return h, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return h, err
	}
	if resp.StatusCode != http.StatusOK {
		return h, fmt.Errorf("%s: %s", resp.Status, body)
	}
	return h, json.Unmarshal(body, &h)
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, "history-go:", why)
	os.Exit(1)
}
