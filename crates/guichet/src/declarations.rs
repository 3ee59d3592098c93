//! Reading the declarations: TOML files under `declarations/`, each one version of one organisation's commitments.
//!
//! A mistake is told with file, line and field, every one at once, in the words of `domain::declaration`. What the
//! rules mean is the domain's; whether a version was published before is the log's. Start at [`read`].

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
};

use domain::declaration::{self, Declaration, Step};
use serde::Deserialize;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// One file: what it says, and the bytes that said it.
#[derive(Debug, Clone)]
pub(crate) struct DeclarationFile {
    pub(crate) path: PathBuf,
    /// What `declaration.published` keeps, byte for byte.
    pub(crate) text: String,
    pub(crate) declaration: Declaration,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum DeclarationError {
    #[error("{} cannot be read", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{} holds no declaration (*.toml)", path.display())]
    Nothing { path: PathBuf },
    #[error("{0}")]
    Mistaken(Mistakes),
}

/// One line for each, as `file:line: field: what is wrong`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistakes(Vec<Mistake>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Mistake {
    file: PathBuf,
    line: usize,
    field: String,
    problem: String,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}:{}: ", mistake.file.display(), mistake.line)?;
            if !mistake.field.is_empty() {
                write!(f, "{}: ", mistake.field)?;
            }
            f.write_str(&mistake.problem)?;
        }
        Ok(())
    }
}

/// Every declaration of a folder, by organisation and then by the day on which it begins.
pub(crate) fn read(folder: &Path) -> Result<Vec<DeclarationFile>, DeclarationError> {
    let unreadable = |source| DeclarationError::Unreadable { path: folder.to_owned(), source };
    let mut paths = fs::read_dir(folder)
        .map_err(unreadable)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable)?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();

    let mut files = Vec::new();
    let mut mistakes = Vec::new();
    for path in paths {
        let text =
            fs::read_to_string(&path).map_err(|source| DeclarationError::Unreadable { path: path.clone(), source })?;
        match parse(&path, text) {
            Ok(file) => files.push(file),
            Err(Mistakes(found)) => mistakes.extend(found),
        }
    }
    mistakes.extend(mistakes_between(&mut files));
    if !mistakes.is_empty() {
        return Err(DeclarationError::Mistaken(Mistakes(mistakes)));
    }
    if files.is_empty() {
        return Err(DeclarationError::Nothing { path: folder.to_owned() });
    }
    Ok(files)
}

/// One file.
pub(crate) fn parse(path: &Path, text: String) -> Result<DeclarationFile, Mistakes> {
    let mistake = |offset: Option<usize>, field: String, problem: String| Mistake {
        file: path.to_owned(),
        line: line_of(&text, offset.unwrap_or(0)),
        field,
        problem,
    };
    let in_syntax = |error: toml::de::Error| {
        Mistakes(vec![mistake(error.span().map(|span| span.start), String::new(), error.message().to_owned())])
    };
    let mut table = DeTable::parse(&text).map_err(in_syntax)?;
    dates_as_text(table.get_mut());
    let declaration = Declaration::deserialize(toml::de::Deserializer::from(table.clone())).map_err(|error| {
        let offset = error.span().map(|span| span.start);
        let field = offset.and_then(|offset| field_at(&table, offset)).unwrap_or_default();
        Mistakes(vec![mistake(offset, field.to_string(), error.message().to_owned())])
    })?;

    let found = declaration.mistakes();
    if !found.is_empty() {
        let told = found
            .into_iter()
            .map(|found| mistake(Some(offset_of(&table, &found.at.0)), found.at.to_string(), found.problem));
        return Err(Mistakes(told.collect()));
    }
    Ok(DeclarationFile { path: path.to_owned(), text, declaration })
}

