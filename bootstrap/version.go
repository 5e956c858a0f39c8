package bootstrap

import (
	"os"
	"runtime/debug"
	"time"
)

// version is set by the linker in a release.
var version string

// Version is the version of the program: that of the linker; otherwise the one that Go
// makes of the commit, which has its date and revision; otherwise the date of the
// program's file, for a build that knows no commit, such as that of go run.
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel-" + programTime().UTC().Format("20060102150405")
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
