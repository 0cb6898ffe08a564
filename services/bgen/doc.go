// Package bgen is the service that draws populations. It answers one endpoint, subjects.Service("bgen", "populate"), as
// the NATS micro service "bgen": it draws the population that a spec describes, stores it in the object store
// subjects.StorePersonas under its content address, and replies where it is and how close it came to what was asked.
// A population that is stored already and intact is not drawn again. Any number of instances share the work.
//
// The payloads, the client and the reader of what is stored are in internal/population/remote. This package may import
// internal/population, its subpackages, pkg/subjects and the NATS libraries; never another service.
package bgen
