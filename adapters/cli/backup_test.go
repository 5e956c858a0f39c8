package cli_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"footfall/test/check"
)

// A backup that ends too early leaves the file of the last one as it was.
func TestABackupThatIsCutOffIsNoFile(t *testing.T) {
	t.Parallel()
	failing := true
	flag := adminAt(t, func(w http.ResponseWriter, r *http.Request) {
		check.Equal(t, r.URL.Path, "/backup", "the path")
		w.Header().Set("Content-Length", "12")
		_, _ = w.Write([]byte("the store"))
		if failing {
			check.OK(t, http.NewResponseController(w).Flush())
			panic(http.ErrAbortHandler)
		}
		_, _ = w.Write([]byte(" is"))
	})
	file := filepath.Join(t.TempDir(), "copy")
	writeFile(t, file, "the last one")
	if code, stdout, stderr := run(t, "backup", file, flag); code != 1 || stdout != "" || !strings.Contains(stderr, "after 9 bytes") {
		t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
	}
	mustHave(t, file, "the last one")
	failing = false
	if code, stdout, stderr := run(t, "backup", file, flag); code != 0 || stdout != "{\"bytes\":12}\n" {
		t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
	}
	mustHave(t, file, "the store is")
	check.Equal(t, check.Value(os.Stat(file))(t).Mode(), 0o600, "who may read it")
	if code, stdout, stderr := run(t, "backup", "-", flag); code != 0 || stdout != "the store is" || stderr != "{\"bytes\":12}\n" {
		t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
	}
	if left, _ := filepath.Glob(file + ".*"); left != nil {
		t.Errorf("%v are left", left)
	}
}
