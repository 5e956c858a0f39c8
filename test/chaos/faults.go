package chaos

// The faults of all models.
const (
	LostRequest     Fault = "lost_request"
	LostReply       Fault = "lost_reply"
	Delayed         Fault = "delayed"
	Duplicated      Fault = "duplicated"
	NodeDown        Fault = "node_down"
	NodeRolledBack  Fault = "node_rolled_back"
	InstanceCrashed Fault = "instance_crashed"
	InstanceFrozen  Fault = "instance_frozen"
)

// The consequences that show that a protocol's corner was reached.
const (
	BatchGap        Fault = "batch_gap"
	AnsweredInDoubt Fault = "answered_504"
	AnsweredRefused Fault = "answered_503"
	OverflowRefused Fault = "overflow_refused"
	EndpointRefused Fault = "endpoint_limit"
	ReadFailed      Fault = "read_failed"
	KeyRepeated     Fault = "key_repeated"
	KeyReused       Fault = "key_reused"
)
