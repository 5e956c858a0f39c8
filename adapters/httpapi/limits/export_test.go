package limits

// Remembered is how many clients c remembers.
func Remembered(c *Clients) int { return c.limiters.Len() }
