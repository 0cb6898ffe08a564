package scenario

import "math/big"

const (
	maxMoney       = 1_000_000_000
	micros         = 1_000_000 // of one unit of money
	schemaDecimals = `^[0-9]+(\.[0-9]{1,6})?$`
)

// money is an amount in the unit of the price table, exact to a millionth.
type money struct {
	place
	micros uint64
}

func (m *money) read(d *decoder, n *node, r rules) {
	amount := readRat(d, n, "an amount such as 5.00", rules{key: r.key})
	if amount == nil {
		return
	}
	exact := new(big.Rat).Mul(amount, big.NewRat(micros, 1))
	switch {
	case amount.Sign() <= 0:
		d.at(n, "%q must be more than 0, not %s", r.key, n.text)
	case amount.Cmp(big.NewRat(maxMoney, 1)) > 0:
		d.at(n, "%q must be at most %d, not %s", r.key, maxMoney, n.text)
	case !exact.IsInt():
		d.at(n, "%q may have at most 6 decimals: %s is not a whole number of millionths", r.key, n.text)
	default:
		m.micros = exact.Num().Uint64()
		m.put(n)
	}
}

func (m *money) shape(rules) shape {
	number := shape{"type": "number", "exclusiveMinimum": 0, "maximum": maxMoney}
	return shape{"anyOf": []shape{number, {"type": "string", "pattern": schemaDecimals}}}
}
