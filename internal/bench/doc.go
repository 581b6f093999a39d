// Bench holds the service to its goals of speed. It prints one line for each goal: name, measured
// ratio, goal, ok or FAIL. The contenders of a line run side by side in one run, interleaved in short
// rounds, and the ratio is the median of the rounds' paired ratios, so that a machine's other work
// falls on both. The service and the client that loads it are processes of their own.
package main
