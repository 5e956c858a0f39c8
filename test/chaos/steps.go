package chaos

// Steps are the places in a close at which an instance is to die in the tests
// of all kinds, by the names of Link's methods.
func Steps() []string {
	return []string{
		"after claim", "after seal", "before record", "after record", "before publish", "after publish",
		"before call", "after call", "before finish", "after finish", "after retire",
	}
}

// CrashAt is the crash of an instance at one of Steps.
func CrashAt(step string) Fault { return Fault("crash " + step) }

// CrashAtSteps are those of all Steps.
func CrashAtSteps() (all []Fault) {
	for _, step := range Steps() {
		all = append(all, CrashAt(step))
	}
	return all
}
