//! The table: one row per problem and start.

use crate::Outcome;
use crate::problem::Problem;

/// Column titles with their widths; the first column is as wide as the longest name.
const COLUMNS: [(&str, usize); 7] = [
    ("start", 5),
    ("params", 6),
    ("digits", 6),
    ("evals", 6),
    ("compile_us", 10),
    ("tape_ns", 8),
    ("jit_ns", 7),
];

/// What a row says of a result that counts as found.
pub const ENOUGH_DIGITS: f64 = 6.0;

/// The titles.
pub fn header(width: usize) -> String {
    let titles: String = COLUMNS.iter().map(|(title, width)| format!("  {title:>width$}")).collect();
    format!("{:<width$}{titles}", "problem")
}

/// One row per start.
pub fn rows(width: usize, problem: &Problem, outcome: &Outcome) -> Vec<String> {
    let row = |(i, fit): (usize, &crate::fit::Fit)| {
        let cells = [
            (i + 1).to_string(),
            problem.parameters.len().to_string(),
            format!("{:.1}", problem.digits(&fit.b)),
            fit.evaluations.to_string(),
            format!("{:.0}", outcome.times.compile.as_secs_f64() * 1e6),
            format!("{:.0}", outcome.times.tape),
            format!("{:.0}", outcome.times.jit),
        ];
        let cells: String =
            cells.iter().zip(COLUMNS).map(|(cell, (_, width))| format!("  {cell:>width$}")).collect();
        format!("{:<width$}{cells}", problem.name)
    };
    outcome.fits.iter().enumerate().map(row).collect()
}

/// `matched >= 6 digits: start1 A/N, start2 B/N`; a file that could not be fitted counts as not matched.
pub fn summary(outcomes: &[(Problem, Outcome)], files: usize) -> String {
    let matched = |start: usize| {
        let fits = outcomes.iter().filter_map(|(problem, outcome)| Some((problem, outcome.fits.get(start)?)));
        fits.filter(|(problem, fit)| problem.digits(&fit.b) >= ENOUGH_DIGITS).count()
    };
    format!(
        "matched >= {ENOUGH_DIGITS:.0} digits: start1 {}/{files}, start2 {}/{files}",
        matched(0),
        matched(1)
    )
}
