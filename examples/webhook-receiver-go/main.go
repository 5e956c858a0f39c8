// Command webhook-receiver-go receives callbacks at /hook, verifies their signatures and appends the counts to a file, each window
// once:
//
//	WEBHOOK_SECRETS=whsec_... go run ./examples/webhook-receiver-go 127.0.0.1:9000 counts.ndjson
//
// The secrets are those of FOOTFALL_CALLBACK_SECRET. To replace one without a pause, give the new one and the old one to both,
// separated by a comma, and then remove the old one. SIGTERM ends the program. In public, it belongs after a proxy that has TLS.
package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"footfall/examples/countfile"
)

const patience = 10 * time.Second // Footfall waits as long for an answer

func main() {
	if len(os.Args) != 3 {
		fail(errors.New("want WEBHOOK_SECRETS, and as arguments an address to listen on and a file"))
	}
	// Arguments are visible to all users of a machine, so the secrets are none.
	verifiers, err := parseSecrets(os.Getenv("WEBHOOK_SECRETS"))
	if err != nil {
		fail(err)
	}
	counts, err := countfile.Open(os.Args[2])
	if err != nil {
		fail(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", os.Args[1])
	if err != nil {
		fail(err)
	}
	r := &receiver{verifiers, counts, slog.New(slog.NewTextHandler(os.Stderr, nil))}
	routes := http.NewServeMux() // another path is 404, so that the endpoints of strangers are none of ours
	routes.HandleFunc("POST /hook", r.receive)
	server := &http.Server{Handler: routes, ReadTimeout: patience, WriteTimeout: patience, MaxHeaderBytes: 16 << 10}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	r.log.Info("listening", "addr", listener.Addr())
	select {
	case err = <-ended:
	case <-ctx.Done():
		end, cancel := context.WithTimeout(context.Background(), patience)
		err = server.Shutdown(end) // callbacks that are being handled get their answer
		cancel()
	}
	if err = errors.Join(err, counts.Close()); err != nil {
		fail(err)
	}
}

// parseSecrets reads secrets that are separated by commas. With an empty or short one, anyone could sign.
func parseSecrets(text string) (verifiers []*standardwebhooks.Webhook, err error) {
	for i, secret := range strings.Split(text, ",") {
		encoded, ok := strings.CutPrefix(strings.TrimSpace(secret), "whsec_")
		key, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil || len(key) < 24 {
			return nil, fmt.Errorf("secret %d of WEBHOOK_SECRETS is not whsec_ and at least 24 bytes in base64", i+1)
		}
		v, err := standardwebhooks.NewWebhookRaw(key)
		if err != nil {
			return nil, err
		}
		verifiers = append(verifiers, v)
	}
	return verifiers, nil
}

type receiver struct {
	verifiers []*standardwebhooks.Webhook
	counts    *countfile.File
	log       *slog.Logger
}

// receive answers 204 when the count is on the disk. Footfall repeats a callback that gets another answer, or none.
func (r *receiver) receive(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, countfile.MaxBody))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		http.Error(w, "body too large", http.StatusRequestEntityTooLarge)
		return
	} else if err != nil {
		http.Error(w, "body not read", http.StatusBadRequest)
		return
	}
	if err := r.verify(body, req.Header); err != nil {
		r.log.Warn("callback refused", "error", err)
		http.Error(w, "not verified", http.StatusUnauthorized)
		return
	}
	// The body is signed. The query, which has the count as well, is not: do not use it.
	count, err := countfile.Parse(req.Header.Get(standardwebhooks.HeaderWebhookID), body)
	if err != nil {
		r.log.Error("callback without a count", "error", err)
		http.Error(w, "no count", http.StatusBadRequest)
		return
	}
	added, err := r.counts.Add(count)
	if err != nil {
		r.log.Error("count not written", "id", count.ID, "error", err)
		http.Error(w, "not written", http.StatusInternalServerError)
		return
	}
	if added {
		r.log.Info("counted", "id", count.ID, "count", count.Count)
	} else {
		r.log.Info("repeated callback dropped", "id", count.ID)
	}
	w.WriteHeader(http.StatusNoContent)
}

// verify returns nil when one of the secrets has made one of the signatures. Verify compares in constant time, and refuses
// timestamps that are more than five minutes off. So old callbacks, which the file may not remember, can't be replayed.
func (r *receiver) verify(body []byte, header http.Header) (err error) {
	for _, v := range r.verifiers {
		if err = v.Verify(body, header); err == nil {
			return nil
		}
	}
	return err
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "webhook-receiver-go:", err)
	os.Exit(1)
}
