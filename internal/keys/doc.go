// Package keys makes what a stack off loopback needs: an authority of its own, certificates, a user with a key for each
// service and for outside agents of one run, and the permissions of all of them in the form nats-server reads. It may import
// internal/bus and pkg/subjects; nothing here opens a connection.
package keys