/// What only several files can get wrong: the versions of one organisation follow one another without a gap.
fn mistakes_between(files: &mut [DeclarationFile]) -> Vec<Mistake> {
    files.sort_by_key(|file| {
        let declaration = &file.declaration;
        (declaration.organisation.slug.clone(), declaration.effective_from, declaration.version.clone())
    });
    let mut mistakes = Vec::new();
    let mut versions = BTreeMap::new();
    for (index, file) in files.iter().enumerate() {
        let declaration = &file.declaration;
        let mut mistake = |field: &str, problem: String| {
            let line = DeTable::parse(&file.text)
                .ok()
                .map(|table| offset_of(&table, &[Step::Field(field.to_owned())]))
                .map_or(1, |offset| line_of(&file.text, offset));
            mistakes.push(Mistake { file: file.path.clone(), line, field: field.to_owned(), problem });
        };
        let slug = &declaration.organisation.slug;
        if let Some(other) = versions.insert((slug, &declaration.version), &file.path) {
            mistake("version", format!("{} has the same version of {slug}", other.display()));
        }
        let next = files.get(index + 1).map(|next| &next.declaration).filter(|next| next.organisation.slug == *slug);
        match next {
            Some(next) if next.organisation.jurisdiction != declaration.organisation.jurisdiction => {
                mistake("organisation", format!("version {} has another jurisdiction", next.version));
            }
            Some(next) if declaration.effective_until != Some(next.effective_from) => mistake(
                "effective_until",
                format!("version {} begins on {}: this one ends then", next.version, next.effective_from),
            ),
            None if declaration.effective_until.is_some() => {
                mistake("effective_until", "the latest version has no end".to_owned());
            }
            _ => {}
        }
    }
    mistakes
}

/// TOML's own dates, `2026-01-01`, become the text that the domain reads dates from; where they stand is kept.
fn dates_as_text(table: &mut DeTable<'_>) {
    table.iter_mut().for_each(|(_, value)| date_as_text(value.get_mut()));
}

