package bus

import "errors"

// Errors of the embedded server.
var (
	// ErrDataDir says that the data directory cannot be created, read or written.
	ErrDataDir = errors.New("data directory not usable")
	// ErrDataInUse says that another process works on the data directory.
	ErrDataInUse = errors.New("data directory in use")
	// ErrDataVersion says that the data directory has a format this program does not know.
	ErrDataVersion = errors.New("data directory has an unknown format")
	// ErrStoreDamaged says that so much of what is stored is lost that nothing in the data directory can be used.
	ErrStoreDamaged = errors.New("data directory damaged")
	// ErrPortTaken says that another process listens on the wanted address.
	ErrPortTaken = errors.New("port already in use")
	// ErrNotLoopback says that a listener or a server beyond this machine was
	// asked for without the credentials and the encryption that needs.
	ErrNotLoopback = errors.New("address is not loopback")
	// ErrServer says that the embedded server did not come up.
	ErrServer = errors.New("embedded NATS server failed")
)

// Errors of connecting.
var (
	// ErrConfig says that a connection setting has no valid meaning.
	ErrConfig = errors.New("bad NATS connection setting")
	// ErrUnreachable says that no server answered before the context ended.
	ErrUnreachable = errors.New("NATS server not reachable")
	// ErrUntrusted says that a server is not, or cannot show that it is, the one that was meant.
	ErrUntrusted = errors.New("NATS server not trusted")
	// ErrRefused says that the server answered and refused the credentials.
	ErrRefused = errors.New("NATS server refused the connection")
)

// Errors of provisioning.
var (
	// ErrStreamMismatch says that a stream or bucket exists with settings that
	// would lose or corrupt data. The message names the field.
	ErrStreamMismatch = errors.New("stream has other settings than needed")
	// ErrNoSpace says that not even the smallest useful stream fits the server's storage.
	ErrNoSpace = errors.New("not enough storage for the run log")
	// ErrNoReplicas says that a cluster has too few servers to hold as many copies as wanted.
	ErrNoReplicas = errors.New("the NATS cluster has too few servers")
)

// Errors of a batch. After any of them except ErrBatchUnconfirmed nothing of
// the batch is in the stream.
var (
	// ErrBatchEmpty says that a batch had no message.
	ErrBatchEmpty = errors.New("batch is empty")
	// ErrBatchTooLarge says that a batch exceeds MaxBatchMsgs or MaxBatchBytes.
	ErrBatchTooLarge = errors.New("batch is too large")
	// ErrBatchBusy says that the stream has too many unfinished batches; try again.
	ErrBatchBusy = errors.New("too many batches in flight")
	// ErrBatchIncomplete says that the server missed a part or gave the batch up; try again.
	ErrBatchIncomplete = errors.New("batch was abandoned")
	// ErrBatchDisabled says that the stream does not take batches.
	ErrBatchDisabled = errors.New("stream does not accept batches")
	// ErrBatchConflict says that an expected sequence did not hold, or that a
	// message id is in the stream already.
	ErrBatchConflict = errors.New("batch conflicts with what is in the stream")
	// ErrBatchRejected is any other refusal; the message has the server's words.
	ErrBatchRejected = errors.New("batch was rejected")
	// ErrBatchUnconfirmed says that the answer did not come: the batch is in the
	// stream as a whole or not at all, and only reading the stream tells which.
	ErrBatchUnconfirmed = errors.New("batch outcome unknown")
)
