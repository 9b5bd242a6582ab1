//! Measures one recommendation on a copy, within a time limit, and removes what it made.

use std::{
    collections::BTreeMap,
    future::Future,
    time::{Duration, Instant},
};

use almanac_engine::{
    advise::database::verify::{Action, Report, StatementReport, Subject, WriteCost, compare, conclude},
    database::{
        Catalogue, ParameterValues,
        read::{self, Server},
    },
};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    VerifyError,
    cleanup::Made,
    effects, index, place, planner, rewritten,
    rounds::{self, Execution, Run},
    session::Session,
    writes,
};
use crate::database::{Address, DatabaseClient};

/// Most rounds of each side.
const MOST_ROUNDS: usize = 15;
/// Least rounds of each side.
const LEAST_ROUNDS: usize = 4;
/// Share of the time limit after which rows are inserted in no more than the least rounds; these end with the limit.
const INSERT_SHARE: f64 = 0.25;
/// Least sets of values of a statement, if it has as many.
const LEAST_SETS: usize = 2;

/// How a recommendation is measured.
#[derive(Debug, Clone)]
pub struct Options {
    /// Time of the rounds of one recommendation; building the index comes on top.
    pub seconds: f64,
    /// Longest time of a statement.
    pub statement_timeout: Duration,
    /// Most statements of one recommendation.
    pub statements: usize,
    /// Whether a change that is confirmed stays in the copy.
    pub keep: bool,
    /// Seed of values and of the order of rounds.
    pub seed: u64,
    /// Values seen in plans or the log, by family.
    pub known: BTreeMap<String, Vec<ParameterValues>>,
}

/// Measures a recommendation. Everything that was made in the copy is removed at the end, also after an error and when
/// `interrupted` is ready first.
///
/// # Errors
/// [`VerifyError`].
pub async fn verify(
    copy: &Address,
    subject: &Subject,
    options: &Options,
    interrupted: impl Future<Output = ()>,
) -> Result<Report, VerifyError> {
    let made = Made::default();
    let session = Session::connect(copy, options.statement_timeout).await?;
    let canceller = session.canceller();
    let result = tokio::select! {
        result = measure(copy, &session, subject, options, &made) => result,
        () = interrupted => {
            canceller.cancel().await;
            Err(VerifyError::Interrupted)
        }
    };
    // Rolls an open transaction back, whose locks the removal would wait for.
    drop(session);
    made.remove(copy).await?;
    result
}

async fn catalogue(copy: &Address) -> Result<Catalogue, VerifyError> {
    let client = DatabaseClient::connect(copy).await?;
    let wrong = |error: read::ReadError| VerifyError::Refused(crate::chain(&error));
    let text = client.run("the server", read::SERVER).await?.unwrap_or_default();
    let server = Server::read(&text).map_err(wrong)?;
    let text = client.run("the catalogue", &read::catalogue(&server, false)).await?.unwrap_or_default();
    server.catalogue(&text, false).map_err(wrong)
}

