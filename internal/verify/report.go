package verify

import (
	"fmt"
	"time"
)

// Report is the outcome for one run.
type Report struct {
	Run     string        `json:"run"`
	State   string        `json:"state"` // as the log has it up to the first damage
	Intact  bool          `json:"intact"`
	Records uint64        `json:"records"` // of the log, those of runs it is a fork of included
	Bytes   uint64        `json:"bytes"`
	Rounds  int           `json:"rounds"`                // closed rounds whose answers give the digest they were closed with
	Before  int           `json:"rounds_before"`         // of them those that were over before the first damaged record
	Answers uint64        `json:"answers"`               // accepted in them
	Hash    string        `json:"result_hash,omitempty"` // up to the last of them
	People  int           `json:"population"`            // people of the stored population; 0: none is drawn yet, or it is damaged
	Damaged uint64        `json:"damaged"`               // records
	Damage  []Damage      `json:"damage,omitempty"`      // the first of them, in order; at most MaxListed
	Dropped uint64        `json:"dropped"`               // records that were never valid and never counted
	Remarks []string      `json:"remarks,omitempty"`     // what is no damage to results but should be known
	Took    time.Duration `json:"took_ns"`
}

// MaxListed is how many damaged records a report lists.
const MaxListed = 100

// Damage is one record, or a stretch of them, that is not as it was written.
type Damage struct {
	First   uint64 `json:"first"`             // sequence in the stream; 0: not known
	Last    uint64 `json:"last"`              // the same, for a single record
	Subject string `json:"subject,omitempty"` // "": not known
	What    string `json:"what"`
	Round   int    `json:"round,omitempty"`  // that was open
	Shard   int    `json:"shard"`            // of an answer, asked or message record; else -1
	Agents  int    `json:"agents,omitempty"` // whose answers may have been in it, at most
}

// String is the damage in a sentence.
func (d Damage) String() string {
	out := fmt.Sprintf("record %d", d.First)
	if d.Last > d.First {
		out = fmt.Sprintf("records %d to %d", d.First, d.Last)
	} else if d.First == 0 {
		out = "a record"
	}
	if d.Subject != "" {
		out += " on " + d.Subject
	}
	out += ": " + d.What
	if d.Shard >= 0 {
		out += fmt.Sprintf("; shard %d", d.Shard)
	}
	if d.Round > 0 {
		out += fmt.Sprintf(", round %d", d.Round)
	}
	if d.Agents > 0 {
		out += fmt.Sprintf(", answers of up to %d agents", d.Agents)
	}
	return out
}

// add lists a damage.
func (r *Report) add(d Damage) {
	n := uint64(1)
	if d.First > 0 && d.Last > d.First {
		n = d.Last - d.First + 1
	}
	r.Damaged += n
	if len(r.Damage) < MaxListed {
		r.Damage = append(r.Damage, d)
	}
}