fn date_as_text(value: &mut DeValue<'_>) {
    match value {
        DeValue::Datetime(date) => *value = DeValue::String(date.to_string().into()),
        DeValue::Array(items) => items.iter_mut().for_each(|item| date_as_text(item.get_mut())),
        DeValue::Table(table) => dates_as_text(table),
        _ => {}
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// Where a field stands in the text, or the nearest that holds it when it is absent.
fn offset_of(table: &Spanned<DeTable<'_>>, path: &[Step]) -> usize {
    let Some((Step::Field(name), rest)) = path.split_first() else { return table.span().start };
    let found = table.get_ref().iter().find(|(key, _)| key.get_ref() == name);
    found.map_or(table.span().start, |(key, value)| offset_in(value, rest).unwrap_or(key.span().start))
}

fn offset_in(value: &Spanned<DeValue<'_>>, path: &[Step]) -> Option<usize> {
    let Some((step, rest)) = path.split_first() else { return Some(value.span().start) };
    match (step, value.get_ref()) {
        (Step::Field(name), DeValue::Table(table)) => {
            let found = table.iter().find(|(key, _)| key.get_ref() == name);
            Some(found.map_or(value.span().start, |(key, inner)| offset_in(inner, rest).unwrap_or(key.span().start)))
        }
        (Step::Item(index), DeValue::Array(items)) => items.get(*index).and_then(|item| offset_in(item, rest)),
        _ => None,
    }
}

/// The field at an offset: the deepest whose key or value covers it.
fn field_at(table: &Spanned<DeTable<'_>>, offset: usize) -> Option<declaration::Path> {
    field_in_table(table.get_ref(), offset, &declaration::Path::default())
}

fn field_in_table(table: &DeTable<'_>, offset: usize, at: &declaration::Path) -> Option<declaration::Path> {
    table.iter().find_map(|(key, value)| {
        let at = at.then(Step::Field(key.get_ref().to_string()));
        let deeper = field_in(value, offset, &at);
        deeper.or_else(|| key.span().contains(&offset).then_some(at))
    })
}

fn field_in(value: &Spanned<DeValue<'_>>, offset: usize, at: &declaration::Path) -> Option<declaration::Path> {
    let deeper = match value.get_ref() {
        DeValue::Table(table) => field_in_table(table, offset, at),
        DeValue::Array(items) => {
            let mut items = items.iter().enumerate();
            items.find_map(|(index, item)| field_in(item, offset, &at.then(Step::Item(index))))
        }
        _ => None,
    };
    deeper.or_else(|| value.span().contains(&offset).then(|| at.clone()))
}

#[cfg(test)]
mod examples {
    use domain::time::Instant;
    use fuzz::{Document, Nearly};

    use super::*;

    const SOUND: &str = r#"version = "1"
effective_from = 2026-01-01
source = "examples"

[organisation]
slug = "test"
jurisdiction = "test.example"
name = { fr = "Essai", en = "Test" }
contact = { fr = "Essai", en = "Test" }

[calendar]
version = "test_1"
zone = "America/Toronto"
[[calendar.hours]]
from = 2020-01-01
monday = { open = "08:00", close = "19:00" }

[[channels]]
code = "web"
label = { fr = "Web", en = "Web" }
open311 = true

[[standards]]
code = "done"
label = { fr = "Fait", en = "Done" }
duration = { business_days = 5 }

[[products]]
code = "tree"
label = { fr = "Arbre", en = "Tree" }
standards = ["done"]
"#;

    fn told(text: &str) -> String {
        match parse(Path::new("declarations/test.toml"), text.to_owned()) {
            Ok(_) => String::new(),
            Err(mistakes) => mistakes.to_string(),
        }
    }

    #[test]
    fn a_sound_file_is_read() {
        let file = parse(Path::new("test.toml"), SOUND.to_owned()).expect("a declaration");
        assert_eq!(file.declaration.version.as_str(), "1");
        assert_eq!(file.text, SOUND);
    }

    #[test]
    fn a_mistake_is_told_with_file_line_and_field() {
        let cases = [
            (
                "business_days = 5",
                "business_days = \"five\"",
                "declarations/test.toml:26: standards[0].duration.business_days: invalid type: string \"five\", expected u32",
            ),
            (
                "\"America/Toronto\"",
                "\"America/Quebec\"",
                "declarations/test.toml:13: calendar.zone: no time zone named America/Quebec in the IANA database",
            ),
            (
                "close = \"19:00\"",
                "close = \"25:00\"",
                "declarations/test.toml:16: calendar.hours[0].monday.close: a closing time is written HH:MM, up to 24:00",
            ),
            (
                "[\"done\"]",
                "[\"gone\"]",
                "declarations/test.toml:31: products[0].standards[0]: no standard of requests has the code gone",
            ),
            (
                "open311 = true",
                "open311 = false",
                "declarations/test.toml:18: channels: exactly one channel has `open311 = true`",
            ),
            ("2020-01-01", "2020-13-01", "declarations/test.toml:15: "),
            ("2020-01-01", "2020-01-01T00:00:00", "declarations/test.toml:15: calendar.hours[0].from: trailing input"),
            ("source = ", "sauce = ", "declarations/test.toml:3: sauce: unknown field `sauce`"),
            ("version = \"1\"", "version = 1 1", "declarations/test.toml:1: "),
        ];
        for (sound, mistaken, expected) in cases {
            let told = told(&SOUND.replacen(sound, mistaken, 1));
            assert!(told.starts_with(expected), "{told:?} does not start with {expected:?}");
        }
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let told = told(&SOUND.replace("[\"done\"]", "[\"gone\", \"lost\"]"));
        assert_eq!(told.lines().count(), 2, "{told}");
    }

    fn folder(files: &[(&str, String)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            fs::write(folder.path().join(name), text).expect("a file");
        }
        folder
    }

    #[test]
    fn versions_follow_one_another() {
        let first = SOUND.replace("effective_from", "effective_until = 2027-01-01\neffective_from");
        let second = SOUND.replace("version = \"1\"", "version = \"2\"").replace("2026-01-01", "2027-01-01");
        let sound = folder(&[("a.toml", first.clone()), ("b.toml", second.clone())]);
        let versions: Vec<String> =
            read(sound.path()).expect("two").iter().map(|file| file.declaration.version.to_string()).collect();
        assert_eq!(versions, ["1", "2"]);

        let late = second.replace("2027-01-01", "2027-02-01");
        let gap = folder(&[("a.toml", first), ("b.toml", late)]);
        let told = read(gap.path()).expect_err("a gap").to_string();
        assert!(
            told.ends_with("a.toml:2: effective_until: version 2 begins on 2027-02-01: this one ends then"),
            "{told}"
        );
    }

    #[test]
    fn a_version_stands_in_one_file() {
        let twice = folder(&[("a.toml", SOUND.to_owned()), ("b.toml", SOUND.to_owned())]);
        let told = read(twice.path()).expect_err("twice").to_string();
        assert!(told.contains("has the same version of test"), "{told}");
    }

    #[test]
    fn a_folder_without_declarations_says_so() {
        let empty = folder(&[]);
        assert!(matches!(read(empty.path()), Err(DeclarationError::Nothing { .. })));
    }

    /// What is accepted can be lived by: every promise has its instants, from any day on.
    #[test]
    fn any_text_is_a_declaration_or_its_mistakes_are_told() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../declarations");
        let shipped = fs::read_dir(folder).expect("the shipped declarations");
        let shipped = shipped.map(|entry| fs::read_to_string(entry.expect("an entry").path()).expect("a declaration"));
        let samples = shipped.chain([SOUND.to_owned()]).filter(|text| text.len() < 20_000);
        let triggers = ["1900-01-01T00:00:00Z", "2026-03-08T06:59:59Z", "2026-11-22T12:00:00Z", "2199-12-31T23:59:59Z"]
            .map(|at| at.parse::<Instant>().expect("an instant"));
        fuzz::check!().with_generator(Nearly::of(samples)).for_each(|document: &Document| {
            match parse(Path::new("test.toml"), document.text()) {
                Ok(DeclarationFile { declaration, .. }) => {
                    for (standard, trigger) in declaration.standards.iter().flat_map(|it| triggers.map(|at| (it, at))) {
                        let due = domain::promise::due(&declaration, standard, trigger);
                        assert!(
                            due.is_none_or(|due| due.due_at >= due.due_strict_at),
                            "a due instant that was shortened"
                        );
                    }
                }
                Err(Mistakes(told)) => assert!(!told.is_empty() && told.iter().all(|told| !told.problem.is_empty())),
            }
        });
    }

    #[test]
    fn the_shipped_declarations_are_sound() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../declarations");
        let files = read(&folder).unwrap_or_else(|error| panic!("{error}"));
        let versions: Vec<String> = files
            .iter()
            .map(|file| format!("{} {}", file.declaration.organisation.jurisdiction, file.declaration.version))
            .collect();
        for expected in
            ["boston.gov 2011-1", "montreal.ca 2016-1", "ville.quebec.qc.ca 2024-1", "ville.quebec.qc.ca 2026-1"]
        {
            assert!(versions.iter().any(|version| version == expected), "{expected} is not among {versions:?}");
        }
    }

    #[test]
    fn quebec_city_owes_what_it_published() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../declarations/ville-quebec-311.toml");
        let text = fs::read_to_string(&path).expect("the file");
        let declaration = parse(&path, text).unwrap_or_else(|mistakes| panic!("{mistakes}")).declaration;
        let code = |text: &str| text.parse::<domain::words::Code>().expect("a code");
        let owed = |product: &str, channel: &str| -> Vec<String> {
            let trigger = "2026-05-15T14:00:00Z".parse().expect("an instant");
            let codes = declaration.owed(&code(product), &code(channel));
            let standards = codes.iter().filter_map(|code| declaration.standard(code));
            standards
                .filter_map(|standard| domain::promise::due(&declaration, standard, trigger).map(|due| (standard, due)))
                .map(|(standard, due)| format!("{} {}", standard.code, due.due_on))
                .collect()
        };
        // Fri 15 May; the 18th is the Journée nationale des patriotes.
        assert_eq!(owed("abattage_arbre", "app"), ["abattage_arbre 2026-06-15"]);
        assert_eq!(
            owed("abattage_arbre", "email"),
            ["correspondance_electronique 2026-05-20", "abattage_arbre 2026-06-15"]
        );
        assert_eq!(owed("nid_de_poule", "web"), ["correspondance_electronique 2026-05-20"]);
        assert_eq!(owed("nid_de_poule", "phone"), [""; 0]);
    }
}
