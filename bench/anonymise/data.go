package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg/cluster"
)

const (
	reader   = "reader" // of the source
	copier   = "copier" // makes copies in the target
	database = "shop"
)

// stand is a source full of data and an empty target.
type stand struct {
	options
	dir            string
	source, target *cluster.Cluster
	say            func(string, ...any)
}

// settings are those of both clusters and of all arms.
func settings() map[string]string {
	return map[string]string{
		"fsync": "off", "full_page_writes": "off", "autovacuum": "off", "jit": "off", "shared_buffers": "512MB", "maintenance_work_mem": "256MB", "work_mem": "32MB",
		"max_wal_size": "8GB", "checkpoint_timeout": "1h", "max_locks_per_transaction": "1024",
	}
}

func open(ctx context.Context, dir string, o options, say func(string, ...any)) (*stand, error) {
	s := &stand{options: o, dir: dir, say: say}
	if err := os.RemoveAll(filepath.Join(dir, "target")); err != nil {
		return nil, err
	}
	var err error
	if s.source, err = cluster.Open(ctx, cluster.Options{Name: "source", Dir: filepath.Join(dir, "source"), Users: []string{reader}, Settings: settings()}); err != nil {
		return nil, err
	}
	if s.target, err = cluster.Open(ctx, cluster.Options{Name: "target", Dir: filepath.Join(dir, "target"), Users: []string{copier}, Settings: settings()}); err == nil {
		err = execute(ctx, s.target.DSN(cluster.SuperUser, "postgres"), `CREATE ROLE copier LOGIN CREATEDB IN ROLE pg_signal_backend`, `GRANT pg_checkpoint TO copier`)
	}
	if err != nil {
		s.close(context.WithoutCancel(ctx))
		return nil, err
	}
	return s, nil
}

func (s *stand) close(ctx context.Context) {
	for _, c := range []*cluster.Cluster{s.source, s.target} {
		if c != nil {
			_ = c.Close(ctx)
		}
	}
}

// execute runs statements one by one.
func execute(ctx context.Context, dsn string, all ...string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for _, sql := range all {
		if err := conn.PgConn().Exec(ctx, sql).Close(); err != nil {
			return fmt.Errorf("%w in %.80s", err, sql)
		}
	}
	return nil
}

