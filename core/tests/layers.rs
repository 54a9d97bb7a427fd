//! No file of the core uses one that uses it, directly or through others: whoever reads from the
//! ground up never has to read ahead.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::{fs, io};

/// What a module uses and what it gives out again, as paths from the root of the crate.
#[derive(Default)]
struct Module {
    uses: Vec<String>,
    gives: Vec<String>,
}

/// The sources by the path of their module. Tests are none.
fn read(folder: &Path, name: &str, sources: &mut BTreeMap<String, String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let module = match path.file_stem().and_then(|stem| stem.to_str()) {
            Some("tests") => continue,
            Some("lib" | "mod") | None => name.to_owned(),
            Some(stem) => format!("{name}::{stem}"),
        };
        if path.is_dir() {
            read(&path, &module, sources)?;
        } else {
            sources.insert(module, fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

/// The paths in the tree of a `use`.
fn flatten(tree: &str) -> Vec<String> {
    let Some((prefix, group)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        return vec![path.trim_end_matches("::self").to_owned()];
    };
    let mut depth = 0;
    group
        .trim_end()
        .trim_end_matches('}')
        .split(|c| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            c == ',' && depth == 0
        })
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .flat_map(|part| flatten(&format!("{prefix}{part}")))
        .collect()
}

fn parse(name: &str, source: &str, names: &BTreeSet<String>) -> Module {
    let mut module = Module::default();
    let mut lines = source.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let gives = line.starts_with("pub");
        let Some((before, begin)) = line.split_once("use ") else {
            continue;
        };
        if !matches!(before, "" | "pub " | "pub(crate) ") {
            continue;
        }
        let mut tree = begin.to_owned();
        while !tree.ends_with(';') {
            tree.push_str(lines.next().unwrap_or(";"));
        }
        for path in flatten(tree.trim_end_matches(';')) {
            let (first, rest) = path.split_once("::").unwrap_or((&path, ""));
            let parent = name.rsplit_once("::").map_or(name, |(parent, _)| parent);
            let path = match first {
                "crate" => path,
                "super" => format!("{parent}::{rest}"),
                _ if names.contains(&format!("{name}::{first}")) => format!("{name}::{path}"),
                _ => continue,
            };
            match gives {
                true => module.gives.push(path),
                false => module.uses.push(path),
            }
        }
    }
    module
}

/// The module where what has that path is written, also if others give it out again.
fn home(path: &str, modules: &BTreeMap<String, Module>) -> String {
    let mut name = path;
    while !modules.contains_key(name) {
        let Some((parent, _)) = name.rsplit_once("::") else {
            return String::new();
        };
        name = parent;
    }
    let item = path.strip_prefix(name).unwrap_or_default();
    let given = modules[name]
        .gives
        .iter()
        .find(|given| !item.is_empty() && given.ends_with(item) && *given != path);
    given.map_or_else(|| name.to_owned(), |given| home(given, modules))
}

#[test]
fn no_file_uses_one_that_uses_it() {
    let mut sources = BTreeMap::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    assert!(read(&folder, "crate", &mut sources).is_ok());
    // The conversions of the feature `std` lie in a folder of another name.
    sources.retain(|name, _| !name.starts_with("crate::std"));
    let names: BTreeSet<_> = sources.keys().cloned().collect();
    let modules: BTreeMap<_, _> = sources
        .iter()
        .map(|(name, source)| (name.clone(), parse(name, source, &names)))
        .collect();
    let mut left: BTreeMap<_, BTreeSet<_>> = modules
        .iter()
        .map(|(name, module)| {
            let used = module.uses.iter().map(|path| home(path, &modules));
            (name.clone(), used.filter(|used| used != name).collect())
        })
        .collect();
    let all: usize = left.values().map(BTreeSet::len).sum();
    assert!(all > 200, "only {all} uses were read");
    // What uses nothing that is left is taken away, until nothing is left but circles.
    loop {
        let ground = |used: &BTreeSet<String>| used.is_empty();
        let (done, rest): (BTreeMap<_, _>, BTreeMap<_, _>) =
            left.into_iter().partition(|(_, used)| ground(used));
        left = rest;
        if done.is_empty() {
            break;
        }
        for used in left.values_mut() {
            used.retain(|name| !done.contains_key(name) && modules.contains_key(name));
        }
    }
    assert!(left.is_empty(), "circles: {left:#?}");
}
