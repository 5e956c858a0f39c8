package redisnode

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// askTimeout bounds a question to all Sentinels, up to three: those that hang leave a call time
// for the one that answers.
const askTimeout = callTimeout * 3 / 4

// Sentinels are those that know where masters are, with the credentials for them.
type Sentinels struct {
	Addrs              []string // host:port
	Username, Password string
}

// sentinel is one of the Sentinels.
type sentinel struct {
	addr    string
	tls     bool
	timeout time.Duration // of one question
	client  *redis.Client
}

func newSentinel(addr string, o Options) *sentinel {
	timeout := askTimeout / time.Duration(min(len(o.Sentinels.Addrs), 3))
	return &sentinel{addr, o.TLS != nil, timeout, redis.NewClient(&redis.Options{
		Addr: addr, Username: o.Sentinels.Username, Password: o.Sentinels.Password,
		Dialer:     dialer(o.TLS),
		MaxRetries: -1, DialerRetries: 1,
		ContextTimeoutEnabled: true,
		DialTimeout:           timeout, ReadTimeout: timeout, WriteTimeout: timeout,
		PoolSize: 1, PoolTimeout: timeout,
		ConnMaxIdleTime: idleTime,
		Protocol:        2, DisableIdentity: true,
	})}
}

// ask returns the address of a master. An error names the Sentinel, and wraps
// counting.ErrUnusable if only an operator can mend it.
func (s *sentinel) ask(ctx context.Context, name string) (string, error) {
	call, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	at, err := s.client.Do(call, "SENTINEL", "get-master-addr-by-name", name).StringSlice()
	switch {
	case err == nil && len(at) == 2:
		return net.JoinHostPort(at[0], at[1]), nil
	case err == nil:
		return "", fmt.Errorf("the Sentinel %s answered %q", s.addr, at)
	case errors.Is(err, redis.Nil):
		return "", s.unknown(ctx, name)
	case begins(err.Error(), "ERR unknown command"):
		return "", s.isNone(ctx)
	case begins(err.Error(), "NOPERM"):
		return "", s.lacks("GET-MASTER-ADDR-BY-NAME")
	case begins(err.Error(), "NOAUTH", "WRONGPASS", "ERR invalid password", "ERR AUTH"):
		word, _, _ := strings.Cut(err.Error(), " ")
		return "", unusable(word+" the Sentinel wants other credentials", fmt.Errorf(
			"the Sentinel %s: %s; correct sentinel_user and sentinel_password in FOOTFALL_STORE", s.addr, strings.TrimSuffix(err.Error(), ".")))
	case isSetup(err):
		return "", unusable("a Sentinel can't be reached by TLS", fmt.Errorf("the Sentinel %s: %s", s.addr, withAdvice(err)))
	}
	return "", fmt.Errorf("the Sentinel %s: %w", s.addr, plain(err))
}

// replicas is how many replicas of a master the Sentinel may promote, and of the others how
// many are connected: WAIT does not tell which replicas have a step, so all of them must.
func (s *sentinel) replicas(ctx context.Context, name string) (n int, err error) {
	call, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	all, err := s.client.Do(call, "SENTINEL", "replicas", name).Slice()
	switch {
	case err != nil && begins(err.Error(), "NOPERM"):
		return 0, s.lacks("REPLICAS")
	case err != nil:
		return 0, fmt.Errorf("the Sentinel %s: %w", s.addr, plain(err))
	}
	for _, one := range all {
		of := fieldsOf(one)
		if !strings.Contains(of["flags"], "down") && (of["slave-priority"] != "0" || of["master-link-status"] == "ok") {
			n++
		}
	}
	return n, nil
}

// lacks is the error of a user without the right to a subcommand.
func (s *sentinel) lacks(right string) error {
	return unusable("NOPERM the Sentinel's user lacks a right", fmt.Errorf("the Sentinel %s: the user of sentinel_user may not run SENTINEL %s", s.addr, right))
}

// unknown is the error of a name that a Sentinel does not know.
func (s *sentinel) unknown(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	text := fmt.Sprintf("the Sentinel %s knows no master %s", s.addr, name)
	known, err := mastersOf(s.client.Do(ctx, "SENTINEL", "masters"))
	switch {
	case err == nil && len(known) > 0:
		text += "; it knows " + strings.Join(known, ", ")
	case err == nil:
		text += "; it knows none"
	}
	return unusable("the Sentinels know no such master", errors.New(text))
}

// isNone is the error of a server that is no Sentinel.
func (s *sentinel) isNone(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	info, _ := s.client.InfoMap(ctx, "server", "replication").Result() // a user without INFO gets less advice
	return unusable("it is no Sentinel", fmt.Errorf("%s is no Sentinel; want FOOTFALL_STORE=%s", s.addr, urlOf(info, s.addr, s.tls)))
}

// noneKnows is the error of a master that no Sentinel has named. It wraps
// counting.ErrUnusable if one of them has said what an operator has to mend.
func noneKnows(name string, failures []error) error {
	var texts []string
	for _, failure := range failures {
		texts = append(texts, failure.Error())
	}
	err := silent(noneSays, "no Sentinel says where master %s is: %s", name, strings.Join(texts, "; "))
	for _, failure := range failures {
		if says := saysUnusable(failure); says != "" {
			return unusable(says, err)
		}
	}
	return err
}
