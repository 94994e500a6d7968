package main

import (
	"fmt"
	"sync"

	"github.com/kataras/neffos"
)

// journal records events line by line. /ctl/log returns them.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(format string, values ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, values...))
}

// take removes and returns all lines.
func (j *journal) take() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	lines := j.lines
	j.lines = nil
	return lines
}

// handler returns a handler that records its call before it calls act, which may be nil.
func (j *journal) handler(name string, act neffos.MessageHandlerFunc) neffos.MessageHandlerFunc {
	return func(ns *neffos.NSConn, m neffos.Message) error {
		j.add("%s %s: %s", ns.Conn.ID(), name, description(m))
		if act == nil {
			return nil
		}
		return act(ns, m)
	}
}

func description(m neffos.Message) string {
	return fmt.Sprintf("ns=%q room=%q event=%q body=%q err=%v forced=%v local=%v native=%v binary=%v from_explicit=%q to=%q stack=%v",
		m.Namespace, m.Room, m.Event, m.Body, m.Err, m.IsForced, m.IsLocal, m.IsNative, m.SetBinary, m.FromExplicit, m.To,
		m.FromStackExchange)
}
