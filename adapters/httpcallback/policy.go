package httpcallback

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Policy says which endpoints may be called. The zero Policy and "none" permit
// no endpoint.
type Policy struct {
	// public permits addresses of the public internet for hosts that match
	// one of the patterns; without patterns, for all hosts.
	public   bool
	patterns []string
	// ranges are permitted for every host, and those of rules for some.
	ranges []netip.Prefix
	rules  []rule
}

// rule permits a range to the hosts that match a pattern.
type rule struct {
	pattern string
	within  netip.Prefix
}

// ParsePolicy reads a list, separated by commas. Its items are:
//   - public: every address of the public internet;
//   - host patterns (hooks.example.com, or *.example.com for all names below
//     it), which imply public and restrict it to these hosts;
//   - CIDRs, each of which permits exactly its range in addition, to every host;
//   - a host pattern, @ and a CIDR, which permit the range to these hosts alone;
//   - none, alone.
//
// Whatever it permits, metadata addresses are not called.
func ParsePolicy(s string) (Policy, error) {
	var p Policy
	items := strings.Split(strings.ToLower(s), ",")
	for _, item := range items {
		item = strings.TrimSpace(item)
		switch {
		case item == "" && len(items) == 1:
			return Policy{}, errors.New("it is empty, want public, none, CIDRs or host patterns")
		case item == "":
			return Policy{}, errors.New("an item of the list is empty")
		case item == "none" && len(items) > 1:
			return Policy{}, errors.New("none stands alone")
		case item == "none":
			return Policy{}, nil
		case item == "public":
			p.public = true
		case goodPattern(item):
			p.public = true
			p.patterns = append(p.patterns, item)
		case strings.Contains(item, "@"):
			r, err := parseRule(item)
			if err != nil {
				return Policy{}, err
			}
			p.rules = append(p.rules, r)
		default:
			r, err := parseRange(item)
			if err != nil {
				return Policy{}, err
			}
			p.ranges = append(p.ranges, r)
		}
	}
	return p, nil
}

// parseRule reads hooks.internal@10.0.0.0/8.
func parseRule(s string) (rule, error) {
	pattern, within, _ := strings.Cut(s, "@")
	if !goodPattern(pattern) {
		return rule{}, fmt.Errorf("%q has no host pattern before the @", s)
	}
	r, err := parseRange(within)
	return rule{pattern, r}, err
}

func parseRange(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.Prefix{}, fmt.Errorf("%q is an address, not a CIDR, want %s/%d", s, a.WithZone(""), a.BitLen())
	}
	r, err := netip.ParsePrefix(s)
	switch {
	case err != nil && !strings.ContainsAny(s, "/:"):
		return netip.Prefix{}, fmt.Errorf("%q is not public, none, a CIDR or a host pattern", s)
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("%q is not a CIDR", s)
	case r.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("%q is an IPv4 range, write it as one", s)
	case r != r.Masked() && r.Bits() < leastHint(r.Addr()):
		return netip.Prefix{}, fmt.Errorf("%q has bits outside its mask, and so short a mask is most of the internet: want the network that is meant, such as 10.0.0.0/8", s)
	case r != r.Masked():
		return netip.Prefix{}, fmt.Errorf("%q has bits outside its mask, want %s", s, r.Masked())
	}
	return r, nil
}

// leastHint is the shortest mask of a range that an error suggests.
func leastHint(a netip.Addr) int {
	if a.Is4() {
		return 8
	}
	return 16
}

// patternForm is an ASCII host name, with or without *. before it.
var patternForm = regexp.MustCompile(`^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$`)

func goodPattern(s string) bool {
	name := strings.TrimPrefix(s, "*.")
	return patternForm.MatchString(s) && len(name) <= 253 && !numericEnd(name)
}

// matches reports whether public applies to a host name. An address matches no
// pattern.
func (p Policy) matches(host string) bool {
	if !p.public || len(p.patterns) == 0 {
		return p.public
	}
	return slices.ContainsFunc(p.patterns, func(pattern string) bool { return patternMatches(pattern, host) })
}

func patternMatches(pattern, host string) bool {
	below, wild := strings.CutPrefix(pattern, "*")
	return host == pattern || wild && strings.HasSuffix(host, below)
}

// contains reports whether a range has the address, one of all hosts or one of a rule
// for this host.
func (p Policy) contains(a netip.Addr, host string) bool {
	return slices.ContainsFunc(p.ranges, func(r netip.Prefix) bool { return r.Contains(a) }) ||
		slices.ContainsFunc(p.rules, func(r rule) bool { return r.within.Contains(a) && patternMatches(r.pattern, host) })
}

// mayResolve reports whether a host name may lead to an address that is permitted.
func (p Policy) mayResolve(host string) bool {
	return p.matches(host) || len(p.ranges) > 0 ||
		slices.ContainsFunc(p.rules, func(r rule) bool { return patternMatches(r.pattern, host) })
}

// IsNone tells whether no endpoint may be called.
func (p Policy) IsNone() bool { return !p.public && len(p.ranges) == 0 && len(p.rules) == 0 }
