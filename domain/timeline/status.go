package timeline

import "footfall/domain/counting"

// Status is what a deployment keeps of history.
type Status struct {
	// Configured is the setting of the instance that answers.
	Configured counting.HistorySetting
	// Nodes are in the order of their ids.
	Nodes []NodeState
}

// NodeState is what a node keeps. Err says that it did not answer.
type NodeState struct {
	ID counting.NodeID
	counting.HistoryState
	Err error
}
