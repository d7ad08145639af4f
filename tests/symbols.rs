//! No function of the platform's math library is called (contract C8): compiled
//! code refers to `ct_` entry points of the runtime only, and the object files
//! of both crates refer to none of libm's names.

mod support;

use cotangent::ops::{self, MapFn, Prim, Value};
use cotangent::{Builder, Forms, Graph, Options, Program, Triangle, dtype};
use cotangent_runtime::symbols;
use std::collections::BTreeSet;
use support::{levels, vector_forms};

/// Names the C library gives its functions that are not exact in IEEE 754.
const LIBM: &[&str] = &[
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "cos",
    "cosh",
    "erf",
    "erfc",
    "exp",
    "exp10",
    "exp2",
    "expm1",
    "fma",
    "fmod",
    "hypot",
    "lgamma",
    "lgamma_r",
    "log",
    "log10",
    "log1p",
    "log2",
    "pow",
    "remainder",
    "sin",
    "sincos",
    "sinh",
    "tan",
    "tanh",
    "tgamma",
];

/// Every function that the lowering can emit, as scalars, lanes and calls.
fn graphs() -> Vec<Graph> {
    let mut graphs = Vec::new();
    for dtype in [dtype::f64, dtype::f32] {
        for n in [1, 3, 500] {
            let g = Builder::new();
            let (x, y) = (g.input("x", dtype, [n]), g.input("y", dtype, [n]));
            let m = g.input("m", dtype, [n, 40]);
            let i = g.input("i", dtype::i64, [n]);
            let a = x.exp() + x.abs().log() + x.sin() * x.cos() + x.atan() * x.tanh();
            let b = x.sigmoid() + x.softplus() + x.abs().pow(y) + x.powi(7) + x.sqrt() / y.recip();
            let c = x.maximum(y) - x.minimum(y) + x.relu() + x.sign() + x.clamp(-0.5, 0.5);
            let c = c + x.exp2() + x.expm1() + x.log2() + x.log1p() + x.tan() + x.asin() + x.acos();
            let c = c + x.sinh() + x.cosh() + x.asinh() + x.acosh() + x.atanh() + x.cbrt() + x.rsqrt();
            let c = c + x.erf() + x.erfc() + x.normal_cdf() + x.lgamma() + x.atan2(y) + x.hypot(y);
            let c = c + x.silu() + x.gelu_erf() + x.gelu_tanh() + x.floor() + x.ceil() + x.round_even();
            let d = x.cast(dtype::i64).cast(dtype) + x.cast(dtype::f64).cast(dtype::f32).cast(dtype);
            let e = x.lt(y).select(a, b) + a.index_select(0, i) + c.index_add(0, i, d) + c.gather(0, i);
            let f = e.scatter_add(0, i, x).softmax(0) + e.logsumexp(&[0], cotangent::KeepDims::Yes);
            let product = m.transpose().matmul(m).sum();
            let windows = m.unfold(&[3], &[1], &[1]).square().fold(&[40], &[1], &[1]).sum();
            let outputs = [windows, f, product, m.matmul(m.at(0)), x.dot(y), f.reduce_max(), f.mean()];
            graphs.push(g.finish(&outputs).unwrap());
            let g = Builder::new();
            let (a, b) = (g.input("a", dtype, [n % 97, n % 97]), g.input("b", dtype, [n % 97]));
            let order = a.argsort(0).argsort(1).cast(dtype);
            let solved = a.solve(b) + a.cholesky().triangular_solve(b, Triangle::LOWER).sort(0);
            let sums = a.recurrence(a, 0).sum() + a.det() + a.logabsdet();
            graphs.push(g.finish(&[order, solved, sums]).unwrap());
        }
    }
    graphs
}

#[test]
fn compiled_code_refers_to_the_runtime_only() {
    let mut seen = BTreeSet::new();
    for graph in graphs() {
        for options in levels() {
            for unroll in [0, 4096] {
                let options = options.clone().forms(vector_forms()).unroll(unroll);
                seen.extend(Program::compile(&graph, &options).unwrap().report().symbols);
            }
        }
    }
    for name in &seen {
        assert!(name.starts_with("ct_"), "compiled code refers to {name}");
        assert!(symbols::lookup(name).is_some(), "{name} is not in the runtime");
    }
    // The report tells: every transcendental function of the table was seen.
    for row in ops::table() {
        let Value::Map(f) = row.value else { continue };
        let Some(name) = f.runtime_name() else { continue };
        for suffix in ["f64", "f32"] {
            let symbol = format!("ct_{name}_{suffix}");
            assert!(seen.contains(&symbol), "no code refers to {symbol}, of {}", row.name);
        }
    }
    let arrays = ops::table().filter_map(|row| match row.value {
        Value::Prim(Prim::Array(f)) => Some(f.symbols()),
        _ => None,
    });
    for name in arrays.flatten().filter(|name| !name.is_empty()) {
        assert!(seen.contains(name), "no code refers to {name}");
    }
    for name in
        ["ct_matmul_f64", "ct_matmul_f32", "ct_gather_f64", "ct_put_along_add_f32", "ct_overlap_add_f64"]
    {
        assert!(seen.contains(name), "no code refers to {name}");
    }
    println!("{} symbols: {}", seen.len(), seen.iter().cloned().collect::<Vec<_>>().join(" "));
}

