//! Sources and accounts that listen where another one does.

use super::assert_problems;

fn with_sources(lines: &str) -> String {
    format!("sources:\n{lines}sinks:\n  z: {{type: plain, inputs: '*'}}\n")
}

#[test]
fn a_path_that_another_source_has_is_told_where_it_stands() {
    assert_problems(
        &with_sources(
            "  a: {type: hook, listen: '127.0.0.1:80', path: /x}\n  \
             b: {type: hook, listen: '127.0.0.1:80', path: /x}\n  \
             c: {type: hook, listen: '127.0.0.1:80', path: /x}\n",
        ),
        &[
            "3:49 sources.b.path: the source `a` listens on 127.0.0.1:80/x already (give each a `path` of its own; \
             the address may be the same)",
            "4:49 sources.c.path: the source `a` listens on 127.0.0.1:80/x already (give each a `path` of its own; \
             the address may be the same)",
        ],
    );
}

#[test]
fn accounts_of_one_path_are_told_once() {
    assert_problems(
        &with_sources(
            "  a:\n    type: hook\n    listen: '127.0.0.1:0'\n    path: /x\n    \
             accounts: [{id: north}, {id: south}, {id: west}]\n",
        ),
        &[
            "5:11 sources.a.path: the accounts `north` and `south` both listen on 127.0.0.1:0/x (give each account a \
           `path` of its own, with `${account.id}` in it)",
        ],
    );
}

#[test]
fn other_paths_and_other_addresses_are_fine() {
    assert_problems(
        &with_sources(
            "  a: {type: hook, listen: '127.0.0.1:80', path: '/x/${account.id}', accounts: [{id: n}, {id: s}]}\n  \
             b: {type: hook, listen: '127.0.0.1:80', path: /x}\n  \
             c: {type: hook, listen: '127.0.0.1:81', path: /x}\n  \
             d: {type: hook, listen: nonsense, path: /x}\n  \
             e: {type: hook, listen: nonsense, path: /x}\n  \
             f: {type: hook}\n",
        ),
        &[],
    );
}
