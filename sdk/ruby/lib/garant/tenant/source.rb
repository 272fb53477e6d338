# frozen_string_literal: true

require "json"
require "net/http"
require "uri"

module Garant
  module Tenant
    # Keeps the token of a source and asks for the next before it ends. However many threads ask, the source is asked once at
    # a time. One for each login, kept as long as the login's session.
    class Cache
      def initialize(source)
        @source = source
        @lock = Mutex.new # guards what is held
        @turn = Mutex.new # held by who asks the source
        @renew = @end = 0.0
      end

      def token
        held, renew, ends = @lock.synchronize { [@held, @renew, @end] }
        now = clock
        return held if held && now < renew
        return ask(held) unless held && now < ends
        return held unless @turn.try_lock # somebody asks already, and this one is still good

        begin
          keep
        rescue StandardError
          @lock.synchronize { @renew = now + 1 } # leave it alone for a second
          held
        ensure
          @turn.unlock
        end
      end

      # Lets go of a token that was refused, so that the next is another.
      def forget(token)
        @lock.synchronize { @held = nil if @held.equal?(token) }
      end

      def inspect = "#<Garant::Tenant::Cache>"

      private

      def ask(before)
        @turn.synchronize do
          held, ends = @lock.synchronize { [@held, @end] }
          # Whoever had the turn before may have brought it.
          next held if held && !held.equal?(before) && clock < ends

          keep
        end
      end

      def keep
        token = @source.token
        raise Error.new("NO_TOKEN") unless token.is_a?(Token)

        left = token.expires - Time.now
        @lock.synchronize do
          @held = token
          @renew = clock + left * 0.8
          @end = clock + left - [5, left / 10].min
        end
        token
      end

      def clock = Process.clock_gettime(Process::CLOCK_MONOTONIC)
    end

    # Asks Garant for tokens over HTTP.
    class Endpoint
      MOST = 64 * 1024

      def initialize(url:, api_token:, audience:, read_only: false)
        @url = URI(url)
        unless @url.scheme == "https" || @url.scheme == "http" && %w[localhost 127.0.0.1 ::1].include?(@url.hostname)
          raise ArgumentError, "tenant: the endpoint is asked by https only, because tokens go there and come back"
        end

        @api_token = api_token
        @form = { "audience" => audience }
        @form["scope"] = "read" if read_only
      end

      def inspect = "#<#{self.class.name}>"

      private

      def ask(form)
        request = Net::HTTP::Post.new(@url)
        request["Authorization"] = "Bearer #{@api_token.call}"
        request["Accept"] = "application/json"
        request.set_form_data(@form.merge(form))
        status = body = nil
        # Redirects are not followed: the token of the application goes nowhere else.
        Net::HTTP.start(@url.hostname, @url.port, use_ssl: @url.scheme == "https", open_timeout: 10, read_timeout: 10) do |http|
          http.request(request) do |response|
            status = response.code.to_i
            body = +""
            response.read_body { |part| (body << part).bytesize > MOST and break body = "" }
          end
        end
        read(status, body)
      end

      def read(status, body)
        answer = begin
          JSON.parse(body)
        rescue JSON::ParserError
          nil
        end
        answer = {} unless answer.is_a?(Hash)
        if (code = answer["error"]).is_a?(String)
          said = answer["error_description"]
          raise Error.new(code, "no token: #{said ? "#{said} (#{code})" : code}")
        end
        unknown = Error.new("ENDPOINT", "the endpoint of tokens answered #{status}, and nothing that is understood: is the address right?")
        raise unknown unless status == 200 && answer["issued_token_type"] == "urn:garant:token-type:tenant"

        begin
          Token.parse(answer["access_token"])
        rescue Error
          raise unknown
        end
      end
    end

    # Gives tokens in exchange for the verified ID token of a login (RFC 8693).
    class Exchange < Endpoint
      def initialize(id_token:, **endpoint)
        super(**endpoint)
        @id_token = id_token
      end

      def token
        ask("grant_type" => "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token" => @id_token.call, "subject_token_type" => "urn:ietf:params:oauth:token-type:id_token")
      end
    end

    # Gives tokens for a job that runs for a tenant without a login, and that was accepted by name.
    class Job < Endpoint
      def initialize(purpose:, tenant:, **endpoint)
        super(**endpoint)
        @purpose = purpose
        @tenant = tenant
      end

      def token
        ask("grant_type" => "client_credentials", "purpose" => @purpose, "tenant" => @tenant.to_s)
      end
    end
  end
end
