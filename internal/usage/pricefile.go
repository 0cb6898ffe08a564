package usage

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of a price file; the YAML reader takes time quadratic in keys and stack for depth.
const (
	maxPriceBytes  = 256 << 10
	maxPriceModels = 1000
	maxPriceDepth  = 8
	maxPriceErrors = 100
	maxCurrency    = 16      // characters
	maxPrice       = million // units a million tokens
)

// LoadPrices reads a price file:
//
//	currency: USD
//	models:
//	  gpt-4o-mini: {input: 0.15, output: 0.60}   # a million tokens
//	  "Qwen/*": {input: 0.05, output: 0.05}      # the longest pattern that fits counts
//
// Errors wrap ErrPrices and have a line for each problem: file:line:column: what is wrong.
func LoadPrices(path string) (Prices, error) {
	f, err := os.Open(path) //nolint:gosec // the path is the operator's own setting
	if err != nil {
		return Prices{}, fmt.Errorf("%w: %w", ErrPrices, err)
	}
	defer func() { _ = f.Close() }() // it was only read
	data, err := io.ReadAll(io.LimitReader(f, maxPriceBytes+1))
	if err != nil {
		return Prices{}, fmt.Errorf("%w: %w", ErrPrices, err)
	}
	return parsePrices(path, data)
}

// priceReader turns the YAML reader's tree into prices and collects what is wrong with it.
type priceReader struct {
	file string
	errs []error
	out  Prices
}

func parsePrices(file string, data []byte) (Prices, error) {
	r := &priceReader{file: file}
	if len(data) > maxPriceBytes {
		r.fail(nil, "the file has more than %d bytes", maxPriceBytes)
	} else {
		r.read(string(data))
	}
	if len(r.errs) > 0 {
		return Prices{}, fmt.Errorf("%w:\n%w", ErrPrices, errors.Join(r.errs...))
	}
	r.out.order()
	return r.out, nil
}

// fail records a problem at a token, or of the whole file.
func (r *priceReader) fail(at *token.Token, format string, args ...any) {
	line, column := 1, 1
	if at != nil && at.Position != nil {
		line, column = max(1, at.Position.Line), max(1, at.Position.Column)
	}
	if len(r.errs) < maxPriceErrors {
		r.errs = append(r.errs, fmt.Errorf("%s:%d:%d: %s", r.file, line, column, fmt.Sprintf(format, args...)))
	}
}

func (r *priceReader) read(src string) {
	// The YAML reader is somebody else's code: should it panic, that is an error of the file.
	defer func() {
		if reason := recover(); reason != nil {
			r.fail(nil, "this is not YAML that can be read (%v)", reason)
		}
	}()
	if !utf8.ValidString(src) {
		r.fail(nil, "this is not UTF-8 text")
		return
	}
	tokens := lexer.Tokenize(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(strings.TrimPrefix(src, "\ufeff")))
	if !r.withinLimits(tokens) {
		return
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		if syntax, ok := errors.AsType[*yaml.SyntaxError](err); ok {
			r.fail(syntax.Token, "this is not valid YAML: %s", syntax.Message)
			return
		}
		r.fail(nil, "this is not valid YAML: %v", err)
		return
	}
	docs := slices.DeleteFunc(file.Docs, func(d *ast.DocumentNode) bool { return d.Body == nil })
	if len(docs) != 1 {
		r.fail(nil, "a price file is one document, this has %d", len(docs))
		return
	}
	r.document(docs[0].Body)
}

// withinLimits refuses what would cost the YAML reader too much, before it sees it.
func (r *priceReader) withinLimits(tokens token.Tokens) bool {
	keys, flow, compact, line := 0, 0, 0, 0
	for _, t := range tokens {
		if t.Position.Line != line {
			line, compact = t.Position.Line, 0
		}
		switch t.Type {
		case token.MappingValueType:
			keys++
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			compact++
		}
		if keys > 3*maxPriceModels+2 || max(flow, compact) > maxPriceDepth {
			r.fail(t, "more than %d models, or nested more than %d deep", maxPriceModels, maxPriceDepth)
			return false
		}
	}
	return true
}

