# frozen_string_literal: true

require "bigdecimal"
require "garant/tenant/active_record"

# What both ways to a connection have to hold.
module Records
  include Helpers
  SECRET = "s3cr3t"
  ALL = { action: "application.decided", object_kind: "application", object_id: "17 é", detail: { grant: true, n: 3 }, before: { "state" => "open" }, after: { state: "granted", note: nil }, actor: "Ana" }.freeze
  FIELDS = %w[tenant session kind action object_kind object_id detail before after actor].freeze
  STOP = Class.new(StandardError)

  def setup
    @outbox = PG.connect(host: GIVEN["host"], port: GIVEN["port"], user: GIVEN["super"], dbname: GIVEN["database"])
    recorded
  end

  def teardown = @outbox.finish

  # Takes what waits in the outbox.
  def recorded
    @outbox.exec("WITH gone AS (DELETE FROM garant.event RETURNING *) SELECT #{FIELDS.join(", ")} FROM (SELECT *, garant.tenant_of(entered) AS tenant, substr(entered, 8, 32)::uuid AS session FROM gone) AS g ORDER BY xid, id").to_a
  end

  def refused(wanted, what = nil, &block)
    error = assert_raises(Garant::Tenant::Error, what, &block)
    assert_equal wanted, error.code, what
    until error.nil?
      [error.message, error.full_message, error.inspect].each { |said| refute_includes said, SECRET, what }
      error = error.cause
    end
  end

  def test_an_event_is_kept_with_its_transaction_and_is_of_the_login_of_the_token
    none = FIELDS.to_h { |field| [field, nil] }
    %i[a b].each do |name|
      session = nil
      entered(name) do |c|
        assert_nil Garant::Tenant.record(c, **ALL)
        session = ask(c, "SELECT garant.session()")
        say(c, "SAVEPOINT s")
        Garant::Tenant.record(c, action: "never.was")
        say(c, "ROLLBACK TO s")
        Garant::Tenant.record(c, action: "applicant.read", object_kind: :applicant, object_id: 9)
        assert_empty recorded # before the end
      end
      whose = { "tenant" => GIVEN[name.to_s], "session" => session }
      assert_equal [
        { **whose, "kind" => "said", "action" => "application.decided", "object_kind" => "application", "object_id" => "17 é", "detail" => '{"n": 3, "grant": true}',
          "before" => '{"state": "open"}', "after" => '{"note": null, "state": "granted"}', "actor" => "Ana" },
        { **none, **whose, "kind" => "read", "action" => "applicant.read", "object_kind" => "applicant", "object_id" => "9" }
      ], recorded
      entered(name) { |c| Garant::Tenant.record(c, action: "a.b", object_kind: "", detail: nil, actor: "") }
      assert_equal [{ **none, **whose, "kind" => "said", "action" => "a.b" }], recorded
    end
  end

  def test_an_event_that_is_rolled_back_never_was
    assert_raises(STOP) { entered(:a) { |c| Garant::Tenant.record(c, **ALL); raise STOP } }
    catch(:done) { entered(:a) { |c| Garant::Tenant.record(c, **ALL); throw :done } } if instance_of?(RecordTest) # ActiveRecord 6.1 commits
    entered(:a) { |c| Garant::Tenant.record(c, **ALL); refused("GT009") { Garant::Tenant.record(c, action: "wrong") }; raise STOP } rescue assert_instance_of(STOP, $!)
    assert_raises(PG::UniqueViolation, ActiveRecord::RecordNotUnique) do
      entered(:a) { |c| Garant::Tenant.record(c, **ALL); say(c, "INSERT INTO shop.item (name, n) VALUES ('twice', 1)") } # refused at the end
    end
    assert_empty recorded
  end

  def test_nobody_records_without_having_entered_nor_with_a_token_for_reading
    nobody { |c| refused("GT008") { Garant::Tenant.record(c, **ALL) } }
    error = assert_raises(PG::ReadOnlySqlTransaction, ActiveRecord::StatementInvalid) { entered(:read) { |c| Garant::Tenant.record(c, action: "a.read", actor: SECRET) } }
    assert_kind_of PG::ReadOnlySqlTransaction, error.is_a?(PG::Error) ? error : error.cause
    refute_includes error.full_message, SECRET
    refused("GT002") { entered(:expired) { |c| Garant::Tenant.record(c, **ALL) } }
    assert_empty recorded
  end

  def bad
    round = {}
    round[SECRET] = round
    fails = Object.new
    fails.define_singleton_method(:to_json) { |*| raise SECRET }
    { "no action" => { action: nil }, "one word" => { action: SECRET }, "capitals" => { action: "Application.Decided" }, "two lines" => { action: "a.b\n#{SECRET}" },
      "an action too long" => { action: "a.#{"b" * 99}" }, "an action that is no text" => { action: [SECRET] },
      "an id without a kind" => { object_id: SECRET }, "an id too long" => { object_kind: "x", object_id: SECRET * 70 }, "an id that is no text" => { object_kind: "x", object_id: { SECRET => 1 } },
      "an id that was rounded" => { object_kind: "x", object_id: 2.0**53 }, "a kind with NUL" => { object_kind: "#{SECRET}\0" }, "an actor with NUL" => { actor: "#{SECRET}\0" },
      "an actor with a bell" => { actor: "#{SECRET}\a" }, "an actor of half characters" => { actor: "#{SECRET}\xC3" }, "an actor of bytes" => { actor: "#{SECRET}\xC3".b },
      "a value with NUL" => { after: { x: ["\\#{SECRET}\0"] } }, "a name with NUL" => { before: { "#{SECRET}\0" => 1 } }, "half characters" => { after: { x: "#{SECRET}\xC3" } },
      "a surrogate" => { after: { x: "#{SECRET}\xED\xA0\x80" } }, "half a name" => { after: { "#{SECRET}\xFF" => 1 } },
      "a text" => { detail: SECRET }, "a list" => { before: [SECRET] }, "a time" => { after: Time.now }, "too much" => { detail: { x: SECRET * 5000 } }, "far too much" => { after: { x: SECRET * 12_000 } },
      "no number" => { detail: { SECRET => [Float::NAN] } }, "infinity" => { detail: { SECRET => -Float::INFINITY } }, "a circle" => { before: round }, "what fails" => { before: { x: fails } } }
  end

  def test_what_is_no_event_is_refused_and_not_quoted
    bad.each { |what, event| refused("GT009", what) { entered(:a) { |c| Garant::Tenant.record(c, **{ action: "a.b" }, **event) } } }
    assert_raises(ArgumentError) { entered(:a) { |c| Garant::Tenant.record(c, action: "a.b", details: {}) } }
    entered(:a) do |c| # what is refused before it is sent leaves the transaction as it was
      refused("GT009") { Garant::Tenant.record(c, action: "a.b", actor: "\0") }
      Garant::Tenant.record(c, action: "a.c")
    end
    assert_equal(["a.c"], recorded.map { |event| event["action"] })
  end

  def test_odd_values_are_kept_as_they_are
    odd = { "" => "é 漢 😀 \u202e", "'; DROP TABLE shop.item; --" => '$1 \u0000 \\\\u0000 \ud800', "\u0001\"" => "\u001f\n", "latin" => "caf\xE9".dup.force_encoding("ISO-8859-1"),
            "big" => 1.7976931348623157e308, "small" => 5e-324, "n" => 2**100, "exact" => BigDecimal("0.1"), "at" => Time.at(0).utc, "list" => [nil, [], {}], "symbol" => :x }
    entered(:a) do |c|
      Garant::Tenant.record(c, action: "a.b", object_kind: "x'; --", object_id: 2**63, detail: odd, before: odd, after: odd, actor: "Zo\xEB".dup.force_encoding("ISO-8859-1"))
      Garant::Tenant.record(c, action: "a.#{"b" * 98}")
    end
    first, second = recorded
    assert_equal ["x'; --", "9223372036854775808", "Zoë"], first.values_at("object_kind", "object_id", "actor")
    wanted = odd.merge("latin" => "café", "exact" => "0.1e0", "at" => "1970-01-01 00:00:00 UTC", "symbol" => "x")
    wanted["exact"] = "0.1" unless JSON.parse(first["detail"])["exact"] == "0.1e0" # ActiveSupport writes it so
    %w[detail before after].each { |part| assert_equal(wanted, JSON.parse(first[part]).tap { |got| got["big"] = got["big"].to_f }) }
    assert_includes first["detail"], "\"n\": 1267650600228229401496703205376"
    assert_equal 100, second["action"].size
  end

  def test_the_application_reads_nothing_of_what_is_recorded_and_changes_nothing
    entered(:a) do |c|
      Garant::Tenant.record(c, **ALL, actor: SECRET, after: { x: SECRET })
      refute_includes ask(c, "SELECT string_agg(query, ' ') FROM pg_stat_activity"), SECRET
    end
    ["SELECT * FROM garant.event", "SELECT count(*) FROM garant.event", "DELETE FROM garant.event", "UPDATE garant.event SET actor = ''", "INSERT INTO garant.event (kind, action) VALUES ('said', 'a.b')",
     "SELECT * FROM garant.take_events(1)", "SELECT garant.forget_events('{}', 0, 0)", "SELECT * FROM garant.events_waiting()"].each do |sql|
      error = assert_raises(PG::InsufficientPrivilege, ActiveRecord::StatementInvalid) { entered(:a) { |c| say(c, sql) } }
      assert_kind_of PG::InsufficientPrivilege, error.is_a?(PG::Error) ? error : error.cause, sql
    end
    assert_equal([SECRET], recorded.map { |event| event["actor"] })
  end
