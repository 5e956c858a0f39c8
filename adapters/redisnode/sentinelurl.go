package redisnode

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// masterPrefix begins the address of a master that Sentinels watch: sentinel/NAME.
const masterPrefix = "sentinel/"

// sentinelPort is that of a Sentinel whose address has none.
const sentinelPort = "26379"

// ParseSentinelURL reads redis+sentinel://[user:pass@]s1:26379,s2:26379/NAME,NAME[?name=value&...],
// and rediss+sentinel:// for TLS, and returns the options of a node for each master name, in
// the order of their ids. The node of the master NAME is redis_NAME, and its address is
// sentinel/NAME: both stay when the master moves to another server. The credentials before @
// are those of the servers. The parameters are those of ParseURL, and
//
//	db=NUMBER               the database of the servers, 0 without it
//	sentinel_user=NAME      the user of the Sentinels
//	sentinel_password=TEXT  their password
//
// The errors don't repeat passwords.
func ParseSentinelURL(text string) ([]Options, error) {
	scheme, rest, _ := strings.Cut(text, "://")
	if scheme != "redis+sentinel" && scheme != "rediss+sentinel" {
		return nil, errors.New("want redis+sentinel:// or rediss+sentinel://")
	}
	if i := strings.LastIndex(rest, "@"); strings.Contains(rest[:max(i, 0)], "sentinel_") {
		return nil, errors.New("a parameter after the question mark has an @; want it percent-encoded, as %40")
	}
	common := Options{Sentinels: &Sentinels{}}
	rest, err := common.cutCredentials(rest)
	if err != nil {
		return nil, err
	}
	rest, query, _ := strings.Cut(rest, "?")
	parameters := common.parameters()
	parameters["db"] = common.parseDB
	parameters["sentinel_user"] = func(text string) error { common.Sentinels.Username = text; return nil }
	parameters["sentinel_password"] = func(text string) error { common.Sentinels.Password = text; return nil }
	if common.TLS, err = parameters.Parse(query, scheme == "rediss+sentinel"); err != nil {
		return nil, err
	}
	if common.Sentinels.Username != "" && common.Sentinels.Password == "" {
		return nil, errors.New("sentinel_user needs sentinel_password")
	}
	hosts, names, _ := strings.Cut(rest, "/")
	if common.Sentinels.Addrs, err = addresses(hosts, sentinelPort); err != nil {
		return nil, err
	}
	return common.eachMaster(names)
}

func (o *Options) parseDB(text string) (err error) {
	if o.DB, err = strconv.Atoi(text); err != nil || o.DB < 0 {
		return errors.New("want a number from 0")
	}
	return nil
}

// eachMaster returns the options of each master of a list of names.
func (o *Options) eachMaster(names string) ([]Options, error) {
	var all []Options
	for name := range strings.SplitSeq(names, ",") {
		id, addr, err := ofMaster(name)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(all, func(other Options) bool { return other.Addr == addr }) {
			return nil, fmt.Errorf("the master %s is in the list twice", name)
		}
		one := *o
		one.ID, one.Addr = id, addr
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Options) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

// ofMaster is the node of a master.
func ofMaster(name string) (id counting.NodeID, addr string, err error) {
	switch {
	case name == "":
		return "", "", errors.New("want the name of a master after the Sentinels: redis+sentinel://host:port/NAME")
	case !regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`).MatchString(name):
		return "", "", fmt.Errorf("%q is no name of a master: want letters, digits, and . - _", name)
	}
	return counting.NodeID("redis_" + name), masterPrefix + name, nil
}

// At are the options of another member of the ring: it has the credentials of the
// configuration, because the ring holds none, and is found as the configured ones are.
func (o Options) At(id counting.NodeID, addr string) (Options, error) {
	switch isMaster := strings.HasPrefix(addr, masterPrefix); {
	case isMaster && o.Sentinels == nil:
		return o, fmt.Errorf("%s is found by Sentinels; want FOOTFALL_STORE=redis+sentinel://", addr)
	case !isMaster && o.Sentinels != nil:
		return o, fmt.Errorf("%s is not found by Sentinels; want FOOTFALL_STORE=redis://", addr)
	}
	o.ID, o.Addr = id, addr
	return o, nil
}

// LocateMaster reads the address of a new node beside the configured masters, sentinel/NAME or
// redis+sentinel://host:port/NAME, and names it as ParseSentinelURL does. The hosts have to be
// among the Sentinels of the configuration, which watch it.
func (o Options) LocateMaster(where string, _ []sharding.Member) (counting.NodeID, string, error) {
	if name, ok := strings.CutPrefix(where, masterPrefix); ok {
		return ofMaster(name)
	}
	scheme, rest, _ := strings.Cut(where, "://")
	switch {
	case scheme != "redis+sentinel" && scheme != "rediss+sentinel", strings.Contains(rest, "?"):
		return "", "", errors.New("want sentinel/NAME, or redis+sentinel://host:port/NAME")
	case strings.Contains(rest, "@"):
		return "", "", errors.New("the address has credentials; those of the configuration are used")
	}
	hosts, name, _ := strings.Cut(rest, "/")
	all, err := addresses(hosts, sentinelPort)
	if err != nil {
		return "", "", err
	}
	for _, addr := range all {
		if !slices.Contains(o.Sentinels.Addrs, addr) {
			return "", "", fmt.Errorf("%s is none of the Sentinels of FOOTFALL_STORE", addr)
		}
	}
	return ofMaster(strings.TrimSuffix(name, "/"))
}