func (r *priceReader) document(root ast.Node) {
	seen := map[string]bool{}
	models := false
	for _, v := range r.mapping(root, "a price file") {
		switch key := r.key(v, seen); key {
		case "":
		case "currency":
			text, ok := v.Value.(*ast.StringNode)
			if !ok || text.Value == "" || utf8.RuneCountInString(text.Value) > maxCurrency {
				r.fail(v.Value.GetToken(), "currency is a text of 1 to %d characters, such as USD", maxCurrency)
				continue
			}
			r.out.Currency = text.Value
		case "models":
			models = true
			r.models(v.Value)
		default:
			r.fail(v.Key.GetToken(), "unknown key %q; there are currency and models", key)
		}
	}
	if !seen["currency"] {
		r.fail(nil, `"currency" is missing`)
	}
	if !models {
		r.fail(nil, `"models" is missing`)
	}
}

func (r *priceReader) models(n ast.Node) {
	seen := map[string]bool{}
	for _, v := range r.mapping(n, "models") {
		name := r.key(v, seen)
		if name == "" {
			continue
		}
		var price Price
		parts := map[string]bool{}
		for _, part := range r.mapping(v.Value, fmt.Sprintf("the price of %q", name)) {
			switch key := r.key(part, parts); key {
			case "":
			case "input":
				price.In = r.amount(part.Value)
			case "output":
				price.Out = r.amount(part.Value)
			default:
				r.fail(part.Key.GetToken(), "unknown key %q; there are input and output", key)
			}
		}
		for _, key := range []string{"input", "output"} {
			if !parts[key] {
				r.fail(v.Key.GetToken(), "the price of %q lacks %q", name, key)
			}
		}
		r.out.patterns = append(r.out.patterns, priced{pattern: name, price: price})
	}
}

// mapping gives the pairs of a mapping.
func (r *priceReader) mapping(n ast.Node, what string) []*ast.MappingValueNode {
	switch v := n.(type) {
	case *ast.MappingNode:
		return v.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{v}
	}
	r.fail(n.GetToken(), "%s is a mapping", what)
	return nil
}

// key gives the key of a pair, or "" after recording why it cannot be used.
func (r *priceReader) key(v *ast.MappingValueNode, seen map[string]bool) string {
	at := v.Key.GetToken()
	var name string
	switch k := v.Key.(type) {
	case *ast.StringNode:
		name = k.Value
	case *ast.IntegerNode, *ast.FloatNode:
		name = at.Value
	}
	switch {
	case name == "":
		r.fail(at, "a name is needed here")
	case seen[name]:
		r.fail(at, "%q is here twice", name)
	default:
		seen[name] = true
		return name
	}
	return ""
}

// amount reads units a million tokens as micros a million tokens, digit by digit: a price has no rounding.
func (r *priceReader) amount(n ast.Node) uint64 {
	at := n.GetToken()
	integer, float := n.Type() == ast.IntegerType, n.Type() == ast.FloatType
	whole, rest, point := strings.Cut(at.Value, ".")
	digits := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	if !integer && !float || !digits(whole) || point && !digits(rest) || len(whole) > 1 && whole[0] == '0' {
		r.fail(at, "a price is a decimal number such as 0.15, without sign or exponent, not %.40s", at.Value)
		return 0
	}
	if rest = strings.TrimRight(rest, "0"); len(rest) > 6 {
		r.fail(at, "a price has at most 6 decimals, not %.40s", at.Value)
		return 0
	}
	units, err := strconv.ParseUint(whole, 10, 64)
	if err != nil || units > maxPrice {
		r.fail(at, "a price is at most %d, not %.40s", maxPrice, at.Value)
		return 0
	}
	micros, _ := strconv.ParseUint((rest + "000000")[:6], 10, 64) // six digits
	return units*million + micros
}
