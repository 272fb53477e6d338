# frozen_string_literal: true

require "json"
require "minitest/autorun"
require "socket"
require "garant/tenant"

# The database, its tenants (a has 3 items, b has 5) and tokens come from the test that starts PostgreSQL.
GIVEN = JSON.parse(ENV.fetch("GARANT_SDK_TEST") { abort "run these tests by: go test ./internal/token/sdktest -run TestRuby" })
TOKENS = GIVEN["tokens"].transform_values { |text| Garant::Tenant::Token.parse(text) }
COUNT = "SELECT count(*)::int AS n FROM shop.item"

module Helpers
  def token(name) = TOKENS.fetch(name.to_s)

  def code(wanted, &block)
    error = assert_raises(Garant::Tenant::Error, &block)
    assert_equal wanted, error.code
    error
  end
end

require_relative "tenant"
require_relative "sources"
require_relative "record"
require_relative "active_record"
puts "Ruby #{RUBY_VERSION}, pg #{PG::VERSION}, ActiveRecord #{ActiveRecord.version}"
