package bootstrap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"footfall/adapters/cli"
)

// fromFile ends the name of a variable that names the file with a secret.
const fromFile = "_FILE"

// maxSecret bounds such a file, in bytes.
const maxSecret = 64 << 10

// isSecret tells whether a setting is a secret, or a URL that may have one. It may be read from a file.
func isSecret(setting string) bool {
	return slices.Contains([]string{"admin-token", "store", "publisher", "callback-secret", "callback-proxy"}, setting)
}

// fromEnvironment sets the flags that the command line doesn't.
func fromEnvironment(flags *pflag.FlagSet) (err error) {
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			return
		}
		variable := cli.Variable(f.Name)
		value, ok := os.LookupEnv(variable)
		if path := os.Getenv(variable + fromFile); path != "" && isSecret(f.Name) {
			if value != "" {
				err = errors.Join(err, fmt.Errorf("both %s and %s%s are set", variable, variable, fromFile))
				return
			}
			text, unread := readSecret(path)
			if unread != nil {
				err = errors.Join(err, fmt.Errorf("%s%s=%q: %w", variable, fromFile, path, unread))
				return
			}
			value, ok = text, true
		}
		if ok {
			err = errors.Join(err, f.Value.Set(value))
		}
	})
	return err
}

// readSecret reads a file, which must have something in it.
func readSecret(path string) (string, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return "", errors.Unwrap(err) // which doesn't repeat the path
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	switch {
	case err != nil:
		return "", errors.Unwrap(err)
	case len(text) > maxSecret:
		return "", fmt.Errorf("it has more than %d bytes", maxSecret)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return "", errors.New("it is empty")
	}
	return string(text), nil
}

// unknownVariables are the variables of an environment that look like a setting
// but are none, sorted.
func unknownVariables(environ []string, flags *pflag.FlagSet) []string {
	unknown := make(map[string]bool)
	for _, e := range environ {
		if name, _, _ := strings.Cut(e, "="); strings.HasPrefix(name, "FOOTFALL_") {
			unknown[name] = true
		}
	}
	flags.VisitAll(func(f *pflag.Flag) {
		delete(unknown, cli.Variable(f.Name))
		if isSecret(f.Name) {
			delete(unknown, cli.Variable(f.Name)+fromFile)
		}
	})
	return slices.Sorted(maps.Keys(unknown))
}

// redacted hides a secret, and passwords of a URL, also if it is invalid: parameters that are
// named so, and all between its scheme and its last @.
func redacted(name, text string) string {
	if name == "callback-secret" || name == "admin-token" {
		return "***"
	}
	text = regexp.MustCompile(`(?is)(password[^=&]*=)[^&]*`).ReplaceAllString(text, "$1***")
	return regexp.MustCompile(`(?s)^([A-Za-z][A-Za-z0-9+.-]*:/+)?.*@`).ReplaceAllString(text, "$1***@")
}