// The people are nobody: family names are made of syllables, addresses end in reserved domains. pick draws a number below m for row n, the same each time.
const schema = `
CREATE ROLE reader LOGIN BYPASSRLS IN ROLE pg_read_all_data;
CREATE SCHEMA shop;
CREATE SCHEMA made;
CREATE FUNCTION made.pick(n bigint, salt bigint, m bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN (hashint8extended(n, salt) & 9223372036854775807) %% m;
CREATE FUNCTION made.one(n bigint, salt bigint, VARIADIC of text[]) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN of[1 + made.pick(n, salt, cardinality(of))];
CREATE FUNCTION made.family(n bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN
	made.one(n, 1, 'Bre', 'Cha', 'Dor', 'Fle', 'Gri', 'Hal', 'Jou', 'Kel', 'Lan', 'Mon', 'Nor', 'Pel', 'Qui', 'Rou', 'Sal', 'Tri', 'Ver', 'Wil', 'Éta', 'Œil')
	|| made.one(n, 2, 'ba', 'ché', 'da', 'fo', 'gui', 'lan', 'mi', 'né', 'pou', 'ri', 'sau', 'tro', 'va', 'xe', 'zo') || made.one(n, 3, 'bert', 'court', 'dier', 'fontaine', 'gnac', 'lier', 'mont', 'not', 'quet', 'reau', 'sens', 'teau', 'villé', 'zac', 'ckx')
	|| made.one(n, 4, '', '', '', '', 's', 'x');
CREATE FUNCTION made.sentence(n bigint, salt bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN made.one(n, salt,
	'Le dossier a été transmis au service compétent, qui répondra dans les dix jours ouvrables.', 'La demande de remboursement est en attente de deux justificatifs supplémentaires.',
	'Nous avons constaté un retard de livraison et proposé un geste commercial sur la prochaine commande.', 'Le contrat sera reconduit aux mêmes conditions, sauf avis contraire avant la fin du mois.',
	'L''appareil fonctionne à nouveau depuis la mise à jour du logiciel ; rien d''autre n''est à faire.', 'La facture a été corrigée : la remise de 12 %% n''avait pas été appliquée.',
	'Une visite technique est prévue la semaine prochaine, entre 9 h et 12 h.', 'Le paiement par prélèvement a échoué deux fois ; un nouvel essai aura lieu le 15.',
	'Merci de compléter le formulaire en ligne et d''y joindre une copie lisible du document.', 'La réclamation est close, le client s''est dit satisfait de la solution proposée.',
	'Aucun suivi n''est nécessaire pour le moment.', 'We have forwarded the question to the team in charge and will come back with an answer soon.',
	'De levering werd uitgesteld tot volgende week omdat het artikel niet op voorraad was.', 'Le colis est resté trois jours au point de retrait, puis a été renvoyé à l''expéditeur.');
CREATE TABLE shop.person (
	id bigint NOT NULL, given_name text NOT NULL, family_name text NOT NULL, email text NOT NULL, phone text, iban text, born date NOT NULL, sex text NOT NULL,
	street text NOT NULL, postcode text NOT NULL, town text NOT NULL, created timestamptz NOT NULL, newsletter boolean NOT NULL, remark text);
CREATE TABLE shop.account (id bigint NOT NULL, person_id bigint NOT NULL, username text NOT NULL, status text NOT NULL, balance numeric(12, 2) NOT NULL, currency text NOT NULL, opened date NOT NULL, visits integer NOT NULL);
CREATE TABLE shop.message (id bigint NOT NULL, person_id bigint NOT NULL, at timestamptz NOT NULL, channel text NOT NULL, subject text NOT NULL, body text NOT NULL);
CREATE TABLE shop.event (id bigint NOT NULL, account_id bigint NOT NULL, at timestamptz NOT NULL, kind text NOT NULL, ip inet, payload jsonb NOT NULL);
CREATE TABLE shop.payment (id bigint NOT NULL, account_id bigint NOT NULL, at timestamptz NOT NULL, amount numeric(12, 2) NOT NULL, reference text NOT NULL, state text NOT NULL);
INSERT INTO shop.person SELECT n, given, family, lower(translate(given || '.' || family, 'ÉéèêçïŒ', 'EeeeciO')) || '.' || n || '@firma-' || made.pick(n, 12, 900) || '.example',
	'+32 4' || 60 + made.pick(n, 13, 40) || to_char(n %% 1000000, 'FM" "00" "00" "00'),
	'BE' || to_char(98 - (((1000000000 + n) * 100 + (1000000000 + n) %% 97)::numeric * 1000000 + 111400) %% 97, 'FM00') || to_char((1000000000 + n) * 100 + (1000000000 + n) %% 97, 'FM" "0000" "0000" "0000'),
	date '1940-01-01' + made.pick(n, 14, 24000)::int, made.one(n, 15, 'f', 'm'),
	'rue ' || made.one(n, 16, 'de la Fontaine', 'du Moulin', 'des Tilleuls', 'de l''Étang', 'du Vieux Pont', 'des Bleuets') || ' ' || made.family(made.pick(n, 17, 40000)) || ' ' || 1 + made.pick(n, 18, 180),
	to_char(1000 + made.pick(n, 19, 8900), 'FM0000'), made.one(n, 19, 'Sainte-Brelle', 'Montquiers', 'Zwalbeke', 'Hautlieu', 'Oudervelde', 'Rochenoire', 'Valmarsan', 'Lindenau', 'Courcelette', 'Norbrouck', 'Pierrelande', 'Grisvaux'),
	timestamptz '2019-01-01 00:00+00' + made.pick(n, 20, 200000000) * interval '1 second', n %% 3 = 0, CASE WHEN n %% 20 = 0 THEN made.sentence(n, 21) END
	FROM (SELECT n, made.family(n) AS family, made.one(n, 11, 'Élodie', 'Mathilde', 'Aurélien', 'Zoé', 'Hannelore', 'Wouter', 'Ségolène', 'Björn', 'Joséphine', 'Maxence', 'Lotte', 'Gauthier', 'Inès', 'Tristan', 'Noémie', 'Baptiste') AS given FROM generate_series(1, %[1]d::bigint) AS n) AS p;
INSERT INTO shop.account SELECT id, id, lower(left(given_name, 1) || family_name) || id, made.one(id, 31, 'open', 'open', 'open', 'closed', 'blocked'), made.pick(id, 32, 500000) / 100.0, 'EUR', created::date, made.pick(id, 33, 400) FROM shop.person;
INSERT INTO shop.message SELECT n, p.id, timestamptz '2024-01-01 00:00+00' + n * interval '37 seconds', made.one(n, 42, 'mail', 'phone', 'form'), made.one(n, 43, 'Votre demande', 'Livraison', 'Question sur la facture', 'Contrat', 'Panne'),
	made.sentence(n, 44) || ' ' || made.sentence(n, 45) || CASE WHEN n %% 4 = 0 THEN ' Rappelé Mme ' || p.given_name || ' ' || p.family_name || ' au ' || p.phone || ', puis écrit à ' || p.email || '.' ELSE '' END
	|| E'\n' || made.sentence(n, 46) || ' ' || made.sentence(n, 47) || CASE WHEN n %% 6 = 0 THEN ' ' || made.sentence(n, 48) ELSE '' END
	FROM generate_series(1, %[2]d::bigint) AS n JOIN shop.person p ON p.id = 1 + made.pick(n, 41, %[1]d);
INSERT INTO shop.event SELECT n, p.id, timestamptz '2025-01-01 00:00+00' + n * interval '11 seconds', kind, ('81.' || made.pick(p.id, 53, 200) || '.' || made.pick(p.id, 54, 250) || '.' || 1 + made.pick(p.id, 55, 250))::inet,
	jsonb_build_object('by', p.email, 'kind', kind, 'path', '/dossiers/' || made.pick(n, 56, 900000) || '/' || made.one(n, 57, 'pieces', 'decision', 'notes', 'historique'), 'ms', made.pick(n, 58, 900), 'status', 200,
		'request', md5(n::text)::uuid, 'agent', made.one(n, 59, 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0', 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Mobile/15E148'),
		'tags', jsonb_build_array(made.one(n, 60, 'web', 'app', 'api'), 'v' || made.pick(n, 61, 12)))
	FROM (SELECT n, made.one(n, 52, 'login', 'view', 'view', 'view', 'update', 'download', 'logout') AS kind FROM generate_series(1, %[3]d::bigint) AS n) AS e JOIN shop.person p ON p.id = 1 + made.pick(n, 51, %[1]d);
INSERT INTO shop.payment SELECT n, 1 + made.pick(n, 71, %[1]d), timestamptz '2025-01-01 00:00+00' + n * interval '130 seconds', made.pick(n, 72, 90000) / 100.0, 'F' || to_char(n, 'FM0000000'), made.one(n, 73, 'paid', 'paid', 'due') FROM generate_series(1, %[4]d::bigint) AS n;
DROP SCHEMA made CASCADE;
`

