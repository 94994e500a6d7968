package main

import (
	"strings"

	"github.com/kataras/neffos"
	exnats "github.com/kataras/neffos/stackexchange/nats"
	exredis "github.com/kataras/neffos/stackexchange/redis"
)

// What the channels of these servers begin with, before the name of the host.
const channelPrefix = "scen"

// join lets hosts of this name in other processes hear what this one broadcasts, and the other way round.
func (h *host) join(o options) error {
	exchanges, err := exchangesOf(o, channelPrefix+h.name)
	if err != nil {
		return err
	}
	for _, exchange := range exchanges {
		if err := h.server.UseStackExchange(exchange); err != nil {
			return err
		}
	}
	return nil
}

func exchangesOf(o options, prefix string) (exchanges []neffos.StackExchange, err error) {
	if o.redis != "" {
		address := strings.TrimPrefix(o.redis, "redis://")
		exchange, err := exredis.NewStackExchange(exredis.Config{Addr: address}, prefix)
		if err != nil {
			return nil, err
		}
		exchanges = append(exchanges, exchange)
	}
	if o.nats != "" {
		exchange, err := exnats.NewStackExchange(o.nats)
		if err != nil {
			return nil, err
		}
		exchange.SubjectPrefix = prefix
		exchanges = append(exchanges, exchange)
	}
	return exchanges, nil
}
