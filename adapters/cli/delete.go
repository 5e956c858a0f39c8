package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// busyPause is the time after which a listing that the ring has ended starts over.
const busyPause = time.Second

// deletion deletes pages by a prefix.
type deletion struct {
	client
	prefix string
	dry    bool
}

func (o *Options) deleteCommand() *cobra.Command {
	d := deletion{}
	c := o.adminCommand("delete", "Delete all pages whose names begin with a prefix, through the admin listener of this machine's service.",
		func(ctx context.Context, c client, _ []string) error {
			if d.prefix == "" {
				return errors.New("--prefix is wanted, and is not empty")
			}
			d.client = c
			return interruptibly(ctx, d.run)
		})
	c.Flags().StringVar(&d.prefix, "prefix", "", "How the names begin.")
	c.Flags().BoolVar(&d.dry, "dry-run", false, "Count the pages, and delete none.")
	return c
}

// run follows a listing to its end. A change of the ring ends the listing, which then
// starts over: what was deleted stays so.
func (d *deletion) run(ctx context.Context) error {
	defer d.bar("")
	pages, cursor, went := 0, "", time.Now()
	for begun := false; !begun || cursor != ""; {
		next, found, err := d.step(ctx, cursor)
		if errors.As(err, new(ringBusy)) && time.Since(went) < retryFor {
			if cursor, begun = "", false; d.dry {
				pages = 0
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(busyPause):
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("%w (after %d pages; run the command again to go on)", err, pages)
		}
		pages, cursor, begun, went = pages+found, next, true, time.Now()
		d.bar(fmt.Sprintf("%d pages", pages))
	}
	answer, _ := json.Marshal(map[string]any{"pages": pages, "dry_run": d.dry}) // it always encodes
	return d.print(answer, nil)
}

// step deletes the pages at a cursor, and returns the next cursor and their number.
func (d *deletion) step(ctx context.Context, cursor string) (next string, pages int, err error) {
	answer, err := d.retry(ctx, http.MethodPost, "/pages/delete", map[string]any{"prefix": d.prefix, "cursor": cursor, "dry_run": d.dry})
	if err != nil {
		return "", 0, err
	}
	var done struct {
		Pages int
		Next  string
	}
	err = json.Unmarshal(answer, &done)
	return done.Next, done.Pages, err
}
