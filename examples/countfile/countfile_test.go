package countfile_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"footfall/examples/countfile"
	"footfall/test/check"
)

// openGo and openPython open a file and close it.
func openGo(_ context.Context, path string) error {
	f, err := countfile.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}

func openPython(ctx context.Context, path string) error {
	return exec.CommandContext(ctx, "python3", "-c", "import countfile, sys; countfile.CountFile(sys.argv[1]).close()", path).Run()
}

// The rest of a line that a crash has left is removed. Of a file that has something else, nothing is.
func TestOnlyTheRestOfALineIsRemoved(t *testing.T) {
	t.Setenv("PYTHONPATH", check.Value(filepath.Abs(".."))(t))
	line := `{"id":"a","window_start":"2026-11-22T10:05:00Z","window_end":"2026-11-22T10:06:00Z","count":1}` + "\n"
	for name, open := range map[string]func(context.Context, string) error{"Go": openGo, "Python": openPython} {
		for text, want := range map[string]string{"": "", line: line, line + `{"i`: line, line + `{"id":"b","win`: line} {
			path := filepath.Join(t.TempDir(), "counts")
			check.Must(t, os.WriteFile(path, []byte(text), 0o600))
			check.OK(t, open(t.Context(), path), name)
			check.Equal(t, string(check.Value(os.ReadFile(path))(t)), want, "the file by %s", name)
		}
		for _, text := range []string{"notes", "notes\n", line + "notes", line + `{"other":1}`} {
			path := filepath.Join(t.TempDir(), "notes")
			check.Must(t, os.WriteFile(path, []byte(text), 0o600))
			if open(t.Context(), path) == nil {
				t.Errorf("%s: %q was opened", name, text)
			}
			check.Equal(t, string(check.Value(os.ReadFile(path))(t)), text, "the file by %s", name)
		}
	}
}
