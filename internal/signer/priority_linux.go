package signer

import (
	"runtime"
	"syscall"
)

// deprioritise ties the calling goroutine to its thread and lowers that thread's priority, so that the
// kernel prefers the threads that answer HMAC requests. A refusal by the kernel only means that the
// thread keeps its priority.
func deprioritise() {
	runtime.LockOSThread()
	const callingThread, niceness = 0, 10
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, callingThread, niceness)
}
