# frozen_string_literal: true

Gem::Specification.new do |s|
  s.name = "garant-tenant"
  s.version = "0.1.0"
  s.summary = "Work under a login of your customer, held apart from every other customer by PostgreSQL itself"
  s.authors = ["The Garant project"]
  s.license = "Apache-2.0"
  s.required_ruby_version = ">= 3.0"
  s.files = Dir["lib/**/*.rb"] + ["README.md"]
  s.add_dependency "pg", ">= 1.4"
end
