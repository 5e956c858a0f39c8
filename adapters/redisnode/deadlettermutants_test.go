package redisnode_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/conformance"
	"footfall/test/servers"
)

// rewriting is the environment of TestARewrittenNode: a text of the scripts, a line break, and
// what is in its place.
const rewriting = "FOOTFALL_TEST_REWRITING"

// TestARewrittenNode runs the suite with other scripts, for TestEveryDefectOfDeadLettersIsFound.
func TestARewrittenNode(t *testing.T) {
	text, other, ok := strings.Cut(os.Getenv(rewriting), "\n")
	if !ok {
		t.Skip("another test runs this one")
	}
	open := func(t *testing.T, id counting.NodeID, server *servers.Redis) node {
		t.Helper()
		proxy := servers.StartRewriter(t, server.Addr, text, other)
		t.Cleanup(func() {
			if proxy.Rewrites() == 0 {
				t.Log("the defect is not built in")
			}
		})
		n := openAs(t, id, &servers.Redis{Addr: proxy.Addr}, "", "")
		n.server = server
		return n
	}
	conformance.TestNode(t, onServer(conformance.Harness{Open: func(t *testing.T) conformance.Node {
		server := servers.StartRedisWithClock(t)
		server.Clock.Stop(t, 0)
		return open(t, "redis_7070", server)
	}}))
}

// Each defect of the scripts about dead letters fails a case of the suite, which passes
// without it.
func TestEveryDefectOfDeadLettersIsFound(t *testing.T) {
	t.Parallel()
	const (
		claims   = "one owner at a time claims a letter, until its lease is over"
		stepped  = "a lease of before the clock stepped back excludes no owner"
		released = "a released letter has its last delivery, and is claimed again"
		once     = "a repeated step makes no second letter, and none again"
		moved    = "letters of another node are stored claimed, once"
		inSteps  = "letters are listed in their order, in steps"
		kept     = "a letter is kept for 7 days, retries or not"
		most     = "of more than the most letters the oldest are deleted and counted"
		bytes    = "of letters whose endpoints have more than the most bytes the oldest are deleted and counted"
	)
	for _, m := range []struct{ name, found, text, other string }{
		{"none", "", "-- Dead letters", "-- DEAD LETTERS"},
		{"a claim excludes no other owner", claims, "by ~= '-' and", "by ~= by  and"},
		{"a lease never ends", claims, "left > 0 and left <=", "left > -9^9 and -1 <"},
		{"a lease from a later time excludes others", stepped, "left <= tonumber(longest)", "left <= math.huge        "},
		{"any owner ends a claim", released, "if found and by == owner", "if found and by ~= false"},
		{"a repeated delivery makes another letter", once, "'^%d+ %d+ true'", "'^%d+ %d+ TRUE'"},
		{"an imported letter is not claimed", moved, "add_letter(letters[i], til,", "add_letter(letters[i], '0',"},
		{"an imported letter is stored beside the one that is there", moved, "if not find_letter(letters[i]) then", "if 1~= find_letter(letters[i]) then"},
		{"a list lacks its first letter", inSteps, "'LIMIT', 0, limit", "'LIMIT', 1, limit"},
		{"expired letters are listed", kept, "expired = letter_time(now() - life)", "expired = letter_time(0     - life)"},
		{"expired letters are not deleted", kept, "'(' .. letter_time(now() - life)", "'(' .. letter_time(0     - life)"},
		{"any number of letters is kept", most, "letter_at(beyond) > 0", "letter_at(beyond) > 9"},
		{"any number of bytes is kept", bytes, "bytes > tonumber(most_bytes)", "bytes > math.huge           "},
		{"what is forgotten makes no room", bytes, "'dlbytes', -bytes)", "'dlbytes',0*bytes)"},
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			check.Equal(t, len(m.other), len(m.text), "length of what is in the place of %q", m.text)
			find := "^TestARewrittenNode$/^dead_letters$"
			if m.found != "" {
				find += "/^" + strings.ReplaceAll(m.found, " ", "_") + "$"
			}
			var text string
			var err error
			for range 5 { // a busy machine is no defect
				cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+find, "-test.v", "-test.timeout="+(10*time.Minute).String())
				cmd.Env = append(os.Environ(), rewriting+"="+m.text+"\n"+m.other)
				var out []byte
				out, err = cmd.CombinedOutput()
				if text = string(out); !strings.Contains(text, "no answer in time") {
					break
				}
			}
			switch {
			case strings.Contains(text, "no answer in time"):
				t.Errorf("the machine is too busy:\n%s", text)
			case strings.Contains(text, "the defect is not built in"):
				t.Errorf("no script has %q", m.text)
			case m.found == "" && (err != nil || !strings.Contains(text, "--- PASS: TestARewrittenNode/dead_letters/")):
				t.Errorf("without a defect: %v\n%s", err, text)
			case m.found != "" && (err == nil || !strings.Contains(text, "--- FAIL: TestARewrittenNode/dead_letters/")):
				t.Errorf("it is not found: %v\n%s", err, text)
			}
		})
	}
}
