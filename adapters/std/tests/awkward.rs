//! Storages that are slow, hang or fail late.

wharf_awkward::cases!(wharf_std::serve);
