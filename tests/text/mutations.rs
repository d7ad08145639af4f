//! Random damage to valid texts: never a panic, and what still parses prints to
//! a text that parses to itself.

use crate::roundtrip::mix;
use crate::rows::graph_of;
use cotangent::ops;
use cotangent::{Builder, Graph, KeepDims, dtype};

const ROUNDS: usize = 20_000;

fn corpus() -> Vec<String> {
    let g = Builder::new();
    let w = g.input("weights \"w\"\n", dtype::f64, [3, 2]);
    let x = g.input("x", dtype::f64, [2]);
    let i = g.input("", dtype::i64, [4]);
    let c = g.constant_of([3, 2], [1.5, -0.0, f64::INFINITY, f64::NAN, 5e-324, 1e300]);
    let y = ((w * c).matmul(x).tanh() + 1.0).scale(-f64::NAN);
    let parts = w.split(0, &[1, 2]);
    let picked = w.index_select(0, i).sum_over(&[1], KeepDims::Yes);
    let mask = x.gt(g.scalar(0.5));
    let outputs =
        [y.sum(), parts[1].pad(&[(1, 0), (0, 2)], 7.25), picked, mask.select(x, -x), x.cast(dtype::f32)];
    let mixed = g.finish(&outputs).unwrap().to_string();
    std::iter::once(mixed).chain(ops::table().filter_map(graph_of).map(|g| g.to_string())).collect()
}

/// A place in `0..n`; 0 where there is none.
fn below(seed: &mut u64, n: usize) -> usize {
    (mix(seed) % n.max(1) as u64) as usize
}

fn damage(bytes: &mut Vec<u8>, seed: &mut u64) {
    let at = below(seed, bytes.len());
    let to = (at + below(seed, 12)).min(bytes.len());
    match below(seed, 7) {
        0 if at < bytes.len() => bytes[at] ^= 1 << below(seed, 8),
        1 => drop(bytes.drain(at..to)),
        2 => {
            let mut lines: Vec<&[u8]> = bytes.split(|&b| b == b'\n').collect();
            let (a, b) = (below(seed, lines.len()), below(seed, lines.len()));
            lines.swap(a, b);
            *bytes = lines.join(&b'\n');
        }
        3 => {
            let text = bytes.clone();
            let tokens: Vec<&[u8]> =
                text.split(|b| b" ,[]{}:=\n".contains(b)).filter(|t| !t.is_empty()).collect();
            let token = tokens.get(below(seed, tokens.len())).copied().unwrap_or(b"%0");
            let token = [token, b" "].concat();
            bytes.splice(at..at, token);
        }
        4 => {
            // A digit for a digit keeps most texts well-formed.
            let digits: Vec<usize> = (0..bytes.len()).filter(|&i| bytes[i].is_ascii_digit()).collect();
            if let Some(&i) = digits.get(below(seed, digits.len())) {
                bytes[i] = b'0' + below(seed, 10) as u8;
            }
        }
        5 => {
            let huge: [&[u8]; 8] = [
                b"99999999999999999999",
                b"9223372036854775807",
                b"-1",
                b"1e999",
                b"nan",
                b"\xff",
                b"\"",
                b"\\u{",
            ];
            bytes.splice(at..to, huge[below(seed, huge.len())].iter().copied());
        }
        _ => {
            let line: Vec<u8> =
                bytes.split(|&b| b == b'\n').nth(below(seed, 20)).unwrap_or_default().to_vec();
            bytes.splice(at..at, line);
        }
    }
}

#[test]
fn damaged_texts_never_panic() {
    let corpus = corpus();
    let mut seed = 0x00c0_7a46;
    let mut valid = 0;
    for round in 0..ROUNDS {
        let mut bytes = corpus[round % corpus.len()].clone().into_bytes();
        for _ in 0..1 + below(&mut seed, 3) {
            damage(&mut bytes, &mut seed);
        }
        let text = String::from_utf8_lossy(&bytes);
        match Graph::parse(&text) {
            Ok(graph) => {
                valid += 1;
                let printed = graph.to_string();
                let again =
                    Graph::parse(&printed).unwrap_or_else(|e| panic!("{e}\n{text}\nprinted as\n{printed}"));
                assert_eq!(again.to_string(), printed);
            }
            Err(error) => assert!(error.to_string().starts_with("line "), "{error}\n{text}"),
        }
    }
    println!("{valid} of {ROUNDS} damaged texts were valid");
    assert!(valid > ROUNDS / 100, "{valid} valid texts test too little");
}
