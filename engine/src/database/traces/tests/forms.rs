//! All forms of loops are found, with their evidence; what resembles them is not.

use super::{
    super::{LoopForm, LoopKind, Orm, loops, polls},
    *,
};

fn family(sql: &str) -> String {
    statement(sql).family.clone()
}

#[test]
fn a_serial_loop_has_its_parent_growth_and_saving() {
    let traces: Vec<_> = (0..40).map(|idx| serial(idx, 10 + u64::try_from(idx).unwrap() % 20)).collect();
    let found = loops(&window(&traces));
    assert_eq!(found.len(), 1, "{found:#?}");
    let one = &found[0];
    assert_eq!((one.kind, one.form, one.orm), (LoopKind::NPlusOne, LoopForm::Serial, Some(Orm::SqlAlchemy)));
    assert_eq!((one.route.route.as_str(), one.route.service.as_str()), ("GET /api/tasks", "shop"));
    assert_eq!((one.requests, one.looping), (40, 40));
    assert!(one.share.lower > 0.95 && one.share.upper > 0.999_999, "{:?}", one.share);
    assert_eq!(one.statement.family, family(OWNER));
    assert_eq!(one.statement.text, "SELECT users.id, users.name FROM users WHERE users.id = $1::INTEGER");
    let parent = one.parent.as_ref().unwrap();
    assert_eq!((parent.family.clone(), parent.share), (family(LIST), 1.0));
    assert_eq!((one.calls.median, one.calls.p95, one.varies), (19.0, 28.0, true));
    assert!((one.seconds.median / 0.038 - 1.0).abs() < 0.05, "{:?}", one.seconds);
    assert!(one.request_share > 0.7 && one.placeholders_only > 0.99 && one.identical < 0.01);
    let growth = one.growth.unwrap();
    assert!((growth.slope - 1.0).abs() < 1e-9 && growth.correlation > 0.999, "{growth:?}");
    // 19 calls of 2 ms become one: at least half, at most all but one call.
    assert!(one.saved.lower > 0.015 && one.saved.value > 0.03 && one.saved.upper < 0.042, "{:?}", one.saved);
    assert!((one.saved_per_day.value / (40.0 * 24.0 * 0.0324) - 1.0).abs() < 0.1, "{:?}", one.saved_per_day);
    assert!(one.proposal.eager_loading.as_ref().unwrap().contains("selectinload"));
    assert_eq!(
        one.proposal.statement.as_deref(),
        Some("SELECT users.id, users.name FROM users WHERE users.id = ANY($1::INTEGER[])")
    );
    assert_eq!(polls(&window(&traces)), []);
}

#[test]
fn the_parent_is_the_read_of_the_list() {
    let parent = |rows: Option<u64>| {
        let request = |trace| {
            let mut request = Trace::server(trace, "GET /a");
            request.sql_with(LIST, 4 * MS, rows).sql("SELECT name FROM teams WHERE id = $1", MS);
            request.sql("SELECT count(*) FROM tasks WHERE done = $1", 2 * MS);
            for _ in 0..10 {
                request.sql(OWNER, 8 * MS);
            }
            request.end()
        };
        loops(&window(&(0..5).map(request).collect::<Vec<_>>())).remove(0).parent.unwrap().family
    };
    assert_eq!(parent(None), family("SELECT name FROM teams WHERE id = $1"));
    assert_eq!(parent(Some(10)), family(LIST));
}

#[test]
fn overlapping_calls_are_a_parallel_loop() {
    let traces: Vec<_> = (0..20).map(|idx| parallel(idx, 20)).collect();
    let found = loops(&window(&traces));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].form, found[0].calls.median, found[0].varies), (LoopForm::Parallel, 20.0, false));
    // Overlapping time counts once: 20 calls of 6 ms that start 0.1 ms apart.
    assert!((found[0].seconds.median / 0.007_9 - 1.0).abs() < 0.05, "{:?}", found[0].seconds);
}

