package server

import (
	"context"
	"fmt"
	"log/slog"

	"google.golang.org/grpc/grpclog"
)

// RouteLibraryLogs sends what gRPC logs of itself to log, scrubbed like everything else. It sets a
// variable of the whole process; call it once, before gRPC is used.
func RouteLibraryLogs(log *slog.Logger) { grpclog.SetLoggerV2(libraryLog{log}) }

// libraryLog implements grpclog.LoggerV2. What gRPC calls an error concerns one connection or message:
// a warning here. Its warnings are of interest to those who debug.
type libraryLog struct{ log *slog.Logger }

func (l libraryLog) write(level slog.Level, text string) {
	l.log.LogAttrs(context.Background(), level, "grpc", slog.String("text", text))
}

// V reports whether details of a level are wanted: none.
func (libraryLog) V(level int) bool { return level <= 0 }

func (l libraryLog) Info(args ...any) { l.write(slog.LevelDebug, fmt.Sprint(args...)) }

func (l libraryLog) Infoln(args ...any) { l.write(slog.LevelDebug, fmt.Sprint(args...)) }

func (l libraryLog) Infof(format string, args ...any) {
	l.write(slog.LevelDebug, fmt.Sprintf(format, args...))
}

func (l libraryLog) Warning(args ...any) { l.write(slog.LevelDebug, fmt.Sprint(args...)) }

func (l libraryLog) Warningln(args ...any) { l.write(slog.LevelDebug, fmt.Sprint(args...)) }

func (l libraryLog) Warningf(format string, args ...any) {
	l.write(slog.LevelDebug, fmt.Sprintf(format, args...))
}

func (l libraryLog) Error(args ...any) { l.write(slog.LevelWarn, fmt.Sprint(args...)) }

func (l libraryLog) Errorln(args ...any) { l.write(slog.LevelWarn, fmt.Sprint(args...)) }

func (l libraryLog) Errorf(format string, args ...any) {
	l.write(slog.LevelWarn, fmt.Sprintf(format, args...))
}
func (l libraryLog) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (l libraryLog) Fatalln(args ...any)               { panic(fmt.Sprint(args...)) }
func (l libraryLog) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
