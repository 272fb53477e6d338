package crypt

import (
	"container/list"
	"sync"

	"github.com/tink-crypto/tink-go/v2/tink"
)

// cache remembers the most recently used keys.
type cache struct {
	mu    sync.Mutex
	limit int
	order *list.List // of *entry, the most recently used first
	byID  map[[32]byte]*list.Element
}

type entry struct {
	id  [32]byte
	key tink.AEAD
}

func newCache(limit int) *cache {
	return &cache{limit: limit, order: list.New(), byID: map[[32]byte]*list.Element{}}
}

func (c *cache) get(id [32]byte) (tink.AEAD, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byID[id]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*entry).key, true //nolint:errcheck // the list holds nothing else
}

func (c *cache) put(id [32]byte, key tink.AEAD) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byID[id]; ok {
		return
	}
	c.byID[id] = c.order.PushFront(&entry{id, key})
	if c.order.Len() > c.limit {
		last := c.order.Back()
		c.order.Remove(last)
		delete(c.byID, last.Value.(*entry).id) //nolint:errcheck // the list holds nothing else
	}
}

func (c *cache) drop(id [32]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byID[id]; ok {
		c.order.Remove(e)
		delete(c.byID, id)
	}
}
