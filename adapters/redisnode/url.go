package redisnode

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"footfall/adapters/serverurl"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// ParseURL reads redis://[user:pass@]host:port,host:port[/db][?name=value&...], and
// rediss:// for TLS, and returns the options of a node for each address, in the order
// of their ids. Ports are 6379 where they are missing. The parameters are those of
// parameters, and for rediss those of serverurl.Parameters.Parse, which also checks
// the files. The errors don't repeat the password.
func ParseURL(text string) ([]Options, error) {
	var common Options
	rest, err := common.parse(text, "redis", common.parameters())
	if err != nil {
		return nil, err
	}
	hosts, db, found := strings.Cut(rest, "/")
	if found && db != "" {
		if common.DB, err = strconv.Atoi(db); err != nil || common.DB < 0 {
			return nil, errors.New("the database behind the addresses is no number")
		}
	}
	return common.each(hosts)
}

// parse reads a URL of a scheme that begins with redis, except the addresses and what is
// behind them, which it returns.
func (o *Options) parse(text, scheme string, parameters serverurl.Parameters) (string, error) {
	has, rest, _ := strings.Cut(text, "://")
	secure := "rediss" + strings.TrimPrefix(scheme, "redis")
	if has != scheme && has != secure {
		return "", fmt.Errorf("want %s:// or %s://", scheme, secure)
	}
	rest, err := o.cutCredentials(rest)
	if err != nil {
		return "", err
	}
	rest, query, _ := strings.Cut(rest, "?")
	o.TLS, err = parameters.Parse(query, has == secure)
	return rest, err
}

// parameters are those of the connections, after the question mark of a URL.
func (o *Options) parameters() serverurl.Parameters {
	return serverurl.Parameters{
		"pool_size": func(text string) (err error) {
			if o.PoolSize, err = strconv.Atoi(text); err != nil || o.PoolSize < 1 || o.PoolSize > 1000 {
				return errors.New("want a number from 1 to 1000")
			}
			return nil
		},
		"idle_time": func(text string) (err error) {
			if o.IdleTime, err = time.ParseDuration(text); err != nil || o.IdleTime < time.Second || o.IdleTime > time.Hour {
				return errors.New("want a duration from 1s to 1h")
			}
			return nil
		},
		"wait": func(text string) (err error) {
			if o.Wait, err = strconv.Atoi(text); err != nil || o.Wait < 0 || o.Wait > 10 {
				return errors.New("want a number from 0 to 10")
			}
			return nil
		},
	}
}

// cutCredentials takes user:pass@, percent-encoded, off the front.
func (o *Options) cutCredentials(rest string) (string, error) {
	at := strings.LastIndex(rest, "@")
	if at < 0 {
		return rest, nil
	}
	user, password, _ := strings.Cut(rest[:at], ":")
	var err1, err2 error
	o.Username, err1 = url.PathUnescape(user)
	o.Password, err2 = url.PathUnescape(password)
	if err1 != nil || err2 != nil {
		return "", errors.New("the credentials are not percent-encoded")
	}
	return rest[at+1:], nil
}

// each names the addresses: redis_<port>, or redis_<host>_<port> for those that share a
// port. So the list may come in any order. A server that has a name keeps it (Identify).
func (o *Options) each(hosts string) ([]Options, error) {
	addrs, err := addresses(hosts, "6379")
	if err != nil {
		return nil, err
	}
	var all []Options
	sharing := make(map[string]int) // addresses with a port
	for _, addr := range addrs {
		one := *o
		one.Addr = addr
		all = append(all, one)
		_, port, _ := net.SplitHostPort(addr)
		sharing[port]++
	}
	for i := range all {
		short, long := names(all[i].Addr)
		all[i].ID = short
		if _, port, _ := net.SplitHostPort(all[i].Addr); sharing[port] > 1 {
			all[i].ID = long
		}
	}
	slices.SortFunc(all, func(a, b Options) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

// addresses reads host:port,host:port; usual is the port where one is missing.
func addresses(hosts, usual string) (all []string, err error) {
	for text := range strings.SplitSeq(hosts, ",") {
		host, port, err := net.SplitHostPort(text)
		if err != nil {
			host, port = strings.Trim(text, "[]"), usual
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" {
			return nil, fmt.Errorf("%q is no host:port", text)
		}
		addr := net.JoinHostPort(strings.ToLower(host), port)
		if slices.Contains(all, addr) {
			return nil, fmt.Errorf("the address %s is in the list twice", addr)
		}
		all = append(all, addr)
	}
	return all, nil
}

// names are the names that a server can have by its address, redis_<port> and
// redis_<host>_<port>.
func names(addr string) (short, long counting.NodeID) {
	host, port, _ := net.SplitHostPort(addr)
	return counting.NodeID("redis_" + port), counting.NodeID("redis_" + host + "_" + port)
}

// Locate reads the address of a new node, redis://host:port or host:port, and names it
// as ParseURL names nodes: redis_<host>_<port> if a member has the same port. What the
// connection needs besides is that of the configuration: credentials, database
// and TLS have no place here.
func Locate(where string, members []sharding.Member) (counting.NodeID, string, error) {
	host := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(where, "rediss://"), "redis://"), "/")
	switch {
	case strings.Contains(host, "@"):
		return "", "", errors.New("the address has credentials; those of the configuration are used")
	case strings.ContainsAny(host, "/,?"):
		return "", "", errors.New("want one redis://host:port")
	}
	all, err := new(Options).each(host)
	if err != nil {
		return "", "", err
	}
	addr := all[0].Addr
	short, long := names(addr)
	for _, m := range members {
		if theirs, _ := names(m.Addr); m.Addr != addr && (theirs == short || m.ID == short) {
			return long, addr, nil
		}
	}
	return short, addr, nil
}
