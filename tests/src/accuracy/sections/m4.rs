//! Measures every forecaster on M4 Hourly, beside published results.

use std::error::Error;

use almanac_datasets::loaders::{M4Rank, M4Series};
use almanac_models::{
    Horizon, Level, Step,
    backtest::{coverage, mase, msis, smape},
    forecast::Forecast,
    stats::mean,
};

use crate::accuracy::{
    forecasters::{self, Forecaster, History},
    published::STATSFORECAST,
    scorers::naive2::naive2,
};
use crate::document::{Settings, Table, each, number, percent};

/// Season in M4's scores, in hours.
const DAY: usize = 24;

/// Measures of one series; `None` where a forecaster gave no interval.
#[derive(Debug, Clone, Default)]
struct Measures {
    smape: Option<f64>,
    mase: Option<f64>,
    msis: Option<f64>,
    inside_80: Option<f64>,
    inside_95: Option<f64>,
}

/// Means of a forecaster over the series.
struct Row {
    name: &'static str,
    means: Measures,
    refused: usize,
    cpu_ms: f64,
}

/// Measures every forecaster on M4 Hourly.
///
/// # Errors
/// When the data cannot be read.
pub(super) fn run(settings: &Settings) -> Result<String, Box<dyn Error>> {
    let data = settings.data()?;
    let series = settings.subset(data.m4_hourly()?);
    let reference = baseline(&series);
    let rows = forecasters::ALL
        .iter()
        .map(|model| measure(model, &series, settings.threads))
        .collect::<Result<Vec<Row>, Box<dyn Error>>>()?;
    Ok(text(&rows, &reference, &data.m4_ranks()?, series.len()))
}

fn measure(model: &Forecaster, series: &[M4Series], threads: usize) -> Result<Row, Box<dyn Error>> {
    let step = Step::from_millis(3_600_000)?;
    let levels = [Level::from_percent(80.0)?, Level::from_percent(95.0)?];
    let done = each(&format!("m4, {}", model.name), series, threads, |one| {
        let horizon = Horizon::try_new(one.test.len()).ok()?;
        let forecast = (model.run)(&History { y: &one.train, step }, horizon, &levels).ok()?;
        Some(judge(one, &forecast, levels))
    });
    let cpu_ms = done.cpu_ms_each();
    let measures: Vec<Measures> = done.results.into_iter().flatten().collect();
    let refused = series.len() - measures.len();
    Ok(Row { name: model.name, means: means(&measures), refused, cpu_ms })
}

fn judge(one: &M4Series, forecast: &Forecast, [at_80, at_95]: [Level; 2]) -> Measures {
    let inside =
        |level| forecast.interval(level).and_then(|interval| coverage(&one.test, interval)).map(|(_, share)| share);
    Measures {
        smape: smape(&one.test, &forecast.point),
        mase: mase(&one.test, &forecast.point, &one.train, DAY),
        msis: forecast.interval(at_95).and_then(|interval| msis(&one.test, interval, &one.train, DAY)),
        inside_80: inside(at_80),
        inside_95: inside(at_95),
    }
}

fn means(all: &[Measures]) -> Measures {
    let of = |get: fn(&Measures) -> Option<f64>| mean(&all.iter().filter_map(get).collect::<Vec<_>>());
    Measures {
        smape: of(|m| m.smape),
        mase: of(|m| m.mase),
        msis: of(|m| m.msis),
        inside_80: of(|m| m.inside_80),
        inside_95: of(|m| m.inside_95),
    }
}

/// Returns the measures of Naive 2, the reference of the overall weighted average.
fn baseline(series: &[M4Series]) -> Measures {
    let one = |one: &M4Series| {
        let point = naive2(&one.train, DAY, one.test.len());
        Measures {
            smape: smape(&one.test, &point),
            mase: mase(&one.test, &point, &one.train, DAY),
            ..Measures::default()
        }
    };
    means(&series.iter().map(one).collect::<Vec<_>>())
}

fn owa(measures: &Measures, reference: &Measures) -> Option<f64> {
    let (smape, mase) = (measures.smape? / reference.smape?, measures.mase? / reference.mase?);
    Some(0.5 * (smape + mase))
}

fn text(rows: &[Row], reference: &Measures, ranks: &[M4Rank], n_series: usize) -> String {
    let header = ["", "sMAPE", "MASE", "OWA", "MSIS 95 %", "inside 80 %", "inside 95 %", "CPU ms a series"];
    let mut ours = Table::new(&header);
    for row in rows {
        let refused = if row.refused > 0 { format!(" ({} refused)", row.refused) } else { String::new() };
        ours.row([
            format!("{}{refused}", row.name),
            number(row.means.smape, 3),
            number(row.means.mase, 3),
            number(owa(&row.means, reference), 4),
            number(row.means.msis, 3),
            percent(row.means.inside_80),
            percent(row.means.inside_95),
            number(row.cpu_ms, 2),
        ]);
    }
    let mut theirs = Table::new(&["published, all 414 series", "sMAPE", "MASE", "OWA", "MSIS 95 %", "CPU ms a series"]);
    for rank in ranks {
        let team = if rank.team.is_empty() { String::new() } else { format!(": {}", rank.team) };
        theirs.row([
            format!("{}{team}", rank.method),
            number(rank.smape, 3),
            number(rank.mase, 3),
            number(rank.owa, 4),
            number(rank.msis_95, 3),
            "–".to_owned(),
        ]);
    }
    for method in STATSFORECAST {
        let [smape, mase, owa, cpu_ms] = method.figures;
        let (smape, mase, owa) = (number(smape, 3), number(mase, 3), number(owa, 3));
        theirs.row([method.method.to_owned(), smape, mase, owa, "–".to_owned(), number(cpu_ms, 0)]);
    }
    format!(
        "## Forecasts: M4 Hourly\n\n\
         {n_series} series (the odd-numbered half of 414), 48 hours ahead, one forecast each. sMAPE, MASE and MSIS as the\n\
         competition defines them (season 24); OWA against Naive 2 on the same series, which has sMAPE {} and MASE {} here. The\n\
         published seasonal naive has 13.912 and 1.193 over all 414; its row below is for this half.\n\n\
         {ours}\n{theirs}\n\
         Sources: M4 competition results (Makridakis, Spiliotis & Assimakopoulos 2020); statsforecast 2.1.1 as measured on all 414.\n",
        number(reference.smape, 3),
        number(reference.mase, 3),
    )
}
