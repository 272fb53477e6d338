package tenancy

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/token"
	"github.com/garant-project/garant/tenant"
)

// retireMargin is how much longer a key is accepted than the last token that it can have minted:
// transactions that were under way, clocks that differ.
const retireMargin = 5 * time.Minute

// judge says what is wrong with the keys of a database that was reached, the first thing that
// stops minting or keying; empty: nothing. Where it is not settled yet which place it is, the keys
// that are there are about to go.
func judge(p place, ours []Key, s *seen) (Problem, string) {
	live := slices.DeleteFunc(slices.Clone(s.keys), func(k token.KeyState) bool { return !s.live(k) })
	if !p.here() {
		if len(live) > 0 {
			return ForeignKey, keyNames(live)
		}
		return "", ""
	}
	if p.system != s.system || p.datname != s.datname {
		return Moved, "system " + s.system + ", database " + clean(s.datname)
	}
	if p.settledAt == nil {
		return "", ""
	}
	for _, there := range live {
		i := slices.IndexFunc(ours, func(k Key) bool { return k.ID == there.ID })
		switch {
		case there.Audience != p.audience || i < 0:
			return ForeignKey, "key " + strconv.Itoa(int(there.ID))
		case there.Database != s.datname:
			return Copied, "put into " + clean(there.Database)
		case ours[i].RetiredAt != nil:
			return Restored, "key " + strconv.Itoa(int(there.ID)) + " lives again"
		}
	}
	for _, k := range ours {
		if k.mints() && !slices.ContainsFunc(live, func(there token.KeyState) bool { return there.ID == k.ID }) {
			return KeyMissing, "key " + strconv.Itoa(int(k.ID)) + " is not there"
		}
	}
	return "", ""
}

// live reports whether the database accepts tokens of a key, by its own clock.
func (s *seen) live(k token.KeyState) bool { return k.Retires == nil || k.Retires.After(s.now) }

// examine reads the place and the keys of a database and judges those that are there. Another
// server may be at work on them: what looks wrong is looked at again. A key that is not ours was there
// before ours were read, and is there after; a key of ours that is missing or lives again is so after.
func (t *Tenancy) examine(ctx context.Context, on pg.Querier, d *estate.Database, k *keeper, whole bool) (p place, ours []Key, problem Problem, found string, err error) {
	if p, err = lastPlace(ctx, on, d.Name); err != nil {
		return p, nil, "", "", err
	}
	if p.here() {
		if ours, err = keysOf(ctx, on, p.id, whole); err != nil {
			return p, nil, "", "", err
		}
	}
	if problem, found = judge(p, ours, &k.seen); problem == "" || problem == Moved {
		return p, ours, problem, found, nil
	}
	before := k.seen.keys
	if err := k.look(ctx, d); err != nil {
		var x *trouble
		if !errors.As(err, &x) {
			err = there(err)
		}
		return p, ours, "", "", err
	}
	both := k.seen
	both.keys = slices.DeleteFunc(slices.Clone(both.keys), func(s token.KeyState) bool {
		_, was := find(before, s.ID)
		return !was && !slices.ContainsFunc(ours, func(k Key) bool { return k.ID == s.ID })
	})
	problem, found = judge(p, ours, &both)
	return p, ours, problem, found, nil
}

func keyNames(keys []token.KeyState) string {
	ids := make([]string, 0, len(keys))
	for _, k := range keys {
		ids = append(ids, strconv.Itoa(int(k.ID)))
	}
	return fmt.Sprintf("%d keys: %v", len(keys), ids)
}

// subject is under what the keys of a place are sealed.
func (p place) subject() string { return "tenancy:" + p.id.String() }

func keyField(id byte) string { return "key:" + strconv.Itoa(int(id)) }

