package request

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"footfall/adapters/httpapi/problem"
)

// The functions here read a raw query without building a map of it. Names and
// values are decoded as forms are; a semicolon is an ordinary character.

// Param returns the value of a parameter. One that is empty counts as one that is not
// there, as in the query of a form. Its errors are repeated_parameter and bad_parameter.
func Param(rawQuery, name string) (value string, err error) {
	given := false
	err = eachValue(rawQuery, name, func(v string) error {
		if given {
			return problem.BadRequest("repeated_parameter", "The parameter "+name+" is given twice.")
		}
		value, given = v, true
		return nil
	})
	return value, err
}

// maxEcho is how much of the name of an unknown parameter an answer has, in bytes.
const maxEcho = 64

// Only is unknown_parameter if the query has a parameter of another name: what its sender
// meant would be lost.
func Only(rawQuery string, names ...string) error {
	for rawQuery != "" {
		var pair string
		pair, rawQuery, _ = strings.Cut(rawQuery, "&")
		key, _, _ := strings.Cut(pair, "=")
		if slices.Contains(names, key) || pair == "" {
			continue
		}
		decoded, err := unescape(key)
		if err != nil {
			decoded = key
		}
		if !slices.Contains(names, decoded) {
			return problem.BadRequest("unknown_parameter",
				fmt.Sprintf("This route does not know the parameter %q. A & in a value is sent as %%26.", decoded[:min(len(decoded), maxEcho)]))
		}
	}
	return nil
}

// Params returns the values of a parameter, in their order. Its errors are
// too_many_parameters for more than limit of them, and bad_parameter.
func Params(rawQuery, name string, limit int) (values []string, err error) {
	err = eachValue(rawQuery, name, func(v string) error {
		if len(values) == limit {
			return problem.BadRequest("too_many_parameters", "The parameter "+name+" is given too often.")
		}
		values = append(values, v)
		return nil
	})
	return values, err
}

// eachValue calls take with each value of a parameter.
func eachValue(rawQuery, name string, take func(value string) error) error {
	for rawQuery != "" {
		var pair string
		pair, rawQuery, _ = strings.Cut(rawQuery, "&")
		key, value, _ := strings.Cut(pair, "=")
		if key != name {
			// A name that can't be decoded is another one.
			if decoded, err := unescape(key); err != nil || decoded != name {
				continue
			}
		}
		value, err := unescape(value)
		if err != nil {
			return problem.BadRequest("bad_parameter", "The parameter "+name+" is not percent-encoded rightly.")
		}
		if err := take(value); err != nil {
			return err
		}
	}
	return nil
}

func unescape(s string) (string, error) {
	if !strings.ContainsAny(s, "%+") {
		return s, nil
	}
	return url.QueryUnescape(s)
}