/// A fused multiply-add is an instruction or the runtime's, never the platform's.
#[test]
fn fma_is_never_the_platforms() {
    let g = Builder::new();
    let (x, y) = (g.input("x", dtype::f64, [64]), g.input("y", dtype::f64, [64]));
    let graph = g.finish(&[x.dot(y)]).unwrap();
    let p = Program::compile(&graph, &Options::default().forms(Forms::FORWARD)).unwrap();
    assert!(p.report().symbols.iter().all(|s| s == "ct_fma_f64"), "{:?}", p.report().symbols);
    let (x, y) = ([1.0 + f64::EPSILON; 1], [1.0 - f64::EPSILON; 1]);
    assert_eq!(cotangent_runtime::math::fma(x[0], y[0], -1.0), -f64::EPSILON * f64::EPSILON);
}

#[test]
fn the_runtime_names_its_own() {
    let all = symbols::all();
    let names: BTreeSet<&str> = all.iter().map(|s| s.0).collect();
    assert_eq!(names.len(), all.len(), "a name twice");
    for &(name, address) in &all {
        assert!(name.starts_with("ct_") && !address.is_null(), "{name}");
        assert_eq!(symbols::lookup(name), Some(address));
    }
    for name in LIBM.iter().copied().chain(["", "ct_", "ct_exp", "exp_f64", "CT_EXP_F64"]) {
        assert_eq!(symbols::lookup(name), None);
    }
    // One definition: where the table has a function, the runtime has its entry.
    assert_eq!(MapFn::Exp.runtime_name(), Some("exp"));
}

/// The machine code of this test holds both crates. What it takes from outside
/// is in its table of undefined symbols, and libm is not.
#[cfg(all(target_os = "linux", target_pointer_width = "64", target_endian = "little"))]
#[test]
fn the_binary_takes_nothing_from_libm() {
    let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let undefined = elf::undefined(&file).expect("an ELF file");
    assert!(undefined.contains("malloc") || undefined.contains("memcpy"), "the table was read");
    let taken: Vec<&str> = LIBM
        .iter()
        .flat_map(|&name| [name.to_string(), format!("{name}f")])
        .filter_map(|name| undefined.get(name.as_str()).map(|s| s.as_str()))
        .collect::<Vec<_>>();
    assert!(taken.is_empty(), "undefined: {taken:?}");
}

/// Just enough of the ELF format (System V ABI, chapter 4) to read `.dynsym`.
#[cfg(all(target_os = "linux", target_pointer_width = "64", target_endian = "little"))]
mod elf {
    use std::collections::BTreeSet;

    fn number(file: &[u8], at: usize, bytes: usize) -> Option<usize> {
        let field = file.get(at..at.checked_add(bytes)?)?;
        Some(field.iter().rev().fold(0, |n, &b| n << 8 | usize::from(b)))
    }

    /// Names of symbols that other objects must define, without versions.
    pub fn undefined(file: &[u8]) -> Option<BTreeSet<String>> {
        const SHT_DYNSYM: usize = 11;
        if file.get(..5)? != b"\x7fELF\x02" {
            return None;
        }
        let sections = number(file, 0x28, 8)?;
        let (entry, count) = (number(file, 0x3a, 2)?, number(file, 0x3c, 2)?);
        let mut names = BTreeSet::new();
        for section in (0..count).map(|i| sections + i * entry) {
            if number(file, section + 4, 4)? != SHT_DYNSYM {
                continue;
            }
            let (start, size) = (number(file, section + 0x18, 8)?, number(file, section + 0x20, 8)?);
            let strings = sections + number(file, section + 0x28, 4)? * entry;
            let strings = number(file, strings + 0x18, 8)?;
            for symbol in (start..start + size).step_by(24) {
                if number(file, symbol + 6, 2)? == 0 {
                    let name = file.get(strings + number(file, symbol, 4)?..)?;
                    let end = name.iter().position(|&b| b == 0)?;
                    names.insert(String::from_utf8_lossy(&name[..end]).into_owned());
                }
            }
        }
        Some(names)
    }
}
