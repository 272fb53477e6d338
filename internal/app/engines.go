package app

import (
	"github.com/garant-project/garant/internal/engine/endpoint"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
)

// Engines is the one list of what carries measures out.
func Engines() ([]measure.Engine, error) {
	var engines []measure.Engine
	for _, make := range []func() (measure.Engine, error){
		func() (measure.Engine, error) { return endpoint.New(endpoint.Deps{}) },
	} {
		e, err := make()
		if err != nil {
			return nil, err
		}
		engines = append(engines, e)
	}
	return engines, nil
}

// newRegistry holds the engines' checks against the catalogue that this build carries.
func newRegistry(engines []measure.Engine) (*measure.Registry, error) {
	cat, err := catalogue.Load()
	if err != nil {
		return nil, err
	}
	return measure.NewRegistry(cat, engines...)
}
