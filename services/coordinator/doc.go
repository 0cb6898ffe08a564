// Package coordinator is the clock of Myriad: it takes runs, has their populations drawn, gives hosts leases, opens and
// closes rounds, and ends runs. It decides only from the run log and writes what it decides there by compare-and-set, so
// a second coordinator, or the same one after a crash, goes on where the log ends. It also serves the HTTP API.
//
// It may import pkg/* and the internal packages below it (runlog, results, report, hosts, …); never another service.
package coordinator