// open decrypts a key.
func (t *Tenancy) open(ctx context.Context, on pg.Querier, p place, k Key) (tenant.Key, error) {
	secret, err := t.Box.Open(ctx, on, p.subject(), keyField(k.ID), k.sealed)
	if err != nil {
		return tenant.Key{}, err
	}
	if len(secret) != 32 {
		return tenant.Key{}, errs.New(errs.Internal, "tenancy.key", "A key of a guarded database is not as it was sealed.")
	}
	return tenant.Key{ID: k.ID, Audience: p.audience, Secret: [32]byte(secret)}, nil
}

// newPlace opens the next place of a database. Another server may have been first: then it is
// the one that holds.
func (t *Tenancy) newPlace(ctx context.Context, pool *pgxpool.Pool, by actor.Actor, before place, d *estate.Database, action string) (place, error) {
	p := place{id: uuid.Must(uuid.NewV7()), database: d.Name, seq: before.seq + 1, system: d.System, datname: d.Database, openedBy: identity(by)}
	err := pg.InTx(ctx, pool, func(tx pgx.Tx) error {
		house, err := installation(ctx, tx)
		if err != nil {
			return err
		}
		p.audience = token.Audience(house, p.id)
		first, err := insertPlace(ctx, tx, p)
		if err != nil || !first {
			return err
		}
		return audit.Record(ctx, tx, by, action, object(d.Name), map[string]any{"place": p.id.String(), "seq": p.seq, "system": p.system})
	})
	if err != nil {
		return place{}, err
	}
	return lastPlace(ctx, pool, d.Name)
}

// makeKey seals a new key, unless one is on its way already.
func (t *Tenancy) makeKey(ctx context.Context, pool *pgxpool.Pool, by actor.Actor, p place, ours []Key, there []token.KeyState, urgent bool) error {
	id, ok := freeID(ours, there)
	if !ok {
		return errs.New(errs.Conflict, "tenancy.ids", "All ids of keys of this database are used up.").WithFix("Key it anew: garant token rekey " + p.database + ".")
	}
	var secret [32]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return err
	}
	return pg.InTx(ctx, pool, func(tx pgx.Tx) error {
		sealed, err := t.Box.Seal(ctx, tx, p.subject(), keyField(id), secret[:])
		if err != nil {
			return err
		}
		first, err := insertKey(ctx, tx, p.id, id, sealed, identity(by), urgent)
		if err != nil || !first {
			return err
		}
		return audit.Record(ctx, tx, by, "tenancy.key_made", object(p.database), map[string]any{"place": p.id.String(), "key": id, "urgent": urgent})
	})
}

// freeID is the next id that no key of ours has had and that none in the database has.
func freeID(ours []Key, there []token.KeyState) (byte, bool) {
	for id := 1; id <= 255; id++ {
		if !slices.ContainsFunc(ours, func(k Key) bool { return int(k.ID) == id }) && !slices.ContainsFunc(there, func(k token.KeyState) bool { return int(k.ID) == id }) {
			return byte(id), true
		}
	}
	return 0, false
}

// advance takes the keys of a place one state further, as far as they can go now. Each step is done once
// whoever does it, here and there; what was cut off between two steps is taken up again.
func (t *Tenancy) advance(ctx context.Context, pool *pgxpool.Pool, by actor.Actor, d *estate.Database, k *keeper, p place) error {
	keys, err := keysOf(ctx, pool, p.id, true)
	if err != nil {
		return err
	}
	coming := slices.ContainsFunc(keys, Key.coming)
	i := slices.IndexFunc(keys, Key.mints)
	if !coming && (i < 0 || t.Now().Sub(*keys[i].InstalledAt) >= d.Tenancy.Rotate) {
		if err := t.makeKey(ctx, pool, by, p, keys, k.seen.keys, false); err != nil {
			return err
		}
		if keys, err = keysOf(ctx, pool, p.id, true); err != nil {
			return err
		}
	}
	for _, key := range keys {
		if key.coming() {
			if err := t.install(ctx, pool, by, k, p, key); err != nil {
				return err
			}
			if keys, err = keysOf(ctx, pool, p.id, true); err != nil {
				return err
			}
			break
		}
	}
	if err := t.retire(ctx, pool, by, d, k, p, keys); err != nil {
		return err
	}
	if p.settledAt == nil {
		return t.settle(ctx, pool, by, k, p, keys)
	}
	return nil
}

