# frozen_string_literal: true

require "active_record"
require "active_record/connection_adapters/postgresql_adapter"
require "garant/tenant"

module Garant
  module Tenant
    # Lets ActiveRecord work under a login:
    #
    #   Garant::Tenant::ActiveRecord.with(source) { Item.where(done: false).to_a }
    #
    # Each transaction enters in the round trip of its BEGIN, and a statement outside of transactions, which would see no row, is
    # given one of its own. Outside of with, statements are refused: what needs no login (tables that all share, migrations as
    # the tables' owner) says so by without.
    module ActiveRecord
      VERSION = ::ActiveRecord.version
      unless Gem::Requirement.new(">= 6.1", "< 8.2").satisfied_by?(VERSION)
        raise LoadError, "garant-tenant knows the inside of ActiveRecord 6.1 to 8.1, not of #{VERSION}: see its README for what to do"
      end

      KEY = :garant_tenant_source
      NOBODY = Object.new.freeze
      private_constant :VERSION, :KEY, :NOBODY

      class << self
        # Runs a block under a login. A transaction that is open belongs to the login it was begun under.
        def with(source, &block)
          raise Error.new("NO_TOKEN") unless source.is_a?(Token) || source.respond_to?(:token)

          as(source, &block)
        end

        # Runs a block without a login: the database shows it what belongs to nobody.
        def without(&block) = as(NOBODY, &block)

        # The login that runs; nil: none is needed. It raises when nobody said anything.
        def current
          source = Thread.current[KEY] or raise Error.new("NO_TOKEN")
          source.equal?(NOBODY) ? nil : source
        end

        private

        # Results that were remembered under one login are not those of another.
        def as(source)
          before = Thread.current[KEY]
          return yield if before.equal?(source)

          begin
            Thread.current[KEY] = source
            ::ActiveRecord::Base.clear_query_caches_for_current_thread
            yield
          ensure
            Thread.current[KEY] = before
            ::ActiveRecord::Base.clear_query_caches_for_current_thread
          end
        end
      end

      # What is changed of ActiveRecord's adapter for PostgreSQL.
      module Adapter
        def begin_db_transaction = garant_begin("BEGIN")

        def begin_isolated_db_transaction(isolation)
          garant_begin("BEGIN ISOLATION LEVEL #{transaction_isolation_levels.fetch(isolation)}")
        end

        # The ways that statements take: since 8.0 there is one.
        if VERSION < Gem::Version.new("7.1")
          def execute(sql, name = nil) = garant_guard(sql, name) { super }
        else
          def raw_execute(sql, name = nil, *rest, **options) = garant_guard(sql, name, alone: rest.first&.any?) { super }
        end
        if VERSION < Gem::Version.new("8.0")
          def query(sql, name = nil) = garant_guard(sql, name) { super }
          def execute_and_clear(sql, name, binds, **options, &block) = garant_guard(sql, name, alone: true) { super }
        end

        # What Tenant.record asks: within the transaction that is open, or in one of its own. It is not logged: what is recorded is of persons.
        def garant_record(params)
          garant_guard(Event::RECORD, nil, alone: true) do
            materialize_transactions
            @lock.synchronize { garant_raw(allow_retry: false, materialize_transactions: true) { |connection| connection.exec_params(Event::RECORD, params, 0, Wire::AS_IT_IS) } }
          end
        rescue ::ActiveRecord::StatementInvalid => e
          said = Tenant.explain(e.cause)
          raise said.is_a?(Error) ? said : e
        end

        def raw_connection
          @garant_left = true # nobody sees what is said on it
          super
        end

        private

        def garant_begin(sql)
          @garant_source = ActiveRecord.current
          garant_raw do |connection|
            garant_clean(connection) if @garant_left
            next connection.async_exec(sql) unless @garant_source

            Tenant.under(@garant_source) { |token| Wire.begin(connection, sql, token) }
          rescue Error => e
            raise if e.code != "GT005" || @garant_left # a cursor that somebody left open

            @garant_left = true
            retry
          end
        end

        def garant_raw(allow_retry: true, materialize_transactions: false, &block)
          return yield(@connection) unless respond_to?(:with_raw_connection, true) # it came with 7.1

          with_raw_connection(allow_retry: allow_retry, materialize_transactions: materialize_transactions, &block)
        end

        # Takes from a connection what an earlier login may have left on it, statements under ActiveRecord's own names among it.
        def garant_clean(connection)
          connection.async_exec("DISCARD ALL")
          @statements&.send(:cache)&.clear
          configure_connection
          @garant_left = false
        end

        # SCHEMA is what ActiveRecord asks of the catalogue, TRANSACTION what ends one.
        def garant_guard(sql, name, alone: false)
          return yield if name == "SCHEMA" || name == "TRANSACTION"

          source = ActiveRecord.current
          @garant_left ||= !Left.nothing?(sql, alone: alone)
          return yield unless source
          return transaction { yield } if open_transactions.zero?
          raise Error.new("GT004") if current_transaction.materialized? && !@garant_source.equal?(source)

          yield
        end
      end

      ::ActiveRecord::ConnectionAdapters::PostgreSQLAdapter.prepend(Adapter)
    end
  end
end