// Twelve indexes, five of them of primary keys, and four foreign keys.
var indexes = []string{
	`ALTER TABLE shop.person ADD PRIMARY KEY (id)`, `ALTER TABLE shop.account ADD PRIMARY KEY (id)`, `ALTER TABLE shop.message ADD PRIMARY KEY (id)`, `ALTER TABLE shop.event ADD PRIMARY KEY (id)`,
	`ALTER TABLE shop.payment ADD PRIMARY KEY (id)`, `CREATE UNIQUE INDEX ON shop.person (email)`, `CREATE INDEX ON shop.person (family_name, given_name)`, `CREATE INDEX ON shop.account (person_id)`,
	`CREATE INDEX ON shop.message (person_id, at)`, `CREATE INDEX ON shop.event (account_id, at)`, `CREATE INDEX ON shop.event (at)`, `CREATE INDEX ON shop.payment (account_id)`,
	`ALTER TABLE shop.account ADD FOREIGN KEY (person_id) REFERENCES shop.person`, `ALTER TABLE shop.message ADD FOREIGN KEY (person_id) REFERENCES shop.person`,
	`ALTER TABLE shop.event ADD FOREIGN KEY (account_id) REFERENCES shop.account`, `ALTER TABLE shop.payment ADD FOREIGN KEY (account_id) REFERENCES shop.account`,
}

