//! The session in the README is what the tool says.

use std::path::Path;
use std::process::Command;

#[test]
fn the_session_of_the_readme() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).expect("a README");
    let session =
        readme.split("```console\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a session");
    let mut commands = 0;
    for part in session.split("$ cotangent ").skip(1) {
        let (line, expected) = part.split_once('\n').expect("a line");
        // A pipe to `tail -n 1` is the only one.
        let (line, last) = line.strip_suffix(" | tail -n 1").map_or((line, false), |line| (line, true));
        let (line, to_file) = line.split_once(" > ").map_or((line, false), |(line, _)| (line, true));
        let run = Command::new(env!("CARGO_BIN_EXE_cotangent"))
            .args(line.split_whitespace())
            .current_dir(root)
            .output()
            .expect("the tool runs");
        let said = String::from_utf8([run.stdout, run.stderr].concat()).expect("UTF-8");
        let said = if last { said.lines().last().map_or(String::new(), |l| format!("{l}\n")) } else { said };
        if to_file {
            assert!(!said.is_empty() && expected.is_empty(), "{line}: {said}");
        } else {
            assert_eq!(said, expected, "{line}");
        }
        commands += 1;
    }
    assert_eq!(commands, 4);
}
