package template

import (
	"slices"
	"strconv"
	"text/template/parse"

	"github.com/myriad-sim/myriad/internal/expression"
)

const maxDepth = 100 // control structures and parentheses inside each other

// checker walks a parsed text, refuses what is not allowed and puts look-ups in place of names.
type checker struct {
	scope   expression.Scope
	refs    []ref
	lookups map[*parse.PipeNode]int // the look-ups put in, by index in refs
}

// place is where in the text a node stands.
type place struct {
	depth   int
	inRange bool
	moved   bool    // inside range or with: dot is no longer the root
	group   *dotted // inside with of a group: what dot is
}

func (p place) deeper() place { p.depth++; return p }

func (c *checker) list(l *parse.ListNode, p place) error {
	if l == nil {
		return nil
	}
	if p.depth > maxDepth {
		return errAt(l.Pos, "more than %d levels inside each other", maxDepth)
	}
	for _, n := range l.Nodes {
		if err := c.node(n, p); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) node(n parse.Node, p place) error {
	switch n := n.(type) {
	case *parse.TextNode, *parse.BreakNode, *parse.ContinueNode:
		return nil
	case *parse.ActionNode:
		return c.pipe(n.Pipe, p)
	case *parse.IfNode:
		return c.branch(&n.BranchNode, p, p)
	case *parse.WithNode:
		return c.with(n, p)
	case *parse.RangeNode:
		return c.rangeOver(n, p)
	}
	return errAt(n.Position(), "only text, values, if, with and range are supported")
}

// branch checks a control structure whose body stands in another place than the rest.
func (c *checker) branch(n *parse.BranchNode, p, body place) error {
	if err := c.pipe(n.Pipe, p); err != nil {
		return err
	}
	if err := c.list(n.List, body.deeper()); err != nil {
		return err
	}
	return c.list(n.ElseList, p.deeper())
}

// onlyName returns the name a pipeline consists of, if it is nothing else.
func (c *checker) onlyName(n *parse.PipeNode, p place) (dotted, bool, error) {
	if len(n.Cmds) != 1 || len(n.Cmds[0].Args) != 1 {
		return dotted{}, false, nil
	}
	return c.name(n.Cmds[0].Args[0], p)
}

func (c *checker) with(n *parse.WithNode, p place) error {
	body := p
	body.moved, body.group = true, nil
	d, ok, err := c.onlyName(n.Pipe, p)
	if err != nil {
		return err
	}
	if ok {
		r, err := c.resolve(d)
		if err != nil {
			return err
		}
		if r.all != nil {
			if len(n.Pipe.Decl) > 0 {
				return errAt(n.Pipe.Pos, "%s is a group of values and cannot be kept in a variable", d)
			}
			body.group = &d
			n.Pipe.Cmds[0].Args[0] = c.lookup(r, n.Pipe.Pos)
			if err := c.list(n.List, body.deeper()); err != nil {
				return err
			}
			return c.list(n.ElseList, p.deeper())
		}
	}
	return c.branch(&n.BranchNode, p, body)
}

// rangeOver allows range over a group of values only, and not inside another range, so a text cannot run long.
func (c *checker) rangeOver(n *parse.RangeNode, p place) error {
	if p.inRange {
		return errAt(n.Pos, "range inside range is not supported")
	}
	d, ok, err := c.onlyName(n.Pipe, p)
	if err != nil {
		return err
	}
	var r ref
	if ok {
		if r, err = c.resolve(d); err != nil {
			return err
		}
	}
	if r.all == nil {
		return errAt(n.Pipe.Pos, "range wants a group of values, such as .persona or .vars")
	}
	if n.Pipe.IsAssign {
		return errAt(n.Pipe.Pos, "range declares its variables with :=")
	}
	if err := checkDecl(n.Pipe); err != nil {
		return err
	}
	n.Pipe.Cmds[0].Args[0] = c.lookup(r, n.Pipe.Pos)
	body := p
	body.moved, body.group, body.inRange = true, nil, true
	if err := c.list(n.List, body.deeper()); err != nil {
		return err
	}
	return c.list(n.ElseList, p.deeper())
}

// name reads a node as a name that starts from the root. ok is false if it is something else.
func (c *checker) name(n parse.Node, p place) (d dotted, ok bool, err error) {
	switch n := n.(type) {
	case *parse.FieldNode:
		d = fieldWords(n.Ident, n.Pos, len(n.Ident[0])+1)
		switch {
		case p.group != nil:
			return dotted{slices.Concat(p.group.words, d.words), slices.Concat(p.group.at, d.at)}, true, nil
		case p.moved:
			return d, false, errAt(d.at[0], "inside range and with the point is one value; write $%s", d)
		}
		return d, true, nil
	case *parse.VariableNode:
		d = fieldWords(n.Ident, n.Pos, len(n.Ident[0]))
		switch {
		case len(n.Ident) == 1 && n.Ident[0] == "$":
			return d, false, errAt(n.Pos, "$ is a group of values: write $.<name>")
		case len(n.Ident) == 1:
			return d, false, nil
		case n.Ident[0] != "$":
			return d, false, errAt(d.at[0], "%s is one value and has no parts", n.Ident[0])
		}
		return d, true, nil
	}
	return d, false, nil
}

// lookup makes the node that loads a value.
func (c *checker) lookup(r ref, pos parse.Pos) *parse.PipeNode {
	index := len(c.refs)
	c.refs = append(c.refs, r)
	cmd := &parse.CommandNode{NodeType: parse.NodeCommand, Pos: pos, Args: []parse.Node{
		parse.NewIdentifier(lookupName).SetPos(pos),
		&parse.VariableNode{NodeType: parse.NodeVariable, Pos: pos, Ident: []string{"$"}},
		&parse.NumberNode{NodeType: parse.NodeNumber, Pos: pos, IsInt: true, Int64: int64(index), Text: strconv.Itoa(index)},
	}}
	pipe := &parse.PipeNode{NodeType: parse.NodePipe, Pos: pos, Cmds: []*parse.CommandNode{cmd}}
	c.lookups[pipe] = index
	return pipe
}
