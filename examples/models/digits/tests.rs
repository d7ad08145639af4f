//! The classifier end to end, and bad files.

use super::{EPOCHS, SHIPPED, data, picture, train};
use crate::Failure;
use flate2::{Compression, write::GzEncoder};
use std::io::Write;
use std::path::{Path, PathBuf};

fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("cotangent-digits-{}-{name}", std::process::id()))
}

#[test]
fn digits_are_recognised() -> Result<(), Failure> {
    let mut lines = Vec::new();
    let history = train(Path::new(SHIPPED), EPOCHS, |line| {
        lines.push(line.to_owned());
        Ok(())
    })?;
    assert_eq!((history.len(), lines.len()), (EPOCHS, EPOCHS + 1));
    assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{lines:#?}");
    let (first, last) = (history[0], history[EPOCHS - 1]);
    assert!(last.accuracy > 0.95, "{last:?}");
    assert!(last.train_loss < 0.1 * first.train_loss, "{first:?} {last:?}");
    let svg = scratch("loss.svg");
    picture::draw(&svg, &history)?;
    let text = std::fs::read_to_string(&svg)?;
    std::fs::remove_file(&svg)?;
    assert!(text.starts_with("<svg") && text.contains("cross entropy"));
    Ok(())
}

#[test]
fn the_file_holds_what_its_source_says() -> Result<(), Failure> {
    let (train, test) = data::read(Path::new(SHIPPED))?;
    assert_eq!((train.len(), test.len()), (1438, 359));
    // The published numbers of images by class.
    let mut counts = [0; data::CLASSES];
    train.classes.iter().chain(&test.classes).for_each(|&class| counts[class as usize] += 1);
    assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    Ok(())
}

#[test]
fn faults_of_a_file_say_where() -> Result<(), Failure> {
    let good = format!("{}7", "0,".repeat(data::PIXELS));
    let cases = [
        (good.replace('7', "x"), "line 6: invalid digit found in string"),
        (good.replacen("0,", "17,", 1), "line 6: counts go to 16 and classes to 9"),
        (good.replace('7', "10"), "line 6: counts go to 16 and classes to 9"),
        (good.replacen("0,", "", 1), "line 6: expected 65 numbers, got 64"),
    ];
    let path = scratch("bad.csv.gz");
    for (line, expected) in cases {
        let mut file = GzEncoder::new(std::fs::File::create(&path)?, Compression::fast());
        writeln!(file, "{}{line}", format!("{good}\n").repeat(5))?;
        file.finish()?;
        let error = data::read(&path).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some(expected));
    }
    std::fs::write(&path, "no archive")?;
    assert!(data::read(&path).is_err());
    std::fs::remove_file(&path)?;
    assert!(data::read(&path).is_err());
    Ok(())
}
