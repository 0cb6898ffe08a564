package agent

// Client reaches the agents of one run. It is safe for concurrent use.
type Client struct{}
