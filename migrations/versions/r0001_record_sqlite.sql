CREATE TABLE alerts (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    cause_seq BIGINT NOT NULL,
    code TEXT NOT NULL,
    severity TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
)
 WITHOUT ROWID;
CREATE TABLE bars (
    journal_id BIGINT NOT NULL,
    inst INTEGER NOT NULL,
    ts_ns BIGINT NOT NULL,
    symbol TEXT NOT NULL,
    open_px NANOS_INTEGER,
    high_px NANOS_INTEGER,
    low_px NANOS_INTEGER,
    close_px NANOS_INTEGER,
    volume NANOS_INTEGER NOT NULL,
    turnover_units BIGINT NOT NULL,
    turnover_rest NANOS_INTEGER NOT NULL,
    trades BIGINT NOT NULL,
    bid_px NANOS_INTEGER,
    ask_px NANOS_INTEGER,
    quotes BIGINT NOT NULL,
    PRIMARY KEY (journal_id, inst, ts_ns)
)
 WITHOUT ROWID;
CREATE TABLE bars_1d (
    journal_id BIGINT NOT NULL,
    inst INTEGER NOT NULL,
    ts_ns BIGINT NOT NULL,
    symbol TEXT NOT NULL,
    open_px NANOS_INTEGER,
    high_px NANOS_INTEGER,
    low_px NANOS_INTEGER,
    close_px NANOS_INTEGER,
    volume NANOS_INTEGER NOT NULL,
    turnover_units BIGINT NOT NULL,
    turnover_rest NANOS_INTEGER NOT NULL,
    trades BIGINT NOT NULL,
    bid_px NANOS_INTEGER,
    ask_px NANOS_INTEGER,
    quotes BIGINT NOT NULL,
    PRIMARY KEY (journal_id, inst, ts_ns)
)
 WITHOUT ROWID;
CREATE TABLE bars_1h (
    journal_id BIGINT NOT NULL,
    inst INTEGER NOT NULL,
    ts_ns BIGINT NOT NULL,
    symbol TEXT NOT NULL,
    open_px NANOS_INTEGER,
    high_px NANOS_INTEGER,
    low_px NANOS_INTEGER,
    close_px NANOS_INTEGER,
    volume NANOS_INTEGER NOT NULL,
    turnover_units BIGINT NOT NULL,
    turnover_rest NANOS_INTEGER NOT NULL,
    trades BIGINT NOT NULL,
    bid_px NANOS_INTEGER,
    ask_px NANOS_INTEGER,
    quotes BIGINT NOT NULL,
    PRIMARY KEY (journal_id, inst, ts_ns)
)
 WITHOUT ROWID;
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
)
 WITHOUT ROWID;
CREATE TABLE cash_changes (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    source TEXT NOT NULL,
    currency TEXT NOT NULL,
    amount NANOS_INTEGER NOT NULL,
    kind TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
)
 WITHOUT ROWID;
CREATE TABLE code_versions (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    version TEXT NOT NULL,
    source_digest TEXT NOT NULL,
    kernel_digest TEXT NOT NULL,
    platform TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
)
 WITHOUT ROWID;
CREATE TABLE commissions (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    exec_id TEXT NOT NULL,
    commission NANOS_INTEGER NOT NULL,
    currency TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
)
 WITHOUT ROWID;
CREATE INDEX commissions_exec_id ON commissions (journal_id, exec_id);
CREATE TABLE configs (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    digest TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE TABLE days (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    date INTEGER NOT NULL,
    PRIMARY KEY (journal_id, seq)
)
 WITHOUT ROWID;
CREATE TABLE decisions (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    cause_seq BIGINT NOT NULL,
    strategy TEXT NOT NULL,
    inst INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    score DOUBLE,
    target NANOS_INTEGER NOT NULL,
    bid_px NANOS_INTEGER NOT NULL,
    ask_px NANOS_INTEGER NOT NULL,
    features TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
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
)
 WITHOUT ROWID;
CREATE TABLE divergences (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    source TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq, source)
)
 WITHOUT ROWID;
CREATE TABLE equity (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    equity NANOS_INTEGER NOT NULL,
    cash NANOS_INTEGER NOT NULL,
    unrealised NANOS_INTEGER NOT NULL,
    realised NANOS_INTEGER NOT NULL,
    fees NANOS_INTEGER NOT NULL,
    PRIMARY KEY (journal_id, seq)
)
 WITHOUT ROWID;
