package cli

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"footfall/test/check"
)

func writes(text string) func(io.Writer) error {
	return func(to io.Writer) error { _, err := io.WriteString(to, text); return err }
}

// Of two commands that write one file, the second fails, and leaves that of the first as it is.
func TestAFileIsWrittenByOneCommandAtATime(t *testing.T) {
	name := filepath.Join(t.TempDir(), "copy")
	_, err := client{}.toFile(name, 0o600, func(to io.Writer) error {
		check.OK(t, writes("one ")(to))
		if _, err := (client{}).toFile(name, 0o600, writes("other")); err == nil {
			t.Error("the second command did not fail")
		}
		return writes("whole")(to)
	})
	check.Must(t, err)
	check.Equal(t, string(check.Value(os.ReadFile(name))(t)), "one whole", "the file")
	left := check.Value(os.ReadDir(filepath.Dir(name)))(t)
	check.Equal(t, len(left), 1, "files")
}

// What a command has left that was killed is used again, and is read by no more users than it says.
func TestTheRestOfAFileIsUsedAgain(t *testing.T) {
	name := filepath.Join(t.TempDir(), "copy")
	part := name + ".part"
	check.Must(t, os.WriteFile(part, []byte("a longer rest"), 0o600))
	check.Must(t, os.Chmod(part, 0o644))
	_, err := client{}.toFile(name, 0o600, writes("whole"))
	check.Must(t, err)
	check.Equal(t, string(check.Value(os.ReadFile(name))(t)), "whole", "the file")
	check.Equal(t, check.Value(os.Stat(name))(t).Mode(), os.FileMode(0o600), "the mode")
	check.Must(t, os.Symlink(filepath.Join(t.TempDir(), "elsewhere"), part))
	if _, err := (client{}).toFile(name, 0o600, writes("other")); err == nil {
		t.Error("a link was followed")
	}
}
