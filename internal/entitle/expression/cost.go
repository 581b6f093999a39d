package expression

import "cel.dev/cel-go/checker"

// sizes tells the estimate how large the variables can grow. The bounds are those of the API.
type sizes struct{}

// EstimateSize implements checker.CostEstimator.
func (sizes) EstimateSize(node checker.AstNode) *checker.SizeEstimate {
	path := node.Path()
	if len(path) == 0 {
		return nil
	}
	most := uint64(256) // the longest text
	switch len(path) {
	case 1:
		switch path[0] {
		case varAttributes:
			most = 32
		case varGrants:
			most = 64
		}
	default:
		if path[len(path)-1] == "@keys" {
			most = 64
		}
	}
	return &checker.SizeEstimate{Min: 0, Max: most}
}

// EstimateCallCost implements checker.CostEstimator; the costs of calls are those of CEL.
func (sizes) EstimateCallCost(string, string, *checker.AstNode, []checker.AstNode) *checker.CallEstimate { //nolint:gocritic // the interface is CEL's
	return nil
}
