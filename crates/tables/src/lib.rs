//! Tables of events: which columns they have, which types, how both grow with the events, and what a contract allows.
