package template

import (
	"errors"
	"text/template/parse"

	"github.com/myriad-sim/myriad/internal/expression"
)

func (c *checker) pipe(n *parse.PipeNode, p place) error {
	if p.depth > maxDepth {
		return errAt(n.Pos, "more than %d levels inside each other", maxDepth)
	}
	if err := checkDecl(n); err != nil {
		return err
	}
	for i, cmd := range n.Cmds {
		if err := c.command(cmd, p, i > 0); err != nil {
			return err
		}
	}
	return nil
}

// checkDecl keeps $ what it is: the look-ups need it.
func checkDecl(n *parse.PipeNode) error {
	for _, v := range n.Decl {
		if v.Ident[0] == "$" {
			return errAt(v.Pos, "$ cannot be assigned to")
		}
	}
	return nil
}

// command checks one command of a pipeline; piped says whether it receives the value of the one before.
func (c *checker) command(cmd *parse.CommandNode, p place, piped bool) error {
	fn, ok := cmd.Args[0].(*parse.IdentifierNode)
	if !ok {
		if len(cmd.Args) > 1 || piped {
			return errAt(cmd.Pos, "only functions take values")
		}
		return c.args(cmd, 0, p)
	}
	if replaced, err := c.indexGroup(cmd, fn, p); replaced || err != nil {
		return err
	}
	want, known := arity[fn.Ident]
	if !known {
		err := errAt(fn.Pos, "unknown function %s", fn.Ident)
		err.Suggestion = expression.Nearest(fn.Ident, functionNames())
		return err
	}
	got := len(cmd.Args) - 1
	if piped {
		got++
	}
	if got < want[0] || (want[1] >= 0 && got > want[1]) {
		return errAt(fn.Pos, "%s cannot take %d values", fn.Ident, got)
	}
	if fn.Ident == "printf" {
		if err := checkFormat(cmd, got-1); err != nil {
			return err
		}
	}
	return c.args(cmd, 1, p)
}

// args checks and rewrites the values of a command.
func (c *checker) args(cmd *parse.CommandNode, from int, p place) error {
	for i := from; i < len(cmd.Args); i++ {
		n, err := c.arg(cmd.Args[i], p)
		if err != nil {
			return err
		}
		cmd.Args[i] = n
	}
	return nil
}

func (c *checker) arg(n parse.Node, p place) (parse.Node, error) {
	d, ok, err := c.name(n, p)
	if err != nil {
		return nil, err
	}
	if ok {
		r, err := c.resolve(d)
		if err != nil {
			return nil, err
		}
		if r.all != nil {
			return nil, errAt(d.at[len(d.at)-1], "%s is a group of values: write %s.<name>", d, d)
		}
		return c.lookup(r, n.Position()), nil
	}
	switch n := n.(type) {
	case *parse.PipeNode:
		return n, c.pipe(n, p.deeper())
	case *parse.VariableNode, *parse.StringNode, *parse.BoolNode:
		return n, nil
	case *parse.NumberNode:
		if !n.IsInt && !n.IsFloat {
			return nil, errAt(n.Pos, "%s is not a number to use here", n.Text)
		}
		return n, nil
	case *parse.DotNode:
		if !p.moved || p.group != nil {
			return nil, errAt(n.Pos, "the point alone is a group of values here: write .<name>")
		}
		return n, nil
	case *parse.IdentifierNode:
		return nil, errAt(n.Pos, "put the call of %s in parentheses", n.Ident)
	case *parse.ChainNode:
		return nil, errAt(n.Pos, "a computed value has no parts")
	}
	return nil, errAt(n.Position(), "%s is not supported here", n)
}

// indexGroup turns index .group "name" into a plain name, so that names with spaces are checked as well.
func (c *checker) indexGroup(cmd *parse.CommandNode, fn *parse.IdentifierNode, p place) (bool, error) {
	if fn.Ident != "index" || len(cmd.Args) < 2 {
		return false, nil
	}
	var d dotted
	var ok bool
	if dot, isDot := cmd.Args[1].(*parse.DotNode); isDot && p.group != nil {
		d, ok = dotted{p.group.words, append([]parse.Pos{}, p.group.at...)}, true
		d.at[len(d.at)-1] = dot.Pos
	} else {
		var err error
		if d, ok, err = c.name(cmd.Args[1], p); err != nil {
			return false, err
		}
	}
	if !ok {
		return false, nil
	}
	r, err := c.resolve(d)
	if err != nil || r.all == nil {
		return false, err
	}
	if len(cmd.Args) != 3 {
		return false, errAt(fn.Pos, "index of %s wants one name in quotes", d)
	}
	key, isText := cmd.Args[2].(*parse.StringNode)
	if !isText {
		return false, errAt(cmd.Args[2].Position(), "index of %s wants a name in quotes", d)
	}
	if r, err = c.resolve(d.add(key.Text, key.Pos)); err != nil {
		return false, err
	}
	cmd.Args = []parse.Node{c.lookup(r, cmd.Pos)}
	return true, nil
}

// checkFormat checks the format of printf, which must be in the text, against the number of values it is given.
func checkFormat(cmd *parse.CommandNode, values int) error {
	if len(cmd.Args) < 2 {
		return errAt(cmd.Pos, "printf wants its format in quotes first")
	}
	format, ok := cmd.Args[1].(*parse.StringNode)
	if !ok {
		return errAt(cmd.Args[1].Position(), "printf wants its format in quotes first")
	}
	_, ds, err := parseFormat(format.Text)
	if fe, ok := errors.AsType[*formatError](err); ok {
		// Positions in the quoted source equal those in the format up to the first escape.
		return errAt(format.Pos+1+parse.Pos(fe.at), "%s", fe.msg)
	}
	if len(ds) != values {
		return errAt(format.Pos, "printf %s wants %d values, got %d", format.Quoted, len(ds), values)
	}
	return nil
}
