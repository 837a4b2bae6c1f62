DROP VIEW parents_decimal;
ALTER TABLE parents ADD COLUMN params TEXT NOT NULL DEFAULT '';
ALTER TABLE parents ADD COLUMN expected_cost NANOS_INTEGER NOT NULL DEFAULT 0;
ALTER TABLE parents ADD COLUMN expected_risk NANOS_INTEGER NOT NULL DEFAULT 0;
ALTER TABLE parents ADD COLUMN decision_mid NANOS_INTEGER NOT NULL DEFAULT 0;
ALTER TABLE parents ADD COLUMN decision_ts_ns BIGINT NOT NULL DEFAULT 0;
ALTER TABLE parents ADD COLUMN why TEXT NOT NULL DEFAULT '';
ALTER TABLE parents ADD COLUMN operator TEXT NOT NULL DEFAULT '';
ALTER TABLE parents ADD COLUMN kappa NANOS_INTEGER NOT NULL DEFAULT 0;
ALTER TABLE parents ADD COLUMN auction_ts_ns BIGINT NOT NULL DEFAULT 0;
ALTER TABLE parents ADD COLUMN sent NANOS_INTEGER NOT NULL DEFAULT 0;
ALTER TABLE parents ADD COLUMN slice_no INTEGER NOT NULL DEFAULT -1;
ALTER TABLE parents ADD COLUMN crossed NANOS_INTEGER NOT NULL DEFAULT 0;
CREATE TABLE cash_held (
    journal_id BIGINT NOT NULL,
    currency TEXT NOT NULL,
    kind TEXT NOT NULL,
    amount NANOS_INTEGER NOT NULL,
    PRIMARY KEY (journal_id, currency, kind)
)
 WITHOUT ROWID;
CREATE TABLE corporate_actions (
    journal_id BIGINT NOT NULL,
    action_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    inst INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    ex_date INTEGER NOT NULL,
    num INTEGER NOT NULL,
    den INTEGER NOT NULL,
    per_share NANOS_INTEGER NOT NULL,
    currency TEXT NOT NULL,
    pay_date INTEGER NOT NULL,
    withheld_ppm INTEGER NOT NULL,
    state TEXT NOT NULL,
    given_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    since_ns BIGINT NOT NULL,
    done_ns BIGINT NOT NULL,
    gross_due NANOS_INTEGER NOT NULL,
    withheld_due NANOS_INTEGER NOT NULL,
    PRIMARY KEY (journal_id, action_id)
)
 WITHOUT ROWID;
CREATE TABLE corporate_events (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    cause_seq BIGINT NOT NULL,
    action_id TEXT NOT NULL,
    what TEXT NOT NULL,
    inst INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    reason TEXT NOT NULL,
    moved_by TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE TABLE corrections (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    cause_seq BIGINT NOT NULL,
    kind TEXT NOT NULL,
    line_id TEXT NOT NULL,
    exec_id TEXT NOT NULL,
    inst INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    side INTEGER NOT NULL,
    qty NANOS_INTEGER NOT NULL,
    px NANOS_INTEGER NOT NULL,
    commission NANOS_INTEGER NOT NULL,
    currency TEXT NOT NULL,
    amount NANOS_INTEGER NOT NULL,
    cash_kind TEXT NOT NULL,
    other_currency TEXT NOT NULL,
    other NANOS_INTEGER NOT NULL,
    text TEXT NOT NULL,
    moved_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
)
 WITHOUT ROWID;
CREATE TABLE crosses (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    cause_seq BIGINT NOT NULL,
    inst INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    buyer TEXT NOT NULL,
    seller TEXT NOT NULL,
    qty NANOS_INTEGER NOT NULL,
    px NANOS_INTEGER NOT NULL,
    bid_px NANOS_INTEGER NOT NULL,
    ask_px NANOS_INTEGER NOT NULL,
    reason TEXT NOT NULL,
    buyer_parent BIGINT NOT NULL,
    seller_parent BIGINT NOT NULL,
    PRIMARY KEY (journal_id, seq)
)
 WITHOUT ROWID;
CREATE TABLE execution_shares (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    exec_id TEXT NOT NULL,
    strategy TEXT NOT NULL,
    qty NANOS_INTEGER NOT NULL,
    PRIMARY KEY (journal_id, seq, strategy)
)
 WITHOUT ROWID;
CREATE TABLE fee_parts (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    exec_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    amount NANOS_INTEGER NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq, exec_id, kind)
)
 WITHOUT ROWID;
