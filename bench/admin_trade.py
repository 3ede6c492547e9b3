"""A week of trade for `python3 run.py bench --admin`, made set by set by the database's own administrator.

Its guards are off meanwhile: the rows look like trade and are no books (nothing here is proven). ``%(count)s`` is how
many orders, ``%(merchant)s`` whose. Of a hundred orders 80 are paid, three fourths of them through a channel, with a
statement line each; 6 are refunded, one has late money and its case, one a difference; five payers and agreements.
"""

from __future__ import annotations

from typing import Final

FILL: Final = """
SET session_replication_role = replica;
SET synchronous_commit = off;
CREATE FUNCTION pg_temp.number(prefix text, at timestamptz, n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT prefix || '_' || string_agg(substr('0123456789abcdefghjkmnpqrstvwxyz',
        (((extract(epoch FROM at) * 1000)::bigint >> shift) & 31)::int + 1, 1), '' ORDER BY shift DESC)
        || lpad(n::text, 12, '0') FROM generate_series(0, 45, 5) AS shift $$;
CREATE TEMP TABLE trade AS
SELECT n, at, pg_temp.number('', at, n) AS body,
       CASE WHEN n %% 10 < 8 THEN 'SUCCESS' WHEN n %% 10 = 8 THEN 'CLOSED' ELSE 'INIT' END AS status,
       (ARRAY['BALANCE', 'QR_CODE', 'BANK_CARD', 'WALLET'])[n %% 4 + 1] AS method
FROM (SELECT n, platform_now() - interval '7 days' * (1 - n::float / %(count)s) AS at
      FROM generate_series(1, %(count)s) AS n) AS spread;
INSERT INTO acquiring_trade_order (order_no, merchant_no, merchant_order_no, request_digest, amount, currency, subject,
    metadata, cashier_secret, fee_contract_no, max_tries, expires_at, due_at, status, payment_no, created_at, paid_at,
    closed_at, close_reason)
SELECT 'ord' || body, m.merchant_no, 'B-' || n, md5(n::text), 1280, 'CNY', 'Tea', '{}', 'benchbenchbenchbenchbenc',
    NULL, 5, at + interval '15 minutes', CASE WHEN status = 'INIT' THEN platform_now() + interval '1 day' END, status,
    CASE WHEN status <> 'INIT' THEN 'pay' || body END, at,
    CASE WHEN status = 'SUCCESS' THEN at + interval '2 seconds' END,
    CASE WHEN status = 'CLOSED' THEN at + interval '15 minutes' END, CASE WHEN status = 'CLOSED' THEN 'EXPIRED' END
FROM trade, (SELECT merchant_no, row_number() OVER () AS k, count(*) OVER () AS all_k FROM acquiring_merchant) m
WHERE n %% m.all_k + 1 = m.k;
INSERT INTO engine_payment_order (payment_no, order_no, merchant_no, status, amount, currency, method, options_digest,
    created_at, paid_at, failure_code, fee_amount)
SELECT 'pay' || body, 'ord' || body, '%(merchant)s', CASE WHEN status = 'SUCCESS' THEN 'PAID' ELSE 'FAILED' END, 1280,
    'CNY', method, '', at, CASE WHEN status = 'SUCCESS' THEN at + interval '2 seconds' END,
    CASE WHEN status = 'CLOSED' THEN 'closed' END, 8 FROM trade WHERE status <> 'INIT';
INSERT INTO engine_payment_detail (detail_no, payment_id, method, channel_code, amount, currency, status, created_at)
SELECT 'pdt' || body, 'pay' || body, method, CASE WHEN method <> 'BALANCE' THEN 'sandbox' END, 1280, 'CNY',
    CASE WHEN status = 'SUCCESS' THEN 'DONE' ELSE 'FAILED' END, at FROM trade WHERE status <> 'INIT';
INSERT INTO engine_channel_attempt (attempt_no, detail_id, payment_no, order_no, channel_code, status, amount, currency,
    channel_trade_no, created_at, last_outcome_at)
SELECT 'att' || body, 'pdt' || body, 'pay' || body, 'ord' || body, 'sandbox',
    CASE WHEN status = 'SUCCESS' THEN 'SUCCEEDED' ELSE 'CLOSED' END, 1280, 'CNY', 'T' || n, at,
    at + interval '2 seconds' FROM trade WHERE status <> 'INIT' AND method <> 'BALANCE';
INSERT INTO acquiring_merchant_event (event_id, merchant_no, type, object_no, payload, created_at)
SELECT 'evt' || body, '%(merchant)s', 'order.success', 'ord' || body, '{}', at FROM trade WHERE status = 'SUCCESS';
INSERT INTO acquiring_delivery (delivery_no, event_id, merchant_no, target, url, status, tries, created_at,
    delivered_at, due_at)
SELECT 'dlv' || body, 'evt' || body, '%(merchant)s', 'NOTIFY_URL', 'https://shop.example/hook',
    CASE WHEN n %% 1000 = 0 THEN 'DEAD' ELSE 'DELIVERED' END, 1, at, at, NULL FROM trade WHERE status = 'SUCCESS';
INSERT INTO acquiring_transition (machine, object_no, from_status, to_status, cause, actor, request_id, at)
SELECT 'trade_order', 'ord' || body, '', 'INIT', 'api', 'merchant', '', at FROM trade;
INSERT INTO engine_transition (machine, object_no, from_status, to_status, cause, actor, request_id, at)
SELECT 'payment_order', 'pay' || body, step.from_status, step.to_status, 'api', 'merchant', '', at
FROM trade, (VALUES ('', 'PAYING'), ('PAYING', 'PAID')) AS step (from_status, to_status) WHERE status = 'SUCCESS';
INSERT INTO engine_channel_callback (channel_code, headers, body, received_at, result, attempt_no, note)
SELECT 'sandbox', '{}', '{"result": "paid"}', at, 'APPLIED', 'att' || body, ''
FROM trade WHERE status = 'SUCCESS' AND method <> 'BALANCE';
INSERT INTO checkout_risk_decision (order_no, payment_no, outcome, reason, facts, fired, rules_version, at)
SELECT 'ord' || body, 'pay' || body, 'ALLOW', '', json_build_object('merchant', '%(merchant)s', 'method', method,
    'amount', 1280, 'currency', 'CNY', 'source', 'api', 'terminal', 'WEB', 'weekday', 1, 'minute', 1, 'at', 1),
    '[]', 1, at FROM trade WHERE status <> 'INIT';
INSERT INTO checkout_route_decision (payment_no, order_no, merchant_no, method, amount, currency, book_version,
    strategy, channel_code, facts, candidates, created_at)
SELECT 'pay' || body, 'ord' || body, '%(merchant)s', method, 1280, 'CNY', 1, 'PRIORITY', 'sandbox',
    json_build_object('merchant_no', '%(merchant)s', 'method', method, 'currency', 'CNY', 'amount', 1280,
        'seed', 'pay' || body, 'channels', '[]'::json),
    '[{"channel": "sandbox", "reason": "first", "place": 1}]', at
FROM trade WHERE status <> 'INIT' AND method <> 'BALANCE';
INSERT INTO engine_known_channel (code) VALUES ('sandbox') ON CONFLICT DO NOTHING;
INSERT INTO ledger_account (code, kind, owner, currency, credit_sign)
SELECT code, split_part(code, ':', 1), split_part(code, ':', 2), 'CNY', sign
FROM (VALUES ('A10:sandbox:CNY', -1), ('L20:%(merchant)s:CNY', 1)) AS made (code, sign) ON CONFLICT DO NOTHING;
INSERT INTO ledger_journal (journal_no, event_type, event_id, accounting_date, currency, digest, created_at)
SELECT 'jnl' || body, 'payment_paid', 'pay' || body, at::date, 'CNY', md5(n::text)::uuid, at
FROM trade WHERE status = 'SUCCESS';
INSERT INTO ledger_posting (journal_no, line_no, amount, currency, debit_account_id, credit_account_id)
SELECT 'jnl' || body, 1, 1280, 'CNY', (SELECT id FROM ledger_account WHERE code = 'A10:sandbox:CNY'),
    (SELECT id FROM ledger_account WHERE code = 'L20:%(merchant)s:CNY') FROM trade WHERE status = 'SUCCESS';
INSERT INTO acquiring_settlement_account (merchant_no, currency) VALUES ('%(merchant)s', 'CNY') ON CONFLICT DO NOTHING;
INSERT INTO acquiring_settlement_item (journal_no, merchant_no, currency, kind, event_id, order_no, payment_no, amount,
    fee_amount, accounting_date, batch_no, refunded_amount, returned_fee_amount, released_amount, released_at)
SELECT 'jnl' || body, '%(merchant)s', 'CNY', 'PAYMENT', 'pay' || body, 'ord' || body, 'pay' || body, 1280, 8, at::date,
    CASE WHEN is_old THEN 'stb' END, CASE WHEN is_old THEN 0 END, CASE WHEN is_old THEN 0 END,
    CASE WHEN is_old THEN 1272 END, CASE WHEN is_old THEN at + interval '1 day' END
FROM (SELECT *, at < platform_now() - interval '2 days' AS is_old FROM trade) AS t WHERE status = 'SUCCESS';
INSERT INTO console_audit_log (operator, action, object_no, reason, before, after, request_id, at)
SELECT 'bench', 'query_channel', 'ord' || body, 'asked by the payer', '{}', '{}', '', at FROM trade WHERE n %% 20 = 0;
INSERT INTO engine_refund (refund_no, purpose, merchant_no, merchant_refund_no, order_no, payment_no, status, amount,
    external_amount, balance_amount, currency, reason, channel_code, attempt_no, channel_trade_no, source, returned_fee,
    last_outcome, last_answer, created_at, succeeded_at)
SELECT 'rfd' || body, 'ORDER', '%(merchant)s', 'R-' || n, 'ord' || body, 'pay' || body, 'SUCCESS', 1280, 1280, 0, 'CNY',
    '', 'sandbox', 'att' || body, 'T' || n, 'L20', 8, 'SUCCEEDED', '', at, at + interval '2 seconds'
FROM trade WHERE status = 'SUCCESS' AND method <> 'BALANCE' AND n %% 10 = 1;
INSERT INTO engine_late_money (late_money_no, channel_code, channel_trade_no, attempt_no, payment_no, order_no,
    merchant_no, amount, currency, status, reason, policy, decided_by, resolved_at, created_at)
SELECT 'ltm' || body, 'sandbox', 'L' || n, 'att' || body, 'pay' || body, 'ord' || body, '%(merchant)s', 1280, 'CNY',
    'REFUNDED', 'order_closed', 'REFUND', 'policy', at, at FROM trade WHERE n %% 100 = 18;
INSERT INTO engine_case (case_no, kind, object_no, detail, status, created_at, resolved_at)
SELECT 'cas' || body, 'late_money', 'ltm' || body, 'Money came after the end.', 'RESOLVED', at, at
FROM trade WHERE n %% 100 = 18;
INSERT INTO engine_statement (statement_no, channel_code, account, statement_date, covers_from, covers_to, sha256,
    version, layout, source, line_count, totals, imported_at)
SELECT DISTINCT ON (at::date) 'stm' || body, 'sandbox', 'main', at::date, at::date, at::date + 1, md5(n::text), 1,
    'sandbox', 'FETCHED', 1, '{}'::jsonb, at FROM trade ORDER BY at::date, n;
INSERT INTO engine_statement_line (statement_no, line_no, kind, match_key, channel_trade_no, request_no, amount,
    currency, fee, occurred_at)
SELECT s.statement_no, row_number() OVER (), 'CHARGE', 'att' || body, 'T' || n, 'att' || body, 1280, 'CNY', 3, at
FROM trade JOIN engine_statement s ON s.statement_date = at::date
WHERE status = 'SUCCESS' AND method <> 'BALANCE';
INSERT INTO engine_discrepancy (discrepancy_no, channel_code, statement_date, statement_no, line_no, kind, line_kind,
    match_key, ordinal, object_no, merchant_no, our_status, our_amount, our_currency, difference, currency, status,
    created_at, resolution, resolved_by, resolved_at)
SELECT 'dsc' || body, 'sandbox', at::date, s.statement_no, 1, 'CHANNEL_SHORT', 'CHARGE', 'att' || body, 1,
    'att' || body, '%(merchant)s', 'SUCCEEDED', 1280, 'CNY', -1280, 'CNY', 'RESOLVED', at, 'later_file', 'system', at
FROM trade JOIN engine_statement s ON s.statement_date = at::date WHERE n %% 100 = 2;
INSERT INTO checkout_payer_wallet (payer_no, display_name, password_hash, wrong_tries, created_at)
SELECT 'pyr' || body, 'Payer ' || n, 'nobody pays by password here', 0, at FROM trade WHERE n %% 20 = 3;
INSERT INTO checkout_agreement_request (agreement_no, merchant_no, currency, max_per_payment, max_per_day, payer_ref,
    payer_no, status, expires_at, created_at, consented_at)
SELECT 'agr' || body, '%(merchant)s', 'CNY', 10000, 10000, 'customer-' || n, 'pyr' || body, 'ACTIVE', at, at, at
FROM trade WHERE n %% 20 = 3;
INSERT INTO checkout_payer_agreement (agreement_no, payer_id, merchant_no, token_hash, currency, max_per_payment,
    max_per_day, created_at)
SELECT 'agr' || body, 'pyr' || body, '%(merchant)s', md5(n::text), 'CNY', 10000, 10000, at
FROM trade WHERE n %% 20 = 3;
INSERT INTO console_proposal (proposal_no, kind, subject_no, reference, payload, preview, preview_hash, maker, reason,
    status, created_at, expires_at, decided_at, decision_reason)
SELECT 'prp' || body, 'refund', 'ord' || body, 'R-' || n, '{}', '{"journal": null, "effects": {}}',
    md5(n::text) || md5(n::text), 'bench', 'asked by the payer', 'WITHDRAWN', at, at + interval '1 day', at, 'mistaken'
FROM trade WHERE n %% 1000 = 4;
RESET session_replication_role;
"""