end

class RecordTest < Minitest::Test
  include Records

  def setup
    super
    @connection = PG.connect(host: GIVEN["host"], port: GIVEN["port"], user: GIVEN["user"], dbname: GIVEN["database"])
  end

  def teardown
    super
    @connection.finish
  end

  def entered(name, &block) = Garant::Tenant.transaction(@connection, token(name), &block)
  def say(connection, sql) = connection.exec(sql)
  def ask(connection, sql) = connection.exec(sql).getvalue(0, 0)

  def nobody
    yield @connection
    @connection.transaction { |c| yield c }
  end

  def test_what_the_database_refuses_of_events_is_explained
    %w[GT008 GT009 GT010].each do |wanted|
      error = code(wanted) { entered(:a) { |c| c.exec("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '#{wanted}'; END $$") } }
      assert_match(/\Atenant: .{20}/, error.message)
    end
  end

  def test_recording_keeps_what_was_prepared
    @connection.prepare("count", COUNT)
    entered(:a) { |c| Garant::Tenant.record(c, **ALL) }
    assert_equal 3, entered(:a) { |c| c.exec_prepared("count").getvalue(0, 0).to_i }
  end

  def test_values_are_text_whatever_maps_the_connection_has
    @connection.type_map_for_queries = PG::BasicTypeMapForQueries.new(@connection)
    @connection.type_map_for_results = PG::BasicTypeMapForResults.new(@connection)
    entered(:a) { |c| Garant::Tenant.record(c, **ALL, object_id: 17) }
    assert_equal([["17", "Ana"]], recorded.map { |event| event.values_at("object_id", "actor") })
  end
