package counting

// Mark is err with the meaning of another error, which it wraps as well: its text is that of
// err alone. For what only the program has to know, such as ErrNotApplied.
func Mark(err, meaning error) error { return marked{err, meaning} }

type marked struct{ err, meaning error }

func (m marked) Error() string   { return m.err.Error() }
func (m marked) Unwrap() []error { return []error{m.meaning, m.err} }
