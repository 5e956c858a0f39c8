// Command footfall counts visits and unique ids. See README.md.
package main

import (
	"os"

	"footfall/bootstrap"
)

func main() {
	os.Exit(bootstrap.Main(os.Args[1:], os.Stdout, os.Stderr))
}