end

class ActiveRecordRecordTest < Minitest::Test
  include Records
  AR = Garant::Tenant::ActiveRecord

  def setup
    super
    @log = StringIO.new
    ActiveRecord::Base.logger = Logger.new(@log)
    ActiveRecord::Base.establish_connection(adapter: "postgresql", host: GIVEN["host"], port: GIVEN["port"], username: GIVEN["user"], database: GIVEN["database"], pool: 2)
  end

  def teardown
    super
    ActiveRecord::Base.remove_connection
    [SECRET, "Ana", "granted"].each { |value| refute_includes @log.string, value }
  end

  def entered(name)
    AR.with(token(name)) { ActiveRecord::Base.transaction { yield ActiveRecord::Base.connection } }
  end

  def say(connection, sql) = connection.execute(sql)
  def ask(connection, sql) = connection.select_value(sql)

  def nobody
    AR.without do
      yield ActiveRecord::Base.connection
      ActiveRecord::Base.transaction { yield ActiveRecord::Base.connection; raise ActiveRecord::Rollback }
    end
    code("NO_TOKEN") { Garant::Tenant.record(ActiveRecord::Base.connection, **ALL) }
  end

  def test_outside_of_a_transaction_an_event_has_one_of_its_own
    AR.with(token(:b)) { Garant::Tenant.record(ActiveRecord::Base.connection, **ALL) }
    assert_equal([GIVEN["b"]], recorded.map { |event| event["tenant"] })
    AR.with(token(:b)) { refused("GT009") { Garant::Tenant.record(ActiveRecord::Base.connection, action: SECRET) } }
    assert_empty recorded
  end

  def test_one_login_at_a_time
    entered(:a) do |c|
      Garant::Tenant.record(c, action: "a.a")
      code("GT004") { AR.with(token(:b)) { Garant::Tenant.record(c, **ALL) } }
    end
    assert_equal([[GIVEN["a"], "a.a"]], recorded.map { |event| event.values_at("tenant", "action") })
  end

  def test_recording_keeps_what_was_prepared
    prepared = -> { ActiveRecord::Base.connection.select_values("SELECT name FROM pg_prepared_statements WHERE statement LIKE '%shop%item%'").sort }
    AR.with(token(:a)) do
      Item.find_by(n: 1)
      refute_empty was = prepared.call
      2.times { Item.transaction { Garant::Tenant.record(Item.connection, **ALL) } }
      assert_empty was - prepared.call
    end
  end

  def test_a_savepoint_of_activerecord_takes_its_events_with_it
    entered(:a) do |c|
      Garant::Tenant.record(c, action: "a.kept")
      ActiveRecord::Base.transaction(requires_new: true) { Garant::Tenant.record(c, action: "a.lost"); raise ActiveRecord::Rollback }
    end
    assert_equal(["a.kept"], recorded.map { |event| event["action"] })
  end

  def test_through_pgbouncer
    ActiveRecord::Base.establish_connection(adapter: "postgresql", **GIVEN["pooler"].transform_keys(&:to_sym), username: GIVEN["user"], database: GIVEN["database"], prepared_statements: false, advisory_locks: false)
    entered(:b) { |c| Garant::Tenant.record(c, **ALL) }
    assert_equal([GIVEN["b"]], recorded.map { |event| event["tenant"] })
  end
end