CREATE TABLE executions (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    exec_id TEXT NOT NULL,
    root_exec_id TEXT NOT NULL,
    order_id BIGINT NOT NULL,
    strategy TEXT NOT NULL,
    inst INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    side INTEGER NOT NULL,
    qty NANOS_INTEGER NOT NULL,
    px NANOS_INTEGER NOT NULL,
    source TEXT NOT NULL,
    exchange_ts_ns BIGINT NOT NULL,
    liquidity INTEGER NOT NULL,
    PRIMARY KEY (journal_id, seq)
)
 WITHOUT ROWID;
CREATE INDEX executions_exec_id ON executions (journal_id, exec_id);
CREATE INDEX executions_order_id ON executions (journal_id, order_id);
CREATE TABLE external_features (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    name TEXT NOT NULL,
    inst INTEGER NOT NULL,
    value DOUBLE,
    as_of_ns BIGINT NOT NULL,
    age_ns_max BIGINT NOT NULL,
    PRIMARY KEY (journal_id, seq)
)
 WITHOUT ROWID;
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
    multiplier NANOS_INTEGER NOT NULL,
    PRIMARY KEY (journal_id, seq)
)
 WITHOUT ROWID;
CREATE TABLE journals (
    journal_id INTEGER NOT NULL,
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
)
 WITHOUT ROWID;
CREATE TABLE links (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    state TEXT NOT NULL,
    code BIGINT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
)
 WITHOUT ROWID;
CREATE TABLE models (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
)
 WITHOUT ROWID;
CREATE TABLE odds (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    cause_seq BIGINT NOT NULL,
    order_id BIGINT NOT NULL,
    what TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
)
 WITHOUT ROWID;
CREATE TABLE operator_actions (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    action TEXT NOT NULL,
    scope TEXT NOT NULL,
    reason TEXT NOT NULL,
    operator TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
);
CREATE TABLE order_events (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    order_id BIGINT NOT NULL,
    cause_seq BIGINT NOT NULL,
    what TEXT NOT NULL,
    state TEXT,
    qty NANOS_INTEGER,
    filled NANOS_INTEGER,
    limit_px NANOS_INTEGER,
    text TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq, order_id)
)
 WITHOUT ROWID;
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
    qty NANOS_INTEGER NOT NULL,
    order_type TEXT NOT NULL,
    limit_px NANOS_INTEGER NOT NULL,
    tif TEXT NOT NULL,
    purpose INTEGER NOT NULL,
    order_ref TEXT NOT NULL,
    notional NANOS_INTEGER NOT NULL,
    reduce_only BOOLEAN NOT NULL,
    sent_ts_ns BIGINT NOT NULL,
    state TEXT NOT NULL,
    filled NANOS_INTEGER NOT NULL,
    perm_id BIGINT NOT NULL,
    version BIGINT NOT NULL,
    changed_ts_ns BIGINT NOT NULL,
    PRIMARY KEY (journal_id, order_id)
)
 WITHOUT ROWID;
CREATE TABLE parents (
    journal_id BIGINT NOT NULL,
    parent_id BIGINT NOT NULL,
    strategy TEXT NOT NULL,
    inst INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    side INTEGER NOT NULL,
    qty NANOS_INTEGER NOT NULL,
    algo TEXT NOT NULL,
    start_ts_ns BIGINT NOT NULL,
    end_ts_ns BIGINT NOT NULL,
    slices INTEGER NOT NULL,
    limit_px NANOS_INTEGER NOT NULL,
    arrival_mid NANOS_INTEGER NOT NULL,
    purpose INTEGER NOT NULL,
    urgency INTEGER NOT NULL,
    state TEXT NOT NULL,
    paused BOOLEAN NOT NULL,
    paused_reason TEXT NOT NULL,
    filled NANOS_INTEGER NOT NULL,
    value NANOS_INTEGER NOT NULL,
    children INTEGER NOT NULL,
    child BIGINT NOT NULL,
    chases INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (journal_id, parent_id)
)
 WITHOUT ROWID;