// fill makes the data, or takes up what is there.
func (s *stand) fill(ctx context.Context) error {
	began := time.Now()
	root, err := pgx.Connect(ctx, s.source.DSN(cluster.SuperUser, "postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = root.Close(context.WithoutCancel(ctx)) }()
	var there bool
	if err := root.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, database).Scan(&there); err != nil {
		return err
	}
	dsn := s.source.DSN(cluster.SuperUser, database)
	if !there {
		if _, err := root.Exec(ctx, `CREATE DATABASE `+database+` TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'`); err != nil {
			return err
		}
		if err := s.make(ctx, dsn); err != nil {
			return err
		}
	}
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var size string
	var rows, bytes int64
	if err := conn.QueryRow(ctx, `SELECT pg_size_pretty(pg_database_size(current_database())), coalesce(sum(reltuples), -1)::bigint FROM pg_class c WHERE relkind = 'r' AND relnamespace = 'shop'::regnamespace`).Scan(&size, &rows); err != nil {
		return errors.Join(errors.New("what is in the directory is not whole: remove it"), err)
	}
	for _, t := range tables {
		counted := counter(0)
		if _, err := conn.PgConn().CopyTo(ctx, &counted, `COPY shop.`+t+` TO STDOUT`); err != nil {
			return err
		}
		bytes += int64(counted)
	}
	s.say("data: %d rows, %d MB of COPY data, %s with %d indexes, ready after %s; PostgreSQL %s", rows, bytes/1e6, size, 12, time.Since(began).Round(time.Second), s.source.Version())
	return nil
}

var tables = []string{"person", "account", "message", "event", "payment"}

type counter int64

// Write implements io.Writer.
func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

// make fills the tables, the two large ones at once.
func (s *stand) make(ctx context.Context, dsn string) error {
	people, messages, payments := s.rows*60/450, s.rows*70/450, s.rows*20/450
	events := s.rows - 2*people - messages - payments
	parts := strings.Split(strings.TrimSpace(fmt.Sprintf(schema, people, messages, events, payments)), ";\n")
	first, last := parts[:len(parts)-4], strings.TrimSuffix(parts[len(parts)-1], ";")
	if err := execute(ctx, dsn, first...); err != nil {
		return err
	}
	for _, at := range [][]string{parts[len(parts)-4 : len(parts)-1], indexes[:12], indexes[12:]} {
		if err := together(ctx, dsn, at); err != nil {
			return err
		}
	}
	return execute(ctx, dsn, last, `VACUUM ANALYZE`, `CHECKPOINT`)
}

// together runs statements two at a time.
func together(ctx context.Context, dsn string, all []string) error {
	todo := make(chan string, len(all))
	for _, sql := range all {
		todo <- sql
	}
	close(todo)
	var group sync.WaitGroup
	failed := make([]error, 2)
	for i := range failed {
		group.Go(func() {
			for sql := range todo {
				if err := execute(ctx, dsn, sql); err != nil {
					failed[i] = err
					return
				}
			}
		})
	}
	group.Wait()
	return errors.Join(failed...)
}
