package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// stallTime is how long a backup may bring no byte.
const stallTime = 30 * time.Second

func (o *Options) backupCommand() *cobra.Command {
	return o.adminCommand("backup FILE", "Copy the embedded store to a file, or to stdout for -, while it counts, through the admin listener of this machine's service.",
		func(ctx context.Context, c client, args []string) error {
			return interruptibly(ctx, func(ctx context.Context) error { return c.backup(ctx, args[0]) })
		})
}

// backup writes a copy of the store. A caller of the service alone may read it, as the
// store itself.
func (c client) backup(ctx context.Context, name string) error {
	var size int64
	result, err := c.toFile(name, 0o600, func(to io.Writer) (err error) {
		size, err = c.download(ctx, "/backup", to)
		return err
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(result, "{\"bytes\":%d}\n", size)
	return err
}

// download writes the body of a 200 to a writer, and returns its size. A body that ends
// before its length is an error, and so is one that brings nothing for stallTime.
func (c client) download(ctx context.Context, path string, to io.Writer) (int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := fmt.Errorf("the service sent nothing for %v", stallTime)
	stalled := time.AfterFunc(stallTime, func() { cancel(late) })
	defer stalled.Stop()
	c.http.SetTimeout(0)
	resp, err := c.http.R().SetContext(ctx).SetDoNotParseResponse(true).Execute(http.MethodGet, path)
	if err != nil {
		return 0, c.unanswered(err)
	}
	defer func() { _ = resp.RawBody().Close() }()
	if resp.StatusCode() != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.RawBody(), 64<<10))
		return 0, refusal(resp.Status(), resp.StatusCode(), body, c.at())
	}
	n, err := io.Copy(to, &alive{resp.RawBody(), stalled})
	if err != nil {
		if why := context.Cause(ctx); why != nil {
			err = why
		}
		return n, fmt.Errorf("after %d bytes: %w", n, err)
	}
	return n, nil
}

// alive restarts a timer with each byte.
type alive struct {
	io.Reader
	timer *time.Timer
}

func (a *alive) Read(p []byte) (int, error) {
	n, err := a.Reader.Read(p)
	a.timer.Reset(stallTime)
	return n, err
}
