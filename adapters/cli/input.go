package cli

import (
	"context"
	"io"
	"os"
)

// input is a file that is read, or stdin.
type input struct {
	io.ReadCloser
	size int64 // in bytes; 0 for a pipe
}

// openInput opens a file, or stdin if the name is -. Reading ends when ctx ends: no
// signal ends a read of stdin.
func openInput(ctx context.Context, name string) (input, error) {
	f := os.Stdin
	if name != "-" {
		var err error
		if f, err = os.Open(name); err != nil {
			return input{}, err
		}
	}
	info, err := f.Stat()
	if err != nil {
		return input{}, err
	}
	piped, pipe := io.Pipe()
	go func() {
		_, err := io.Copy(pipe, f)
		_ = pipe.CloseWithError(err)
		if f != os.Stdin {
			_ = f.Close() // it was only read
		}
	}()
	context.AfterFunc(ctx, func() { _ = pipe.CloseWithError(context.Cause(ctx)) })
	return input{piped, info.Size()}, nil
}
