// Package bench measures Myriad from the outside, as a user meets it, and prints what came of it: how long a round takes
// beside bare goroutines and asyncio, in one process and over TCP, what an agent costs in time and memory, how near that
// comes to what the broker and the disk can do, and how it scales with agents and hosts.
//
// Every measurement runs in fresh processes, so that heaps do not mix and the kernel's own count of a process gives its
// peak. Most are the same program with an ordinary command; Child is what the others run inside.
//
// It may import internal/bus, internal/report and pkg; it never builds a stack itself.
package bench
