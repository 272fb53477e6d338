package app

import (
	"github.com/garant-project/garant/internal/engine/endpoint"
	"github.com/garant-project/garant/internal/engine/own"
	"github.com/garant-project/garant/internal/engine/scanner"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
)

// Engines is the one list of what carries measures out.
func Engines() []measure.Engine {
	return []measure.Engine{
		endpoint.New(endpoint.Deps{}),
		own.New(),
		scanner.New(),
	}
}

// newRegistry holds the engines' checks against the catalogue that this build carries.
func newRegistry(engines []measure.Engine) (*measure.Registry, error) {
	cat, err := catalogue.Load()
	if err != nil {
		return nil, err
	}
	return measure.NewRegistry(cat, engines...)
}
