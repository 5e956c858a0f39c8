package service

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// askOnce sends a request with an idempotency key on a connection of its own.
func AskOnce(t *testing.T, in *Instance, path, key, body string) Reply {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, in.Public+path, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return Reply{}
	}
	req.Header.Set("Idempotency-Key", key)
	// net/http repeats requests with this header by itself on a connection that
	// was used before.
	c := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Do(req)
	if err != nil {
		return Reply{Outcome: outcomeOf(err)}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return Reply{Outcome: Unknown}
	}
	return Reply{Status: resp.StatusCode, Header: resp.Header, Body: string(text)}
}
