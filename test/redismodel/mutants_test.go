package redismodel_test

import "footfall/application/cluster"

// mutant is a defect that the model must find.
type mutant struct {
	atNode, atClient func(cluster.Node) cluster.Node
	// text, where there is one, is replaced by the other in all that goes
	// to a server, scripts above all.
	text, other string
}

func (m mutant) node(n cluster.Node) cluster.Node {
	if m.atNode == nil {
		return n
	}
	return m.atNode(n)
}

func (m mutant) client(n cluster.Node) cluster.Node {
	if m.atClient == nil {
		return n
	}
	return m.atClient(n)
}
