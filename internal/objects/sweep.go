package objects

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Abandoned is how long a part of an object may be the last of it before [Sweep] takes it that nobody goes on writing.
const Abandoned = 5 * time.Minute

// Sweep removes from an object store what writers left behind that were killed: parts that no object names and to which
// nothing was added for as long as age, by the broker's clock. It returns how many unfinished objects it removed. Whoever is
// still at work after so long a pause finds its object unreadable, which is what readers of all objects have to expect.
func Sweep(ctx context.Context, js jetstream.JetStream, bucket string, age time.Duration) (removed int, err error) {
	all := "$O." + bucket + ".C."
	s, err := js.Stream(ctx, "OBJ_"+bucket)
	if err != nil {
		return 0, fmt.Errorf("sweep %s: %w", bucket, err)
	}
	objects, err := js.ObjectStore(ctx, bucket)
	if err != nil {
		return 0, fmt.Errorf("sweep %s: %w", bucket, err)
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(all+">"))
	if err != nil {
		return 0, fmt.Errorf("sweep %s: %w", bucket, err)
	}
	// The objects after the parts: one that was finished between the two is among them.
	list, err := objects.List(ctx)
	if err != nil && !errors.Is(err, jetstream.ErrNoObjectsFound) {
		return 0, fmt.Errorf("sweep %s: %w", bucket, err)
	}
	named := map[string]bool{}
	for _, o := range list {
		named[o.NUID] = true
	}
	for subject := range info.State.Subjects {
		if named[strings.TrimPrefix(subject, all)] {
			continue
		}
		last, err := s.GetLastMsgForSubject(ctx, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && info.TimeStamp.Sub(last.Time) < age {
			continue
		}
		if err == nil {
			err = s.Purge(ctx, jetstream.WithPurgeSubject(subject))
		}
		if err != nil {
			return removed, fmt.Errorf("sweep %s: %w", bucket, err)
		}
		removed++
	}
	return removed, nil
}