#[test]
fn alternating_loops_are_both_found() {
    let traces: Vec<_> = (0..20).map(|idx| interleaved(idx, 12)).collect();
    let found = loops(&window(&traces));
    assert_eq!(found.len(), 2);
    for (one, partner) in [(&found[0], &found[1]), (&found[1], &found[0])] {
        assert_eq!((one.form, one.calls.median), (LoopForm::Interleaved, 12.0));
        assert_eq!(one.partners, std::slice::from_ref(&partner.statement.family));
        assert_eq!(one.parent.as_ref().unwrap().family, family(LIST));
    }
}

#[test]
fn a_loop_behind_a_warm_cache_is_found_by_reads_of_the_cache() {
    // No request has five calls: two or three of thirty reads of the cache miss.
    let few: Vec<_> = (0..50).map(|idx| warm(idx, 30, u64::try_from(idx).unwrap() % 4)).collect();
    let found = loops(&window(&few));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((found[0].form, found[0].looping, found[0].requests), (LoopForm::WarmCache, 24, 50));
    assert!(found[0].seconds.median > 0.003, "{:?}", found[0].seconds);
    let cache = found[0].cache.unwrap();
    assert!(cache.behind > 0.99 && (cache.lookups.median - 30.0).abs() < 1e-9, "{cache:?}");
    // Cold requests are rare.
    let cold: Vec<_> = (0..100).map(|idx| warm(idx, 30, if idx % 25 == 0 { 30 } else { 0 })).collect();
    let found = loops(&window(&cold));
    assert_eq!((found.len(), found[0].form, found[0].looping), (1, LoopForm::WarmCache, 4));
    assert!(found[0].share.lower > 0.01 && found[0].share.upper < 0.08, "{:?}", found[0].share);
}

#[test]
fn a_loop_behind_a_cache_without_spans_is_found_by_its_tail() {
    let traces: Vec<_> = (0..100).map(|idx| if idx % 20 == 0 { serial(idx, 30) } else { serial(idx, 0) }).collect();
    let found = loops(&window(&traces));
    assert_eq!((found.len(), found[0].form, found[0].looping), (1, LoopForm::WarmCache, 5));
    let cache = found[0].cache.unwrap();
    assert!(cache.behind.abs() < 1e-9 && cache.lookups.p95.abs() < 1e-9);
}

#[test]
fn literals_tell_repeated_values_from_others() {
    let with = |values: &dyn Fn(u64) -> u64| {
        let request = |trace| {
            let mut request = Trace::server(trace, "GET /a");
            for idx in 0..10 {
                request.sql(&format!("SELECT * FROM settings WHERE id = {}", values(idx)), 6 * MS);
            }
            request.end()
        };
        loops(&window(&(0..5).map(request).collect::<Vec<_>>())).remove(0)
    };
    let other = with(&|idx| idx);
    assert!(other.identical.abs() < 1e-9 && other.placeholders_only.abs() < 1e-9);
    let same = with(&|_| 7);
    assert!((same.identical - 1.0).abs() < 1e-9 && same.proposal.statement.is_none(), "{same:?}");
    assert!(same.proposal.change.contains("once") && same.statement.text.ends_with("id = $1"));
}

#[test]
fn rows_written_one_by_one_are_a_batch() {
    let insert = |trace| {
        let mut request = Trace::server(trace, "POST /api/import");
        for _ in 0..20 {
            request.sql("INSERT INTO events (a, b) VALUES ($1, $2)", 3 * MS);
        }
        request.end()
    };
    let found = loops(&window(&(0..5).map(insert).collect::<Vec<_>>()));
    assert_eq!((found.len(), found[0].kind), (1, LoopKind::Batch));
    assert!(found[0].proposal.change.contains("many rows") && found[0].proposal.statement.is_none());
}

#[test]
fn a_worker_that_waits_for_work_polls() {
    let mut worker = Trace::new(1, Role::Inner { name: "worker".into() });
    for _ in 0..30 {
        worker.sql("SELECT id FROM jobs WHERE state = $1 FOR UPDATE SKIP LOCKED LIMIT 1", 2 * MS);
        worker.at += 1_000 * MS;
    }
    let traces: Vec<_> = (0..4)
        .map(|trace| {
            let mut spans = Trace { spans: worker.spans.clone(), reader: StatementReader::default(), ..worker }.end();
            spans.iter_mut().for_each(|span| span.trace = trace);
            spans
        })
        .collect();
    let window = window(&traces);
    assert_eq!(loops(&window), []);
    let found = polls(&window);
    assert_eq!((found.len(), found[0].kind, found[0].route.origin), (1, LoopKind::Polling, RequestOrigin::Job));
}

