package keys

import "github.com/myriad-sim/myriad/pkg/subjects"

const (
	logStream = subjects.StreamLog
	hubStream = subjects.StreamHub
)

// bucket is the stream beneath a bucket.
func bucket(name string) string { return "KV_" + name }

// store is the stream beneath an object store.
func store(name string) string { return "OBJ_" + name }

// writes matches the keys of a bucket.
func writes(name string) string { return "$KV." + name + ".>" }

// api is the subject of a request to the broker about a stream.
func api(request, stream string) string { return "$JS.API." + request + "." + stream }

// look is to read streams in every way the services do: one message or several by sequence or subject, and by consumers of
// one's own, whose names are random. It is neither to create, change, purge or delete a stream nor to list others.
func look(streams ...string) Permissions {
	var p Permissions
	for _, s := range streams {
		p = p.with(publish(
			api("STREAM.INFO", s), api("STREAM.MSG.GET", s), api("DIRECT.GET", s), api("DIRECT.GET", s)+".>",
			api("CONSUMER.CREATE", s)+".>", api("CONSUMER.INFO", s)+".*", api("CONSUMER.DELETE", s)+".*",
			api("CONSUMER.MSG.NEXT", s)+".*", "$JS.FC."+s+".>",
		))
	}
	return p
}

// fill is to read an object store and to put into it. A store purges the parts of what was replaced.
func fill(name string) Permissions {
	return look(store(name)).with(publish("$O."+name+".>", api("STREAM.PURGE", store(name))))
}

// provision is to make the streams that all services share, and to give them what a newer version adds.
func provision() Permissions {
	p := publish("$JS.API.INFO")
	for _, s := range []string{
		logStream, hubStream, bucket(subjects.BucketRuns), bucket(subjects.BucketHosts), bucket(subjects.BucketEnv),
		bucket(subjects.BucketUsage), store(subjects.StoreFiles), store(subjects.StorePersonas),
	} {
		p = p.with(publish(api("STREAM.INFO", s), api("STREAM.CREATE", s), api("STREAM.UPDATE", s)))
	}
	return p
}
