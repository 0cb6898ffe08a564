package bus

import (
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
