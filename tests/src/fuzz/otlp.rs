//! Targets: OTLP's metrics, spans and log records, as protobuf and as JSON; the loops of statements in traces.

#![expect(clippy::expect_used, reason = "a target without its store cannot run")]

use std::sync::LazyLock;

use almanac_engine::{
    database::traces::{Window, WindowFilter, loops},
    ingest::otlp::{Encoding, Otlp, OtlpError, OtlpSettings, Signal},
};

use super::{one_line, store};

/// State of streams and counters is kept from input to input.
static OTLP: LazyLock<Otlp> = LazyLock::new(|| {
    let settings =
        OtlpSettings { promote_resource_attributes: vec!["host.name".to_owned()], ..OtlpSettings::default() };
    Otlp::new(store::ingest().clone(), settings)
});

/// Exports as protobuf.
pub(super) fn protobuf(data: &[u8]) {
    receive(Encoding::Protobuf, data);
}

/// Exports as JSON.
pub(super) fn json(data: &[u8]) {
    receive(Encoding::Json, data);
}

/// Spans as protobuf: their requests are stored and searched for loops.
pub(super) fn traces(data: &[u8]) {
    // An Otlp of its own, so that the statements of other targets are not read again and again.
    let otlp = Otlp::new(store::ingest().clone(), OtlpSettings::default());
    match otlp.receive(Signal::Traces, Encoding::Protobuf, data, store::now()) {
        Ok(pending) => drop(pending.wait().expect("an export can be stored")),
        Err(OtlpError::Store(error)) => panic!("an export could not be stored: {error}"),
        Err(error) => return one_line::check(&error),
    }
    otlp.store_traces(store::now(), true).expect("statements can be stored");
    let window = Window::read(store::ingest().store(), &WindowFilter::default()).expect("they can be read");
    for one in loops(&window) {
        let ranges = [one.share, one.saved, one.saved_per_day];
        assert!(one.looping <= one.requests, "{one:?}");
        assert!(ranges.iter().all(|range| range.lower <= range.value && range.value <= range.upper), "{one:?}");
    }
}

fn receive(encoding: Encoding, data: &[u8]) {
    for signal in [Signal::Metrics, Signal::Traces, Signal::Logs] {
        match OTLP.receive(signal, encoding, data, store::now()) {
            Ok(pending) => {
                let summary = pending.wait().expect("an export can be stored");
                assert!(summary.rejected <= summary.items, "{summary:?}");
                assert!(summary.rejected == 0 || !summary.message.is_empty(), "{summary:?}");
                one_line::check_text(&summary.message);
            }
            Err(OtlpError::Store(error)) => panic!("an export could not be stored: {error}"),
            Err(error) => one_line::check(&error),
        }
    }
}
