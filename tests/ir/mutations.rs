//! Random damage to files: never a panic, and what still parses prints and reads back.

use cotangent::fuzzing::{Rng, Source, Target};

#[test]
fn damaged_files_never_panic() {
    let mut rng = Rng::new(7);
    let mut target = Target::default();
    for _ in 0..20_000 {
        let bytes: Vec<u8> = (0..rng.below(60)).map(|_| rng.below(256) as u8).collect();
        target.ir(&bytes);
    }
    println!("{} of {} damaged files were valid", target.valid, target.runs);
    assert!(target.valid > target.runs / 20, "{} valid files test too little", target.valid);
}
