package bootstrap

import (
	"cmp"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"footfall/adapters/prometheus"
)

// version, commit and date are set by the linker in a release.
var version, commit, date string //nolint:gochecknoglobals // the linker sets no other kind

// Build is what the program was built from. Its version is that of the linker; otherwise the one that Go
// makes of the commit, which has its date and revision; otherwise the date of the
// program's file, for a build that knows no commit, such as that of go run.
func Build() prometheus.Build {
	b := prometheus.Build{Version: version, Commit: commit, Date: date, Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if ok && info.Main.Version != "(devel)" {
		b.Version = cmp.Or(b.Version, info.Main.Version)
	}
	if ok && b.Commit == "" {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Commit = s.Value
			case "vcs.time":
				b.Date = s.Value
			}
		}
	}
	if b.Version == "" {
		b.Version = "devel-" + programTime().UTC().Format("20060102150405")
	}
	b.Commit, b.Date = cmp.Or(b.Commit, "unknown"), cmp.Or(b.Date, "unknown")
	return b
}

// programTime is when the file of this program was written; the zero time if it is gone.
func programTime() time.Time {
	path, err := os.Executable()
	if err != nil {
		return time.Time{}
	}
	info, err := os.Stat(path)
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}
