# frozen_string_literal: true

require "json"

module Garant
  module Tenant
    # What a user of the application did, as garant.record takes it. No error quotes anything: what is recorded is of persons.
    module Event
      RECORD = "SELECT garant.record($1::text, $2::text, $3::text, $4::text::jsonb, $5::text::jsonb, $6::text::jsonb, $7::text)"

      module_function

      def parameters(action:, object_kind: nil, object_id: nil, detail: nil, before: nil, after: nil, actor: nil)
        texts = { action: action, object_kind: object_kind, object_id: object_id }.map { |what, value| text(what, value) }
        texts + { detail: detail, before: before, after: after }.map { |what, value| json(what, value) } << text(:actor, actor)
      end

      # A text as PostgreSQL can hold it, nil where it is empty.
      def text(what, value)
        case value
        when nil, "" then return
        when String, Symbol, Integer then value = value.to_s
        else wrong("#{what} is no text")
        end
        encoded(what, value)
      end

      # An object as JSON.
      def json(what, value)
        return if value.nil?

        begin
          text = JSON.generate(value)
        rescue StandardError # its message may quote
          text = nil
        end
        wrong("#{what} holds what JSON does not have") unless text.is_a?(String)
        wrong("#{what} holds U+0000, which PostgreSQL cannot hold") if text.b.scan(/\\(u0000|.)/n).any? { |(escaped)| escaped == "u0000" }
        encoded(what, text)
      end

      def encoded(what, text)
        begin
          text = text.encode(Encoding::UTF_8)
        rescue EncodingError # its message quotes
          text = nil
        end
        wrong("#{what} is not of valid characters") unless text&.valid_encoding?
        wrong("#{what} holds U+0000, which PostgreSQL cannot hold") if text.include?("\0")
        text
      end

      def wrong(sentence) = raise(Error.new("GT009", "this is no event: #{sentence}"), cause: nil)
      private_class_method :text, :json, :encoded, :wrong
    end
  end
end