async fn measure(
    copy: &Address,
    session: &Session,
    subject: &Subject,
    options: &Options,
    made: &Made,
) -> Result<Report, VerifyError> {
    let is_index = subject.has_index();
    if is_index && let Some(reason) = place::refusal(session, &subject.table).await? {
        return Err(VerifyError::Refused(reason));
    }
    let mut notes = vec![
        "Rounds are warm: caches are as after an execution of both sides; cold reads are not measured.".to_owned(),
    ];
    if is_index && index::settle(session, subject).await? {
        notes.push("The table had no statistics or no visibility map; it was vacuumed and analysed.".to_owned());
    }
    let subject = &Subject {
        is_partitioned: subject.is_partitioned || is_index && index::is_partitioned(session, subject).await?,
        ..subject.clone()
    };
    let catalogue = catalogue(copy).await?;
    let mut rng = StdRng::seed_from_u64(options.seed);
    let limit = format!("SET statement_timeout = {}", options.statement_timeout.as_millis());
    session.run("the session", &limit).await?;
    let (mut runs, mut skipped) =
        rounds::prepare(session, &catalogue, subject, &options.known, options.statements, &mut rng).await;
    let (mut build, mut planned) = (None, None);
    if let Some((statement, _)) = subject.built() {
        if matches!(subject.action, Action::Create { .. }) {
            planned = planner::planner(session, statement, &runs).await?;
        }
        let built = index::build(session, subject, made).await?;
        if built.seconds.is_none() {
            notes.push("The index was in the copy before; it stays there.".to_owned());
        }
        build = Some(built);
    } else if is_index && index::state(session, subject).await?.is_none() {
        return Err(VerifyError::Refused(format!("the copy has no index {}", index::name(subject))));
    }
    let (insert, quiet) = if is_index { inserts(session, subject, &mut notes).await? } else { (None, false) };
    notes.extend(runs.iter_mut().flat_map(|run| std::mem::take(&mut run.notes)));
    let results = rewritten::results(session, &runs).await?;
    let difference = match &subject.alternative {
        Some(alternative) => Some(rewritten::difference(session, &runs, alternative).await?),
        None => None,
    };
    session.run("the session", &limit).await?;
    // A statement that takes long is warmed, and then measured, with fewer sets of values.
    let cap = Duration::from_secs_f64(options.seconds / 8.0 / runs.len().max(1) as f64);
    let mut work = Work { session, subject, timeout: options.statement_timeout, cap: Some(cap), insert, quiet };
    // The first rounds of both sides warm the caches, show failing statements and how long a round takes.
    let started = Instant::now();
    let mut reads: [Vec<String>; 2] = Default::default();
    for is_before in [true, false] {
        let round = work.round(is_before, &runs).await?;
        let side = &mut reads[usize::from(!is_before)];
        side.extend(
            round.executions.iter().map(|own| own.iter().map(|one| one.reads.as_str()).collect::<Vec<_>>().join(";")),
        );
        for (run, executions) in runs.iter_mut().zip(&round.executions) {
            run.truncate(executions.len());
        }
        for (idx, failed) in round.failed.into_iter().rev() {
            let run = runs.remove(idx);
            reads.iter_mut().filter(|side| side.len() > idx).for_each(|side| drop(side.remove(idx)));
            skipped.push(rounds::skip(&run.target, failed));
        }
    }
    if subject.action == Action::Drop {
        // Statements whose plans are the same on both sides lose nothing, and their times would hide those of the others.
        let all = runs.len();
        let mut same = reads[0].iter().zip(&reads[1]).map(|(before, after)| before == after);
        runs.retain(|_| !same.next().unwrap_or(false));
        if runs.len() < all {
            notes.push(format!(
                "{} of {all} statements are read in the same way without the index and were not timed.",
                all - runs.len()
            ));
        }
    }
    work.cap = None;
    let pair = started.elapsed().as_secs_f64().max(1e-3);
    let budget = (options.seconds - pair).max(0.0);
    let fit = budget / pair;
    if fit < LEAST_ROUNDS as f64 {
        // Fewer sets of values in place of too few rounds.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
        let sets = |count: usize| ((count as f64 * fit / LEAST_ROUNDS as f64) as usize).max(LEAST_SETS);
        runs.iter_mut().for_each(|run| run.truncate(sets(run.executions.len())));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let rounds = (fit as usize).clamp(LEAST_ROUNDS, MOST_ROUNDS);
    // Too few rounds show nothing, so that they may take longer.
    let hard = |rounds: usize| Duration::from_secs_f64(options.seconds * if rounds < LEAST_ROUNDS { 4.0 } else { 2.0 });
    let (mut before, mut after): (Vec<Round>, Vec<Round>) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let first = rng.random_bool(0.5);
        for is_before in [first, !first] {
            let round = work.round(is_before, &runs).await?;
            if is_before { before.push(round) } else { after.push(round) }
        }
        if started.elapsed() > hard(before.len()) {
            notes.push(format!("The time limit ended the measurement after {} rounds of each side.", before.len()));
            break;
        }
    }
    let statements = statements(&runs, &before, &after, options.seed);
    if before.iter().chain(&after).any(|round| round.executions.iter().flatten().any(|execution| execution.is_cut_off))
    {
        notes.push(format!(
            "Executions that took longer than {} s were stopped and count with that time.",
            options.statement_timeout.as_secs_f64()
        ));
    }
    let total = {
        let of = |rounds: &[Round]| -> Vec<f64> { rounds.iter().filter_map(|round| round.weighted(&runs)).collect() };
        compare(&of(&before), &of(&after), options.seed)
    };
    // Behind the rounds of statements, since rows that are rolled back stay in the table and in an index: a GIN index keeps them in
    // a list that every search reads, and the planner then leaves the index out.
    let writes = match work.inserts(options.seconds, rounds, &mut rng).await? {
        Ok(times) => write_cost(&times, options.seed),
        Err(reason) => {
            notes.push(format!("The time of inserted rows is not measured: {reason}."));
            None
        }
    };
    let (conclusion, prediction) = conclude(subject, total.as_ref(), &statements, results);
    let mut kept = build.as_ref().is_some_and(|build| build.seconds.is_none());
    if options.keep && conclusion.confirmed && is_index {
        if subject.action == Action::Drop {
            session.run("the session", "SET statement_timeout = '30min'").await?;
            session.run("dropping the index", &index::drop_statement(subject)).await?;
        }
        made.keep();
        kept = true;
    }
    let change = match &subject.action {
        Action::Create { statement, .. } => statement.clone(),
        Action::Drop => index::drop_statement(subject),
        Action::Rewrite(rewrite) => rewrite.statement.clone(),
    };
    Ok(Report {
        id: subject.id.clone(),
        target: subject.target.clone(),
        change,
        build,
        planner: planned,
        statements,
        skipped,
        results,
        difference: difference.filter(|difference| difference.compared > 0),
        writes,
        total,
        prediction,
        conclusion,
        notes,
        kept,
    })
}

