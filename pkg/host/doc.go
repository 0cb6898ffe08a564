// Package host makes programs of agents.
//
// [Main] is the whole main function of a host program: it serves the kinds of agents (and of environments) it is given,
// as part of a stack that runs elsewhere, with the same agent host that `myriad agenthost` runs.
//
//	func main() {
//		kinds := host.Kinds{Agents: agent.NewRegistry().Add("sleeper", newSleeper)}
//		os.Exit(host.Main(kinds))
//	}
//
// [Open] is for a program that makes agents and gives them work. Where they live is said in one place, and nothing else of
// the program depends on it: [Local] is this process and nothing else, broker included; [Remote] is a stack with any number
// of host programs.
//
// It may import pkg/* and internal/stack: of the packages that users import it is the one that builds services.
package host
