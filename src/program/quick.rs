//! One line for small functions.

use crate::graph::{Builder, DType, Var};
use crate::program::run::ArrayCall;
use crate::program::{Checked, CompileError, Options, Program, RunError, Workspace};
use std::cell::RefCell;

/// A compiled function of `N` numbers with its own workspace.
pub struct Jit<const N: usize> {
    call: ArrayCall<N>,
    program: Program,
    workspace: RefCell<Workspace>,
}

// SAFETY: the call points to the code of the program and to the memory of the
// workspace, which it is kept together with; both may go to another thread.
unsafe impl<const N: usize> Send for Jit<N> {}

/// Compiles a function of `N` numbers.
///
/// # Errors
/// Mistakes in the function, with their source line.
///
/// # Example
/// ```
/// let f = cotangent::jit::<2>(|[x, y]| (x * y).sin() + x)?;
/// let (value, grad) = f.value_and_grad([0.0, 2.0])?;
/// assert_eq!((value, grad), (0.0, [3.0, 0.0]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn jit<const N: usize>(f: impl for<'b> FnOnce([Var<'b>; N]) -> Var<'b>) -> Result<Jit<N>, CompileError> {
    jit_with(&Options::default(), f)
}

/// [`jit`] with options; those that choose forms, inputs or checked calls are not used.
///
/// # Errors
/// Mistakes in the function, with their source line.
#[track_caller]
pub fn jit_with<const N: usize>(
    options: &Options,
    f: impl for<'b> FnOnce([Var<'b>; N]) -> Var<'b>,
) -> Result<Jit<N>, CompileError> {
    let options = Options { forms: None, wrt: None, checked: Checked::No, direct: true, ..options.clone() };
    let builder = Builder::new();
    let x = builder.input("x", DType::F64, [N]);
    let y = f(std::array::from_fn(|i| x.at(i)));
    let program = Program::compile(&builder.finish(&[y])?, &options)?;
    let workspace = program.workspace();
    let call = program.array_call(&workspace)?;
    Ok(Jit { call, program, workspace: RefCell::new(workspace) })
}

impl<const N: usize> Jit<N> {
    /// Value and gradient.
    #[inline(always)]
    pub fn value_and_grad(&self, x: [f64; N]) -> Result<(f64, [f64; N]), RunError> {
        let mut gradient = [0.0; N];
        let value = self.value_and_grad_into(&x, &mut gradient)?;
        Ok((value, gradient))
    }

    /// Value, and gradient in place: the quickest call there is.
    #[inline(always)]
    pub fn value_and_grad_into(&self, x: &[f64; N], gradient: &mut [f64; N]) -> Result<f64, RunError> {
        // SAFETY: program and workspace are fields of `self`. Calls do not overlap:
        // `Jit` is not `Sync`, and compiled code calls nothing that could come
        // back here: functions with callbacks were refused.
        unsafe { self.call.value_and_grad(&self.program, x, gradient) }
    }

    /// Value.
    pub fn value(&self, x: [f64; N]) -> Result<f64, RunError> {
        // SAFETY: as above.
        if let Some(value) = unsafe { self.call.value(&x) } {
            return Ok(value);
        }
        let mut value = 0.0;
        let mut ws = self.workspace.borrow_mut();
        self.program.forward(&mut ws, &[(&x).into()], &mut [(&mut value).into()])?;
        Ok(value)
    }

    /// The compiled program.
    pub fn program(&self) -> &Program {
        &self.program
    }
}