/// Returns the statement that inserts rows, if there is one, and whether triggers and referential checks are off for it.
async fn inserts(
    session: &Session,
    subject: &Subject,
    notes: &mut Vec<String>,
) -> Result<(Option<String>, bool), VerifyError> {
    // Rows are inserted without triggers and referential checks where the role may switch them off.
    let quiet = session.run("the session", "SET session_replication_role = replica").await.is_ok();
    let fired = if quiet { Vec::new() } else { vec![subject.table.clone()] };
    let prepared = match effects::lasting(session, &[], &fired).await? {
        Some(names) => Err(format!("triggers call functions whose effects cannot be rolled back: {names}")),
        None => writes::prepare(session, &subject.table).await,
    };
    let insert = match prepared {
        Ok(insert) => Some(insert),
        Err(reason) => {
            notes.push(format!("The time of inserted rows is not measured: {reason}."));
            None
        }
    };
    if !quiet && insert.is_some() {
        notes.push(
            "Inserted rows fire triggers and referential checks: only a superuser may switch them off.".to_owned(),
        );
    }
    session.run("the session", "RESET session_replication_role").await?;
    Ok((insert, quiet))
}

/// Everything that a round needs.
struct Work<'a> {
    session: &'a Session,
    subject: &'a Subject,
    timeout: Duration,
    /// Time after which a statement has no further execution in the round; none: all sets of values are run.
    cap: Option<Duration>,
    insert: Option<String>,
    quiet: bool,
}

/// Executions of one round.
#[derive(Default)]
struct Round {
    /// By statement.
    executions: Vec<Vec<Execution>>,
    failed: Vec<(usize, String)>,
}

