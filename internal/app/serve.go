package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/garant-project/garant/internal/annex"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/job"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
)

// Addresses are where a running server is reached.
type Addresses struct{ Console, Annex, Portal string }

// Serve runs the console, the public annex, the customers' portal, the checks and the jobs until ctx ends. ready is
// told once everything answers.
func (g *Garant) Serve(ctx context.Context, ready func(Addresses)) error {
	if err := g.RefuseDrift(ctx); err != nil {
		return err
	}
	metrics := web.NewMetrics()
	reader := annex.NewReader(g.DB.Pool(pg.Public), g.Now, g.Log)
	sites, err := g.sites(metrics, reader)
	if err != nil {
		return err
	}
	addresses := Addresses{Console: g.ConsoleOrigin(), Annex: g.AnnexOrigin(), Portal: g.PortalOrigin()}
	listeners, err := g.listen(sites)
	if err != nil {
		return err
	}
	worker, err := g.worker()
	if err != nil {
		closeAll(listeners)
		return err
	}

	// The loops end before the store is closed; requests get a moment to end before that.
	loops, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	if err := worker.Start(loops); err != nil {
		closeAll(listeners)
		return err
	}
	if err := g.Publisher.Publish(loops); err != nil {
		g.Log.Error("the annex cannot be published", "error.message", err.Error())
	}
	if err := reader.Renew(loops); err != nil {
		g.Log.Error("the published annex cannot be read", "error.message", err.Error())
	}
	running, failed := errgroup.WithContext(ctx)
	running.Go(func() error { g.Publisher.Run(loops); return nil })
	running.Go(func() error { reader.Run(loops); return nil })
	running.Go(func() error { g.sweep(loops); return nil })
	running.Go(func() error { g.keepRecord(loops); return nil })
	servers := make([]*http.Server, len(sites))
	for i, s := range sites {
		servers[i] = newServer(s.handler, g.Log)
		running.Go(func() error {
			if err := servers[i].Serve(listeners[i]); !errors.Is(err, http.ErrServerClosed) {
				return errs.New(errs.Internal, "app.listener", "The listener of the "+s.name+" failed.").Wrap(err)
			}
			return nil
		})
	}
	g.Log.Info("ready", "host.name", hostname(), "service.version", g.Build, "url.console", addresses.Console, "url.annex", addresses.Annex, "url.portal", addresses.Portal)
	if ready != nil {
		ready(addresses)
	}
	<-failed.Done()
	g.Log.Info("stopping")
	shutdown, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	for _, s := range servers {
		if err := s.Shutdown(shutdown); err != nil {
			_ = s.Close()
		}
	}
	worker.Stop(shutdown)
	stop()
	return running.Wait()
}

// sweep removes spent ceremonies, links and counts of attempts, every hour.
func (g *Garant) sweep(ctx context.Context) {
	dir, err := g.Directory("", "")
	if err != nil {
		g.Log.Error("what is spent cannot be swept", "error.message", err.Error())
		return
	}
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		if err := dir.Sweep(ctx, g.Now()); err != nil && ctx.Err() == nil {
			g.Log.Error("what is spent cannot be swept", "error.message", err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// RefuseDrift refuses to serve or check beside a garant.yaml that differs from the estate in force:
// nobody could tell which of the two is guarded. A file that was saved a moment ago may be about to
// be applied: that it waits for.
func (g *Garant) RefuseDrift(ctx context.Context) error {
	for {
		err := g.drift(ctx)
		if !errs.Is(err, errs.Conflict) {
			return err
		}
		if info, e := os.Stat(g.configPath); e != nil || time.Since(info.ModTime()).Abs() > settles {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// settles is for how long a file that was saved may not be applied yet.
const settles = 5 * time.Second

func (g *Garant) drift(ctx context.Context) error {
	if g.configPath == "" {
		return nil
	}
	source, dir, err := estate.ReadSource(g.configPath)
	if err != nil {
		return err
	}
	if !estate.Declares(source) {
		return nil // settings of the server only
	}
	e, err := estate.Parse(source, dir)
	if err != nil {
		return err
	}
	err = estate.Outdated(ctx, g.DB.Pool(pg.Staff), e.Hash)
	if errs.Is(err, errs.NotFound) {
		return nil // none in force yet: the annex says that nothing is proven
	}
	return err
}

func (g *Garant) worker() (*job.Worker, error) {
	kinds := g.Runner.Jobs()
	for _, e := range g.Engines {
		kinds = append(kinds, e.Jobs...)
	}
	kinds = append(kinds, g.postJobs()...)
	return job.New(job.Config{
		Pool: g.DB.Pool(pg.Worker), Kinds: kinds, Log: g.Log, Now: g.Now,
		Recurrences: func() []job.Recurrence {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			view, err := g.View(ctx)
			if err != nil {
				return nil // said by whoever else reads it; due slots wait
			}
			return slices.Concat(g.Runner.Recurrences(view), g.Registers.Recurrences(), g.Tenancy.Recurrences(view.Estate), g.Events.Recurrences(view.Estate), g.Copies.Recurrences(view.Estate), g.postDue())
		},
	})
}

// site is one listener with what answers on it.
type site struct {
	name    string
	address string
	handler http.Handler
	tls     bool
}

func (g *Garant) listen(sites []site) (listeners []net.Listener, err error) {
	defer func() {
		if err != nil {
			closeAll(listeners)
		}
	}()
	var certificate *tls.Config
	if g.Server.TLS.Enabled() {
		pair, err := g.Server.TLS.Load()
		if err != nil {
			return nil, err
		}
		certificate = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	}
	for _, s := range sites {
		l, err := net.Listen("tcp", s.address)
		if err != nil {
			return listeners, listenError(s, err)
		}
		if s.tls && certificate != nil {
			l = tls.NewListener(l, certificate)
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

func listenError(s site, err error) error {
	e := errs.New(errs.Unavailable, "app.listen", fmt.Sprintf("The %s cannot listen on %s.", s.name, s.address)).Wrap(err)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		e.Text = fmt.Sprintf("The %s cannot listen on %s: another program does.", s.name, s.address)
		return e.WithFix("End that program, or give listen." + s.name + " another port in the garant.yaml of the data directory, or in the one that --config names.")
	case errors.Is(err, syscall.EACCES):
		return e.WithFix("Ports below 1024 need CAP_NET_BIND_SERVICE; choose a higher one, or grant it to the service.")
	}
	return e.WithFix("Write an address of this machine as host:port under listen." + s.name + " in garant.yaml.")
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close()
	}
}

func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 60 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
		ErrorLog: slog.NewLogLogger(log.With("log.logger", "http").Handler(), slog.LevelDebug),
	}
}

// health answers for supervisors: 200 while the database answers as the worker, else 503.
func (g *Garant) health(reader *annex.Reader) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		err := g.DB.Pool(pg.Worker).Ping(ctx)
		if err == nil {
			_, err = reader.Now()
		}
		if err != nil && !errs.Is(err, errs.NotFound) { // no annex yet is no fault
			web.WriteProblem(w, http.StatusServiceUnavailable, pg.Wrap(err))
			return
		}
		_ = web.WriteJSON(w, http.StatusOK, map[string]string{"status": "ok", "version": g.Build})
	})
}
