# frozen_string_literal: true

module Garant
  module Tenant
    # A connection is used by one tenant after the other. What one of them says can stay on it and be used by the next: a
    # statement prepared under the name of one of the application's own runs with the next tenant's token. Only statements of
    # a few kinds leave nothing of that sort; after another, the connection is reset.
    module Left
      PLAIN = %w[select with values table insert update delete merge copy lock notify
                 begin start commit end abort savepoint release rollback declare fetch move close show].to_h { |word| [word, true] }.freeze
      private_constant :PLAIN

      module_function

      # Whether a text leaves nothing. alone: the server takes it for one statement.
      def nothing?(sql, alone: false)
        sql = sql.to_s.b
        plain?(sql) && (alone || !(first = sql.index(";")) || !sql.match?(/[^;\s]/, first))
      end

      # Whether a statement is of a kind that prepares nothing, defines nothing and runs no other text as a statement.
      def plain?(sql)
        sql = uncommented(sql.b)
        word = sql[/\A[a-z]*/i].downcase
        PLAIN.key?(word) ? !lasts?(word, sql) : sql.match?(/\Aset\s+(local|transaction|constraints)(?!\S)/i)
      end

      # Whether a statement of a kind that leaves nothing may leave something all the same: a table of SELECT INTO, which may be a
      # temporary one, or a setting, by itself or in a text that a function takes for a statement.
      def lasts?(word, sql)
        return true if sql.match?(/set_config|pg_settings|_to_xml|ts_stat|ts_rewrite|u&"/i)
        return false unless %w[select with values table].include?(word)

        sql.to_enum(:scan, /(?<![\w$\x80-\xff])into(?![\w$\x80-\xff])/in).any? do
          at = Regexp.last_match.begin(0)
          word != "with" || !sql[0, at].match?(/(insert|merge)\s+\z/i) || sql[at..].match?(/temp/i)
        end
      end

      # Takes off what may stand before a statement: blanks, parentheses, comments, which nest in PostgreSQL.
      def uncommented(sql)
        text = StringScanner.new(sql)
        loop do
          text.skip(/[\s(]+/)
          next text.skip(/[^\r\n]*/) if text.skip(/--/)
          return text.rest unless text.skip(%r{/\*})

          depth = 1
          while depth.positive?
            return "" unless text.skip_until(%r{/\*|\*/})

            depth += text.matched == "/*" ? 1 : -1
          end
        end
      end

      # Resets a connection, as DISCARD ALL does; it is closed when that cannot be done.
      def clean(connection)
        connection.exec("DISCARD ALL") unless connection.finished?
      rescue PG::Error
        connection.finish unless connection.finished?
      end

      # Looks at what is said on a connection of pg.
      module Watch
        attr_accessor :garant_left

        %i[exec query async_exec async_query sync_exec send_query].each do |method|
          define_method(method) do |sql, *rest, &block|
            @garant_left ||= !Left.nothing?(sql, alone: rest.first&.any?)
            super(sql, *rest, &block)
          end
        end
        %i[exec_params async_exec_params sync_exec_params send_query_params].each do |method|
          define_method(method) do |sql, *rest, &block|
            @garant_left ||= !Left.nothing?(sql, alone: !rest.first.nil?)
            super(sql, *rest, &block)
          end
        end
        %i[prepare async_prepare sync_prepare send_prepare].each do |method|
          define_method(method) do |name, sql, *rest|
            @garant_left ||= !Left.nothing?(sql, alone: true)
            super(name, sql, *rest)
          end
        end
      end
    end
  end
end
