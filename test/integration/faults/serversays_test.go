package faults_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// saying are the ways in which a server refuses, with the first word of what it says.
var saying = []struct {
	word       string
	begin, end func(*service.Ring)
}{
	{
		"OOM", func(r *service.Ring) { r.Do(0, "config", "set", "maxmemory", 1) },
		func(r *service.Ring) { r.Do(0, "config", "set", "maxmemory", 0) },
	},
	{
		"READONLY", func(r *service.Ring) { r.Do(0, "replicaof", "127.0.0.1", 1) },
		func(r *service.Ring) { r.Do(0, "replicaof", "no", "one") },
	},
	{
		"MISCONF", func(r *service.Ring) { // it can't save into a folder that is gone
			folder := filepath.Join(r.T.TempDir(), "gone")
			check.Must(r.T, os.Mkdir(folder, 0o700))
			r.Do(0, "config", "set", "dir", folder)
			check.Must(r.T, os.Remove(folder))
			r.Do(0, "config", "set", "save", "3600 1")
			r.Do(0, "bgsave")
			service.WaitFor(r.T, "MISCONF", func() bool { return r.Refuses(0, "MISCONF") })
		}, func(r *service.Ring) { r.Do(0, "config", "set", "save", "") },
	},
	{
		"NOREPLICAS", func(r *service.Ring) { r.Do(0, "config", "set", "min-replicas-to-write", 1) },
		func(r *service.Ring) { r.Do(0, "config", "set", "min-replicas-to-write", 0) },
	},
	{
		"NOPERM", func(r *service.Ring) { r.Do(0, "acl", "setuser", "default", "-evalsha") },
		func(r *service.Ring) { r.Do(0, "acl", "setuser", "default", "+evalsha") },
	},
	{
		mid, func(r *service.Ring) { r.Do(0, "acl", "setuser", "default", "-hincrby") },
		func(r *service.Ring) { r.Do(0, "acl", "setuser", "default", "+hincrby") },
	},
}

// F6: what a server says when it refuses is in the log, once, and is a reason of /readyz,
// in its own words, without an address. When it works again, both say so, also if no
// client has sent anything meanwhile.
func TestF6WhatAServerSaysReachesTheLogAndReadyz(t *testing.T) {
	t.Parallel()
	for _, c := range saying {
		t.Run(c.word, func(t *testing.T) {
			t.Parallel()
			r := service.NewRing(t, 1, "--enable-protected-configs", "yes")
			r.Env = []string{"FOOTFALL_WINDOW=2s"}
			in := r.Deployment().Start()
			r.MustVisit(in, "home")
			c.begin(r)
			ready := func() service.Reply { return in.Get("/readyz") }
			sent := 0
			send := func() {
				for range 10 {
					sent++
					if v, id := r.Visit(in, "home"), r.Accept(in, sent, ""); v.Status != 503 && v.Status != 504 || id.Status == 0 {
						t.Errorf("visit: %d %s, id: %d %s", v.Status, v.Body, id.Status, id.Body)
					}
				}
			}
			service.WaitFor(t, "/readyz says why", func() bool { send(); return strings.Contains(ready().Body, c.word) })
			for range 5 {
				send()
				time.Sleep(200 * time.Millisecond) // polls and windows
			}
			if got := ready().Body; !strings.Contains(got, c.word) || strings.Contains(got, "127.0.0.1") {
				t.Errorf("/readyz: %s", got)
			}
			if n := len(loggedBy(in, "node refuses calls", c.word)); n != 1 {
				t.Errorf("the log says so %d times:\n%s", n, in.Logged())
			}
			c.end(r)
			service.WaitFor(t, "/readyz has no reason", func() bool { return !strings.Contains(ready().Body, "reasons") })
			service.WaitFor(t, "the log says that it works again", func() bool { return len(loggedBy(in, "node works again", "")) == 1 })
			r.MustVisit(in, "home")
		})
	}
}

// mid is what a server says in the middle of a script.
const mid = "can't run this command"

// loggedBy are the lines of the log with a message, and a part of the error.
func loggedBy(in *service.Instance, message, part string) (lines []string) {
	for text := range strings.Lines(in.Logged()) {
		var l struct{ Msg, Error string }
		if json.Unmarshal([]byte(text), &l) == nil && l.Msg == message && strings.Contains(l.Error, part) {
			lines = append(lines, text)
		}
	}
	return lines
}
