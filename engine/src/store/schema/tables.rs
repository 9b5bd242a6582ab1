/// The tables of schema version 1, without the segments.
///
/// Names in `store` are ours to change with a migration; analysts see the views in `main`.
pub(super) const VERSION_1: &str = "
CREATE SCHEMA store;
CREATE TABLE store.meta (key VARCHAR NOT NULL, value VARCHAR NOT NULL);
INSERT INTO store.meta VALUES ('format', 'almanac'), ('schema_version', '1');
CREATE TABLE store.series (series_id UINTEGER NOT NULL, labels MAP(VARCHAR, VARCHAR) NOT NULL);
CREATE TABLE store.segments (
    segment_id UBIGINT NOT NULL, kind VARCHAR NOT NULL, frozen BOOLEAN NOT NULL,
    rows UBIGINT, min_ms BIGINT, max_ms BIGINT, since_ms BIGINT);
CREATE TABLE store.spans (series_id UINTEGER NOT NULL, min_ms BIGINT NOT NULL, max_ms BIGINT NOT NULL);
CREATE TABLE store.hot_1 (series_id UINTEGER NOT NULL, timestamp TIMESTAMP_MS NOT NULL, value DOUBLE);
CREATE TABLE store.late_2 (series_id UINTEGER NOT NULL, timestamp TIMESTAMP_MS NOT NULL, value DOUBLE, seq BIGINT NOT NULL);
INSERT INTO store.segments (segment_id, kind, frozen) VALUES (1, 'hot', false), (2, 'late', false);
CREATE TABLE store.rollup_5m (
    series_id UINTEGER NOT NULL, timestamp TIMESTAMP_MS NOT NULL, count UBIGINT NOT NULL,
    sum DOUBLE NOT NULL, min DOUBLE NOT NULL, max DOUBLE NOT NULL, last DOUBLE NOT NULL);
CREATE TABLE store.rollup_1h (
    series_id UINTEGER NOT NULL, timestamp TIMESTAMP_MS NOT NULL, count UBIGINT NOT NULL,
    sum DOUBLE NOT NULL, min DOUBLE NOT NULL, max DOUBLE NOT NULL, last DOUBLE NOT NULL);
CREATE TABLE store.signals (
    signal VARCHAR NOT NULL, expr VARCHAR NOT NULL, origin VARCHAR NOT NULL, step_ms BIGINT NOT NULL,
    status VARCHAR NOT NULL, reason VARCHAR, seasons_ms BIGINT[] NOT NULL, model VARCHAR, fitted_at TIMESTAMP_MS,
    points UBIGINT NOT NULL, mase DOUBLE, coverage_80 DOUBLE, coverage_95 DOUBLE);
CREATE TABLE store.forecasts (
    signal VARCHAR NOT NULL, made_at TIMESTAMP_MS NOT NULL, timestamp TIMESTAMP_MS NOT NULL, yhat DOUBLE NOT NULL,
    yhat_lower_80 DOUBLE NOT NULL, yhat_upper_80 DOUBLE NOT NULL, yhat_lower_95 DOUBLE NOT NULL,
    yhat_upper_95 DOUBLE NOT NULL, model VARCHAR NOT NULL);
CREATE TABLE store.anomalies (
    signal VARCHAR NOT NULL, timestamp TIMESTAMP_MS NOT NULL, value DOUBLE NOT NULL, yhat DOUBLE NOT NULL,
    yhat_lower DOUBLE NOT NULL, yhat_upper DOUBLE NOT NULL, score DOUBLE NOT NULL);
CREATE TABLE store.recommendations (
    id VARCHAR NOT NULL, kind VARCHAR NOT NULL, target VARCHAR NOT NULL, current VARCHAR NOT NULL,
    proposed VARCHAR NOT NULL, valid_from TIMESTAMP_MS NOT NULL, valid_until TIMESTAMP_MS,
    effect_metric VARCHAR NOT NULL, effect_unit VARCHAR NOT NULL, effect_value DOUBLE NOT NULL,
    effect_lower DOUBLE NOT NULL, effect_upper DOUBLE NOT NULL, effect_level DOUBLE NOT NULL,
    confidence DOUBLE NOT NULL, reason VARCHAR NOT NULL, evidence VARCHAR NOT NULL, patch_format VARCHAR NOT NULL,
    patch_body VARCHAR NOT NULL, state VARCHAR NOT NULL, created_at TIMESTAMP_MS NOT NULL,
    updated_at TIMESTAMP_MS NOT NULL, replaces VARCHAR);
CREATE TABLE store.outcomes (
    seq BIGINT NOT NULL, recommendation VARCHAR NOT NULL, timestamp TIMESTAMP_MS NOT NULL, from_state VARCHAR,
    to_state VARCHAR NOT NULL, actor VARCHAR NOT NULL, note VARCHAR, predicted DOUBLE, predicted_lower DOUBLE,
    predicted_upper DOUBLE, realised DOUBLE, realised_lower DOUBLE, realised_upper DOUBLE);
CREATE TABLE store.cache_events (
    seq BIGINT NOT NULL, timestamp TIMESTAMP_MS NOT NULL, cache VARCHAR NOT NULL, key VARCHAR NOT NULL,
    op VARCHAR NOT NULL, bytes UBIGINT, miss_cost_ms DOUBLE, ordinal UINTEGER NOT NULL);
CREATE TABLE store.deploys (seq BIGINT NOT NULL, timestamp TIMESTAMP_MS NOT NULL, service VARCHAR NOT NULL, version VARCHAR);
CREATE TABLE store.incidents (
    seq BIGINT NOT NULL, started_at TIMESTAMP_MS NOT NULL, ended_at TIMESTAMP_MS, title VARCHAR NOT NULL,
    target VARCHAR, source VARCHAR NOT NULL);
";

/// What version 2 adds: what several signals say together, and of what kind an anomaly is.
pub(super) const VERSION_2: &str = "
ALTER TABLE store.anomalies ADD COLUMN kind VARCHAR;
CREATE TABLE store.suspected_incidents (
    started_at TIMESTAMP_MS NOT NULL, ended_at TIMESTAMP_MS NOT NULL, first_mover VARCHAR NOT NULL,
    confidence DOUBLE NOT NULL, signals VARCHAR[] NOT NULL, peak DOUBLE NOT NULL);
CREATE TABLE store.peer_outliers (
    expr VARCHAR NOT NULL, series VARCHAR NOT NULL, started_at TIMESTAMP_MS NOT NULL, ended_at TIMESTAMP_MS NOT NULL,
    peak DOUBLE NOT NULL, peers UBIGINT NOT NULL);
";
