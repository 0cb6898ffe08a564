package verify

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/damage"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// unread finds records that the server counts and does not deliver: one that is damaged on disk it leaves out without a word.
func (c *check) unread(ctx context.Context, stream jetstream.Stream) error {
	short := map[string]uint64{}
	for subject, n := range c.claimed {
		if got := c.read[subject]; got < n {
			short[subject] = n - got
		}
	}
	if len(short) == 0 || c.known(short) {
		return nil
	}
	seqs, err := c.absent(ctx, stream)
	if err != nil {
		return err
	}
	for subject, n := range short {
		d := c.about(0, subject, fmt.Sprintf("the server counts %d here that it cannot deliver", n))
		if len(seqs) == 1 {
			d.First, d.Last = seqs[0], seqs[0]
		} else if len(seqs) > 1 {
			d.What += fmt.Sprintf("; records %v of the stream cannot be read", seqs[:min(len(seqs), 20)])
		}
		c.add(d)
	}
	return nil
}

// known reports whether the files have told of all records that are short.
func (c *check) known(short map[string]uint64) bool {
	found := map[string]uint64{}
	for _, n := range c.stored {
		found[n.Subject]++
	}
	for subject, n := range short {
		if found[subject] < n {
			return false
		}
	}
	return true
}

// absent lists the records of the stream that are neither deleted nor delivered, of whatever run.
func (c *check) absent(ctx context.Context, stream jetstream.Stream) ([]uint64, error) {
	asked, cancel := context.WithTimeout(ctx, apiTimeout)
	info, err := stream.Info(asked, jetstream.WithDeletedDetails(true))
	cancel()
	if err != nil {
		return nil, fmt.Errorf("verify run %s: stream %s: %w", c.Run, subjects.StreamLog, err)
	}
	there := make(map[uint64]bool, len(info.State.Deleted))
	for _, seq := range info.State.Deleted {
		there[seq] = true
	}
	next := max(info.State.FirstSeq, c.begun)
	var out []uint64
	skip := func(upto uint64) {
		for ; next < upto; next++ {
			if !there[next] {
				out = append(out, next)
			}
		}
	}
	err = runlog.Read(ctx, c.js, next, []string{subjects.StreamLogSubject}, func(e runlog.Entry) error {
		skip(e.Seq)
		next = e.Seq + 1
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("verify run %s: %w", c.Run, err)
	}
	skip(info.State.LastSeq + 1)
	return out, nil
}

// unplaced takes in records that are lost and of which nobody knows whose they were, if they may have been of this run.
func (c *check) unplaced(ctx context.Context) error {
	return runlog.Read(ctx, c.js, 0, []string{damage.Unplaced()}, func(e runlog.Entry) error {
		if n, ok := damage.Read(e.Data); ok {
			c.perhaps(n)
		}
		return nil
	})
}

// files takes in what was found in the files and not in the log: damage since the server was started.
func (c *check) files() {
	for _, n := range c.stored {
		at, err := subjects.ParseLog(n.Subject)
		switch {
		case c.has(n):
		case err == nil && at.Run == c.Run:
			c.note(n, runlog.Entry{Seq: n.First})
		case n.Subject == "" && n.Stream == subjects.StreamLog && n.First > 0:
			c.perhaps(n)
		}
	}
}

// has reports whether damage is in the report.
func (c *check) has(n damage.Note) bool {
	for _, d := range c.Damage {
		if d.First == n.First && d.Last == n.Last {
			return true
		}
	}
	return false
}

// perhaps takes in lost records that may have been of this run.
func (c *check) perhaps(n damage.Note) {
	if c.begun == 0 || n.Last < c.begun || c.over > 0 && n.First > c.over {
		return
	}
	if c.over > 0 && c.stopped == nil && c.Damaged == 0 {
		c.Remarks = append(c.Remarks, fmt.Sprintf("%v; it was under way then, but every round is whole", n))
		return
	}
	d := c.about(n.First, "", n.Where()+"; whose they were is not known")
	d.Last = n.Last
	c.add(d)
}
