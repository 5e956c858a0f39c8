package request

import (
	"net/url"
	"strings"

	"footfall/adapters/httpapi/problem"
)

// The functions here read a raw query without building a map of it. Names and
// values are decoded as forms are; a semicolon is an ordinary character.

// Param returns the value of a parameter. given reports whether it is there. Its
// errors are repeated_parameter and bad_parameter.
func Param(rawQuery, name string) (value string, given bool, err error) {
	for rawQuery != "" {
		var pair string
		pair, rawQuery, _ = strings.Cut(rawQuery, "&")
		v, ok, err := valueOf(pair, name)
		switch {
		case err != nil:
			return "", false, err
		case ok && given:
			return "", false, problem.BadRequest("repeated_parameter", "The parameter "+name+" is given twice.")
		case ok:
			value, given = v, true
		}
	}
	return value, given, nil
}

// Params returns the values of a parameter, in their order. Its errors are
// too_many_parameters for more than limit of them, and bad_parameter.
func Params(rawQuery, name string, limit int) ([]string, error) {
	var values []string
	for rawQuery != "" {
		var pair string
		pair, rawQuery, _ = strings.Cut(rawQuery, "&")
		v, ok, err := valueOf(pair, name)
		switch {
		case err != nil:
			return nil, err
		case ok && len(values) == limit:
			return nil, problem.BadRequest("too_many_parameters", "The parameter "+name+" is given too often.")
		case ok:
			values = append(values, v)
		}
	}
	return values, nil
}

// valueOf returns the value of a name=value pair if it is of the name.
func valueOf(pair, name string) (value string, ok bool, err error) {
	key, value, _ := strings.Cut(pair, "=")
	if key != name {
		// A name that can't be decoded is another one.
		decoded, bad := unescape(key)
		if bad != nil || decoded != name {
			return "", false, nil //nolint:nilerr // it is no error here
		}
	}
	if value, err = unescape(value); err != nil {
		return "", false, problem.BadRequest("bad_parameter", "The parameter "+name+" is not percent-encoded rightly.")
	}
	return value, true, nil
}

func unescape(s string) (string, error) {
	if !strings.ContainsAny(s, "%+") {
		return s, nil
	}
	return url.QueryUnescape(s)
}
