//! The table at the end: times, ratios to the best hand-written gradient, preparation.

use crate::standings::{OURS, Row, is_hand};
use std::collections::BTreeSet;
use std::fmt::Write;

/// One line per workload; engines that scored nothing have no column.
pub fn table(rows: &[Row]) -> String {
    let all: BTreeSet<&str> = rows.iter().flat_map(|row| row.scores.keys().map(String::as_str)).collect();
    let ours = |p: &&str| p.starts_with(OURS);
    let others: Vec<&str> = all.iter().copied().filter(|p| !ours(p) && !is_hand(p)).collect();
    let ours: Vec<&str> = all.iter().copied().filter(ours).collect();
    let mut text = format!("\n{:12} {:>11}", "us per call", "best hand");
    for p in ours.iter().chain(&others) {
        let _ = write!(text, " {p:>w$} {:>7}", "x hand", w = width(p));
    }
    for p in &ours {
        let _ = write!(text, " {:>w$}", format!("{p} ms"), w = width(p) + 3);
    }
    let _ = writeln!(text, " {:>8}", "off");
    for row in rows {
        let _ = write!(text, "{:12} {:>11}", row.name, number(row.hand()));
        for p in ours.iter().chain(&others) {
            let us = number(row.scores.get(*p).map(|s| s.us));
            let ratio = row.ratio(p).map_or("-".into(), |r| format!("{r:.2}"));
            let _ = write!(text, " {us:>w$} {ratio:>7}", w = width(p));
        }
        for p in &ours {
            let ms = row.scores.get(*p).and_then(|s| s.prep_ms).map_or("-".into(), |ms| format!("{ms:.2}"));
            let _ = write!(text, " {ms:>w$}", w = width(p) + 3);
        }
        let off = row.off.map_or("-".into(), |off| format!("{off:.0e}"));
        let _ = writeln!(text, " {off:>8}");
    }
    text
}

fn width(peer: &str) -> usize {
    peer.len().max(9)
}

/// Four significant digits.
fn number(us: Option<f64>) -> String {
    let Some(us) = us else { return "-".into() };
    let digits = (3 - us.abs().max(1e-9).log10().floor() as i32).clamp(0, 4) as usize;
    format!("{us:.digits$}")
}
