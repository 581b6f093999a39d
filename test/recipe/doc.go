// Package recipe runs the commands that documents show, and compares what they print with what the documents
// say that they print.
//
// A command begins with "$ " inside a block that is fenced as console, and goes on in the lines below it that
// begin with ">". The lines after it, up to the next command or the end of the block, are what it prints, on
// both of its streams. All commands of a document run in one bash, in order, in a folder of their own, as in
// the one terminal of a reader: variables and jobs stay from one to the next.
//
// What differs from run to run is not compared: times, durations in brackets, ids, hex digits from twelve on,
// JWTs, ports on loopback, how long the marks of a time line are, white space. Besides, a line "..." stands for
// any lines, and "…" for any text within a line.
//
// A command that fails is a fault, unless the next one is `echo $?`: then its failure is part of what is shown.
// A command that ends in "&" is a service; the caller says how to wait for it. Whatever is left in the
// background is ended with the document.
package recipe
