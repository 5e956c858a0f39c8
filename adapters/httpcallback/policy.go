package httpcallback

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Policy says who may be called. The zero Policy, and that of none, permit
// nobody.
type Policy struct {
	// public allows addresses of the public internet, to hosts that match
	// one of the patterns, or to all where there are none.
	public   bool
	patterns []string
	// ranges are allowed whatever the host and whatever they hold.
	ranges []netip.Prefix
}

// ParsePolicy reads a list, separated by commas: public, every address of the
// public internet; host patterns (hooks.example.com, *.example.com for all
// names below it), which narrow public, and mean it where it isn't listed;
// CIDRs, each of which allows exactly its range besides; or none, alone.
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
		case strings.ContainsAny(item, "/:") || isAddress(item):
			r, err := parseRange(item)
			if err != nil {
				return Policy{}, err
			}
			p.ranges = append(p.ranges, r)
		case goodPattern(item):
			p.public = true
			p.patterns = append(p.patterns, item)
		default:
			return Policy{}, fmt.Errorf("%q is not public, none, a CIDR or a host pattern", item)
		}
	}
	return p, nil
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

func parseRange(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.Prefix{}, fmt.Errorf("%q is an address, not a CIDR, want %s/%d", s, a.WithZone(""), a.BitLen())
	}
	r, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("%q is not a CIDR", s)
	case r.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("%q is a range of IPv4, and is written as one", s)
	case r != r.Masked():
		return netip.Prefix{}, fmt.Errorf("%q has bits behind its mask, want %s", s, r.Masked())
	}
	return r, nil
}

// goodPattern takes names in plain ASCII, with *. before them or without.
func goodPattern(s string) bool {
	name := strings.TrimPrefix(s, "*.")
	if len(name) > 253 || numericEnd(name) {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

// matches tells whether public applies to a name; an address matches no
// pattern.
func (p Policy) matches(host string) bool {
	if !p.public || len(p.patterns) == 0 {
		return p.public
	}
	for _, pattern := range p.patterns {
		below, wild := strings.CutPrefix(pattern, "*")
		if host == pattern || wild && strings.HasSuffix(host, below) {
			return true
		}
	}
	return false
}

// contains tells whether the operator's ranges hold an address.
func (p Policy) contains(a netip.Addr) bool {
	for _, r := range p.ranges {
		if r.Contains(a) {
			return true
		}
	}
	return false
}