impl Work<'_> {
    /// Begins a transaction in which the index is as on one side.
    async fn begin(&self, is_before: bool) -> Result<(), VerifyError> {
        self.session.run("a transaction", "BEGIN").await?;
        let hides = match self.subject.action {
            Action::Create { .. } => is_before,
            Action::Drop => !is_before,
            Action::Rewrite(_) => is_before && self.subject.has_index(),
        };
        if hides {
            self.session.run("hiding the index", &format!("DROP INDEX {}", index::name(self.subject))).await?;
        }
        Ok(())
    }

    /// Runs every statement with every set of values in a transaction that is rolled back.
    async fn round(&self, is_before: bool, runs: &[Run]) -> Result<Round, VerifyError> {
        self.begin(is_before).await?;
        let mut round = Round::default();
        for (idx, run) in runs.iter().enumerate() {
            let mut executions = Vec::with_capacity(run.executions.len());
            let started = Instant::now();
            let after = run.after.as_ref().filter(|_| !is_before);
            for set in after.unwrap_or(&run.executions) {
                match rounds::execute_all(self.session, set, self.timeout).await {
                    Ok(execution) => executions.push(execution),
                    Err(error) => {
                        round.failed.push((idx, error.to_string()));
                        break;
                    }
                }
                if executions.len() >= LEAST_SETS && self.cap.is_some_and(|cap| started.elapsed() > cap) {
                    break;
                }
            }
            round.executions.push(executions);
        }
        self.session.run("a transaction", "ROLLBACK").await?;
        Ok(round)
    }

    /// Inserts rows on both sides in transactions that are rolled back, in as many rounds as there were of statements, and fewer when
    /// they take long for a measurement of `seconds`. Returns the milliseconds of every round before and after, or why there are none.
    async fn inserts(
        &self,
        seconds: f64,
        rounds: usize,
        rng: &mut StdRng,
    ) -> Result<Result<[Vec<f64>; 2], String>, VerifyError> {
        let mut times: [Vec<f64>; 2] = Default::default();
        let Some(insert) = &self.insert else { return Ok(Ok(times)) };
        let started = Instant::now();
        // The first round of each side warms the caches.
        for round in 0..=rounds {
            let first = rng.random_bool(0.5);
            for is_before in [first, !first] {
                match self.insert(is_before, insert).await? {
                    Ok(_) if round == 0 => {}
                    Ok(ms) => times[usize::from(!is_before)].push(ms),
                    Err(reason) => return Ok(Err(reason)),
                }
            }
            let elapsed = started.elapsed().as_secs_f64();
            if elapsed > seconds || (round >= LEAST_ROUNDS && elapsed > seconds * INSERT_SHARE) {
                break;
            }
        }
        Ok(Ok(times))
    }

    async fn insert(&self, is_before: bool, insert: &str) -> Result<Result<f64, String>, VerifyError> {
        self.begin(is_before).await?;
        let quiet = if self.quiet { "SET LOCAL session_replication_role = replica" } else { "SELECT 1" };
        self.session.run("a transaction", quiet).await?;
        let executed = rounds::execute(self.session, insert, self.timeout).await;
        self.session.run("a transaction", "ROLLBACK").await?;
        Ok(executed.map(|execution| execution.ms).map_err(|error| error.to_string()))
    }
}

impl Round {
    /// Returns the mean time of an execution of a statement, in milliseconds.
    fn mean(&self, statement: usize) -> Option<f64> {
        let executions = self.executions.get(statement)?;
        let sum: f64 = executions.iter().map(|execution| execution.ms).sum();
        (!executions.is_empty()).then(|| sum / executions.len() as f64)
    }

    /// Returns the mean time over all statements, each with the weight of its executions.
    fn weighted(&self, runs: &[Run]) -> Option<f64> {
        let (mut sum, mut calls) = (0.0, 0.0);
        for (idx, run) in runs.iter().enumerate() {
            let weight = run.target.calls.max(1e-9);
            sum += weight * self.mean(idx)?;
            calls += weight;
        }
        (calls > 0.0).then(|| sum / calls)
    }
}

fn statements(runs: &[Run], before: &[Round], after: &[Round], seed: u64) -> Vec<StatementReport> {
    let mut reports = Vec::new();
    for (idx, run) in runs.iter().enumerate() {
        let times = |rounds: &[Round]| -> Vec<f64> { rounds.iter().filter_map(|round| round.mean(idx)).collect() };
        let Some(comparison) = compare(&times(before), &times(after), seed) else { continue };
        let side = |rounds: &[Round]| {
            let last = rounds.last().and_then(|round| round.executions.get(idx));
            rounds::plan_side(last.map_or(&[], Vec::as_slice))
        };
        let (before, after) = (side(before), side(after));
        let plan_change = if before.reads == after.reads {
            "same plan".to_owned()
        } else {
            format!("{} → {}", before.reads, after.reads)
        };
        reports.push(StatementReport {
            family: run.target.family.clone(),
            statement: run.target.statement.clone(),
            calls: run.target.calls,
            values: run.executions.len(),
            comparison,
            before,
            after,
            plan_change,
            production_ms: run.target.mean_ms,
            expected_ms: run.target.expected_ms,
        });
    }
    reports
}

fn write_cost([before, after]: &[Vec<f64>; 2], seed: u64) -> Option<WriteCost> {
    let comparison = compare(before, after, seed)?;
    let micros = |ms: f64| ms * 1000.0 / writes::ROWS as f64;
    Some(WriteCost {
        rows: writes::ROWS,
        before_us: micros(comparison.before_ms),
        after_us: micros(comparison.after_ms),
        comparison,
    })
}
