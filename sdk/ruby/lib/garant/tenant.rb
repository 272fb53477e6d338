# frozen_string_literal: true

require "pg"
require "strscan"
require_relative "tenant/event"
require_relative "tenant/left"
require_relative "tenant/token"
require_relative "tenant/source"
require_relative "tenant/wire"

module Garant
  # Lets an application work under a login of its customer, held apart from every other customer by PostgreSQL itself.
  # A source is anything with a method token, or a Token.
  module Tenant
    LEVELS = {
      nil => "", read_committed: " ISOLATION LEVEL READ COMMITTED",
      repeatable_read: " ISOLATION LEVEL REPEATABLE READ", serializable: " ISOLATION LEVEL SERIALIZABLE"
    }.freeze
    private_constant :LEVELS

    module_function

    # Does something in a transaction under a login: entered in the round trip of BEGIN, committed when the block is done, and
    # rolled back when it is left in any other way: by an error, return, break or throw.
    def transaction(connection, source, isolation: nil, read_only: false)
      level = LEVELS.fetch(isolation) { raise ArgumentError, "tenant: there is no isolation level #{isolation.inspect}" }
      under(source) { |token| Wire.begin(connection, "BEGIN#{level}#{" READ ONLY" if read_only}", token) }
      connection.extend(Left::Watch)
      connection.garant_left = false
      open = true
      begin
        result = yield connection
        if connection.transaction_status == PG::PQTRANS_INERROR
          raise Error.new("ROLLBACK", "a statement of the transaction had failed: it was rolled back")
        end
        connection.exec("COMMIT")
        open = false
        result
      rescue StandardError => e
        raise Tenant.explain(e)
      ensure # however the block is left
        Wire.undo(connection) if open
        Left.clean(connection) if connection.garant_left
      end
    end

    # Asks one thing under a login: one statement, which is a transaction by itself, in one round trip.
    def query(connection, source, sql, params = [])
      under(source) { |token| Wire.query(connection, token, sql, params) }
    ensure
      Left.clean(connection) unless Left.nothing?(sql, alone: true) || connection.finished? || connection.transaction_status != PG::PQTRANS_IDLE
    end

    # Has what a user did kept with the transaction: when it is committed the event is, and when it is rolled back it never was. Who
    # it was the database knows by the token. connection is one of pg, or ActiveRecord's.
    def record(connection, action:, **event)
      params = Event.parameters(action: action, **event)
      connection.respond_to?(:garant_record) ? connection.garant_record(params) : connection.exec_params(Event::RECORD, params, 0, Wire::AS_IT_IS)
      nil
    rescue PG::Error => e
      raise Tenant.explain(e)
    end

    # Turns what garant.enter or garant.record raised into an Error; any other error is returned as it is.
    def explain(error)
      state = error.result&.error_field(PG::PG_DIAG_SQLSTATE) if error.is_a?(PG::Error)
      Error::SENTENCES.key?(state) ? Error.new(state) : error
    end

    # Does something with the source's token; with the next, once, when the first has expired.
    def under(source)
      return yield(source) if source.is_a?(Token)
      raise Error.new("NO_TOKEN") unless source.respond_to?(:token)

      token = source.token
      raise Error.new("NO_TOKEN") unless token.is_a?(Token)

      begin
        yield token
      rescue Error => e
        raise unless e.code == "GT002" && source.respond_to?(:forget)

        source.forget(token)
        renewed = source.token
        raise if renewed.equal?(token) || !renewed.is_a?(Token)

        yield renewed
      end
    end
  end
end
