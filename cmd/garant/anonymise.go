package main

type anonymiseCmd struct {
	Run      anonymiseRunCmd      `cmd:"" help:"Copy a database so that nobody is in it, prove it, and serve it under its name."`
	Scan     anonymiseScanCmd     `cmd:"" help:"Look for the source's values in a copy, whoever made it; changes nothing."`
	List     anonymiseListCmd     `cmd:"" help:"List the databases of a copy: served, before, in the making."`
	Rollback anonymiseRollbackCmd `cmd:"" help:"Serve the copy before again."`
}
