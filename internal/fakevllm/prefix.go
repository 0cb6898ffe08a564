package fakevllm

// prefixCache knows which blocks of prompts were computed and are still there. When it is full, the block that was used
// the longest time ago makes room. The engine's lock guards it.
type prefixCache struct {
	at    map[uint64]int32 // block to its place in nodes
	nodes []node           // nodes[0] is the ring's anchor: its next is the newest, its prev the oldest
	limit int
}

type node struct {
	block      uint64
	prev, next int32
}

func newPrefixCache(limit int) *prefixCache {
	return &prefixCache{at: map[uint64]int32{}, nodes: make([]node, 1, 64), limit: limit}
}

// hits is how many tokens of a prompt need no work. The last token is always computed: its output is the first answer.
func (p *prefixCache) hits(blocks []uint64, tokens int) int {
	n := 0
	for n < len(blocks) && (n+1)*blockTokens < tokens {
		if _, ok := p.at[blocks[n]]; !ok {
			break
		}
		n++
	}
	return n * blockTokens
}

// use makes all blocks of a prompt the newest, its first block the newest of all: the end of a prompt goes before what
// it has in common with others.
func (p *prefixCache) use(blocks []uint64) {
	for i := min(len(blocks), p.limit) - 1; i >= 0; i-- {
		at, ok := p.at[blocks[i]]
		switch {
		case ok:
			p.unlink(at)
		case len(p.nodes) <= p.limit:
			p.nodes = append(p.nodes, node{})
			at = int32(len(p.nodes) - 1)
		default:
			at = p.nodes[0].prev
			delete(p.at, p.nodes[at].block)
			p.unlink(at)
		}
		p.nodes[at].block = blocks[i]
		p.at[blocks[i]] = at
		first := p.nodes[0].next
		p.nodes[at].prev, p.nodes[at].next = 0, first
		p.nodes[first].prev = at
		p.nodes[0].next = at
	}
}

func (p *prefixCache) unlink(at int32) {
	n := p.nodes[at]
	p.nodes[n.prev].next = n.next
	p.nodes[n.next].prev = n.prev
}
