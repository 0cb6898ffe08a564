package llmproxy

import (
	"container/list"
	"sync"
)

// pageCache are the pages in memory, by the place of their record in the log, within a bound of bytes. It is safe for concurrent use.
type pageCache struct {
	limit int64

	mu      sync.Mutex
	bytes   int64
	order   list.List // of *kept, the one used last in front
	byPlace map[uint64]*list.Element
}

type kept struct {
	of   *replayBook
	seq  uint64
	page *replayPage
}

// get is a page, nil if it is not in memory.
func (p *pageCache) get(seq uint64) *replayPage {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.byPlace[seq]
	if at == nil {
		return nil
	}
	p.order.MoveToFront(at)
	return at.Value.(*kept).page
}

// put keeps a page that is used, in the place of those that were not used for longest.
func (p *pageCache) put(of *replayBook, seq uint64, page *replayPage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.add(of, seq, page)
	for p.bytes > p.limit && p.order.Len() > 1 {
		p.drop(p.order.Back())
	}
}

// offer keeps a page that is read ahead, if there is room beside those of the same round that were read before: a round is
// asked for from its beginning, so they are wanted first.
func (p *pageCache) offer(of *replayBook, seq uint64, page *replayPage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.bytes+page.bytes > p.limit {
		last := p.order.Back()
		if last == nil || last.Value.(*kept).of == of {
			return
		}
		p.drop(last)
	}
	p.add(of, seq, page)
}

func (p *pageCache) add(of *replayBook, seq uint64, page *replayPage) {
	if p.byPlace[seq] != nil {
		return
	}
	p.byPlace[seq] = p.order.PushFront(&kept{of, seq, page})
	p.bytes += page.bytes
}

func (p *pageCache) drop(at *list.Element) {
	k := at.Value.(*kept)
	p.order.Remove(at)
	delete(p.byPlace, k.seq)
	p.bytes -= k.page.bytes
}