#[test]
fn a_driver_below_the_orm_does_not_double_the_calls() {
    let doubled = |trace| {
        let mut spans = serial(trace, 12);
        let calls: Vec<TraceSpan> = spans.iter().filter(|span| matches!(span.role, Role::Call(_))).cloned().collect();
        for (idx, mut call) in calls.into_iter().enumerate() {
            call.id = 1_000 + u64::try_from(idx).unwrap();
            call.scope = "opentelemetry.instrumentation.asyncpg".into();
            (call.start_ns, call.end_ns) = (call.start_ns + 1_000, call.end_ns - 1_000);
            spans.push(call);
        }
        spans
    };
    let found = loops(&window(&(0..5).map(doubled).collect::<Vec<_>>()));
    assert_eq!((found.len(), found[0].form, found[0].calls.median), (1, LoopForm::Serial, 12.0));
    assert_eq!(found[0].orm, Some(Orm::SqlAlchemy));
}

#[test]
fn a_call_without_its_parent_belongs_to_the_request_around_it() {
    let lost = |trace| {
        let mut spans = serial(trace, 12);
        // An inner span between the request and its calls was lost.
        spans.iter_mut().filter(|span| span.parent == 1).for_each(|span| span.parent = 77);
        spans
    };
    let found = loops(&window(&(0..5).map(lost).collect::<Vec<_>>()));
    assert_eq!((found.len(), found[0].calls.median, found[0].requests), (1, 12.0, 5));
    // Without the request, nothing is said.
    let only_calls: Vec<_> = (0..5).map(|trace| lost(trace)[1..].to_vec()).collect();
    assert_eq!(window(&only_calls), Window { length_ms: 3_600_000, ..Window::default() });
    // Parents in a circle.
    let circle = |trace| {
        let mut spans = serial(trace, 12);
        (spans[1].parent, spans[2].parent, spans[0].parent) = (3, 2, 3);
        requests_of(&spans)
    };
    assert_eq!(circle(1).len(), 1);
}

#[test]
fn a_nested_request_of_another_service_has_its_own_calls() {
    let nested = |trace| {
        let mut spans = serial(trace, 6);
        let mut inner = serial(trace, 6);
        for span in &mut inner {
            span.id += 100;
            span.parent = if span.parent == 0 { 1 } else { span.parent + 100 };
            span.service = "users".into();
        }
        spans.extend(inner);
        spans
    };
    let found = loops(&window(&(0..5).map(nested).collect::<Vec<_>>()));
    let seen: Vec<(&str, f64)> = found.iter().map(|one| (one.route.service.as_str(), one.calls.median)).collect();
    assert_eq!(seen, [("shop", 6.0), ("users", 6.0)]);
}

#[test]
fn many_loops_and_deep_traces_are_examined_within_bounds() {
    let mut request = Trace::server(1, "GET /api/report");
    let texts: Vec<String> = (0..200).map(|idx| format!("SELECT a FROM t{idx} WHERE id = $1")).collect();
    for _ in 0..6 {
        for text in &texts {
            request.sql(text, MS);
        }
    }
    let requests = requests_of(&request.end());
    assert_eq!(requests[0].groups.len(), 200);
    for group in &requests[0].groups {
        assert!(group.interleaved == 5 && group.partners.len() <= 40, "{}", group.partners.len());
    }
    let mut deep = Trace::server(2, "GET /api/deep");
    let (mut parent, at) = (1, deep.at);
    for _ in 0..2_000 {
        parent = deep.push(parent, at, at + 2 * MS, "", Role::Inner { name: "step".into() });
    }
    let role = deep.role_of(OWNER, None);
    deep.push(parent, at, at + MS, SQLALCHEMY, role);
    // The parents are not followed to the request, whose time contains the call.
    assert_eq!(requests_of(&deep.end())[0].groups.len(), 1);
}
