# frozen_string_literal: true

require "tmpdir"

class TenantTest < Minitest::Test
  include Helpers

  def setup
    @connection = PG.connect(host: GIVEN["host"], port: GIVEN["port"], user: GIVEN["user"], dbname: GIVEN["database"])
  end

  def teardown = @connection.finished? || @connection.finish

  def query(name, sql, params = []) = Garant::Tenant.query(@connection, token(name), sql, params)
  def transaction(name, **options, &block) = Garant::Tenant.transaction(@connection, token(name), **options, &block)
  def count(on) = on.exec(COUNT).getvalue(0, 0).to_i

  def test_each_tenant_sees_its_own_rows
    [["a", 3], ["b", 5]].each do |name, n|
      assert_equal n, query(name, COUNT).getvalue(0, 0).to_i
      assert_equal (2..n).map(&:to_s), query(name, "SELECT n FROM shop.item WHERE n > $1 ORDER BY n", [1]).column_values(0)
      assert_equal 1, query(name, "UPDATE shop.item SET name = name WHERE n = $1", [1]).cmd_tuples
      assert_equal n, transaction(name) { |c| count(c) }
      assert_equal 0, count(@connection)
    end
    assert_raises(PG::InsufficientPrivilege) { query(:a, "INSERT INTO shop.item (tenant_id, name) VALUES ($1, 'theirs')", [GIVEN["b"]]) }
    @connection.type_map_for_results = PG::BasicTypeMapForResults.new(@connection)
    assert_equal 3, query(:a, COUNT).getvalue(0, 0)
  end

  def test_nothing_is_asked_without_a_token_and_refusals_are_explained
    [nil, "text", GIVEN["tokens"]["a"], Object.new, Struct.new(:token).new(nil)].each do |none|
      code("NO_TOKEN") { Garant::Tenant.query(@connection, none, COUNT) }
      code("NO_TOKEN") { Garant::Tenant.transaction(@connection, none) { flunk } }
    end
    { "forged" => "GT001", "expired" => "GT002", "revoked" => "GT003" }.each do |name, wanted|
      code(wanted) { query(name, COUNT) }
      code(wanted) { transaction(name) { flunk } }
      assert_equal PG::PQTRANS_IDLE, @connection.transaction_status
    end
    code("GT004") { transaction(:a) { |c| c.exec_params("SELECT garant.enter($1)", [token(:b).parameter]) } }
    query(:a, "SELECT 1")
    transaction(:a) { assert_raises(ArgumentError) { query(:a, COUNT) } }
  end

  def test_errors_are_told_and_leave_nothing_open
    twice = "INSERT INTO shop.item (name, n) VALUES ('twice', 1)" # refused at the end of the transaction
    { twice => PG::UniqueViolation, "SELEC" => PG::SyntaxError, "SELECT 1 / (n - n) FROM shop.item" => PG::DivisionByZero }.each do |sql, error|
      assert_raises(error) { query(:a, sql) }
      assert_raises(error) { transaction(:a) { |c| c.exec(sql) } }
      assert_equal PG::PQTRANS_IDLE, @connection.transaction_status
    end
    code("ROLLBACK") { transaction(:a) { |c| assert_raises(PG::Error) { c.exec("SELEC") } } }
    assert_raises(Interrupt) do
      transaction(:a) do |c|
        c.exec("DELETE FROM shop.item")
        raise Interrupt
      end
    end
    assert_raises(ArgumentError) { transaction(:a, isolation: "chaos; DROP TABLE shop.item") { flunk } }
    assert_equal "serializable", transaction(:a, isolation: :serializable, read_only: true) { |c| c.exec("SHOW transaction_isolation").getvalue(0, 0) }
    assert_equal 3, query(:a, COUNT).getvalue(0, 0).to_i
    assert_raises(PG::Error) { query(:a, "SELECT pg_terminate_backend(pg_backend_pid())") }
    assert_raises(PG::Error) { query(:a, COUNT) }
  end

  def test_a_cursor_of_one_tenant_is_not_read_by_the_next
    transaction(:a) { |c| c.exec("DECLARE kept CURSOR WITH HOLD FOR SELECT name FROM shop.item") }
    code("GT005") { query(:b, "FETCH ALL FROM kept") }
    @connection.exec("DISCARD ALL")
    assert_equal 5, query(:b, COUNT).getvalue(0, 0).to_i
  end

  # Prepares something else under the names of the application's statements: it leaves the names of what it sees in a setting.
  TAKES_OVER = <<~SQL
    DO $d$ DECLARE s text; BEGIN FOR s IN SELECT name FROM pg_prepared_statements WHERE statement LIKE '%shop%item%' LOOP
      EXECUTE 'DEALLOCATE ' || quote_ident(s);
      EXECUTE 'PREPARE ' || quote_ident(s) || $e$ AS SELECT length(set_config('leak.it', (SELECT string_agg(name, ',') FROM shop.item), false)) AS n$e$;
    END LOOP; END $d$
  SQL

  def test_what_one_tenant_prepares_under_the_name_of_a_statement_does_not_run_with_the_next_ones_token
    stop = Class.new(StandardError)
    { "as a block" => ->(c) { c.exec(TAKES_OVER) },
      "behind a statement" => ->(c) { c.exec("SELECT 1; #{TAKES_OVER}") },
      "behind a comment" => ->(c) { c.async_exec("/* /* */ SELECT */ #{TAKES_OVER}") },
      "with parameters" => ->(c) { c.exec_params(TAKES_OVER, []) },
      "in a query that is sent" => ->(c) { c.send_query(TAKES_OVER); c.get_last_result },
      "prepared" => ->(c) { c.prepare("", TAKES_OVER); c.exec_prepared("") },
      "rolled back" => ->(c) { c.exec(TAKES_OVER); raise stop },
      "left early" => ->(c) { c.exec(TAKES_OVER); throw :done },
      "alone" => nil }.each do |how, attack|
      @connection.prepare("count", COUNT)
      assert_equal 3, transaction(:a) { |c| c.exec_prepared("count").getvalue(0, 0).to_i }
      if attack
        catch(:done) { transaction(:a, &attack) } rescue assert_instance_of(stop, $!)
      else
        query(:a, TAKES_OVER)
      end
      # The name is gone: nothing runs under it, until the application prepares it again.
      assert_raises(PG::InvalidSqlStatementName, how) { transaction(:b) { |c| c.exec_prepared("count") } }
      assert_equal "", query(:a, "SELECT coalesce(current_setting('leak.it', true), '')").getvalue(0, 0), how
    end
  end

  def test_what_one_tenant_leaves_on_a_connection_of_pgbouncer_does_not_reach_the_next
    one, other = Array.new(2) { PG.connect(host: GIVEN["pooler"]["host"], port: GIVEN["pooler"]["port"], user: GIVEN["user"], dbname: GIVEN["database"]) }
    [TAKES_OVER, "SELECT 1; #{TAKES_OVER}", "CREATE TEMP TABLE item AS SELECT * FROM shop.item; SET search_path = pg_temp",
     "DECLARE kept CURSOR WITH HOLD FOR SELECT name FROM shop.item"].each do |attack|
      Garant::Tenant.transaction(one, token(:a)) { |c| c.exec(attack) }
      [other, one].each do |connection|
        assert_equal 5, Garant::Tenant.query(connection, token(:b), COUNT).getvalue(0, 0).to_i
        assert_equal 5, Garant::Tenant.transaction(connection, token(:b)) { |c| count(c) }
        assert_equal "", Garant::Tenant.query(connection, token(:b), "SELECT coalesce(current_setting('leak.it', true), '')").getvalue(0, 0)
        assert_equal 0, count(connection)
      end
    end
  ensure
    [one, other].each { |connection| connection&.finish }
  end

  def test_ordinary_statements_keep_what_was_prepared
    @connection.prepare("count", COUNT)
    transaction(:a) do |c|
      ["SET LOCAL statement_timeout = '10s'", "-- touch\nUPDATE shop.item SET name = name", "SELECT 1;", "SAVEPOINT s", "ROLLBACK TO s"].each { |sql| c.exec(sql) }
      c.exec_params("SELECT length('a;b')", [])
      c.exec_params("SELECT $1 || ';' || 'b'", ["a"])
    end
    query(:a, "SELECT length('a;b')")
    assert_equal 3, transaction(:a) { |c| c.exec_prepared("count").getvalue(0, 0).to_i }
  end

  def test_only_statements_that_leave_nothing_are_taken_for_plain
    ["SELECT 1", "select", "\n  (SELECT 1) UNION SELECT 2", "-- name: A :one\nUPDATE x SET y = 1", "/* a /* b */ c */ WITH x AS (SELECT 1) SELECT",
     "SET LOCAL statement_timeout = 1", "set\n\tlocal x = 1", "BEGIN", "SET TRANSACTION READ ONLY", "SAVEPOINT s", "Insert INTO x VALUES (1)",
     "WITH x AS (INSERT INTO y VALUES (1) RETURNING id) SELECT id FROM x", "WITH x AS (SELECT 1)\nINSERT\tINTO y SELECT 1", "SELECT printointo, intox FROM x"].each { |sql| assert Garant::Tenant::Left.plain?(sql), sql }
    ["SET search_path = x", "SET", "SET locality = x", "DO $$ $$", "PREPARE x AS SELECT 1", "DEALLOCATE ALL", "CREATE TEMP TABLE x ()", "CALL f()", "EXECUTE x",
     "LISTEN x", "/* /* */ SELECT */ DO $$ $$", "/* SELECT", "-- SELECT", "-- x\rDO $$ $$", "", ";", "selectx", "EXPLAIN SELECT 1", "/*/ SELECT 1", "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
     "SELECT 1 INTO x", "SELECT 1 INTO/**/TEMP x", "(SELECT 1)into x", "WITH y AS (SELECT 1) SELECT (1) insert INTO TEMP x", "SELECT SET_CONFIG('x', '', false)", "UPDATE pg_settings SET setting = ''", "SELECT query_to_xml('', true, true, '')"].each do |sql|
      refute Garant::Tenant::Left.plain?(sql), sql
    end
  end

  def test_a_transaction_that_is_left_early_is_rolled_back
    catch(:out) { transaction(:a) { |c| c.exec("DELETE FROM shop.item"); throw :out } }
    define_singleton_method(:early) { transaction(:a) { |c| c.exec("DELETE FROM shop.item"); return 7 } }
    early
    assert_equal PG::PQTRANS_IDLE, @connection.transaction_status
    assert_equal 3, query(:a, COUNT).getvalue(0, 0).to_i
  end

  # What the server sends back after the client has sent once: one ReadyForQuery each.
  def test_entering_costs_no_round_trip_of_its_own
    File.open(File.join(Dir.mktmpdir, "trace"), "w+") do |f|
      @connection.trace(f)
      query(:a, COUNT)
      @connection.untrace
      f.rewind
      assert_equal 1, f.read.scan("ReadyForQuery").size
      f.truncate(0)
      @connection.trace(f)
      transaction(:a) { @connection.untrace }
      f.rewind
      assert_equal 1, f.read.scan("ReadyForQuery").size
    end
  end

  def test_an_expired_token_is_replaced_once
    [[0, 1, nil], [1, 2, nil], [2, 2, "GT002"]].each do |late, asks, wanted|
      asked = 0
      source = Garant::Tenant::Cache.new(Fetch.new { (asked += 1) <= late ? token(:expired) : token(:a) })
      attempt = -> { Garant::Tenant.query(@connection, source, COUNT) }
      wanted ? code(wanted, &attempt) : attempt.call
      assert_equal asks, asked
    end
  end

  def test_a_token_prints_as_nothing
    error = code("GT002") { query(:expired, COUNT) }
    said = [TOKENS.inspect, TOKENS.to_s, JSON.generate(TOKENS), error.full_message, error.inspect, error.cause&.full_message.to_s]
    said << transaction(:a) { |c| c.exec("SELECT string_agg(query, ' ') FROM pg_stat_activity").getvalue(0, 0) }
    assert_raises(TypeError) { Marshal.dump(token(:a)) }
    GIVEN["tokens"].each_value do |text|
      raw = text.tr("-_", "+/").unpack1("m0").byteslice(100..)
      [text[-20..], raw.unpack1("H*"), raw.inspect[1..-2], raw.bytes.inspect[1..-2]].each { |form| refute_includes said.join("\n").b, form.b }
    end
    ["", "x", GIVEN["tokens"]["a"][1..], "#{GIVEN["tokens"]["a"]}A", "B#{GIVEN["tokens"]["a"][1..]}", nil, 7].each do |bad|
      code("GT001") { Garant::Tenant::Token.parse(bad) }
    end
  end
end

Fetch = Class.new do
  def initialize(&block) = @block = block
  def token = @block.call
end