CREATE TABLE positions (
    journal_id BIGINT NOT NULL,
    strategy TEXT NOT NULL,
    inst INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    qty NANOS_INTEGER NOT NULL,
    cost NANOS_INTEGER NOT NULL,
    realised NANOS_INTEGER NOT NULL,
    fees NANOS_INTEGER NOT NULL,
    PRIMARY KEY (journal_id, strategy, inst)
)
 WITHOUT ROWID;
CREATE TABLE records (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    cause_seq BIGINT NOT NULL,
    kind TEXT NOT NULL,
    type TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
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
)
 WITHOUT ROWID;
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
    qty NANOS_INTEGER NOT NULL,
    limit_px NANOS_INTEGER NOT NULL,
    control INTEGER NOT NULL,
    code TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
)
 WITHOUT ROWID;
CREATE TABLE run_ends (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    how TEXT NOT NULL,
    failed_seq BIGINT,
    reason TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
)
 WITHOUT ROWID;
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
)
 WITHOUT ROWID;
CREATE TABLE segments (
    journal_id BIGINT NOT NULL,
    first_seq BIGINT NOT NULL,
    name TEXT NOT NULL,
    created_ts_ns BIGINT NOT NULL,
    previous_digest TEXT NOT NULL,
    PRIMARY KEY (journal_id, first_seq)
)
 WITHOUT ROWID;
CREATE TABLE strategy_switches (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    cause_seq BIGINT NOT NULL,
    strategy TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (journal_id, seq)
)
 WITHOUT ROWID;
CREATE TABLE targets (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    cause_seq BIGINT NOT NULL,
    strategy TEXT NOT NULL,
    inst INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    qty NANOS_INTEGER NOT NULL,
    PRIMARY KEY (journal_id, seq)
)
 WITHOUT ROWID;
CREATE TABLE ticks (
    journal_id BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    ts_ns BIGINT NOT NULL,
    exchange_ts_ns BIGINT NOT NULL,
    inst INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    bid_px NANOS_INTEGER NOT NULL,
    ask_px NANOS_INTEGER NOT NULL,
    bid_qty NANOS_INTEGER NOT NULL,
    ask_qty NANOS_INTEGER NOT NULL,
    PRIMARY KEY (journal_id, seq)
)
 WITHOUT ROWID;
