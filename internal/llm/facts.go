package llm

import (
	"fmt"
	"math"
)

// EncodeFacts returns the payload of f, for Request.Facts. Equal facts give equal bytes. It never fails on size: a
// request that is too large for them is refused by EncodeRequest.
func EncodeFacts(f *Facts) []byte {
	b := appendArray(nil, 16)
	b = appendUint(b, f.Seed)
	b = appendInt(b, int64(f.Round))
	b = appendString(b, f.Question)
	b = appendString(b, f.Type)
	b = appendFloat(b, f.Min)
	b = appendFloat(b, f.Max)
	b = appendInt(b, int64(f.Points))
	b = appendStrings(b, f.Choices)
	b = appendTexts(b, f.Vars)
	b = appendFloats(b, f.World)
	b = appendFloats(b, f.Previous)
	b = appendGame(b, f.Game)
	b = appendInt(b, int64(f.Decimals))
	b = appendBytes(b, f.Schema)
	b = appendStrings(b, f.Tags)
	return appendString(b, f.Language)
}

func appendGame(b []byte, g *GameFacts) []byte {
	if g == nil {
		return append(b, 0xc0)
	}
	b = appendArray(b, 7)
	b = appendString(b, g.Kind)
	b = appendFloat(b, g.P)
	b = appendFloat(b, g.Offset)
	b = appendFloat(b, g.Low)
	b = appendFloat(b, g.High)
	b = appendFloat(b, g.PreviousMean)
	return appendBool(b, g.HasPrevious)
}

// DecodeFacts reads Request.Facts. No bytes at all are no facts: a Facts with unbounded Min and Max and nothing else.
// Errors wrap ErrDamaged or ErrTooLarge.
func DecodeFacts(data []byte) (*Facts, error) {
	f := &Facts{Min: math.NaN(), Max: math.NaN()}
	if len(data) == 0 {
		return f, nil
	}
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("%w: facts of %d bytes, %d are allowed", ErrTooLarge, len(data), MaxBytes)
	}
	c := &cursor{s: string(data)}
	for i := range c.array() {
		switch i {
		case 0:
			f.Seed = c.uint(math.MaxUint64)
		case 1:
			f.Round = int(c.uint(math.MaxInt32))
		case 2:
			f.Question = c.text()
		case 3:
			f.Type = c.text()
		case 4:
			f.Min = c.float()
		case 5:
			f.Max = c.float()
		case 6:
			f.Points = int(c.uint(math.MaxInt32))
		case 7:
			f.Choices = c.texts()
		case 8:
			f.Vars = c.textMap()
		case 9:
			f.World = c.floats()
		case 10:
			f.Previous = c.floats()
		case 11:
			f.Game = c.game()
		case 12:
			f.Decimals = int(c.uint(math.MaxInt32))
		case 13:
			if s := c.text(); s != "" {
				f.Schema = []byte(s)
			}
		case 14:
			f.Tags = c.texts()
		case 15:
			f.Language = c.text()
		default:
			c.skip()
		}
		if c.err != nil {
			return nil, c.err
		}
	}
	if err := c.end(); err != nil {
		return nil, err
	}
	return f, nil
}

func (c *cursor) game() *GameFacts {
	n := c.array()
	if n == 0 {
		return nil
	}
	g := new(GameFacts)
	for i := range n {
		switch i {
		case 0:
			g.Kind = c.text()
		case 1:
			g.P = c.float()
		case 2:
			g.Offset = c.float()
		case 3:
			g.Low = c.float()
		case 4:
			g.High = c.float()
		case 5:
			g.PreviousMean = c.float()
		case 6:
			g.HasPrevious = c.bool()
		default:
			c.skip()
		}
	}
	return g
}
