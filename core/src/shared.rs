//! [`Shared`]: what many sessions have in common.

/// A value that many sessions share: an [`Arc`](alloc::sync::Arc), or an [`Rc`](alloc::rc::Rc) on machines
/// without atomic pointers, such as a Cortex-M0, whose sessions all run on one thread.
#[cfg(target_has_atomic = "ptr")]
pub type Shared<T> = alloc::sync::Arc<T>;
/// A value that many sessions share: an [`Rc`](alloc::rc::Rc), since this machine has no atomic pointers.
#[cfg(not(target_has_atomic = "ptr"))]
pub type Shared<T> = alloc::rc::Rc<T>;
