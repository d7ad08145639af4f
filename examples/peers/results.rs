//! Result files and lines, in the layout that all engines share.

use crate::clock::{self, Timing};
use crate::workloads::data::in_file;
use crate::workloads::{Engine, Failure, Made, Meter};
use cotangent::Tier;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Times calls by the clock and writes what they gave.
pub struct Results {
    out: PathBuf,
    lines: File,
    peer: &'static str,
    reported: Vec<String>,
}

/// The name of an engine in results.
pub fn peer(engine: Engine) -> &'static str {
    match engine {
        Engine::Compiled(Tier::Full) => "cotangent",
        Engine::Compiled(Tier::Fast) => "cotangent_fast",
        Engine::Tape => "cotangent_tape",
    }
}

impl Results {
    /// Result files in `out`, lines appended to a file in `lines`.
    pub fn new(out: &Path, lines: &Path, engine: Engine) -> Result<Results, Failure> {
        for directory in [out, lines] {
            fs::create_dir_all(directory).map_err(in_file(directory))?;
        }
        let peer = peer(engine);
        let path = lines.join(format!("{peer}.jsonl"));
        let lines = OpenOptions::new().create(true).append(true).open(&path).map_err(in_file(&path))?;
        Ok(Results { out: out.to_path_buf(), lines, peer, reported: Vec::new() })
    }

    /// The workloads that have been reported.
    pub fn reported(&self) -> &[String] {
        &self.reported
    }
}

impl Meter for Results {
    type Timing = Timing;

    fn time(&mut self, _: &str, call: impl FnMut() -> Result<(), Failure>) -> Result<Timing, Failure> {
        clock::measure(call)
    }

    fn report(&mut self, name: &str, timing: Timing, result: &[f64], made: &Made) -> Result<(), Failure> {
        let path = self.out.join(format!("{name}.{}.bin", self.peer));
        let bytes: Vec<u8> = result.iter().flat_map(|v| v.to_le_bytes()).collect();
        fs::write(&path, bytes).map_err(in_file(&path))?;
        let line = format!(
            "{{\"w\":\"{name}\",\"peer\":\"{}\",\"us\":{:.4},\"best_wall\":{:.4},\"med_wall\":{:.4},\"calls\":{},\
             \"prep_ms\":{:.3},\"rss_mb\":{:.0},\"note\":\"{}\"}}",
            self.peer,
            timing.us,
            timing.best_wall,
            timing.med_wall,
            timing.calls,
            made.ms,
            clock::peak_mb(),
            made.note
        );
        writeln!(self.lines, "{line}")?;
        println!("{name:12} {:12.4} us {:10.2} ms  {}", timing.us, made.ms, made.note);
        self.reported.push(name.to_owned());
        Ok(())
    }
}
