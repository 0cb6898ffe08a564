package actor

import (
	"sync"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
)

// maxOutcomes is how many outcomes a host keeps by request id, of all its agents; Config.KeepBytes bounds their bytes. The
// newest are kept: who repeats a request does so soon.
const maxOutcomes = 1 << 16

// key is a request id, which is the agent's own: two agents may be sent the same one. Requests to the host itself have no agent.
type key struct{ run, agent, id string }

// result is how a request ended.
type result struct {
	out  msg.Msg
	data []byte // out as it travels in msgpack
	err  error
}

// outcome is a request with an id: under way, or done.
type outcome struct {
	done    bool
	promise *msg.Placeholder // what a call was answered with
	bytes   int
	result  result         // once done
	joined  []func(result) // told when it is done
}

// outcomes are the requests with an id, by that id.
type outcomes struct {
	most      int
	mostBytes int64

	mu    sync.Mutex
	by    map[key]*outcome
	order []key // of what is done, oldest first
	bytes int64
}

func newOutcomes(most int, mostBytes int64) *outcomes {
	return &outcomes{most: most, mostBytes: mostBytes, by: map[key]*outcome{}}
}

// begin says what is known of a request. If it is new, it is under way from now on, until end or drop. If not, and it is under
// way, join is called when it is done; if it is done, join is called now. p is what a call of that id was answered with.
func (o *outcomes) begin(k key, join func(result)) (isNew bool, p *msg.Placeholder) {
	o.mu.Lock()
	have := o.by[k]
	if have == nil {
		o.by[k] = &outcome{}
		o.mu.Unlock()
		return true, nil
	}
	p = have.promise
	done := have.done
	if !done && p == nil {
		have.joined = append(have.joined, join)
	}
	o.mu.Unlock()
	if done && p == nil {
		join(have.result) // what is done does not change
	}
	return false, p
}

// follow calls join when a request that was begun is done, at once if it is.
func (o *outcomes) follow(k key, join func(result)) {
	o.mu.Lock()
	have := o.by[k]
	if have != nil && !have.done {
		have.joined = append(have.joined, join)
		o.mu.Unlock()
		return
	}
	o.mu.Unlock()
	if have == nil {
		join(result{err: wire.ErrExpired})
		return
	}
	join(have.result)
}

// promised notes what a call is answered with.
func (o *outcomes) promised(k key, p msg.Placeholder) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if have := o.by[k]; have != nil {
		have.promise = &p
	}
}

// end notes how a request ended, and tells those who joined it.
func (o *outcomes) end(k key, r result) {
	o.mu.Lock()
	have := o.by[k]
	if have == nil { // of a former life
		have = &outcome{}
		o.by[k] = have
	}
	joined := have.joined
	if !have.done {
		have.done, have.result, have.joined = true, r, nil
		have.bytes = len(k.agent) + len(k.id) + len(r.data) + outcomeBytes
		o.bytes += int64(have.bytes)
		o.order = append(o.order, k)
		for len(o.order) > o.most || o.bytes > o.mostBytes && len(o.order) > 1 {
			oldest := o.order[0]
			o.order = o.order[1:]
			o.bytes -= int64(o.by[oldest].bytes)
			delete(o.by, oldest)
		}
	}
	o.mu.Unlock()
	for _, join := range joined {
		join(r)
	}
}

// outcomeBytes is about what an outcome takes beside its texts.
const outcomeBytes = 256

// drop forgets a request that was not handled, so that it may be sent again, and tells those who joined it.
func (o *outcomes) drop(k key, why error) {
	o.mu.Lock()
	have := o.by[k]
	delete(o.by, k)
	o.mu.Unlock()
	if have == nil {
		return
	}
	for _, join := range have.joined {
		join(result{err: why})
	}
}
