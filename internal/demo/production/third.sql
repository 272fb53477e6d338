-- The organisation that then moves to a database of its own, with what it was asked for. Run once, as the superuser.
INSERT INTO customer.organisation (id, name, country, since) VALUES (3, 'Mutuelle de l’Exemple', 'BE', '2025-03-03');
INSERT INTO customer.member (organisation_id, id, first_name, last_name, email, role)
  SELECT 3, ('00000000-0000-4000-8000-00000000003' || r)::uuid, (ARRAY['Instruction', 'Trésorerie', 'Consultation'])[r], '(exemple)',
    (ARRAY['instruction', 'tresorerie', 'consultation'])[r] || '@mutuelle.example', (ARRAY['review', 'pay', 'read'])[r]
  FROM generate_series(1, 3) AS r;
INSERT INTO customer.applicant (organisation_id, id, first_name, last_name, email, phone, date_of_birth, street, postal_code, city, iban, motivation)
  SELECT 3, md5('applicant ' || n)::uuid, 'Prénom', 'Exemple ' || n, 'personne' || n || '@mail.example', '+32 000 00 00 ' || lpad(n::text, 2, '0'), date '1970-01-01' + n * 97,
    'Rue de l’Exemple ' || n, '0000', 'Ville exemple', 'XX00' || lpad(n::text, 12, '0'), 'Nous en avons besoin pour l’exemple n° ' || n || '.' FROM generate_series(61, 90) AS n;
INSERT INTO customer.application (organisation_id, id, applicant_id, field, subject, description, amount, status, submitted_at, decided_at, decided_by)
  SELECT 3, md5('application ' || n)::uuid, md5('applicant ' || 61 + (n - 1) % 30)::uuid, (ARRAY['culture', 'education', 'environment', 'sport'])[1 + n % 4],
    (ARRAY['Bibliothèque de rue', 'Course en relais', 'Ruches du verger', 'Chorale du mercredi'])[1 + n % 4] || ' n° ' || n,
    'Une demande inventée, pour que l’application ait de quoi montrer. Elle porte le numéro ' || n || '.', 200 + n * 10, s, at, CASE WHEN s <> 'submitted' THEN at + interval '3 days' END,
    CASE WHEN s <> 'submitted' THEN '00000000-0000-4000-8000-000000000031'::uuid END
  FROM generate_series(121, 180) AS n, LATERAL (SELECT (ARRAY['submitted', 'granted', 'refused', 'paid'])[1 + n / 2 % 4] AS s, timestamptz '2026-03-01 09:00+00' + (n - 120) * interval '14 hours' AS at) AS told;
INSERT INTO customer.event (organisation_id, id, application_id, at, kind)
  SELECT organisation_id, md5('event ' || id)::uuid, id, submitted_at, 'submitted' FROM customer.application WHERE organisation_id = 3;
INSERT INTO customer.event (organisation_id, id, application_id, at, kind, member_id, note)
  SELECT organisation_id, md5('decision ' || id)::uuid, id, decided_at, CASE status WHEN 'refused' THEN 'refused' ELSE 'granted' END, decided_by, CASE status WHEN 'refused' THEN 'Le budget de l’exemple est épuisé.' END
  FROM customer.application WHERE organisation_id = 3 AND decided_at IS NOT NULL;
INSERT INTO customer.payment (organisation_id, id, application_id, amount, iban, member_id, paid_at)
  SELECT p.organisation_id, md5('payment ' || p.id)::uuid, p.id, p.amount, a.iban, '00000000-0000-4000-8000-000000000032'::uuid, p.decided_at + interval '2 days'
  FROM customer.application p JOIN customer.applicant a USING (organisation_id) WHERE organisation_id = 3 AND a.id = p.applicant_id AND p.status = 'paid';
INSERT INTO customer.event (organisation_id, id, application_id, at, kind, member_id)
  SELECT organisation_id, md5('paid ' || id)::uuid, application_id, paid_at, 'paid', member_id FROM customer.payment WHERE organisation_id = 3;
INSERT INTO billing.invoice (organisation_id, number, billing_email, total, issued_on)
  SELECT 3, '2026-' || lpad(n::text, 4, '0'), 'comptabilite@mutuelle.example', 400 + n * 25, date '2026-01-05' + n * 30 FROM generate_series(1, 6) AS n;