// install puts a key that is sealed here into the database.
func (t *Tenancy) install(ctx context.Context, pool *pgxpool.Pool, by actor.Actor, k *keeper, p place, key Key) error {
	found, known := find(k.seen.keys, key.ID)
	if !known {
		whole, err := t.open(ctx, pool, p, key)
		if err != nil {
			return err
		}
		err = token.InstallKey(ctx, k.Conn, whole, nil)
		if errs.Is(err, errs.Conflict) { // somebody was first since we looked
			keys, lookErr := token.Keys(ctx, k.Conn)
			if lookErr != nil {
				return there(lookErr)
			}
			k.seen.keys = keys
			if found, known = find(keys, key.ID); !known {
				return there(err)
			}
		} else if err != nil {
			return there(err)
		}
	}
	return pg.InTx(ctx, pool, func(tx pgx.Tx) error {
		action, done := "tenancy.key_installed", keyInstalled
		if known && found.Audience != p.audience {
			action, done = "tenancy.key_given_up", keyRetired // its id is another's there: the next one has another
		}
		first, err := done(ctx, tx, p.id, key.ID)
		if err != nil || !first {
			return err
		}
		return audit.Record(ctx, tx, by, action, object(p.database), map[string]any{"place": p.id.String(), "key": key.ID})
	})
}

func find(keys []token.KeyState, id byte) (token.KeyState, bool) {
	if i := slices.IndexFunc(keys, func(k token.KeyState) bool { return k.ID == id }); i >= 0 {
		return keys[i], true
	}
	return token.KeyState{}, false
}