CREATE VIEW quotes AS SELECT journal_id, seq, ts_ns, exchange_ts_ns, inst, flags, bid_px, ask_px, bid_qty, ask_qty FROM ticks WHERE kind = 1;
CREATE VIEW prints AS SELECT journal_id, seq, ts_ns, exchange_ts_ns, inst, flags, bid_px AS px, bid_qty AS qty FROM ticks WHERE kind = 2;
CREATE VIEW latches_held AS SELECT t.* FROM latches t WHERE t.state <> 'ACTIVE' AND NOT EXISTS (SELECT 1 FROM latches n WHERE n.journal_id = t.journal_id AND n.seq > t.seq AND n.level = t.level AND n.scope = t.scope AND n.code = t.code);
CREATE VIEW targets_held AS SELECT t.* FROM targets t WHERE NOT EXISTS (SELECT 1 FROM targets n WHERE n.journal_id = t.journal_id AND n.seq > t.seq AND n.strategy = t.strategy AND n.inst = t.inst);
CREATE VIEW trades AS SELECT t.*, (SELECT c.commission FROM commissions c JOIN executions v ON v.journal_id = c.journal_id AND v.exec_id = c.exec_id WHERE c.journal_id = t.journal_id AND v.root_exec_id = t.root_exec_id ORDER BY c.seq DESC LIMIT 1) AS commission FROM executions t WHERE NOT EXISTS (SELECT 1 FROM executions n WHERE n.journal_id = t.journal_id AND n.seq > t.seq AND n.root_exec_id = t.root_exec_id);
CREATE VIEW instruments_decimal AS SELECT journal_id, seq, ts_ns, inst, symbol, con_id, sec_type, exchange, primary_exchange, currency, calendar, etf, sector, CASE WHEN multiplier < 0 THEN '-' ELSE '' END || abs(multiplier / 1000000000) || '.' || printf('%09d', abs(multiplier % 1000000000)) AS multiplier FROM instruments;
CREATE VIEW decisions_decimal AS SELECT journal_id, seq, ts_ns, cause_seq, strategy, inst, symbol, score, CASE WHEN target < 0 THEN '-' ELSE '' END || abs(target / 1000000000) || '.' || printf('%09d', abs(target % 1000000000)) AS target, CASE WHEN bid_px < 0 THEN '-' ELSE '' END || abs(bid_px / 1000000000) || '.' || printf('%09d', abs(bid_px % 1000000000)) AS bid_px, CASE WHEN ask_px < 0 THEN '-' ELSE '' END || abs(ask_px / 1000000000) || '.' || printf('%09d', abs(ask_px % 1000000000)) AS ask_px, features FROM decisions;
CREATE VIEW refusals_decimal AS SELECT journal_id, seq, ts_ns, cause_seq, order_id, parent_id, strategy, inst, symbol, side, CASE WHEN qty < 0 THEN '-' ELSE '' END || abs(qty / 1000000000) || '.' || printf('%09d', abs(qty % 1000000000)) AS qty, CASE WHEN limit_px < 0 THEN '-' ELSE '' END || abs(limit_px / 1000000000) || '.' || printf('%09d', abs(limit_px % 1000000000)) AS limit_px, control, code FROM refusals;
CREATE VIEW targets_decimal AS SELECT journal_id, seq, ts_ns, cause_seq, strategy, inst, symbol, CASE WHEN qty < 0 THEN '-' ELSE '' END || abs(qty / 1000000000) || '.' || printf('%09d', abs(qty % 1000000000)) AS qty FROM targets;
CREATE VIEW order_events_decimal AS SELECT journal_id, seq, ts_ns, order_id, cause_seq, what, state, CASE WHEN qty < 0 THEN '-' ELSE '' END || abs(qty / 1000000000) || '.' || printf('%09d', abs(qty % 1000000000)) AS qty, CASE WHEN filled < 0 THEN '-' ELSE '' END || abs(filled / 1000000000) || '.' || printf('%09d', abs(filled % 1000000000)) AS filled, CASE WHEN limit_px < 0 THEN '-' ELSE '' END || abs(limit_px / 1000000000) || '.' || printf('%09d', abs(limit_px % 1000000000)) AS limit_px, text FROM order_events;
CREATE VIEW executions_decimal AS SELECT journal_id, seq, ts_ns, exec_id, root_exec_id, order_id, strategy, inst, symbol, side, CASE WHEN qty < 0 THEN '-' ELSE '' END || abs(qty / 1000000000) || '.' || printf('%09d', abs(qty % 1000000000)) AS qty, CASE WHEN px < 0 THEN '-' ELSE '' END || abs(px / 1000000000) || '.' || printf('%09d', abs(px % 1000000000)) AS px, source, exchange_ts_ns, liquidity FROM executions;
CREATE VIEW commissions_decimal AS SELECT journal_id, seq, ts_ns, exec_id, CASE WHEN commission < 0 THEN '-' ELSE '' END || abs(commission / 1000000000) || '.' || printf('%09d', abs(commission % 1000000000)) AS commission, currency FROM commissions;
CREATE VIEW cash_changes_decimal AS SELECT journal_id, seq, ts_ns, source, currency, CASE WHEN amount < 0 THEN '-' ELSE '' END || abs(amount / 1000000000) || '.' || printf('%09d', abs(amount % 1000000000)) AS amount, kind, reason FROM cash_changes;
CREATE VIEW equity_decimal AS SELECT journal_id, seq, ts_ns, CASE WHEN equity < 0 THEN '-' ELSE '' END || abs(equity / 1000000000) || '.' || printf('%09d', abs(equity % 1000000000)) AS equity, CASE WHEN cash < 0 THEN '-' ELSE '' END || abs(cash / 1000000000) || '.' || printf('%09d', abs(cash % 1000000000)) AS cash, CASE WHEN unrealised < 0 THEN '-' ELSE '' END || abs(unrealised / 1000000000) || '.' || printf('%09d', abs(unrealised % 1000000000)) AS unrealised, CASE WHEN realised < 0 THEN '-' ELSE '' END || abs(realised / 1000000000) || '.' || printf('%09d', abs(realised % 1000000000)) AS realised, CASE WHEN fees < 0 THEN '-' ELSE '' END || abs(fees / 1000000000) || '.' || printf('%09d', abs(fees % 1000000000)) AS fees FROM equity;
CREATE VIEW orders_decimal AS SELECT journal_id, order_id, parent_id, slice_no, strategy, inst, symbol, side, CASE WHEN qty < 0 THEN '-' ELSE '' END || abs(qty / 1000000000) || '.' || printf('%09d', abs(qty % 1000000000)) AS qty, order_type, CASE WHEN limit_px < 0 THEN '-' ELSE '' END || abs(limit_px / 1000000000) || '.' || printf('%09d', abs(limit_px % 1000000000)) AS limit_px, tif, purpose, order_ref, CASE WHEN notional < 0 THEN '-' ELSE '' END || abs(notional / 1000000000) || '.' || printf('%09d', abs(notional % 1000000000)) AS notional, reduce_only, sent_ts_ns, state, CASE WHEN filled < 0 THEN '-' ELSE '' END || abs(filled / 1000000000) || '.' || printf('%09d', abs(filled % 1000000000)) AS filled, perm_id, version, changed_ts_ns FROM orders;
CREATE VIEW parents_decimal AS SELECT journal_id, parent_id, strategy, inst, symbol, side, CASE WHEN qty < 0 THEN '-' ELSE '' END || abs(qty / 1000000000) || '.' || printf('%09d', abs(qty % 1000000000)) AS qty, algo, start_ts_ns, end_ts_ns, slices, CASE WHEN limit_px < 0 THEN '-' ELSE '' END || abs(limit_px / 1000000000) || '.' || printf('%09d', abs(limit_px % 1000000000)) AS limit_px, CASE WHEN arrival_mid < 0 THEN '-' ELSE '' END || abs(arrival_mid / 1000000000) || '.' || printf('%09d', abs(arrival_mid % 1000000000)) AS arrival_mid, purpose, urgency, state, paused, paused_reason, CASE WHEN filled < 0 THEN '-' ELSE '' END || abs(filled / 1000000000) || '.' || printf('%09d', abs(filled % 1000000000)) AS filled, CASE WHEN value < 0 THEN '-' ELSE '' END || abs(value / 1000000000) || '.' || printf('%09d', abs(value % 1000000000)) AS value, children, child, chases, reason FROM parents;
CREATE VIEW positions_decimal AS SELECT journal_id, strategy, inst, symbol, CASE WHEN qty < 0 THEN '-' ELSE '' END || abs(qty / 1000000000) || '.' || printf('%09d', abs(qty % 1000000000)) AS qty, CASE WHEN cost < 0 THEN '-' ELSE '' END || abs(cost / 1000000000) || '.' || printf('%09d', abs(cost % 1000000000)) AS cost, CASE WHEN realised < 0 THEN '-' ELSE '' END || abs(realised / 1000000000) || '.' || printf('%09d', abs(realised % 1000000000)) AS realised, CASE WHEN fees < 0 THEN '-' ELSE '' END || abs(fees / 1000000000) || '.' || printf('%09d', abs(fees % 1000000000)) AS fees FROM positions;
CREATE VIEW ticks_decimal AS SELECT journal_id, seq, ts_ns, exchange_ts_ns, inst, kind, flags, CASE WHEN bid_px < 0 THEN '-' ELSE '' END || abs(bid_px / 1000000000) || '.' || printf('%09d', abs(bid_px % 1000000000)) AS bid_px, CASE WHEN ask_px < 0 THEN '-' ELSE '' END || abs(ask_px / 1000000000) || '.' || printf('%09d', abs(ask_px % 1000000000)) AS ask_px, CASE WHEN bid_qty < 0 THEN '-' ELSE '' END || abs(bid_qty / 1000000000) || '.' || printf('%09d', abs(bid_qty % 1000000000)) AS bid_qty, CASE WHEN ask_qty < 0 THEN '-' ELSE '' END || abs(ask_qty / 1000000000) || '.' || printf('%09d', abs(ask_qty % 1000000000)) AS ask_qty FROM ticks;
CREATE VIEW bars_decimal AS SELECT journal_id, inst, ts_ns, symbol, CASE WHEN open_px < 0 THEN '-' ELSE '' END || abs(open_px / 1000000000) || '.' || printf('%09d', abs(open_px % 1000000000)) AS open_px, CASE WHEN high_px < 0 THEN '-' ELSE '' END || abs(high_px / 1000000000) || '.' || printf('%09d', abs(high_px % 1000000000)) AS high_px, CASE WHEN low_px < 0 THEN '-' ELSE '' END || abs(low_px / 1000000000) || '.' || printf('%09d', abs(low_px % 1000000000)) AS low_px, CASE WHEN close_px < 0 THEN '-' ELSE '' END || abs(close_px / 1000000000) || '.' || printf('%09d', abs(close_px % 1000000000)) AS close_px, CASE WHEN volume < 0 THEN '-' ELSE '' END || abs(volume / 1000000000) || '.' || printf('%09d', abs(volume % 1000000000)) AS volume, turnover_units, CASE WHEN turnover_rest < 0 THEN '-' ELSE '' END || abs(turnover_rest / 1000000000) || '.' || printf('%09d', abs(turnover_rest % 1000000000)) AS turnover_rest, trades, CASE WHEN bid_px < 0 THEN '-' ELSE '' END || abs(bid_px / 1000000000) || '.' || printf('%09d', abs(bid_px % 1000000000)) AS bid_px, CASE WHEN ask_px < 0 THEN '-' ELSE '' END || abs(ask_px / 1000000000) || '.' || printf('%09d', abs(ask_px % 1000000000)) AS ask_px, quotes FROM bars;
CREATE VIEW bars_1h_decimal AS SELECT journal_id, inst, ts_ns, symbol, CASE WHEN open_px < 0 THEN '-' ELSE '' END || abs(open_px / 1000000000) || '.' || printf('%09d', abs(open_px % 1000000000)) AS open_px, CASE WHEN high_px < 0 THEN '-' ELSE '' END || abs(high_px / 1000000000) || '.' || printf('%09d', abs(high_px % 1000000000)) AS high_px, CASE WHEN low_px < 0 THEN '-' ELSE '' END || abs(low_px / 1000000000) || '.' || printf('%09d', abs(low_px % 1000000000)) AS low_px, CASE WHEN close_px < 0 THEN '-' ELSE '' END || abs(close_px / 1000000000) || '.' || printf('%09d', abs(close_px % 1000000000)) AS close_px, CASE WHEN volume < 0 THEN '-' ELSE '' END || abs(volume / 1000000000) || '.' || printf('%09d', abs(volume % 1000000000)) AS volume, turnover_units, CASE WHEN turnover_rest < 0 THEN '-' ELSE '' END || abs(turnover_rest / 1000000000) || '.' || printf('%09d', abs(turnover_rest % 1000000000)) AS turnover_rest, trades, CASE WHEN bid_px < 0 THEN '-' ELSE '' END || abs(bid_px / 1000000000) || '.' || printf('%09d', abs(bid_px % 1000000000)) AS bid_px, CASE WHEN ask_px < 0 THEN '-' ELSE '' END || abs(ask_px / 1000000000) || '.' || printf('%09d', abs(ask_px % 1000000000)) AS ask_px, quotes FROM bars_1h;
CREATE VIEW bars_1d_decimal AS SELECT journal_id, inst, ts_ns, symbol, CASE WHEN open_px < 0 THEN '-' ELSE '' END || abs(open_px / 1000000000) || '.' || printf('%09d', abs(open_px % 1000000000)) AS open_px, CASE WHEN high_px < 0 THEN '-' ELSE '' END || abs(high_px / 1000000000) || '.' || printf('%09d', abs(high_px % 1000000000)) AS high_px, CASE WHEN low_px < 0 THEN '-' ELSE '' END || abs(low_px / 1000000000) || '.' || printf('%09d', abs(low_px % 1000000000)) AS low_px, CASE WHEN close_px < 0 THEN '-' ELSE '' END || abs(close_px / 1000000000) || '.' || printf('%09d', abs(close_px % 1000000000)) AS close_px, CASE WHEN volume < 0 THEN '-' ELSE '' END || abs(volume / 1000000000) || '.' || printf('%09d', abs(volume % 1000000000)) AS volume, turnover_units, CASE WHEN turnover_rest < 0 THEN '-' ELSE '' END || abs(turnover_rest / 1000000000) || '.' || printf('%09d', abs(turnover_rest % 1000000000)) AS turnover_rest, trades, CASE WHEN bid_px < 0 THEN '-' ELSE '' END || abs(bid_px / 1000000000) || '.' || printf('%09d', abs(bid_px % 1000000000)) AS bid_px, CASE WHEN ask_px < 0 THEN '-' ELSE '' END || abs(ask_px / 1000000000) || '.' || printf('%09d', abs(ask_px % 1000000000)) AS ask_px, quotes FROM bars_1d;
