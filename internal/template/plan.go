package template

import (
	"slices"
	"strconv"
	texttemplate "text/template"
	"text/template/parse"
)

// piece is one step of a template's plan; exactly one of its groups of fields is set.
type piece struct {
	text []byte // bytes to copy

	own *ref // a value of the agent to write, or with branch, whose truth decides

	unit     *texttemplate.Template // to be executed
	perAgent bool                   // ... for each agent, not once per Bind

	branch      bool // unit writes something when then is to be taken; without unit, own decides
	then, other []piece
}

// planner cuts a checked text into pieces.
type planner struct {
	refs    []ref
	lookups map[*parse.PipeNode]int
	base    *texttemplate.Template // holds the functions and all units
	tree    *parse.Tree
	units   int
}

func (p *planner) list(nodes []parse.Node) ([]piece, error) {
	var out []piece
	for i, n := range nodes {
		// A variable lives to the end of its list, so the rest of the list stays together.
		if a, ok := n.(*parse.ActionNode); ok && len(a.Pipe.Decl) > 0 {
			rest, err := p.unit(nodes[i:]...)
			return append(out, rest), err
		}
		next, err := p.node(n)
		if err != nil {
			return nil, err
		}
		out = append(out, next)
	}
	return out, nil
}

func (p *planner) node(n parse.Node) (piece, error) {
	switch n := n.(type) {
	case *parse.TextNode:
		return piece{text: n.Text}, nil
	case *parse.ActionNode:
		if r := p.ownValue(n.Pipe); r != nil {
			return piece{own: r}, nil
		}
	case *parse.IfNode:
		own := p.ownValue(n.Pipe)
		if len(n.Pipe.Decl) == 0 && (own != nil || !p.perAgent(n.Pipe)) {
			return p.branch(n, own)
		}
	}
	return p.unit(n)
}

// branch plans an if that need not be left to text/template: its condition is the same for all agents, or one value.
func (p *planner) branch(n *parse.IfNode, own *ref) (out piece, err error) {
	out = piece{branch: true, own: own}
	if own == nil {
		yes := &parse.TextNode{NodeType: parse.NodeText, Pos: n.Pos, Text: []byte("1")}
		list := &parse.ListNode{NodeType: parse.NodeList, Pos: n.Pos, Nodes: []parse.Node{yes}}
		test := &parse.IfNode{BranchNode: parse.BranchNode{NodeType: parse.NodeIf, Pos: n.Pos, Line: n.Line, Pipe: n.Pipe, List: list}}
		unit, err := p.unit(test)
		if err != nil {
			return piece{}, err
		}
		out.unit = unit.unit
	}
	if out.then, err = p.list(n.List.Nodes); err == nil && n.ElseList != nil {
		out.other, err = p.list(n.ElseList.Nodes)
	}
	return out, err
}

// unit makes a piece that text/template executes.
func (p *planner) unit(nodes ...parse.Node) (piece, error) {
	root := &parse.ListNode{NodeType: parse.NodeList, Nodes: nodes}
	name := strconv.Itoa(p.units)
	p.units++
	tree := *p.tree // with its source text, which text/template needs to describe an error
	tree.Name, tree.Root = name, root
	t, err := p.base.AddParseTree(name, &tree)
	return piece{unit: t, perAgent: p.perAgent(root)}, err
}

// ownValue returns the agent's value a pipeline consists of, nil if it is anything else.
func (p *planner) ownValue(n *parse.PipeNode) *ref {
	for len(n.Decl) == 0 && len(n.Cmds) == 1 {
		if i, ok := p.lookups[n]; ok {
			if r := &p.refs[i]; r.perAgent() && r.all == nil {
				return r
			}
			return nil
		}
		inner, ok := n.Cmds[0].Args[0].(*parse.PipeNode)
		if !ok {
			return nil
		}
		n = inner
	}
	return nil
}

// perAgent reports whether a node names anything of an agent's own.
func (p *planner) perAgent(n parse.Node) bool {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return false
		}
		if slices.ContainsFunc(n.Nodes, p.perAgent) {
			return true
		}
	case *parse.ActionNode:
		return p.perAgent(n.Pipe)
	case *parse.IfNode:
		return p.branchPerAgent(&n.BranchNode)
	case *parse.WithNode:
		return p.branchPerAgent(&n.BranchNode)
	case *parse.RangeNode:
		return p.branchPerAgent(&n.BranchNode)
	case *parse.PipeNode:
		if i, ok := p.lookups[n]; ok {
			return p.refs[i].perAgent()
		}
		for _, cmd := range n.Cmds {
			if slices.ContainsFunc(cmd.Args, p.perAgent) {
				return true
			}
		}
	}
	return false
}

func (p *planner) branchPerAgent(n *parse.BranchNode) bool {
	return p.perAgent(n.Pipe) || p.perAgent(n.List) || p.perAgent(n.ElseList)
}
