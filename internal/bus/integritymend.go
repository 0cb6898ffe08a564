package bus

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/myriad-sim/myriad/internal/damage"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// The server, when it meets a damaged record, cuts the rest of the block off, whole records with it, or leaves the record
// out when it is read, and says nothing in either case. So before it starts a note is put in the place of what is lost.

// mark puts a note in the place of everything that is lost in the stream, and keeps the files as they were. Whatever is
// whole stays as it is.
func (s *streamScan) mark(dataDir, dir string, now time.Time) error {
	marked := false
	for _, f := range s.files {
		if len(f.parts) == 0 {
			continue
		}
		kept, err := keep(dataDir, s.name, f.path, now)
		if err != nil {
			return err
		}
		for i := range f.parts {
			f.parts[i].Copy, f.parts[i].Found = kept, now
		}
		if err := f.rewrite(s.name); err != nil {
			return err
		}
		marked = true
	}
	if !marked {
		return nil
	}
	// What the server remembers of the files is not so any more; it looks through them without.
	if err := os.Remove(filepath.Join(dir, "msgs", "index.db")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return dataDirError(dir, err)
	}
	return nil
}

// keep copies a block to where no server looks for it.
func keep(dataDir, stream, path string, now time.Time) (string, error) {
	to := filepath.Join(dataDir, "damaged", stream, now.UTC().Format("20060102T150405.000")+"-"+filepath.Base(path))
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return "", dataDirError(to, err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", dataDirError(path, err)
	}
	if err := replaceFile(to, data); err != nil {
		return "", err
	}
	return to, nil
}

// rewrite writes a block with notes in it.
func (f *blockFile) rewrite(stream string) error {
	data, err := os.ReadFile(f.path)
	if err != nil {
		return dataDirError(f.path, err)
	}
	out, err := f.marked(stream, data)
	if err != nil {
		return err
	}
	return replaceFile(f.path, out)
}

// marked are the bytes of the block with notes in them.
func (f *blockFile) marked(stream string, data []byte) ([]byte, error) {
	b, err := newBlock(stream, f.index, data)
	if err != nil {
		return nil, err
	}
	out := bytes.NewBuffer(make([]byte, 0, len(data)+1024*len(f.parts)))
	at := 0
	for _, p := range f.parts {
		out.Write(data[at:p.at])
		if p.First > 0 {
			out.Write(b.note(p))
		}
		at = p.end
	}
	out.Write(data[at:])
	return out.Bytes(), nil
}

// note is the record that stands for a part. Elsewhere than in the run log nobody looks for notes: there it is an erased
// record, so that the sequence is not given away again.
func (b *block) note(p part) []byte {
	if !b.log {
		return b.record(p.Last|erasedBit, p.time, "", nil)
	}
	return b.record(p.Last, p.time, p.Place(), damage.Payload(p.Note))
}

// describe says what to do about damage, for the log.
func describe(n damage.Note) string {
	whose := "which run it is of cannot be told; runs that were under way are not gone on with"
	switch at, err := subjects.ParseLog(n.Subject); {
	case err == nil:
		whose = fmt.Sprintf("it is of run %s, which is not gone on with; see: myriad verify %s", at.Run, at.Run)
	case n.Subject != "":
		whose = "it is on " + n.Subject
	}
	return whose + "; a backup of the data directory has it back; other runs are not affected"
}
