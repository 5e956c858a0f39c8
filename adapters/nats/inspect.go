package nats

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"footfall/adapters/brokerlink"
	"footfall/domain/checking"
)

// askTime bounds each question of an inspection after the login.
const askTime = 2 * time.Second

// leastWindow is the duplicate window of a stream below which a replay of the log after a short
// outage repeats counts. The default of a stream is 2 minutes.
const leastWindow = time.Hour

// Inspect logs in to each server, and looks by the first one that takes the login for the stream
// and the right to publish. It publishes nothing.
func (p *Publisher) Inspect(ctx context.Context) []checking.Finding {
	var once sync.Once
	var stream []checking.Finding
	servers := brokerlink.Inspect(p.options.Addrs, func(addr string) []checking.Finding {
		list := checking.List{About: "nats at " + addr}
		begin := time.Now()
		l, err := open(ctx, p.options, addr)
		if err != nil {
			list.Add(checking.Fail, "", "%v", err)
			return list.All
		}
		defer l.Close()
		list.Add(checking.OK, "", "it takes the login, and its answers arrive, within %v", time.Since(begin).Round(time.Millisecond))
		once.Do(func() { stream = l.inspect(ctx) })
		return list.All
	})
	return append(servers, stream...)
}

func (l *link) inspect(ctx context.Context) []checking.Finding {
	list := checking.List{About: "nats"}
	l.inspectRight(ctx, &list)
	var info *jetstream.StreamInfo
	err := l.ask(ctx, func(ctx context.Context) error {
		name, err := l.js.StreamNameBySubject(ctx, l.subject)
		if err != nil {
			return err
		}
		stream, err := l.js.Stream(ctx, name)
		if err == nil {
			info = stream.CachedInfo()
		}
		return err
	})
	switch {
	case errors.Is(err, natsgo.ErrPermissionViolation):
		list.Add(checking.Warn, "permit the user to publish to $JS.API.STREAM.NAMES and $JS.API.STREAM.INFO.*, or look with nats stream info",
			"the user may not look for the stream of subject %q", l.subject)
	case errors.Is(err, jetstream.ErrStreamNotFound):
		list.Add(checking.Fail, "create one", "no stream takes the subject %q", l.subject)
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount), errors.Is(err, natsgo.ErrNoResponders):
		list.Add(checking.Fail, "enable it for the servers and the account", "there is no JetStream")
	case err != nil:
		list.Add(checking.Fail, "", "look for the stream of subject %q: %v", l.subject, err)
	default:
		inspectStream(&list, info, l.subject)
	}
	return list.All
}

// inspectStream adds what a stream does with counts.
func inspectStream(list *checking.List, info *jetstream.StreamInfo, subject string) {
	c := info.Config
	list.Add(checking.OK, "", "stream %q takes the subject %q", c.Name, subject)
	if c.NoAck {
		list.Add(checking.Fail, "update it with --ack", "stream %q confirms nothing, so every count is in doubt", c.Name)
	}
	if c.Sealed {
		list.Add(checking.Fail, "create another one", "stream %q is sealed, and takes nothing", c.Name)
	}
	if full := c.MaxMsgs > 0 && info.State.Msgs >= uint64(c.MaxMsgs) || c.MaxBytes > 0 && info.State.Bytes >= uint64(c.MaxBytes); full && c.Discard == jetstream.DiscardNew {
		list.Add(checking.Fail, "make room, or update it with --discard=old", "stream %q is full, and refuses counts", c.Name)
	}
	if c.Storage == jetstream.MemoryStorage && c.Replicas < 2 {
		list.Add(checking.Warn, "create it with --storage=file, unless counts may be lost", "stream %q is in the memory of one server, so a restart loses counts", c.Name)
	}
	if c.Duplicates < leastWindow {
		list.Add(checking.Warn, "update it with a --dupe-window that is longer than outages last, such as 168h",
			"stream %q drops a repeated count for %v only, so a later replay adds it again", c.Name, c.Duplicates)
	} else {
		list.Add(checking.OK, "", "stream %q drops repeated counts for %v", c.Name, c.Duplicates)
	}
}

// permissions are those of the user in a server's answer (nats-server, server/events.go, from
// 2.10). Lists that are empty are no bound.
type permissions struct {
	Data struct {
		Permissions struct {
			Publish struct{ Allow, Deny []string }
		}
	}
}

// inspectRight adds whether the user may publish. The server is asked, since it sends no answer
// to a publish without the right, and one with it would be read by consumers.
func (l *link) inspectRight(ctx context.Context, list *checking.List) {
	var of permissions
	err := l.ask(ctx, func(ctx context.Context) error {
		answer, err := l.conn.RequestWithContext(ctx, "$SYS.REQ.USER.INFO", nil)
		if err != nil {
			return err
		}
		return json.Unmarshal(answer.Data, &of)
	})
	may := func(subjects []string) bool {
		return slices.ContainsFunc(subjects, func(pattern string) bool { return matches(pattern, l.subject) })
	}
	switch publish := of.Data.Permissions.Publish; {
	case err != nil: // an older server, or a user with this one right
		list.Add(checking.OK, "", "whether the user may publish to %q shows with the first count", l.subject)
	case may(publish.Deny), len(publish.Allow) > 0 && !may(publish.Allow):
		list.Add(checking.Fail, "permit the user to publish to it", "the user may not publish to %q", l.subject)
	default:
		list.Add(checking.OK, "", "the user may publish to %q", l.subject)
	}
}

// ask ends a question after askTime, or when the server says that the user may not ask.
func (l *link) ask(ctx context.Context, question func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	asking, end := context.WithCancelCause(ctx)
	defer end(nil)
	l.denied.Store(&end)
	defer l.denied.Store(nil)
	err := question(asking)
	if denied := context.Cause(asking); errors.Is(denied, natsgo.ErrPermissionViolation) {
		return denied
	}
	return err
}

// matches reports whether a subject is one of a pattern, in which * is any word and > all that
// follow.
func matches(pattern, subject string) bool {
	words := strings.Split(subject, ".")
	wanted := strings.Split(pattern, ".")
	for i, want := range wanted {
		switch {
		case i >= len(words):
			return false
		case want == ">":
			return true
		case want != "*" && want != words[i]:
			return false
		}
	}
	return len(words) == len(wanted)
}
