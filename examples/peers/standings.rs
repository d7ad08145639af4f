//! What all engines scored: lines and result files of this run and of earlier ones.

use crate::workloads::Failure;
use crate::workloads::data::in_file;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The hand-written ones: their fastest is what ratios are taken of.
const HAND: &str = "hand";
/// The hand-written one that is plain IEEE 754, whose results the others must have.
const REFERENCE: &str = "hand_gcc";
/// How the names of our engines begin.
pub const OURS: &str = "cotangent";

/// The best round of an engine.
#[derive(Clone, Copy, Debug)]
pub struct Score {
    pub us: f64,
    pub prep_ms: Option<f64>,
}

/// One workload.
pub struct Row {
    pub name: String,
    pub scores: BTreeMap<String, Score>,
    /// Largest difference of our result from the hand-written one, by its largest number.
    pub off: Option<f64>,
    pub tolerance: f64,
}

impl Row {
    /// The fastest hand-written time.
    pub fn hand(&self) -> Option<f64> {
        let hand = self.scores.iter().filter(|(peer, _)| is_hand(peer)).map(|(_, s)| s.us);
        hand.min_by(f64::total_cmp)
    }

    /// Times slower than the fastest hand-written one.
    pub fn ratio(&self, peer: &str) -> Option<f64> {
        Some(self.scores.get(peer)?.us / self.hand()?)
    }

    /// Whether our result is too far from the hand-written one.
    pub fn is_wrong(&self) -> bool {
        self.off.is_some_and(|off| off.is_nan() || off > self.tolerance)
    }
}

/// Whether an engine is a hand-written gradient.
pub fn is_hand(peer: &str) -> bool {
    peer.starts_with(HAND)
}

/// Rows of the workloads that `peer` ran and that a hand-written time stands beside.
pub fn rows(peer: &str, names: &[String], out: &Path, lines: &Path) -> Result<Vec<Row>, Failure> {
    let mut scores: BTreeMap<String, BTreeMap<String, Score>> = BTreeMap::new();
    for entry in fs::read_dir(lines).map_err(in_file(lines))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "jsonl") {
            read(&fs::read_to_string(&path).map_err(in_file(&path))?, &mut scores);
        }
    }
    let mut rows = Vec::new();
    for name in names {
        let scores = scores.remove(name).unwrap_or_default();
        let off = difference(out, name, peer);
        let row = Row { name: name.clone(), scores, off, tolerance: tolerance(name) };
        rows.extend(row.hand().is_some().then_some(row));
    }
    Ok(rows)
}

/// Keeps the fastest line of each engine; what is not a measurement is passed over.
fn read(text: &str, scores: &mut BTreeMap<String, BTreeMap<String, Score>>) {
    /// Engines that gave up say so by a time without end.
    const GIVEN_UP: f64 = 1e15;
    for line in text.lines() {
        let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
        let (Some(name), Some(peer), Some(us)) =
            (line["w"].as_str(), line["peer"].as_str(), line["us"].as_f64())
        else {
            continue;
        };
        if us > GIVEN_UP {
            continue;
        }
        let prep_ms = line["prep_ms"].as_f64().filter(|ms| *ms >= 0.0);
        let own = scores.entry(name.to_owned()).or_default();
        let best = own.entry(peer.to_owned()).or_insert(Score { us, prep_ms });
        best.us = best.us.min(us);
        best.prep_ms = [best.prep_ms, prep_ms].into_iter().flatten().min_by(f64::total_cmp);
    }
}

/// Workloads in f32: the large networks, and those that say so.
fn tolerance(name: &str) -> f64 {
    let single = ["w5_mlp", "w8"].iter().any(|family| name.starts_with(family)) || name.ends_with("f32");
    if single { 1e-5 } else { 1e-12 }
}

/// `None` where one of the files is missing, NaN where they do not fit.
fn difference(out: &Path, name: &str, peer: &str) -> Option<f64> {
    let numbers = |peer: &str| -> Option<Vec<f64>> {
        let bytes = fs::read(out.join(format!("{name}.{peer}.bin"))).ok()?;
        Some(bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect())
    };
    let (reference, own) = (numbers(REFERENCE)?, numbers(peer)?);
    if reference.len() != own.len() || own.iter().any(|x| !x.is_finite()) {
        return Some(f64::NAN);
    }
    let largest = reference.iter().fold(0f64, |m, x| m.max(x.abs()));
    let apart = reference.iter().zip(&own).fold(0f64, |m, (a, b)| m.max((a - b).abs()));
    Some(if apart == 0.0 { 0.0 } else { apart / largest })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("cotangent-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder for the test");
        path
    }

    fn write(folder: &Path, name: &str, numbers: &[f64]) {
        let bytes: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        fs::write(folder.join(name), bytes).expect("a file for the test");
    }

    #[test]
    fn fastest_lines_and_wrong_results() {
        let place = folder("standings");
        let lines = r#"{"w":"w1_n2","peer":"hand_gcc","us":2.0,"prep_ms":-1}
not a line
{"w":"w1_n2","peer":"hand_fast","us":1.5,"prep_ms":-1}
{"w":"w1_n2","peer":"cotangent","us":6.0,"prep_ms":2.0}
{"w":"w1_n2","peer":"cotangent","us":3.0,"prep_ms":4.0}
{"w":"w1_n2","peer":"other","us":1e16,"prep_ms":1.0}
{"w":"w5_tiny","peer":"cotangent","us":3.0,"prep_ms":4.0}
"#;
        fs::write(place.join("all.jsonl"), lines).expect("a file for the test");
        write(&place, "w1_n2.hand_gcc.bin", &[1.0, -4.0, 2.0]);
        let names = ["w1_n2".to_owned(), "w5_tiny".to_owned()];
        // Off by what is allowed, by more, by a length, by a NaN.
        let results: [(&[f64], bool); 4] = [
            (&[1.0, -4.0, 2.0 + 1e-12], false),
            (&[1.0, -4.0, 2.0 + 1e-11], true),
            (&[1.0, -4.0], true),
            (&[1.0, -4.0, f64::NAN], true),
        ];
        for (result, wrong) in results {
            write(&place, "w1_n2.cotangent.bin", result);
            let rows = rows("cotangent", &names, &place, &place).expect("rows");
            let [row] = &rows[..] else { panic!("a row without a hand-written time") };
            assert_eq!(
                (row.hand(), row.ratio("cotangent"), row.ratio("other")),
                (Some(1.5), Some(2.0), None)
            );
            assert_eq!(row.scores["cotangent"].prep_ms, Some(2.0));
            assert_eq!(row.is_wrong(), wrong, "{result:?}");
        }
        fs::remove_dir_all(place).expect("the folder of the test");
    }
}
