# frozen_string_literal: true

module Garant
  module Tenant
    # What is said of a token or an event. The code is the SQLSTATE of garant.enter or garant.record, NO_TOKEN, or what Garant answered.
    class Error < StandardError
      SENTENCES = {
        "NO_TOKEN" => "there is no token: nothing is asked of the database without one",
        "GT001" => "this is no valid token for this database: it was changed, signed by an unknown key, or made for another database",
        "GT002" => "the token has expired: ask for a new one",
        "GT003" => "the session of this token was ended: sign in again",
        "GT004" => "this transaction already belongs to another tenant or session: one transaction serves one login",
        "GT005" => "a cursor is still open on this connection: close it, and let the pooler reset connections",
        "GT006" => "the snapshot of this transaction is too old: enter first, then read",
        "GT007" => "this tenant lives in another database: ask where, and go on there",
        "GT008" => "nobody entered this transaction: an event is of somebody who did",
        "GT009" => "this is no event: what is wrong with it stands in the error of the database",
        "GT010" => "a cast to JSON would run with the rights of garant_sec: drop it"
      }.freeze

      attr_reader :code

      def initialize(code, sentence = SENTENCES.fetch(code, code))
        @code = code
        super("tenant: #{sentence}")
      end
    end

    # Proves a login within a tenant to the database. It prints as nothing.
    class Token
      SIZE = 132

      # Reads a token as Garant gives it (base64url). It is verified by the database only.
      def self.parse(text)
        raw = text.is_a?(String) && text.match?(/\A[A-Za-z0-9_-]{176}\z/) ? text.tr("-_", "+/").unpack1("m0") : ""
        raise Error.new("GT001") unless raw.bytesize == SIZE && raw.getbyte(0) == 1

        new(raw)
      end
      private_class_method :new

      def initialize(raw)
        @parameter = -> { { value: raw, format: 1, type: 17 } } # bytea, in the binary form
        @expires = Time.at(0, raw.unpack1("@92Q>"), :microsecond).utc
        freeze
      end

      # When the token ends.
      attr_reader :expires

      # What garant.enter takes, as a parameter.
      def parameter = @parameter.call

      def to_s = "[token]"
      alias inspect to_s

      def as_json(*) = to_s
      def to_json(*) = %("#{self}")
      def marshal_dump = raise(TypeError, "tenant: a token is not written down")
      def encode_with(_coder) = raise(TypeError, "tenant: a token is not written down")
    end
  end
end
