# frozen_string_literal: true

class SourcesTest < Minitest::Test
  include Helpers

  def test_a_source_is_asked_once_at_a_time
    asked = 0
    source = Garant::Tenant::Cache.new(Fetch.new { asked += 1; sleep 0.05; token(:a) })
    got = Array.new(50) { Thread.new { source.token } }.map(&:value)
    assert got.all? { |t| t.equal?(token(:a)) }
    assert_equal 1, asked
    source.forget(token(:b))
    source.token
    assert_equal 1, asked
    source.forget(token(:a))
    source.token
    assert_equal 2, asked
    down = Garant::Tenant::Cache.new(Fetch.new { raise "down" })
    2.times { assert_raises(RuntimeError) { down.token } }
  end

  # A server that answers each request with the next of some answers, and keeps what it was asked.
  def serve(*answers)
    server = TCPServer.new("127.0.0.1", 0)
    asked = []
    thread = Thread.new do
      answers.each do |answer|
        client = server.accept
        head = +""
        head << client.readline until head.end_with?("\r\n\r\n")
        asked << [head, client.read(head[/content-length: (\d+)/i, 1].to_i)]
        client.write(answer)
        client.close
      rescue SystemCallError, IOError
        nil # the client has read enough
      end
    end
    yield "http://127.0.0.1:#{server.addr[1]}/api/v1/tenant/token", asked
  ensure
    thread&.kill
    server&.close
  end

  def answer(body, status = 200, headers = "") = "HTTP/1.1 #{status} X\r\nContent-Length: #{body.bytesize}\r\nConnection: close\r\n#{headers}\r\n#{body}"

  def test_tokens_are_exchanged_by_rfc_8693_and_nothing_else_is_taken_for_one
    good = { access_token: GIVEN["tokens"]["a"], issued_token_type: "urn:garant:token-type:tenant", token_type: "N_A", expires_in: 900 }
    refusals = [
      ["invalid_grant", answer('{"error":"invalid_grant","error_description":"The ID token has expired."}', 400)],
      ["ENDPOINT", answer("<html>")], ["ENDPOINT", answer("", 404)], ["ENDPOINT", answer("[]")],
      ["ENDPOINT", answer(JSON.generate(good.merge(access_token: "x")))],
      ["ENDPOINT", answer(JSON.generate(good.merge(issued_token_type: "jwt")))],
      ["ENDPOINT", answer(JSON.generate(good) + " " * 70_000)],
      ["ENDPOINT", answer("", 307, "Location: http://127.0.0.1:9/\r\n")]
    ]
    serve(answer(JSON.generate(good)), answer(JSON.generate(good)), *refusals.map(&:last)) do |url, asked|
      at = { url: url, api_token: -> { "api-5ecret" }, audience: "shop" }
      login = Garant::Tenant::Exchange.new(**at, id_token: -> { "id-5ecret" }, read_only: true)
      assert_equal token(:a).expires, login.token.expires
      Garant::Tenant::Job.new(**at, purpose: "invoices", tenant: 42).token
      assert_match(%r{\APOST /api/v1/tenant/token .*^authorization: Bearer api-5ecret\r$}im, asked[0][0])
      assert_equal({ "grant_type" => "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token" => "id-5ecret",
                     "subject_token_type" => "urn:ietf:params:oauth:token-type:id_token", "audience" => "shop", "scope" => "read" },
                   URI.decode_www_form(asked[0][1]).to_h)
      assert_equal({ "grant_type" => "client_credentials", "audience" => "shop", "purpose" => "invoices", "tenant" => "42" },
                   URI.decode_www_form(asked[1][1]).to_h)
      refusals.each { |wanted, _| refute_includes code(wanted) { login.token }.full_message, "5ecret" }
      refute_includes login.inspect, "5ecret"
    end
    %w[http://garant.example.com/ ftp://127.0.0.1/].each do |url|
      assert_raises(ArgumentError) { Garant::Tenant::Exchange.new(url: url, api_token: -> { flunk }, audience: "x", id_token: -> { flunk }) }
    end
  end
end
