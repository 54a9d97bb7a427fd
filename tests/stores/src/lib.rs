//! Object stores that run for the tests of Wharf.
