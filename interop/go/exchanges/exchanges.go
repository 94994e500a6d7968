// Package exchanges connects servers in several processes through a broker.
package exchanges

import (
	"flag"
	"strings"

	"github.com/kataras/neffos"
	exnats "github.com/kataras/neffos/stackexchange/nats"
	exredis "github.com/kataras/neffos/stackexchange/redis"
)

// Brokers are the brokers that connect servers. A broker without an address is not used.
type Brokers struct {
	redis, nats string
}

// Flags declares the two flags of a program, which are set when it parses its flags.
func Flags() *Brokers {
	b := &Brokers{}
	flag.StringVar(&b.redis, "redis", "", "the broker over which servers reach each other: redis://ADDR, or ADDR")
	flag.StringVar(&b.nats, "nats", "", "the same, for NATS: nats://ADDR")
	return b
}

// Join connects the server with all servers that share the brokers and a prefix of channels.
func (b *Brokers) Join(server *neffos.Server, prefix string) error {
	exchanges, err := b.exchanges(prefix)
	if err != nil {
		return err
	}
	for _, exchange := range exchanges {
		if err := server.UseStackExchange(exchange); err != nil {
			return err
		}
	}
	return nil
}

func (b *Brokers) exchanges(prefix string) (exchanges []neffos.StackExchange, err error) {
	if b.redis != "" {
		address := strings.TrimPrefix(b.redis, "redis://")
		exchange, err := exredis.NewStackExchange(exredis.Config{Addr: address}, prefix)
		if err != nil {
			return nil, err
		}
		exchanges = append(exchanges, exchange)
	}
	if b.nats != "" {
		exchange, err := exnats.NewStackExchange(b.nats)
		if err != nil {
			return nil, err
		}
		exchange.SubjectPrefix = prefix
		exchanges = append(exchanges, exchange)
	}
	return exchanges, nil
}
