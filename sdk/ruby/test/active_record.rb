# frozen_string_literal: true

require "logger"
require "garant/tenant/active_record"

class Item < ActiveRecord::Base
  self.table_name = "shop.item"
end

class ActiveRecordTest < Minitest::Test
  include Helpers
  AR = Garant::Tenant::ActiveRecord

  def setup
    @log = StringIO.new
    ActiveRecord::Base.logger = Logger.new(@log)
    ActiveRecord::Base.establish_connection(adapter: "postgresql", host: GIVEN["host"], port: GIVEN["port"], username: GIVEN["user"], database: GIVEN["database"], pool: 4)
  end

  def teardown = ActiveRecord::Base.remove_connection

  def test_reads_outside_transactions_see_rows
    { a: 3, b: 5 }.each do |name, n|
      AR.with(token(name)) do
        assert_equal n, Item.count
        assert_equal n, Item.order(:n).to_a.size
        assert_equal "#{name} 1", Item.find_by(n: 1).name
        assert_equal 1, Item.where(n: 1).update_all(name: "#{name} 1")
        assert_equal n, Item.find_each.to_a.size
        assert_equal n, ActiveRecord::Base.connection.select_value(COUNT)
        assert_equal n, ActiveRecord::Base.connection.execute(COUNT).getvalue(0, 0)
      end
    end
    AR.without { assert_equal 0, Item.count }
  end

  def test_nothing_is_asked_unless_somebody_said_under_which_login
    Item.columns # the catalogue needs none
    code("NO_TOKEN") { Item.count }
    code("NO_TOKEN") { Item.transaction { Item.count } }
    code("NO_TOKEN") { AR.with(nil) { flunk } }
    code("NO_TOKEN") { AR.with(token(:a)) { Thread.new { Thread.current.report_on_exception = false; Item.count }.value } }
    { "forged" => "GT001", "expired" => "GT002", "revoked" => "GT003" }.each { |name, wanted| code(wanted) { AR.with(token(name)) { Item.count } } }
    AR.with(token(:a)) { assert_equal 3, Item.count }
  end

  def test_transactions
    AR.with(token(:a)) do
      Item.transaction do
        Item.create!(name: "new", n: 50)
        assert_equal 4, Item.count
        Item.transaction(requires_new: true) do
          Item.delete_all
          raise ActiveRecord::Rollback
        end
        assert_equal 4, Item.count
        raise ActiveRecord::Rollback
      end
      assert_equal 3, Item.count
      Item.transaction(isolation: :serializable) { assert_equal "serializable", ActiveRecord::Base.connection.select_value("SHOW transaction_isolation") }
      assert_raises(ActiveRecord::RecordNotUnique) { Item.create!(name: "twice", n: 1) }
      assert_raises(ActiveRecord::StatementInvalid) { Item.create!(tenant_id: GIVEN["b"], name: "theirs", n: 51) }
      assert_equal 3, Item.count
    end
  end

  def test_one_login_at_a_time
    AR.with(token(:a)) do
      Item.transaction do
        assert_equal 3, Item.count
        code("GT004") { AR.with(token(:b)) { Item.count } }
        assert_equal 3, Item.count
      end
      AR.with(token(:b)) { assert_equal 5, Item.count }
      assert_equal 3, Item.count
    end
    AR.without { Item.transaction { Item.count; code("GT004") { AR.with(token(:a)) { Item.count } } } }
  end

  # What is remembered of one login's questions is not the answer to another's.
  def test_the_query_cache_is_of_one_login
    ActiveRecord::Base.cache do
      AR.with(token(:a)) { 2.times { assert_equal 3, Item.count } }
      AR.with(token(:b)) do
        assert_equal 5, Item.count
        AR.with(token(:a)) { assert_equal 3, Item.count }
        assert_equal 5, Item.count
      end
    end
  end

  TAKES_OVER = TenantTest::TAKES_OVER

  # ActiveRecord names the statements that it prepares a1, a2 …
  def test_what_one_login_prepares_under_activerecords_names_does_not_run_with_the_next
    raw = ->(sql) { ActiveRecord::Base.connection.raw_connection.exec(sql) }
    by_hand = ->(sql) { ActiveRecord::Base.connection.execute(sql) }
    { "as a block" => -> { by_hand.(TAKES_OVER) },
      "behind a statement" => -> { by_hand.("SELECT 1; #{TAKES_OVER}") },
      "as a query" => -> { ActiveRecord::Base.connection.exec_query(TAKES_OVER) },
      "in a transaction" => -> { Item.transaction { by_hand.(TAKES_OVER) } },
      "in one that is rolled back" => -> { Item.transaction { by_hand.(TAKES_OVER); raise ActiveRecord::Rollback } },
      "on the connection" => -> { Item.transaction { Item.count; raw.(TAKES_OVER) } },
      "without a login" => -> { AR.without { by_hand.(TAKES_OVER) } } }.each do |how, attack|
      AR.with(token(:a)) do
        2.times { assert_equal "a 1", Item.find_by(n: 1).name } # prepared from now on
        attack.call
      end
      AR.with(token(:b)) { assert_equal "b 1", Item.find_by(n: 1).name, how }
      AR.with(token(:a)) { assert_equal "", ActiveRecord::Base.connection.select_value("SELECT coalesce(current_setting('leak.it', true), '')"), how }
    end
  end

  def test_through_pgbouncer
    ActiveRecord::Base.establish_connection(adapter: "postgresql", **GIVEN["pooler"].transform_keys(&:to_sym), username: GIVEN["user"], database: GIVEN["database"],
                                                prepared_statements: false, advisory_locks: false)
    AR.with(token(:a)) { ActiveRecord::Base.connection.execute("SELECT 1; #{TAKES_OVER}; CREATE TEMP TABLE item AS SELECT * FROM shop.item") }
    AR.with(token(:b)) do
      assert_equal 5, Item.count
      Item.transaction { assert_equal "b 1", Item.find_by(n: 1).name }
      assert_equal "", ActiveRecord::Base.connection.select_value("SELECT coalesce(current_setting('leak.it', true), '')")
    end
    AR.without { assert_equal 0, Item.count }
  end

  def test_a_cursor_of_one_login_is_not_read_by_the_next
    AR.with(token(:a)) { Item.transaction { ActiveRecord::Base.connection.execute("DECLARE kept CURSOR WITH HOLD FOR SELECT name FROM shop.item") } }
    AR.with(token(:b)) do
      assert_equal 5, Item.count
      assert_raises(ActiveRecord::StatementInvalid) { ActiveRecord::Base.connection.execute("FETCH ALL FROM kept") }
    end
  end

  def test_ordinary_statements_keep_what_was_prepared
    prepared = -> { ActiveRecord::Base.connection.select_values("SELECT name FROM pg_prepared_statements WHERE statement LIKE '%shop%item%'").sort }
    AR.with(token(:a)) do
      Item.find_by(n: 1)
      refute_empty was = prepared.call
      Item.transaction { Item.create!(name: "new; old", n: 60).destroy; ActiveRecord::Base.connection.execute("SET LOCAL statement_timeout = '10s'") }
      assert_empty was - prepared.call
    end
  end

  def test_threads
    Array.new(8) do |i|
      Thread.new do
        name, n = i.odd? ? [:b, 5] : [:a, 3]
        AR.with(token(name)) { 20.times { assert_equal n, ActiveRecord::Base.connection_pool.with_connection { Item.count } } }
      end
    end.each(&:join)
  end

  def test_no_token_is_logged
    AR.with(token(:a)) { Item.transaction { Item.count } }
    assert_raises(Garant::Tenant::Error) { AR.with(token(:expired)) { Item.count } }
    assert_includes @log.string, "SELECT COUNT(*)"
    GIVEN["tokens"].each_value { |text| refute_includes @log.string.b, text.tr("-_", "+/").unpack1("m0").byteslice(100..).unpack1("H*") }
  end
end
