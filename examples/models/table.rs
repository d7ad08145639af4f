//! The table: one row per model and element type.

use crate::train::Report;

const COLUMNS: [(&str, usize); 9] = [
    ("dtype", 5),
    ("params", 6),
    ("steps", 5),
    ("first_loss", 10),
    ("last_loss", 10),
    ("compile_ms", 10),
    ("tape/s", 8),
    ("jit/s", 8),
    ("ratio", 6),
];
const NAME: usize = 8;

pub fn header() -> String {
    let titles: String = COLUMNS.iter().map(|(title, width)| format!("  {title:>width$}")).collect();
    format!("{:<NAME$}{titles}", "model")
}

pub fn row(name: &str, report: &Report) -> String {
    let (tape, jit) = (report.tape.as_secs_f64(), report.jit.as_secs_f64());
    let cells = [
        report.dtype.to_string(),
        report.parameters.to_string(),
        report.steps.to_string(),
        format!("{:.5}", report.first),
        format!("{:.5}", report.last),
        format!("{:.1}", report.compile.as_secs_f64() * 1e3),
        format!("{:.0}", 1.0 / tape),
        format!("{:.0}", 1.0 / jit),
        format!("{:.1}", tape / jit),
    ];
    let cells: String =
        cells.iter().zip(COLUMNS).map(|(cell, (_, width))| format!("  {cell:>width$}")).collect();
    format!("{name:<NAME$}{cells}")
}