CREATE INDEX fee_parts_exec_id ON fee_parts (journal_id, exec_id);
CREATE TABLE parent_events (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    cause_seq BIGINT NOT NULL,
    parent_id BIGINT NOT NULL,
    what TEXT NOT NULL,
    state TEXT,
    reason TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE INDEX parent_events_parent_id ON parent_events (journal_id, parent_id);
CREATE TABLE position_lots (
    journal_id BIGINT NOT NULL,
    strategy TEXT NOT NULL,
    inst INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    qty NANOS_INTEGER NOT NULL,
    realised_fifo NANOS_INTEGER NOT NULL,
    lots TEXT NOT NULL,
    PRIMARY KEY (journal_id, strategy, inst)
);
CREATE TABLE transfers (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    cause_seq BIGINT NOT NULL,
    strategy TEXT NOT NULL,
    inst INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    qty NANOS_INTEGER NOT NULL,
    px NANOS_INTEGER NOT NULL,
    deposit NANOS_INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
)
 WITHOUT ROWID;
CREATE VIEW fees AS SELECT t.* FROM fee_parts t WHERE NOT EXISTS (SELECT 1 FROM fee_parts n WHERE n.journal_id = t.journal_id AND n.seq > t.seq AND n.exec_id = t.exec_id);
CREATE VIEW lots AS SELECT p.journal_id, p.strategy, p.inst, p.symbol, l.key + 1 AS place, json_extract(l.value, '$.qty') AS qty, json_extract(l.value, '$.cost') AS cost, json_extract(l.value, '$.seq') AS seq FROM position_lots p, json_each(p.lots) l;
CREATE VIEW fee_parts_decimal AS SELECT journal_id, seq, ts_ns, exec_id, kind, CASE WHEN amount < 0 THEN '-' ELSE '' END || abs(amount / 1000000000) || '.' || printf('%09d', abs(amount % 1000000000)) AS amount, source FROM fee_parts;
CREATE VIEW crosses_decimal AS SELECT journal_id, seq, ts_ns, cause_seq, inst, symbol, buyer, seller, CASE WHEN qty < 0 THEN '-' ELSE '' END || abs(qty / 1000000000) || '.' || printf('%09d', abs(qty % 1000000000)) AS qty, CASE WHEN px < 0 THEN '-' ELSE '' END || abs(px / 1000000000) || '.' || printf('%09d', abs(px % 1000000000)) AS px, CASE WHEN bid_px < 0 THEN '-' ELSE '' END || abs(bid_px / 1000000000) || '.' || printf('%09d', abs(bid_px % 1000000000)) AS bid_px, CASE WHEN ask_px < 0 THEN '-' ELSE '' END || abs(ask_px / 1000000000) || '.' || printf('%09d', abs(ask_px % 1000000000)) AS ask_px, reason, buyer_parent, seller_parent FROM crosses;
CREATE VIEW transfers_decimal AS SELECT journal_id, seq, ts_ns, cause_seq, strategy, inst, symbol, CASE WHEN qty < 0 THEN '-' ELSE '' END || abs(qty / 1000000000) || '.' || printf('%09d', abs(qty % 1000000000)) AS qty, CASE WHEN px < 0 THEN '-' ELSE '' END || abs(px / 1000000000) || '.' || printf('%09d', abs(px % 1000000000)) AS px, CASE WHEN deposit < 0 THEN '-' ELSE '' END || abs(deposit / 1000000000) || '.' || printf('%09d', abs(deposit % 1000000000)) AS deposit, reason FROM transfers;
CREATE VIEW execution_shares_decimal AS SELECT journal_id, seq, ts_ns, exec_id, strategy, CASE WHEN qty < 0 THEN '-' ELSE '' END || abs(qty / 1000000000) || '.' || printf('%09d', abs(qty % 1000000000)) AS qty FROM execution_shares;
CREATE VIEW corrections_decimal AS SELECT journal_id, seq, ts_ns, cause_seq, kind, line_id, exec_id, inst, symbol, side, CASE WHEN qty < 0 THEN '-' ELSE '' END || abs(qty / 1000000000) || '.' || printf('%09d', abs(qty % 1000000000)) AS qty, CASE WHEN px < 0 THEN '-' ELSE '' END || abs(px / 1000000000) || '.' || printf('%09d', abs(px % 1000000000)) AS px, CASE WHEN commission < 0 THEN '-' ELSE '' END || abs(commission / 1000000000) || '.' || printf('%09d', abs(commission % 1000000000)) AS commission, currency, CASE WHEN amount < 0 THEN '-' ELSE '' END || abs(amount / 1000000000) || '.' || printf('%09d', abs(amount % 1000000000)) AS amount, cash_kind, other_currency, CASE WHEN other < 0 THEN '-' ELSE '' END || abs(other / 1000000000) || '.' || printf('%09d', abs(other % 1000000000)) AS other, text, moved_by, reason FROM corrections;
CREATE VIEW parents_decimal AS SELECT journal_id, parent_id, strategy, inst, symbol, side, CASE WHEN qty < 0 THEN '-' ELSE '' END || abs(qty / 1000000000) || '.' || printf('%09d', abs(qty % 1000000000)) AS qty, algo, start_ts_ns, end_ts_ns, slices, CASE WHEN limit_px < 0 THEN '-' ELSE '' END || abs(limit_px / 1000000000) || '.' || printf('%09d', abs(limit_px % 1000000000)) AS limit_px, CASE WHEN arrival_mid < 0 THEN '-' ELSE '' END || abs(arrival_mid / 1000000000) || '.' || printf('%09d', abs(arrival_mid % 1000000000)) AS arrival_mid, purpose, urgency, state, paused, paused_reason, CASE WHEN filled < 0 THEN '-' ELSE '' END || abs(filled / 1000000000) || '.' || printf('%09d', abs(filled % 1000000000)) AS filled, CASE WHEN value < 0 THEN '-' ELSE '' END || abs(value / 1000000000) || '.' || printf('%09d', abs(value % 1000000000)) AS value, children, child, chases, reason, params, CASE WHEN expected_cost < 0 THEN '-' ELSE '' END || abs(expected_cost / 1000000000) || '.' || printf('%09d', abs(expected_cost % 1000000000)) AS expected_cost, CASE WHEN expected_risk < 0 THEN '-' ELSE '' END || abs(expected_risk / 1000000000) || '.' || printf('%09d', abs(expected_risk % 1000000000)) AS expected_risk, CASE WHEN decision_mid < 0 THEN '-' ELSE '' END || abs(decision_mid / 1000000000) || '.' || printf('%09d', abs(decision_mid % 1000000000)) AS decision_mid, decision_ts_ns, why, operator, CASE WHEN kappa < 0 THEN '-' ELSE '' END || abs(kappa / 1000000000) || '.' || printf('%09d', abs(kappa % 1000000000)) AS kappa, auction_ts_ns, CASE WHEN sent < 0 THEN '-' ELSE '' END || abs(sent / 1000000000) || '.' || printf('%09d', abs(sent % 1000000000)) AS sent, slice_no, CASE WHEN crossed < 0 THEN '-' ELSE '' END || abs(crossed / 1000000000) || '.' || printf('%09d', abs(crossed % 1000000000)) AS crossed FROM parents;
CREATE VIEW position_lots_decimal AS SELECT journal_id, strategy, inst, symbol, CASE WHEN qty < 0 THEN '-' ELSE '' END || abs(qty / 1000000000) || '.' || printf('%09d', abs(qty % 1000000000)) AS qty, CASE WHEN realised_fifo < 0 THEN '-' ELSE '' END || abs(realised_fifo / 1000000000) || '.' || printf('%09d', abs(realised_fifo % 1000000000)) AS realised_fifo, lots FROM position_lots;
CREATE VIEW cash_held_decimal AS SELECT journal_id, currency, kind, CASE WHEN amount < 0 THEN '-' ELSE '' END || abs(amount / 1000000000) || '.' || printf('%09d', abs(amount % 1000000000)) AS amount FROM cash_held;
CREATE VIEW corporate_actions_decimal AS SELECT journal_id, action_id, kind, inst, symbol, ex_date, num, den, CASE WHEN per_share < 0 THEN '-' ELSE '' END || abs(per_share / 1000000000) || '.' || printf('%09d', abs(per_share % 1000000000)) AS per_share, currency, pay_date, withheld_ppm, state, given_by, reason, since_ns, done_ns, CASE WHEN gross_due < 0 THEN '-' ELSE '' END || abs(gross_due / 1000000000) || '.' || printf('%09d', abs(gross_due % 1000000000)) AS gross_due, CASE WHEN withheld_due < 0 THEN '-' ELSE '' END || abs(withheld_due / 1000000000) || '.' || printf('%09d', abs(withheld_due % 1000000000)) AS withheld_due FROM corporate_actions;
