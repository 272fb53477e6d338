# frozen_string_literal: true

module Garant
  module Tenant
    # Speaks garant.enter on a connection of pg, together with something else, in one round trip. A token is a parameter:
    # it never stands in the text of a statement.
    module Wire
      ENTER = "SELECT garant.enter($1)"
      AS_IT_IS = PG::TypeMapAllStrings.new # whatever map for parameters the connection has

      module_function

      # BEGIN and enter. After an error the connection is as it was.
      def begin(connection, sql, token)
        idle!(connection)
        send(connection, [[sql, []], [ENTER, [token.parameter]]])
        nil
      rescue PG::Error => e
        undo(connection)
        raise Tenant.explain(e)
      end

      # enter and one statement: one implicit transaction, which ends at the Sync of the pipeline.
      def query(connection, token, sql, params)
        idle!(connection)
        send(connection, [[ENTER, [token.parameter]], [sql, params]]).last
      rescue PG::Error => e
        undo(connection)
        raise Tenant.explain(e)
      end

      # Ends what is open, if the connection still can.
      def undo(connection)
        connection.exec("ROLLBACK") unless connection.finished? || connection.transaction_status == PG::PQTRANS_IDLE
      rescue PG::Error
        nil # the connection is gone, and its transaction with it
      end

      def idle!(connection)
        return if connection.transaction_status == PG::PQTRANS_IDLE

        raise ArgumentError, "tenant: a transaction is open on this connection already" if connection.status == PG::CONNECTION_OK

        raise PG::ConnectionBad, "tenant: the connection is gone"
      end

      def send(connection, statements)
        connection.enter_pipeline_mode
        begin
          statements.each { |sql, params| sql.equal?(ENTER) ? connection.send_query_params(sql, params, 0, AS_IT_IS) : connection.send_query_params(sql, params) }
          connection.pipeline_sync
          results = []
          blanks = 0
          loop do
            result = connection.get_result
            if result.nil? # one after each statement
              blanks += 1
              raise PG::ConnectionBad, "tenant: the connection ended" if blanks > statements.size + 1 || connection.status != PG::CONNECTION_OK
            elsif result.result_status == PG::PGRES_PIPELINE_SYNC
              break
            else
              results << result
            end
          end
        ensure
          leave(connection)
        end
        results.each(&:check)
        results.map { |result| mapped(connection, result) }
      end

      def mapped(connection, result)
        map = connection.type_map_for_results
        map ? result.map_types!(map) : result
      end

      def leave(connection)
        connection.exit_pipeline_mode
      rescue PG::Error
        connection.finish unless connection.finished? # in the middle of something: it is of no more use
      end
      private_class_method :idle!, :send, :mapped, :leave
    end
  end
end
