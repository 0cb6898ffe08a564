package bus

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/myriad-sim/myriad/internal/damage"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Inspect looks through everything that the embedded server has stored in a data directory, record by record, and lists
// what is lost, with what was found at earlier starts. It changes nothing, and the server may be running. Errors:
// ErrDataDir, ErrStoreDamaged, the context's.
func Inspect(ctx context.Context, dataDir string) ([]damage.Note, error) {
	return inspect(ctx, dataDir, func(*streamScan, string) error { return nil })
}

// checkStore is Inspect before the server starts: it marks what is lost, so that whoever reads the stream meets it.
func checkStore(ctx context.Context, dataDir string, log *slog.Logger) ([]damage.Note, error) {
	begun, size := time.Now().UTC(), 0
	found, err := inspect(ctx, dataDir, func(s *streamScan, dir string) error {
		if err := s.mark(dataDir, dir, begun.Round(0)); err != nil {
			return err
		}
		for _, f := range s.files {
			size += f.size
			for _, p := range f.parts {
				log.Error("DAMAGED DATA: "+p.String(), "stream", p.Stream, "subject", p.Subject, "file as found", p.Copy, "what now", describe(p.Note))
			}
		}
		return nil
	})
	log.Debug("stored records checked", "bytes", size, "took", time.Since(begun), "damaged", len(found))
	return found, err
}

// inspect calls do for every stream in the directory after it was looked through.
func inspect(ctx context.Context, dataDir string, do func(s *streamScan, dir string) error) ([]damage.Note, error) {
	marks, err := readMarks(dataDir)
	var found []damage.Note
	if errors.Is(err, errMarks) {
		found = append(found, damage.Note{Block: markFile(dataDir), What: "how far the streams went is not known: " + err.Error()})
	} else if err != nil {
		return nil, err
	}
	// One directory an account, and there is one account.
	dirs, err := fs.Glob(os.DirFS(dataDir), "nats/jetstream/*/streams/*")
	if err != nil {
		return nil, dataDirError(dataDir, err)
	}
	for _, dir := range dirs {
		name, dir := path.Base(dir), filepath.Join(dataDir, dir)
		s, err := scanStream(ctx, name, dir, marks[name])
		if err != nil {
			return nil, err
		}
		if err := do(s, dir); err != nil {
			return nil, err
		}
		found = append(found, s.found()...)
		if len(s.files) > 0 {
			delete(marks, name)
		}
	}
	for name, seen := range marks { // of streams that are gone
		if name == subjects.StreamLog && seen.Last >= max(seen.First, 1) {
			return nil, errGone(name, seen)
		}
	}
	return found, nil
}
