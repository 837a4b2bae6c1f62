ALTER TABLE parents ADD COLUMN params TEXT NOT NULL DEFAULT '';
ALTER TABLE parents ALTER COLUMN params DROP DEFAULT;
ALTER TABLE parents ADD COLUMN expected_cost NUMERIC(38, 9) NOT NULL DEFAULT 0;
ALTER TABLE parents ALTER COLUMN expected_cost DROP DEFAULT;
ALTER TABLE parents ADD COLUMN expected_risk NUMERIC(38, 9) NOT NULL DEFAULT 0;
ALTER TABLE parents ALTER COLUMN expected_risk DROP DEFAULT;
ALTER TABLE parents ADD COLUMN decision_mid NUMERIC(38, 9) NOT NULL DEFAULT 0;
ALTER TABLE parents ALTER COLUMN decision_mid DROP DEFAULT;
ALTER TABLE parents ADD COLUMN decision_ts_ns BIGINT NOT NULL DEFAULT 0;
ALTER TABLE parents ALTER COLUMN decision_ts_ns DROP DEFAULT;
ALTER TABLE parents ADD COLUMN why TEXT NOT NULL DEFAULT '';
ALTER TABLE parents ALTER COLUMN why DROP DEFAULT;
ALTER TABLE parents ADD COLUMN operator TEXT NOT NULL DEFAULT '';
ALTER TABLE parents ALTER COLUMN operator DROP DEFAULT;
ALTER TABLE parents ADD COLUMN kappa NUMERIC(38, 9) NOT NULL DEFAULT 0;
ALTER TABLE parents ALTER COLUMN kappa DROP DEFAULT;
ALTER TABLE parents ADD COLUMN auction_ts_ns BIGINT NOT NULL DEFAULT 0;
ALTER TABLE parents ALTER COLUMN auction_ts_ns DROP DEFAULT;
ALTER TABLE parents ADD COLUMN sent NUMERIC(38, 9) NOT NULL DEFAULT 0;
ALTER TABLE parents ALTER COLUMN sent DROP DEFAULT;
ALTER TABLE parents ADD COLUMN slice_no INTEGER NOT NULL DEFAULT -1;
ALTER TABLE parents ALTER COLUMN slice_no DROP DEFAULT;
ALTER TABLE parents ADD COLUMN crossed NUMERIC(38, 9) NOT NULL DEFAULT 0;
ALTER TABLE parents ALTER COLUMN crossed DROP DEFAULT;
CREATE TABLE cash_held (
    journal_id BIGINT NOT NULL,
    currency TEXT NOT NULL,
    kind TEXT NOT NULL,
    amount NUMERIC(38, 9) NOT NULL,
    PRIMARY KEY (journal_id, currency, kind)
);
CREATE TABLE corporate_actions (
    journal_id BIGINT NOT NULL,
    action_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    inst INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    ex_date INTEGER NOT NULL,
    num INTEGER NOT NULL,
    den INTEGER NOT NULL,
    per_share NUMERIC(38, 9) NOT NULL,
    currency TEXT NOT NULL,
    pay_date INTEGER NOT NULL,
    withheld_ppm INTEGER NOT NULL,
    state TEXT NOT NULL,
    given_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    since_ns BIGINT NOT NULL,
    done_ns BIGINT NOT NULL,
    gross_due NUMERIC(38, 9) NOT NULL,
    withheld_due NUMERIC(38, 9) NOT NULL,
    PRIMARY KEY (journal_id, action_id)
);
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
    body JSONB NOT NULL,
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
    qty NUMERIC(38, 9) NOT NULL,
    px NUMERIC(38, 9) NOT NULL,
    commission NUMERIC(38, 9) NOT NULL,
    currency TEXT NOT NULL,
    amount NUMERIC(38, 9) NOT NULL,
    cash_kind TEXT NOT NULL,
    other_currency TEXT NOT NULL,
    other NUMERIC(38, 9) NOT NULL,
    text TEXT NOT NULL,
    moved_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE TABLE crosses (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    cause_seq BIGINT NOT NULL,
    inst INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    buyer TEXT NOT NULL,
    seller TEXT NOT NULL,
    qty NUMERIC(38, 9) NOT NULL,
    px NUMERIC(38, 9) NOT NULL,
    bid_px NUMERIC(38, 9) NOT NULL,
    ask_px NUMERIC(38, 9) NOT NULL,
    reason TEXT NOT NULL,
    buyer_parent BIGINT NOT NULL,
    seller_parent BIGINT NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE TABLE execution_shares (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    exec_id TEXT NOT NULL,
    strategy TEXT NOT NULL,
    qty NUMERIC(38, 9) NOT NULL,
    PRIMARY KEY (journal_id, seq, strategy)
);
CREATE TABLE fee_parts (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    exec_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    amount NUMERIC(38, 9) NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq, exec_id, kind)
);
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
    body JSONB NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE INDEX parent_events_parent_id ON parent_events (journal_id, parent_id);
CREATE TABLE position_lots (
    journal_id BIGINT NOT NULL,
    strategy TEXT NOT NULL,
    inst INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    qty NUMERIC(38, 9) NOT NULL,
    realised_fifo NUMERIC(38, 9) NOT NULL,
    lots JSONB NOT NULL,
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
    qty NUMERIC(38, 9) NOT NULL,
    px NUMERIC(38, 9) NOT NULL,
    deposit NUMERIC(38, 9) NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE VIEW fees AS SELECT t.* FROM fee_parts t WHERE NOT EXISTS (SELECT 1 FROM fee_parts n WHERE n.journal_id = t.journal_id AND n.seq > t.seq AND n.exec_id = t.exec_id);
CREATE VIEW lots AS SELECT p.journal_id, p.strategy, p.inst, p.symbol, l.place, ((l.lot ->> 'qty')::numeric * 0.000000001)::numeric(38, 9) AS qty, ((l.lot ->> 'cost')::numeric * 0.000000001)::numeric(38, 9) AS cost, (l.lot ->> 'seq')::bigint AS seq FROM position_lots p, jsonb_array_elements(p.lots) WITH ORDINALITY l (lot, place);
