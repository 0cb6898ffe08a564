package bus

import (
	"net"
	"net/netip"
	"strings"
)

// loopbackHost reports whether host can only be reached from this machine. An
// empty host means all interfaces. Names other than localhost are not looked
// up: what they resolve to can change after the check.
func loopbackHost(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// OffLoopback reports whether a host:port to listen on is reached from other machines. What is no host:port is not.
func OffLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && !loopbackHost(host)
}
