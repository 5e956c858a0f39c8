package uniques

import (
	"context"
	"errors"

	"footfall/application/cluster"
	"footfall/domain/counting"
)

// copyEntry copies what is recorded of the window to a second node, which has it when the
// home is abandoned. It is done before the count is published: so no window is published
// and then lost. It is done before the home records that the window is lost: so that is
// never forgotten.
func (c closing) copyEntry(ctx context.Context, e counting.Entry) error {
	second := c.view.Second(c.window)
	if second == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, cluster.CallTimeout)
	defer cancel()
	token, has, err := second.Claim(ctx, c.window, c.Instance, cluster.CallTimeout)
	if errors.Is(err, counting.Corrupt) {
		return nil // no copy can be there, and the home has the count
	}
	if err != nil {
		return err
	}
	if token == "" {
		if has.State == counting.Lost && e.State != counting.Lost { // by a newer ring, unless that never reached the home
			return c.upToDate(ctx, second)
		}
		return nil
	}
	for _, step := range stepsTo(e) {
		if _, err := second.Advance(ctx, c.window, token, step); err != nil {
			return err
		}
	}
	return nil
}

// recovered records at the home what a copy says, if there is one, and returns the entry.
func (c closing) recovered(ctx context.Context) (counting.Entry, error) {
	found, _, err := find(ctx, c.view, c.window)
	e := counting.Entry{Window: c.window, State: counting.Open}
	switch {
	case errors.Is(err, counting.Corrupt): // there is no copy that can be read
		return e, nil
	case err != nil:
		return e, err
	case !found.Supersedes(counting.Entry{State: counting.Lost}):
		return e, nil
	}
	for _, step := range stepsTo(found) {
		if e, err = c.advance(ctx, step); err != nil {
			break
		}
	}
	return e, err
}

// stepsTo are the steps to what an entry has recorded.
func stepsTo(e counting.Entry) []counting.Step {
	if e.State == counting.Lost {
		return []counting.Step{counting.MarkLost()}
	}
	steps := []counting.Step{counting.Record(e.Count)}
	if e.State != counting.Sealed {
		steps = append(steps, counting.Publish(e.Sink))
	}
	return steps
}
