CREATE TABLE alerts (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    cause_seq BIGINT NOT NULL,
    code TEXT NOT NULL,
    severity TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE TABLE bars (
    journal_id BIGINT NOT NULL,
    ts TIMESTAMP WITH TIME ZONE NOT NULL,
    inst INTEGER NOT NULL,
    ts_ns BIGINT NOT NULL,
    symbol TEXT NOT NULL,
    open_px NUMERIC(38, 9),
    high_px NUMERIC(38, 9),
    low_px NUMERIC(38, 9),
    close_px NUMERIC(38, 9),
    volume NUMERIC(38, 9) NOT NULL,
    turnover_units BIGINT NOT NULL,
    turnover_rest NUMERIC(38, 9) NOT NULL,
    trades BIGINT NOT NULL,
    bid_px NUMERIC(38, 9),
    ask_px NUMERIC(38, 9),
    quotes BIGINT NOT NULL,
    PRIMARY KEY (journal_id, inst, ts_ns, ts)
);
CREATE TABLE bars_1d (
    journal_id BIGINT NOT NULL,
    ts TIMESTAMP WITH TIME ZONE NOT NULL,
    inst INTEGER NOT NULL,
    ts_ns BIGINT NOT NULL,
    symbol TEXT NOT NULL,
    open_px NUMERIC(38, 9),
    high_px NUMERIC(38, 9),
    low_px NUMERIC(38, 9),
    close_px NUMERIC(38, 9),
    volume NUMERIC(38, 9) NOT NULL,
    turnover_units BIGINT NOT NULL,
    turnover_rest NUMERIC(38, 9) NOT NULL,
    trades BIGINT NOT NULL,
    bid_px NUMERIC(38, 9),
    ask_px NUMERIC(38, 9),
    quotes BIGINT NOT NULL,
    PRIMARY KEY (journal_id, inst, ts_ns, ts)
);
CREATE TABLE bars_1h (
    journal_id BIGINT NOT NULL,
    ts TIMESTAMP WITH TIME ZONE NOT NULL,
    inst INTEGER NOT NULL,
    ts_ns BIGINT NOT NULL,
    symbol TEXT NOT NULL,
    open_px NUMERIC(38, 9),
    high_px NUMERIC(38, 9),
    low_px NUMERIC(38, 9),
    close_px NUMERIC(38, 9),
    volume NUMERIC(38, 9) NOT NULL,
    turnover_units BIGINT NOT NULL,
    turnover_rest NUMERIC(38, 9) NOT NULL,
    trades BIGINT NOT NULL,
    bid_px NUMERIC(38, 9),
    ask_px NUMERIC(38, 9),
    quotes BIGINT NOT NULL,
    PRIMARY KEY (journal_id, inst, ts_ns, ts)
);
CREATE TABLE blocked (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    cause_seq BIGINT NOT NULL,
    strategy TEXT NOT NULL,
    inst INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE TABLE cash_changes (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    source TEXT NOT NULL,
    currency TEXT NOT NULL,
    amount NUMERIC(38, 9) NOT NULL,
    kind TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE TABLE code_versions (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    version TEXT NOT NULL,
    source_digest TEXT NOT NULL,
    kernel_digest TEXT NOT NULL,
    platform TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE TABLE commissions (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    exec_id TEXT NOT NULL,
    commission NUMERIC(38, 9) NOT NULL,
    currency TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE INDEX commissions_exec_id ON commissions (journal_id, exec_id);
CREATE TABLE configs (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    digest TEXT NOT NULL,
    body JSONB NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE TABLE days (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    date INTEGER NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE TABLE decisions (
    journal_id BIGINT NOT NULL,
    ts TIMESTAMP WITH TIME ZONE NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    cause_seq BIGINT NOT NULL,
    strategy TEXT NOT NULL,
    inst INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    score DOUBLE PRECISION,
    target NUMERIC(38, 9) NOT NULL,
    bid_px NUMERIC(38, 9) NOT NULL,
    ask_px NUMERIC(38, 9) NOT NULL,
    features JSONB NOT NULL,
    PRIMARY KEY (journal_id, seq, ts)
);
CREATE TABLE differences (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    cause_seq BIGINT NOT NULL,
    sync_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE TABLE divergences (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    source TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq, source)
);
CREATE TABLE equity (
    journal_id BIGINT NOT NULL,
    ts TIMESTAMP WITH TIME ZONE NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    equity NUMERIC(38, 9) NOT NULL,
    cash NUMERIC(38, 9) NOT NULL,
    unrealised NUMERIC(38, 9) NOT NULL,
    realised NUMERIC(38, 9) NOT NULL,
    fees NUMERIC(38, 9) NOT NULL,
    PRIMARY KEY (journal_id, seq, ts)
);
CREATE TABLE executions (
    journal_id BIGINT NOT NULL,
    ts TIMESTAMP WITH TIME ZONE NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    exec_id TEXT NOT NULL,
    root_exec_id TEXT NOT NULL,
    order_id BIGINT NOT NULL,
    strategy TEXT NOT NULL,
    inst INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    side INTEGER NOT NULL,
    qty NUMERIC(38, 9) NOT NULL,
    px NUMERIC(38, 9) NOT NULL,
    source TEXT NOT NULL,
    exchange_ts_ns BIGINT NOT NULL,
    liquidity INTEGER NOT NULL,
    PRIMARY KEY (journal_id, seq, ts)
);
CREATE INDEX executions_exec_id ON executions (journal_id, exec_id);
CREATE INDEX executions_order_id ON executions (journal_id, order_id);
CREATE TABLE external_features (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    name TEXT NOT NULL,
    inst INTEGER NOT NULL,
    value DOUBLE PRECISION,
    as_of_ns BIGINT NOT NULL,
    age_ns_max BIGINT NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE TABLE follower_position (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    frame_seq BIGINT NOT NULL,
    frame_mark BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    messages BIGINT NOT NULL,
    market_rows BIGINT NOT NULL,
    written_ns BIGINT NOT NULL,
    PRIMARY KEY (journal_id)
);
CREATE TABLE instruments (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    inst INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    con_id BIGINT NOT NULL,
    sec_type TEXT NOT NULL,
    exchange TEXT NOT NULL,
    primary_exchange TEXT NOT NULL,
    currency TEXT NOT NULL,
    calendar TEXT NOT NULL,
    etf BOOLEAN NOT NULL,
    sector TEXT NOT NULL,
    multiplier NUMERIC(38, 9) NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE TABLE journals (
    journal_id BIGINT GENERATED BY DEFAULT AS IDENTITY,
    created_ts_ns BIGINT NOT NULL,
    first_seq BIGINT NOT NULL,
    account TEXT NOT NULL,
    tag TEXT NOT NULL,
    branch INTEGER NOT NULL,
    PRIMARY KEY (journal_id),
    UNIQUE (created_ts_ns, first_seq, account, tag, branch)
);
CREATE TABLE latches (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    cause_seq BIGINT NOT NULL,
    level TEXT NOT NULL,
    scope TEXT NOT NULL,
    code TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    moved_by TEXT NOT NULL,
    value TEXT NOT NULL,
    bound TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE TABLE links (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    state TEXT NOT NULL,
    code BIGINT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE TABLE models (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE TABLE odds (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    cause_seq BIGINT NOT NULL,
    order_id BIGINT NOT NULL,
    what TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE TABLE operator_actions (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    action TEXT NOT NULL,
    scope TEXT NOT NULL,
    reason TEXT NOT NULL,
    operator TEXT NOT NULL,
    body JSONB NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE TABLE order_events (
    journal_id BIGINT NOT NULL,
    ts TIMESTAMP WITH TIME ZONE NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    order_id BIGINT NOT NULL,
    cause_seq BIGINT NOT NULL,
    what TEXT NOT NULL,
    state TEXT,
    qty NUMERIC(38, 9),
    filled NUMERIC(38, 9),
    limit_px NUMERIC(38, 9),
    text TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq, order_id, ts)
);
CREATE INDEX order_events_order_id ON order_events (journal_id, order_id);
CREATE TABLE orders (
    journal_id BIGINT NOT NULL,
    order_id BIGINT NOT NULL,
    parent_id BIGINT NOT NULL,
    slice_no BIGINT NOT NULL,
    strategy TEXT NOT NULL,
    inst INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    side INTEGER NOT NULL,
    qty NUMERIC(38, 9) NOT NULL,
    order_type TEXT NOT NULL,
    limit_px NUMERIC(38, 9) NOT NULL,
    tif TEXT NOT NULL,
    purpose INTEGER NOT NULL,
    order_ref TEXT NOT NULL,
    notional NUMERIC(38, 9) NOT NULL,
    reduce_only BOOLEAN NOT NULL,
    sent_ts_ns BIGINT NOT NULL,
    state TEXT NOT NULL,
    filled NUMERIC(38, 9) NOT NULL,
    perm_id BIGINT NOT NULL,
    version BIGINT NOT NULL,
    changed_ts_ns BIGINT NOT NULL,
    PRIMARY KEY (journal_id, order_id)
);
CREATE TABLE parents (
    journal_id BIGINT NOT NULL,
    parent_id BIGINT NOT NULL,
    strategy TEXT NOT NULL,
    inst INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    side INTEGER NOT NULL,
    qty NUMERIC(38, 9) NOT NULL,
    algo TEXT NOT NULL,
    start_ts_ns BIGINT NOT NULL,
    end_ts_ns BIGINT NOT NULL,
    slices INTEGER NOT NULL,
    limit_px NUMERIC(38, 9) NOT NULL,
    arrival_mid NUMERIC(38, 9) NOT NULL,
    purpose INTEGER NOT NULL,
    urgency INTEGER NOT NULL,
    state TEXT NOT NULL,
    paused BOOLEAN NOT NULL,
    paused_reason TEXT NOT NULL,
    filled NUMERIC(38, 9) NOT NULL,
    value NUMERIC(38, 9) NOT NULL,
    children INTEGER NOT NULL,
    child BIGINT NOT NULL,
    chases INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (journal_id, parent_id)
);
CREATE TABLE positions (
    journal_id BIGINT NOT NULL,
    strategy TEXT NOT NULL,
    inst INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    qty NUMERIC(38, 9) NOT NULL,
    cost NUMERIC(38, 9) NOT NULL,
    realised NUMERIC(38, 9) NOT NULL,
    fees NUMERIC(38, 9) NOT NULL,
    PRIMARY KEY (journal_id, strategy, inst)
);
CREATE TABLE records (
    journal_id BIGINT NOT NULL,
    ts TIMESTAMP WITH TIME ZONE NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    cause_seq BIGINT NOT NULL,
    kind TEXT NOT NULL,
    type TEXT NOT NULL,
    body JSONB NOT NULL,
    PRIMARY KEY (journal_id, seq, ts)
);
CREATE TABLE refusal_failures (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    place INTEGER NOT NULL,
    control INTEGER NOT NULL,
    code TEXT NOT NULL,
    value TEXT NOT NULL,
    bound TEXT NOT NULL,
    lift TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq, place)
);
CREATE TABLE refusals (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    cause_seq BIGINT NOT NULL,
    order_id BIGINT NOT NULL,
    parent_id BIGINT NOT NULL,
    strategy TEXT NOT NULL,
    inst INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    side INTEGER NOT NULL,
    qty NUMERIC(38, 9) NOT NULL,
    limit_px NUMERIC(38, 9) NOT NULL,
    control INTEGER NOT NULL,
    code TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE TABLE run_ends (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    how TEXT NOT NULL,
    failed_seq BIGINT,
    reason TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE TABLE runs (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    mode TEXT NOT NULL,
    ended_before TEXT NOT NULL,
    after_crash TEXT NOT NULL,
    guard_fired BOOLEAN NOT NULL,
    changed TEXT NOT NULL,
    safe BOOLEAN NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE TABLE segments (
    journal_id BIGINT NOT NULL,
    first_seq BIGINT NOT NULL,
    name TEXT NOT NULL,
    created_ts_ns BIGINT NOT NULL,
    previous_digest TEXT NOT NULL,
    PRIMARY KEY (journal_id, first_seq)
);
CREATE TABLE strategy_switches (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    cause_seq BIGINT NOT NULL,
    strategy TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE TABLE targets (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    cause_seq BIGINT NOT NULL,
    strategy TEXT NOT NULL,
    inst INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    qty NUMERIC(38, 9) NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE TABLE ticks (
    journal_id BIGINT NOT NULL,
    ts TIMESTAMP WITH TIME ZONE NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    exchange_ts_ns BIGINT NOT NULL,
    inst INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    bid_px NUMERIC(38, 9) NOT NULL,
    ask_px NUMERIC(38, 9) NOT NULL,
    bid_qty NUMERIC(38, 9) NOT NULL,
    ask_qty NUMERIC(38, 9) NOT NULL,
    PRIMARY KEY (journal_id, seq, ts)
);
CREATE VIEW quotes AS SELECT journal_id, seq, ts_ns, exchange_ts_ns, inst, flags, bid_px, ask_px, bid_qty, ask_qty FROM ticks WHERE kind = 1;
CREATE VIEW prints AS SELECT journal_id, seq, ts_ns, exchange_ts_ns, inst, flags, bid_px AS px, bid_qty AS qty FROM ticks WHERE kind = 2;
CREATE VIEW latches_held AS SELECT t.* FROM latches t WHERE t.state <> 'ACTIVE' AND NOT EXISTS (SELECT 1 FROM latches n WHERE n.journal_id = t.journal_id AND n.seq > t.seq AND n.level = t.level AND n.scope = t.scope AND n.code = t.code);
CREATE VIEW targets_held AS SELECT t.* FROM targets t WHERE NOT EXISTS (SELECT 1 FROM targets n WHERE n.journal_id = t.journal_id AND n.seq > t.seq AND n.strategy = t.strategy AND n.inst = t.inst);
CREATE VIEW trades AS SELECT t.*, (SELECT c.commission FROM commissions c JOIN executions v ON v.journal_id = c.journal_id AND v.exec_id = c.exec_id WHERE c.journal_id = t.journal_id AND v.root_exec_id = t.root_exec_id ORDER BY c.seq DESC LIMIT 1) AS commission FROM executions t WHERE NOT EXISTS (SELECT 1 FROM executions n WHERE n.journal_id = t.journal_id AND n.seq > t.seq AND n.root_exec_id = t.root_exec_id);