// retire tells the database when keys end, and destroys those that have, by the clock there.
func (t *Tenancy) retire(ctx context.Context, pool *pgxpool.Pool, by actor.Actor, d *estate.Database, k *keeper, p place, keys []Key) error {
	retiring := func(key Key) bool { return key.RetiresAt != nil && key.RetiredAt == nil }
	if !slices.ContainsFunc(keys, retiring) {
		return nil
	}
	if err := k.look(ctx, d); err != nil { // what is said of a key that is not there must be newer than ours
		var x *trouble
		if !errors.As(err, &x) {
			err = there(err)
		}
		return err
	}
	for _, key := range keys {
		if !retiring(key) {
			continue
		}
		if found, known := find(k.seen.keys, key.ID); known && found.Audience == p.audience {
			at := *key.RetiresAt
			if !t.Now().Before(at) { // it is over here, whatever the clock there says
				at = k.seen.now
			}
			if found.Retires == nil || found.Retires.After(at) {
				if err := token.RetireKey(ctx, k.Conn, key.ID, at); err != nil {
					return there(err)
				}
			} else {
				at = *found.Retires
			}
			if at.After(k.seen.now) {
				continue
			}
		}
		err := pg.InTx(ctx, pool, func(tx pgx.Tx) error {
			first, err := keyRetired(ctx, tx, p.id, key.ID)
			if err != nil || !first {
				return err
			}
			return audit.Record(ctx, tx, by, "tenancy.key_retired", object(p.database), map[string]any{"place": p.id.String(), "key": key.ID})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// settle ends every key in the database that is not of the place, once a key of it is there.
func (t *Tenancy) settle(ctx context.Context, pool *pgxpool.Pool, by actor.Actor, k *keeper, p place, ours []Key) error {
	if !slices.ContainsFunc(ours, Key.mints) {
		return nil
	}
	ended := 0
	for _, other := range k.seen.keys {
		if other.Audience == p.audience || !k.seen.live(other) {
			continue
		}
		if err := token.RetireKey(ctx, k.Conn, other.ID, k.seen.now); err != nil {
			return there(err)
		}
		ended++
	}
	return pg.InTx(ctx, pool, func(tx pgx.Tx) error {
		first, err := settlePlace(ctx, tx, p.id)
		if err != nil || !first {
			return err
		}
		if err := keysLeft(ctx, tx, p); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, "tenancy.keyed", object(p.database), map[string]any{"place": p.id.String(), "ended": ended})
	})
}

// Rotate replaces the key of a guarded database now; urgent: the one before retires at once, and
// with it every token that it minted. It needs actor.KeepKeys. When something cannot be reached, the
// new key is on its way and whoever looks after the database puts it in.
func (t *Tenancy) Rotate(ctx context.Context, by actor.Actor, database string, urgent bool) error {
	return t.asKeeper(ctx, by, "tenancy.key_rotated", database, func(ctx context.Context, pool *pgxpool.Pool, d *estate.Database, k *keeper) error {
		p, keys, err := t.keyed(ctx, pool, d, k)
		if err != nil {
			return err
		}
		if !p.here() || !slices.ContainsFunc(keys, Key.mints) {
			return errs.New(errs.Conflict, "tenancy.unkeyed", "This database has no key yet.").WithFix("Its first key is made by itself, a few seconds after garant serve starts; or run garant token rekey " + database + ".")
		}
		if err := t.makeKey(ctx, pool, by, p, keys, k.seen.keys, urgent); err != nil {
			return err
		}
		if urgent {
			if err := hasten(ctx, pool, p.id); err != nil {
				return err
			}
		}
		return t.advance(ctx, pool, by, d, k, p)
	})
}

// asKeeper runs fn for a guarded database that it has reached as its keeper, for who may keep keys. Trouble
// of that database comes back in words that people are shown.
func (t *Tenancy) asKeeper(ctx context.Context, by actor.Actor, action, database string, fn func(context.Context, *pgxpool.Pool, *estate.Database, *keeper) error) error {
	if err := t.may(ctx, by, actor.KeepKeys, action, object(clean(database))); err != nil {
		return err
	}
	d, _, err := t.guarded(ctx, database)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*reachTimeout)
	defer cancel()
	k, err := t.reach(ctx, &d)
	if err == nil {
		defer k.close(ctx)
		err = fn(ctx, t.DB.Pool(pg.Staff), &d, k)
	}
	return t.told(err, database)
}

// keyed is examine for who goes on only when nothing has to be keyed anew first.
func (t *Tenancy) keyed(ctx context.Context, pool *pgxpool.Pool, d *estate.Database, k *keeper) (place, []Key, error) {
	p, keys, problem, found, err := t.examine(ctx, pool, d, k, true)
	if err == nil && problem != "" {
		err = &trouble{problem, "keys of ours", found}
	}
	return p, keys, err
}

// Rekey gives a guarded database a key and an audience of its own, and ends every key that it
// came with: after a restore, a copy or a move, or when a key is there that is not ours. It needs
// actor.KeepKeys. What was cut off is taken up again by the next call, or by itself.
func (t *Tenancy) Rekey(ctx context.Context, by actor.Actor, database string) error {
	const action = "tenancy.rekeyed"
	return t.asKeeper(ctx, by, action, database, func(ctx context.Context, pool *pgxpool.Pool, d *estate.Database, k *keeper) error {
		p, err := lastPlace(ctx, pool, d.Name)
		if err != nil {
			return err
		}
		if !p.here() || p.settledAt != nil || p.system != d.System || p.datname != d.Database {
			if p, err = t.newPlace(ctx, pool, by, p, d, action); err != nil {
				return err
			}
		}
		if err := t.advance(ctx, pool, by, d, k, p); err != nil {
			return err
		}
		return saveStatus(ctx, pool, d.Name, t.Now(), "", k, false, 0)
	})
}

// there marks an error of a guarded database, whose words are not ours to show.
func there(err error) error { return &trouble{Unreadable, "the keys and the sessions", sqlState(err)} }

// told turns trouble of a guarded database into words that people are shown; nil stays nil.
func (t *Tenancy) told(err error, database string) error {
	var x *trouble
	if errors.As(err, &x) {
		return t.said(x, database)
	}
	return err
}
