// Package server is the edge of the service: gRPC handlers, their interceptors, the one error map, the
// HTTP/JSON gateway and the plain HTTP end points.
//
// Handlers translate and delegate; they hold no rules of their own. An HTTP request reaches the same
// handlers through the same interceptors as a gRPC call, without a loop through the network
// (inprocess.go). Every error that leaves the process goes through status.go.
package server
